"""Attention: scaled dot products with masks and caches, rotary positions, linear attention."""

from __future__ import annotations

import math
from typing import Any

from strandline._lazy import np
from strandline.onnx.graph import Graph
from strandline.onnx.types import TensorType, float32
from strandline.ops.cast import convert, element_type
from strandline.ops.linalg import product
from strandline.ops.narrow import dtype_of, is_narrow
from strandline.ops.normalization import softmax
from strandline.ops.registry import Array, Attrs, CallGraph, op
from strandline.ops.rules import Inputs, Types, at, need


def heads_first(x: Array, heads: int) -> Array:
    """[B, S, H * D] as [B, H, S, D]; four axes stay."""
    if x.ndim == 4:
        return x
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def _head_shape(shape: tuple[int, ...], heads: int) -> tuple[int, ...]:
    if len(shape) == 4:
        return shape
    return (shape[0], heads, shape[1], shape[2] // heads)


def _attention(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    given = need(inputs, 0)
    q = _head_shape(given.shape, attrs["q_num_heads"])
    k = _head_shape(need(inputs, 1).shape, attrs["kv_num_heads"])
    v = _head_shape(need(inputs, 2).shape, attrs["kv_num_heads"])
    past = at(inputs, 4)
    total = k[2] + (past.type.shape[2] if past else 0)
    y = (*q[:3], v[3]) if len(given.shape) == 4 else (q[0], q[2], q[1] * v[3])
    shapes = (y, (*k[:2], total, k[3]), (*v[:2], total, v[3]), (*q[:3], total))
    return [TensorType(given.dtype, s) for s in shapes][:n]


def _allowed(attrs: Attrs, queries: int, keys: int, past: int, valid: Array | None) -> Array | None:
    """Which keys [B or 1, 1, queries, keys] each query may see by position; None: all."""
    j = np.arange(keys)
    offset = np.full((1, 1, 1, 1), past)
    if valid is not None and not past:
        offset = valid.reshape(-1, 1, 1, 1) - queries
    place = offset + np.arange(queries)[:, None]
    result: Any = None
    if valid is not None:
        result = j < valid.reshape(-1, 1, 1, 1)
    for condition, test in (
        (attrs["is_causal"], j <= place),
        (attrs["left_window_size"] >= 0, j >= place - attrs["left_window_size"]),
        (attrs["right_window_size"] >= 0, j <= place + attrs["right_window_size"]),
    ):
        if condition:
            result = test if result is None else result & test
    return result


def _bias(mask: Array | None, allowed: Array | None, keys: int, dtype: Any) -> Array | None:
    """What is added to the scores: a float mask as it is, minus infinity where a key is not allowed."""
    bias = None
    if mask is not None:
        fill = -np.inf if mask.dtype != bool else False
        widths = [(0, 0)] * (mask.ndim - 1) + [(0, keys - mask.shape[-1])]
        mask = np.pad(mask, widths, constant_values=fill)
        bias = np.where(mask, 0, -np.inf) if mask.dtype == bool else mask
    if allowed is not None:
        closed = np.where(allowed, 0, -np.inf)
        bias = closed if bias is None else bias + closed
    return None if bias is None else bias.astype(dtype)


@op("Attention", since=23, shape=_attention)
def attention(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    past_key: Array | None = None,
    past_value: Array | None = None,
    nonpad_kv_seqlen: Array | None = None,
    *,
    is_causal: int = 0,
    kv_num_heads: int = 0,
    left_window_size: int = -1,
    q_num_heads: int = 0,
    qk_matmul_output_mode: int = 0,
    right_window_size: int = -1,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: int | None = None,
) -> tuple[Array, ...]:
    """A query that may see no key at all gets zeros."""
    attrs = locals()
    flat = q.ndim == 3
    q, k, v = (
        heads_first(q, q_num_heads),
        heads_first(k, kv_num_heads),
        heads_first(v, kv_num_heads),
    )
    past = 0
    if past_key is not None and past_value is not None:
        past = past_key.shape[2]
        k, v = np.concatenate((past_key, k), axis=2), np.concatenate((past_value, v), axis=2)
    factor = np.asarray(math.sqrt(1 / math.sqrt(q.shape[-1]) if scale is None else scale), q.dtype)
    share = q.shape[1] // k.shape[1]
    keys, values = np.repeat(k, share, axis=1), np.repeat(v, share, axis=1)
    stages = [product(q * factor, (keys * factor).swapaxes(-1, -2))]
    capped = stages[0]
    if softcap:
        cap = np.asarray(softcap, q.dtype)
        capped = cap * np.tanh(capped / cap)
    stages.append(capped)
    allowed = _allowed(attrs, q.shape[2], k.shape[2], past, nonpad_kv_seqlen)
    bias = _bias(mask, allowed, k.shape[2], q.dtype)
    scores = capped if bias is None else capped + bias
    stages.append(scores)
    wide = element_type(softmax_precision) if softmax_precision else dtype_of(q)
    chances = softmax(scores.astype((float32 if is_narrow(wide) else wide).numpy))
    chances = np.where(np.isneginf(scores).all(axis=-1, keepdims=True), 0, chances).astype(q.dtype)
    stages.append(chances)
    y = product(chances, values)
    if flat:
        y = y.transpose(0, 2, 1, 3).reshape(y.shape[0], y.shape[2], -1)
    return y, k, v, stages[qk_matmul_output_mode]


@op("FlexAttention", domain="ai.onnx.preview", any_type=True)
def flex_attention(
    q: Array,
    k: Array,
    v: Array,
    *,
    prob_mod: Graph | None = None,
    scale: float | None = None,
    score_mod: Graph | None = None,
    softmax_precision: int | None = None,
    call: CallGraph,
) -> Array:
    """Attention whose scores and probabilities pass through graphs of the model's own."""
    kind = dtype_of(q)
    default = kind if kind.name == "float64" else float32
    wide = element_type(softmax_precision) if softmax_precision else default
    work = float32 if is_narrow(wide) or wide.itemsize < 4 else wide
    q, k, v = (convert(x, work) for x in (q, k, v))
    share = q.shape[1] // k.shape[1]
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = product(q, np.repeat(k, share, axis=1).swapaxes(-1, -2)) * np.asarray(factor, q.dtype)
    if score_mod is not None:
        scores = convert(call(score_mod, [convert(scores, wide)])[0], work)
    chances = softmax(scores)
    if prob_mod is not None:
        chances = convert(call(prob_mod, [convert(chances, wide)])[0], work)
    return convert(product(chances, np.repeat(v, share, axis=1)), kind)


def _same_as_first(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [need(inputs, 0)]


@op("RotaryEmbedding", since=23, shape=_same_as_first)
def rotary_embedding(
    x: Array,
    cos: Array,
    sin: Array,
    position_ids: Array | None = None,
    *,
    interleaved: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> Array:
    """Pairs of elements (neighbours, or from the two halves) turned by the angle of their position."""
    heads = heads_first(x, num_heads)  # [B, H, S, D]
    width = rotary_embedding_dim or heads.shape[-1]
    if position_ids is not None:
        cos, sin = cos[position_ids], sin[position_ids]
    cos, sin = cos[:, None], sin[:, None]
    turned, rest = heads[..., :width], heads[..., width:]
    if interleaved:
        a, b = turned[..., 0::2], turned[..., 1::2]
    else:
        a, b = turned[..., : width // 2], turned[..., width // 2 :]
    real, imaginary = cos * a - sin * b, sin * a + cos * b
    if interleaved:
        turned = np.stack((real, imaginary), axis=-1).reshape(turned.shape)
    else:
        turned = np.concatenate((real, imaginary), axis=-1)
    result = np.concatenate((turned, rest), axis=-1)
    if x.ndim == 3:
        result = result.transpose(0, 2, 1, 3).reshape(x.shape)
    return result.astype(x.dtype)


def _linear_attention(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    q, k, v = (need(inputs, i) for i in range(3))
    groups = attrs["kv_num_heads"]
    dk, dv = k.shape[2] // groups, v.shape[2] // groups
    y = TensorType(q.dtype, (*q.shape[:2], attrs["q_num_heads"] * dv))
    past = at(inputs, 3)
    state = past.type.dtype if past else q.dtype
    return [y, TensorType(state, (q.shape[0], groups, dk, dv))][:n]


@op("LinearAttention", since=27, shape=_linear_attention)
def linear_attention(
    q: Array,
    k: Array,
    v: Array,
    past_state: Array | None = None,
    decay: Array | None = None,
    beta: Array | None = None,
    *,
    chunk_size: int = 64,
    kv_num_heads: int,
    q_num_heads: int,
    scale: float = 0.0,
    update_rule: str = "gated_delta",
) -> tuple[Array, Array]:
    """A state [B, H, dk, dv] that every token decays, corrects and reads."""
    wide = np.float64 if q.dtype == np.float64 else np.float32
    batch, steps = q.shape[:2]
    queries, keys, values = (
        heads_first(x.astype(wide), h)
        for x, h in ((q, q_num_heads), (k, kv_num_heads), (v, kv_num_heads))
    )
    dk, dv = keys.shape[-1], values.shape[-1]
    state = np.zeros((batch, kv_num_heads, dk, dv), wide)
    if past_state is not None:
        state = past_state.astype(wide)
    fade, rate = None, None
    if decay is not None and "gated" in update_rule:
        fade = np.exp(decay.astype(wide)).reshape(batch, steps, kv_num_heads, -1)
    if beta is not None and "delta" in update_rule:
        rate = np.broadcast_to(beta.astype(wide), (batch, steps, kv_num_heads))
    factor = scale or 1 / math.sqrt(queries.shape[-1])
    share = q_num_heads // kv_num_heads
    outputs = []
    for t in range(steps):
        key, fresh = keys[:, :, t], values[:, :, t]
        if fade is not None:
            state = state * fade[:, t, :, :, None]
        if rate is not None:
            seen = np.einsum("bhkv,bhk->bhv", state, key)
            fresh = rate[:, t, :, None] * (fresh - seen)
        state = state + key[..., None] * fresh[..., None, :]
        reads = np.repeat(state, share, axis=1)
        outputs.append(np.einsum("bhkv,bhk->bhv", reads, queries[:, :, t]) * factor)
    y = np.stack(outputs, axis=1).reshape(batch, steps, -1)
    kind = q.dtype if past_state is None else past_state.dtype
    return y.astype(q.dtype), state.astype(kind)
