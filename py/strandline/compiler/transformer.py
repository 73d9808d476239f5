"""Operators of the domain "strandline" that transformers are made of: attention over strided heads,
normalisation of a sum.

The passes write them where exporters spell them out; lowering rules serve them under the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strandline._lazy import np
from strandline.compiler.fused import DOMAIN
from strandline.onnx.types import TensorType
from strandline.ops.normalization import layer_normalization, rms_normalization
from strandline.ops.registry import Attrs, Info, op
from strandline.ops.rules import Inputs, Types, axis_of, broadcast_shapes, ints, need
from strandline.ops.shape import permutation


def permuted(shape: Sequence[int], perm: Any) -> tuple[int, ...]:
    """`shape` after a Transpose by `perm`; None: as it is."""
    return tuple(shape) if perm is None else tuple(shape[axis] for axis in ints(perm))


def _attention_types(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    q, k, v = (
        permuted(need(inputs, i).shape, attrs[f"{name}_perm"]) for i, name in enumerate("qkv")
    )
    if min(map(len, (q, k, v))) < 2 or q[-1] != k[-2] or k[-1] != v[-2]:
        raise ValueError(f"attention over {q}, {k} and {v}: the inner axes do not fit together")
    mask = inputs[3].type.shape if len(inputs) > 3 and inputs[3] is not None else ()
    scores = broadcast_shapes((*broadcast_shapes(q[:-2], k[:-2]), q[-2], k[-1]), mask)
    y = (*broadcast_shapes(scores[:-2], v[:-2]), scores[-2], v[-1])
    return [TensorType(need(inputs, 0).dtype, permuted(y, attrs["y_perm"]))]


@op("Attention", domain=DOMAIN, shape=_attention_types)
def attention(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    *,
    scale: float = 1.0,
    q_perm: Any = None,
    k_perm: Any = None,
    v_perm: Any = None,
    y_perm: Any = None,
    zero_nan: int = 0,
) -> Any:
    """softmax(scale · Q·K + mask)·V over the last two axes, others broadcast.

    Q [..., M, D], K [..., D, S], V [..., S, E] after their permutations; the result [..., M, E] is
    permuted by `y_perm`. `zero_nan`: weights that are NaN, as where every key is masked, count as 0.
    """
    q, k, v = (
        x if perm is None else x.transpose(ints(perm))
        for x, perm in ((q, q_perm), (k, k_perm), (v, v_perm))
    )
    scores = np.matmul(q, k) * q.dtype.type(scale)
    if mask is not None:
        scores = scores + mask
    if scores.size:
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    scores = scores / scores.sum(axis=-1, keepdims=True)
    if zero_nan:
        scores = np.where(np.isnan(scores), scores.dtype.type(0), scores)
    y = np.matmul(scores, v)
    return y if y_perm is None else y.transpose(ints(y_perm))


def _norm_types(inputs: Sequence[Info | None], attrs: Attrs, n: int) -> Types:
    x, addend = need(inputs, 0), inputs[1] if len(inputs) > 1 else None
    shape = broadcast_shapes(x.shape, addend.type.shape) if addend else x.shape
    axis_of(attrs["axis"], len(shape))
    return [TensorType(x.dtype, shape)] * n


@op("FusedLayerNorm", domain=DOMAIN, shape=_norm_types)
def fused_layer_norm(
    x: Any,
    addend: Any = None,
    scale: Any = None,
    shift: Any = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    centred: int = 1,
) -> Any:
    """LayerNormalization (RMSNormalization unless `centred`) of x + addend, and that sum as a second
    output. Without scale: 1; without shift: 0."""
    total = x if addend is None else x + addend
    factor = total.dtype.type(1) if scale is None else scale
    if centred:
        y = layer_normalization(total, factor, shift, axis=axis, epsilon=epsilon)[0]
    else:
        y = rms_normalization(total, factor, axis=axis, epsilon=epsilon)
        y = y if shift is None else y + shift
    return y, total


def order(perm: Any, rank: int) -> tuple[int, ...]:
    """The permutation, spelled out where it is absent."""
    return tuple(range(rank)) if perm is None else tuple(permutation(ints(perm), rank))
