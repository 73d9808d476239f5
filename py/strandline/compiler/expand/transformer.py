"""Norms, embeddings and rotary positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strandline.compiler.expand.registry import expands
from strandline.compiler.expand.writer import Writer
from strandline.onnx.types import int32, int64


def norm(
    w: Writer, x: str, addend: str, scale: str, shift: str, epsilon: float, **attrs: Any
) -> Any:
    """(the norm of the sum, the sum)."""
    return w.fused("FusedLayerNorm", x, addend, scale, shift, outputs=2, epsilon=epsilon, **attrs)


@expands("SimplifiedLayerNormalization", domain="")
def _rms_norm(
    w: Writer, x: str, scale: str, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    """RMSNormalization, which onnxruntime puts into ONNX's domain under this name."""
    return norm(w, x, "", scale, "", epsilon, axis=axis, centred=0)[0]


@expands("SkipLayerNormalization")
def _skip_norm(
    w: Writer,
    x: str,
    skip: str,
    gamma: str,
    beta: str = "",
    bias: str = "",
    *,
    epsilon: float = 1e-12,
) -> tuple[str, ...]:
    x = w("Add", x, bias) if bias else x
    y, total = norm(w, x, skip, gamma, beta, epsilon)
    return y, "", "", total


@expands("SkipSimplifiedLayerNormalization")
def _skip_rms_norm(
    w: Writer, x: str, skip: str, gamma: str, bias: str = "", *, epsilon: float = 1e-12
) -> tuple[str, ...]:
    x = w("Add", x, bias) if bias else x
    y, total = norm(w, x, skip, gamma, "", epsilon, centred=0)
    return y, "", "", total


def embedded(w: Writer, inputs: Sequence[str], epsilon: float) -> tuple[str, ...]:
    """(norm of the sum of embeddings [B, S, H], number of words not masked [B], the sum)."""
    ids, segments, words, places, kinds, gamma, beta, mask, positions = (*inputs, "", "")[:9]
    total = w("Gather", words, ids)
    if positions:
        total = w("Add", total, w("Gather", places, positions))
    else:
        total = w("Add", total, w.slice(places, 0, w.size(ids, 1), 0))
    if segments and kinds:
        total = w("Add", total, w("Gather", kinds, segments))
    y, _ = norm(w, total, "", gamma, beta, epsilon)
    count = mask or w("Sub", ids, ids)
    return y, w.cast(w.sum_over(w.cast(count, int64), 1), int32), total


@expands("EmbedLayerNormalization")
def _embed(
    w: Writer, *inputs: str, epsilon: float = 1e-12, mask_index_type: int = 0
) -> tuple[str, ...]:
    if not 7 <= len(inputs) <= 9:
        raise ValueError(f"node {w.node} has {len(inputs)} inputs, not 7 to 9")
    return embedded(w, inputs, epsilon)


@expands("QEmbedLayerNormalization")
def _quantized_embed(w: Writer, *inputs: str, epsilon: float = 1e-12) -> tuple[str, ...]:
    """Each table with a scale and a zero point for all of it."""
    if len(inputs) != 18:
        raise ValueError(f"node {w.node} has {len(inputs)} inputs, not 18")
    ids, segments, *tables = inputs[:7]
    real = [
        w.real(*given) if given[0] else ""
        for given in zip(tables, inputs[8:13], inputs[13:18], strict=True)
    ]
    return embedded(w, (ids, segments, *real, inputs[7]), epsilon)[:2]


def rotated(w: Writer, x: str, cos: str, sin: str, width: int, interleaved: int) -> str:
    """Pairs of the first `width` elements (0: all) of the last of four axes, turned; cos and sin, with
    half as many elements, broadcast to `x`."""
    end = 1 << 62
    rest = w.slice(x, width, end, 3) if width else ""
    x = w.slice(x, 0, width, 3) if width else x
    if interleaved:
        a, b = (w("Slice", x, *map(w.integers, (start, end, 3, 2))) for start in (0, 1))
    else:
        half = w.size(cos, 3)
        a, b = w.slice(x, 0, half, 3), w.slice(x, half, end, 3)
    real = w("Sub", w("Mul", a, cos), w("Mul", b, sin))
    imaginary = w("Add", w("Mul", b, cos), w("Mul", a, sin))
    made: str
    if interleaved:
        pairs = w("Concat", w.unsqueeze(real, 4), w.unsqueeze(imaginary, 4), axis=4)
        made = w.reshape(pairs, 0, 0, 0, -1)
    else:
        made = w("Concat", real, imaginary, axis=3)
    return w("Concat", made, rest, axis=3) if rest else made


def count_up(w: Writer, n: str) -> str:
    """0 … n - 1 for a vector of one number."""
    zero, one = (w.constant(int64, (), [v]) for v in (0, 1))
    made: str = w("Range", zero, w("Reshape", n, w.integers()), one)
    return made


@expands("RotaryEmbedding")
def _rotary(
    w: Writer,
    x: str,
    positions: str,
    cos: str,
    sin: str,
    *,
    interleaved: int = 0,
    is_packed_batching: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
    scale: float = 1.0,
) -> str:
    """Of [B, S, heads · D] or [B, heads, S, D] by positions [B, S], or from position [1] on."""
    if scale != 1.0:
        raise w.refuse(f"scale {scale} is not supported")
    flat = w.rank_or(x, 3) == 3
    places = positions
    if w.rank_or(positions, 2) == 1:
        places = w("Add", count_up(w, w.size(x, 1 if flat else 2)), positions)
        places = w.unsqueeze(places, 0)
    size = -1
    if flat and not num_heads:
        size = 2 * w.weights(cos, "the table of cosines, where num_heads is absent,").shape[-1]
    cos, sin = (w.unsqueeze(w("Gather", t, places), 2 if flat else 1) for t in (cos, sin))
    if not flat:
        return rotated(w, x, cos, sin, rotary_embedding_dim, interleaved)
    heads = w.reshape(x, 0, 0, num_heads or -1, size)
    return w.reshape(rotated(w, heads, cos, sin, rotary_embedding_dim, interleaved), 0, 0, -1)
