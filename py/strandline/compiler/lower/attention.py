"""Attention: one kernel over strided heads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from strandline import core
from strandline.compiler.lower.layout import MAX_RANK, broadcast, contiguous, merge
from strandline.compiler.lower.registry import Lowering, lower
from strandline.compiler.transformer import order, permuted
from strandline.onnx.graph import Node
from strandline.onnx.types import bool_, float32
from strandline.ops.rules import broadcast_shapes

TILE_ROWS = 24
"""Queries whose scores the kernel holds at once, at most (2 MR)."""


@dataclass(frozen=True, slots=True)
class Heads:
    """A stack of matrices read through strides: shape and strides (elements) of all axes."""

    name: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def over(self, batch: Sequence[int]) -> tuple[int, ...]:
        """The strides of the leading axes when these are broadcast to `batch`."""
        own = self.shape[:-2]
        missing = len(batch) - len(own)
        return (0,) * missing + tuple(
            0 if size == 1 else step for size, step in zip(own, self.strides, strict=False)
        )


def permuted_heads(low: Lowering, name: str, perm: object) -> Heads:
    """A tensor's stack of matrices after a Transpose by `perm`, without moving anything."""
    shape = low.type(name).shape
    strides = contiguous(shape)
    axes = order(perm, len(shape))
    return Heads(name, permuted(shape, perm), tuple(strides[axis] for axis in axes))


def emit_attention(
    low: Lowering,
    q: Heads,
    k: Heads,
    v: Heads,
    mask: Heads | None,
    y: Heads,
    *,
    scale: float,
    visible: int = -1,
    zero_nan: bool = False,
) -> bool:
    """Emit attention_f32 for Q [..., M, D], K [..., D, S], V [..., S, E], Y [..., M, E].

    False when the features of Q, V or Y are not neighbours in memory, or there are too many axes.
    """
    m, d = q.shape[-2:]
    s, e = v.shape[-2:]
    if any(heads.strides[-1] != 1 and heads.shape[-1] > 1 for heads in (q, v, y)):
        return False
    batch = y.shape[:-2]
    stacks = [heads.over(batch) if heads else (0,) * len(batch) for heads in (q, k, v, mask, y)]
    dims, *steps = merge(batch, *stacks)
    if len(dims) > MAX_RANK - 2:
        return False
    panel = core.panel_width()
    wide = -(-s // panel) * panel
    size = wide * d + s * (-(-e // panel) * panel) + TILE_ROWS * wide
    low.emit(
        "attention_f32",
        (q.name, k.name, v.name, mask.name if mask else ""),
        (y.name, low.temp(float32, (size,))),
        m,
        s,
        d,
        e,
        q.strides[-2],
        k.strides[-1],
        k.strides[-2],
        v.strides[-2],
        y.strides[-2],
        mask.strides[-2] if mask else 0,
        mask.strides[-1] if mask else 0,
        scale,
        visible,
        int(zero_nan),
        len(dims),
        *dims,
        *(step for stack in steps for step in stack),
    )
    return True


def mask_heads(low: Lowering, name: str, shape: Sequence[int]) -> Heads:
    """A mask broadcast to the scores' `shape`."""
    return Heads(name, tuple(shape), broadcast(low.type(name).shape, shape))


@lower("Attention", domain="strandline")
def attention(node: Node, low: Lowering) -> bool:
    if not all(low.type(name).dtype is float32 for name in node.inputs if name):
        return False
    attrs = low.attrs
    q, k, v = (
        permuted_heads(low, name, attrs[f"{letter}_perm"])
        for letter, name in zip("qkv", node.inputs, strict=False)
    )
    permutation = order(attrs["y_perm"], len(low.type(node.outputs[0]).shape))
    inverse = tuple(permutation.index(axis) for axis in range(len(permutation)))
    y = permuted_heads(low, node.outputs[0], inverse)
    batch = y.shape[:-2]
    if y.shape[-2] != q.shape[-2]:
        return False  # a mask with more queries than Q
    mask = None
    if len(node.inputs) > 3 and node.inputs[3]:
        scores = (*batch, q.shape[-2], k.shape[-1])
        given = low.type(node.inputs[3]).shape
        if broadcast_shapes(scores, given) != scores:
            return False
        mask = mask_heads(low, node.inputs[3], scores)
    return emit_attention(
        low, q, k, v, mask, y, scale=float(attrs["scale"]), zero_nan=bool(attrs["zero_nan"])
    )


@lower("Attention")
def onnx_attention(node: Node, low: Lowering) -> bool:
    """ONNX's Attention without caches, windows, soft caps or intermediate outputs."""
    attrs = low.attrs
    if any(node.outputs[1:]) or any(node.inputs[4:]) or attrs["softcap"]:
        return False
    if attrs.get("left_window_size", -1) >= 0 or attrs.get("right_window_size", -1) >= 0:
        return False
    if any(low.type(name).dtype is not float32 for name in node.inputs[:3]):
        return False
    if attrs["softmax_precision"] not in (None, 1):
        return False
    given = node.inputs[3] if len(node.inputs) > 3 else ""
    if given and low.type(given).dtype not in (float32, bool_):
        return False
    q = _heads(low, node.inputs[0], attrs["q_num_heads"])
    k, v = (_heads(low, name, attrs["kv_num_heads"]) for name in node.inputs[1:3])
    y = _heads(low, node.outputs[0], attrs["q_num_heads"])
    share = q.shape[1] // k.shape[1] if k.shape[1] else 0
    if not share or share * k.shape[1] != q.shape[1]:
        return False
    mask = None
    scores = (*q.shape[:2], q.shape[2], k.shape[2])
    if given:
        if low.type(given).shape[-1] != k.shape[2]:
            return False
        name = _added(low, given) if low.type(given).dtype is bool_ else given
        mask = mask_heads(low, name, scores)
    # Heads of Q that share one of K and V become an axis of their own.
    q, y = (_split(heads, share) for heads in (q, y))
    k, v = (
        Heads(h.name, (*h.shape[:2], 1, *h.shape[2:]), (*h.strides[:2], 0, *h.strides[2:]))
        for h in (k, v)
    )
    mask = _split(mask, share) if mask else None
    k = Heads(
        k.name,
        (*k.shape[:-2], k.shape[-1], k.shape[-2]),
        (*k.strides[:-2], k.strides[-1], k.strides[-2]),
    )
    scale = attrs["scale"]
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else float(scale)
    return emit_attention(
        low,
        q,
        k,
        v,
        mask,
        y,
        scale=factor,
        visible=1 if attrs["is_causal"] else -1,
        zero_nan=True,
    )


def _heads(low: Lowering, name: str, count: int) -> Heads:
    """[B, S, H * D] or [B, H, S, D] as a stack of [S, D]."""
    shape = low.type(name).shape
    if len(shape) == 4:
        return Heads(name, shape, contiguous(shape))
    batch, length, width = shape
    each = width // count
    return Heads(name, (batch, count, length, each), (length * width, each, width, 1))


def _split(heads: Heads, share: int) -> Heads:
    """The head axis as (heads of K, heads that share one)."""
    b, h, *inner = heads.shape
    sb, sh, *steps = heads.strides
    return Heads(heads.name, (b, h // share, share, *inner), (sb, sh * share, sh, *steps))


def _added(low: Lowering, name: str) -> str:
    """A mask of bools as what is added to the scores: 0 or minus infinity."""
    shape = low.type(name).shape
    result = low.temp(float32, shape)
    size = low.type(name).size
    zero, never = (low.constant(float32, (), [value]) for value in (0.0, -math.inf))
    low.emit("where", (name, zero, never), (result,), 4, 1, size, 1, 0, 0)
    return result
