"""Normalisation over the last axes, over groups of channels, and of sums."""

from __future__ import annotations

import math
from collections.abc import Sequence

from strandline.compiler.lower.binary import pair
from strandline.compiler.lower.layout import MAX_RANK
from strandline.compiler.lower.reduction import reduce
from strandline.compiler.lower.registry import Lowering, lower
from strandline.compiler.lower.unary import apply
from strandline.onnx.graph import Node
from strandline.onnx.types import bool_, float32
from strandline.ops.rules import axes_of, axis_of, ints


def _single(low: Lowering, name: str) -> bool:
    return low.type(name).dtype is float32


def _operand(low: Lowering, name: str, size: int) -> str | None:
    """Scale or shift as float32 of `size` elements; None when it must be broadcast otherwise."""
    type_ = low.type(name)
    if type_.size == size:
        return name
    if type_.size != 1:
        return None
    repeated = low.temp(float32, (size,))
    zero = low.constant(float32, (size,), [0.0] * size)
    pair(low, "add", name, zero, repeated)
    return repeated


def _rows(shape: Sequence[int], axis: int) -> tuple[int, int]:
    axis = axis_of(axis, len(shape))
    return math.prod(shape[:axis]), math.prod(shape[axis:])


def _output(node: Node, index: int) -> str:
    return node.outputs[index] if index < len(node.outputs) else ""


@lower("LayerNormalization", "RMSNormalization")
def layer_norm(node: Node, low: Lowering) -> bool:
    x = low.type(node.inputs[0])
    if not all(_single(low, name) for name in node.inputs if name):
        return False
    if low.attrs["stash_type"] != 1:
        return False
    rows, width = _rows(x.shape, low.attrs["axis"])
    suffix = x.shape[axis_of(low.attrs["axis"], len(x.shape)) :]
    for name in filter(None, node.inputs[1:]):
        shape = low.type(name).shape
        if low.type(name).size != 1 and shape[len(shape) - len(suffix) :] != suffix:
            return False
    parts = [_operand(low, name, width) if name else "" for name in (*node.inputs[1:], "")[:2]]
    if any(part is None for part in parts):
        return False
    y = node.outputs[0]
    low.emit(
        "layer_norm_f32",
        (node.inputs[0], "", *(part or "" for part in parts)),
        (y, "", _output(node, 1), _output(node, 2)),
        rows,
        width,
        float(low.attrs["epsilon"]),
        int(node.op == "LayerNormalization"),
    )
    return True


@lower("FusedLayerNorm", domain="strandline")
def fused_layer_norm(node: Node, low: Lowering) -> bool:
    """The sum is computed by the same kernel unless it broadcasts."""
    names = (*node.inputs, "", "", "")[:4]
    y = low.type(node.outputs[0])
    if not all(_single(low, name) for name in names if name):
        return False
    rows, width = _rows(y.shape, low.attrs["axis"])
    if any(low.type(name).shape != y.shape[-1:] for name in names[2:] if name):
        return False
    a, b, scale, shift = names
    total = written = _output(node, 1)
    if b and not low.type(a).shape == low.type(b).shape == y.shape:
        total = total or low.temp(float32, y.shape)
        if not pair(low, "add", a, b, total):
            return False
        a, b, written = total, "", ""
    low.emit(
        "layer_norm_f32",
        (a, b, scale, shift),
        (node.outputs[0], written, "", ""),
        rows,
        width,
        float(low.attrs["epsilon"]),
        int(low.attrs["centred"]),
    )
    return True


@lower("InstanceNormalization", "GroupNormalization")
def group_norm(node: Node, low: Lowering) -> bool:
    """Scale and shift of GroupNormalization are per group before opset 21."""
    x = low.type(node.inputs[0])
    if len(x.shape) < 3 or not all(_single(low, name) for name in node.inputs):
        return False
    if low.attrs.get("stash_type", 1) != 1:
        return False
    batch, channels = x.shape[:2]
    groups = channels if node.op == "InstanceNormalization" else int(low.attrs["num_groups"])
    if groups < 1 or channels % groups:
        return False
    each = channels // groups
    parts = list(node.inputs[1:3])
    if node.op == "GroupNormalization" and low.opset < 21:
        parts = [_repeated(low, part, groups, each) for part in parts]
    if any(low.type(part).size != channels for part in parts):
        return False
    y = node.outputs[0]
    low.emit(
        "group_norm_f32",
        (node.inputs[0], *parts),
        (y,),
        batch,
        groups,
        each,
        math.prod(x.shape[2:]),
        float(low.attrs["epsilon"]),
    )
    return True


def _repeated(low: Lowering, name: str, groups: int, each: int) -> str:
    """One number per group as one per channel."""
    result = low.temp(float32, (groups * each,))
    low.emit("copy_nd", (name,), (result,), 4, 2, groups, each, 1, 0, 0, each, 1, 0)
    return result


@lower("LpNormalization")
def lp_normalization(node: Node, low: Lowering) -> bool:
    """Divided by its norm; a vector of zeros by 1."""
    x = low.type(node.inputs[0])
    if x.dtype.format not in "fd" or len(x.shape) > MAX_RANK:
        return False
    axis = axis_of(low.attrs["axis"], len(x.shape))
    shape = tuple(1 if i == axis else size for i, size in enumerate(x.shape))
    norm, divisor = low.temp(x.dtype, shape), low.temp(x.dtype, shape)
    zero = low.temp(bool_, shape)
    op = "reduce_l1" if low.attrs["p"] == 1 else "reduce_l2"
    reduce(low, op, node.inputs[0], norm, (axis,))
    none, one = (low.constant(x.dtype, (1,), [value]) for value in (0.0, 1.0))
    pair(low, "equal", norm, none, zero)
    count = math.prod(shape)
    low.emit("where", (zero, one, norm), (divisor,), x.dtype.itemsize, 1, count, 1, 0, 1)
    return pair(low, "div", node.inputs[0], divisor, node.outputs[0])


@lower("MeanVarianceNormalization")
def mean_variance_normalization(node: Node, low: Lowering) -> bool:
    x = low.type(node.inputs[0])
    if x.dtype.format not in "fd" or len(x.shape) > MAX_RANK or low.opset < 9:
        return False
    axes = axes_of(ints(low.attrs["axes"]), len(x.shape))
    shape = tuple(1 if i in axes else size for i, size in enumerate(x.shape))
    mean, centred, square = (low.temp(x.dtype, s) for s in (shape, x.shape, x.shape))
    reduce(low, "reduce_mean", node.inputs[0], mean, axes)
    pair(low, "sub", node.inputs[0], mean, centred)
    pair(low, "mul", centred, centred, square)
    reduce(low, "reduce_mean", square, mean, axes)
    apply(low, "sqrt", mean, mean)
    pair(low, "add", mean, low.constant(x.dtype, (1,), [1e-9]), mean)
    return pair(low, "div", centred, mean, node.outputs[0])
