"""Attention in onnxruntime's forms: projections, masks, caches, shared heads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strandline.compiler.expand.quantized import scaled_product
from strandline.compiler.expand.registry import expands
from strandline.compiler.expand.transformer import count_up, rotated
from strandline.compiler.expand.writer import Writer
from strandline.onnx.types import bool_, float32, int64
from strandline.ops.rules import ints

_END = 1 << 62


@dataclass(slots=True)
class _Heads:
    """Q, K and V [B, S, heads, D]; K and V [B, heads, S, D] where there is a cache."""

    q: str
    k: str
    v: str
    cached: bool = False


def _attend(w: Writer, heads: _Heads, mask: str, scale: float) -> str:
    """softmax(scale · Q·Kᵀ + mask)·V as [B, S, heads · D]; scale 0: 1 / √D."""
    q = heads.q if scale else _scaled(w, heads.q)
    perms: dict[str, Any] = {"q_perm": (0, 2, 1, 3), "y_perm": (0, 2, 1, 3)}
    if heads.cached:
        perms["k_perm"] = (0, 1, 3, 2)
    else:
        perms |= {"k_perm": (0, 2, 3, 1), "v_perm": (0, 2, 1, 3)}
    y = w.fused("Attention", q, heads.k, heads.v, mask, scale=scale or 1.0, **perms)
    return w.reshape(y, 0, 0, -1)


def _scaled(w: Writer, q: str) -> str:
    """[B, S, heads, D] divided by √D, which is known when a run's shapes are."""
    width = w.cast(w.reshape(w.size(q, 3)), float32)
    made: str = w("Mul", q, w.cast(w("Reciprocal", w("Sqrt", width)), w.dtype(q)))
    return made


def _heads_of(w: Writer, x: str, count: int) -> str:
    """[B, S, count · D] as [B, S, count, D]."""
    return w.reshape(x, 0, 0, count, -1)


def _first(w: Writer, x: str) -> str:
    """[B, S, heads, D] as [B, heads, S, D]."""
    return w.transpose(x, 0, 2, 1, 3)


def _added(w: Writer, *masks: str) -> str:
    """The sum of those that are there."""
    there = [mask for mask in masks if mask]
    result = there[0] if there else ""
    for mask in there[1:]:
        result = w("Add", result, mask)
    return result


def _closed(w: Writer, closed: str, value: float, like: str) -> str:
    """`value` where `closed`, else 0."""
    made: str = w("Where", closed, w.scalar(value, like), w.scalar(0, like))
    return made


def _causal(w: Writer, queries: str, keys: str, like: str) -> str:
    """What keeps each of the last `queries` places from the keys after it. [queries, keys]."""
    places = w("Add", count_up(w, queries), w("Sub", keys, queries))
    closed = w("Greater", count_up(w, keys), w.unsqueeze(places, 1))
    return _closed(w, closed, _lowest(w, like), like)


def _lowest(w: Writer, like: str) -> float:
    """What is as good as minus infinity in a score's type, and may be added to."""
    return -30000.0 if w.dtype(like).itemsize < 4 else -1e30


def _key_mask(w: Writer, mask: str, keys: str, value: float, like: str) -> str:
    """A mask of integers as what is added to the scores: by key [B, T], by query [B, S, T], or the
    number of keys [B]."""
    rank = w.rank(mask)
    if rank is None:
        raise w.refuse(f"the rank of the mask '{mask}' does not follow from the model")
    if rank == 1:
        lengths = w.unsqueeze(w.cast(mask, int64), 1)
        closed = w("Not", w("Greater", lengths, count_up(w, keys)))
    else:
        closed = w("Not", w.cast(mask, bool_))
    if rank < 4:
        closed = w.unsqueeze(closed, *((1,) if rank == 3 else (1, 2)))
    return _closed(w, closed, value, like)


# --- Attention, QAttention ------------------------------------------------------------


_OPTIONS = (
    "do_rotary",
    "mask_filter_value",
    "past_present_share_buffer",
    "scale",
    "unidirectional",
)


def _self_attention(
    w: Writer,
    qkv: Sequence[str],
    mask_index: str,
    past: str,
    bias: str,
    *,
    num_heads: int,
    width: int,
    do_rotary: int = 0,
    mask_filter_value: float = -10000.0,
    past_present_share_buffer: int = 0,
    scale: float = 0.0,
    unidirectional: int = 0,
) -> tuple[str, ...]:
    """`width`: the columns of Q."""
    if do_rotary or past_present_share_buffer:
        raise w.refuse("rotary positions and shared buffers are not supported")
    q, k, v = (_heads_of(w, x, num_heads) for x in qkv)
    queries = keys = w.size(qkv[0], 1)
    given = _Heads(q, k, v)
    present = ""
    if past or (len(w.node.outputs) > 1 and w.node.outputs[1]):
        k, v = _first(w, k), _first(w, v)
        if past:
            before = [w("Gather", past, w.constant(int64, (), [i]), axis=0) for i in (0, 1)]
            k, v = (w("Concat", b, x, axis=2) for b, x in zip(before, (k, v), strict=True))
            keys = w.size(k, 2)
        present = w("Concat", w.unsqueeze(k, 0), w.unsqueeze(v, 0), axis=0)
        given = _Heads(q, k, v, cached=True)
    masks = [bias]
    if mask_index:
        masks.append(_key_mask(w, mask_index, keys, mask_filter_value, q))
    if unidirectional:
        masks.append(_causal(w, queries, keys, q))
    scale = scale or 1 / math.sqrt(width // num_heads)
    return _attend(w, given, _added(w, *masks), scale), present


@expands("Attention", hands_on=_OPTIONS)
def _attention(
    w: Writer,
    x: str,
    weights: str,
    bias: str = "",
    mask_index: str = "",
    past: str = "",
    attention_bias: str = "",
    past_length: str = "",
    *,
    num_heads: int,
    qkv_hidden_sizes: Any = None,
    rotary_embedding_dim: int = 0,
    **options: Any,
) -> tuple[str, ...]:
    """Projections to Q, K and V side by side in `weights`, split before the product."""
    if past_length:
        raise w.refuse("rotary positions and shared buffers are not supported")
    sizes = ints(qkv_hidden_sizes) or (w.weights(weights, "the weights").shape[1] // 3,) * 3
    parts, at = [], 0
    for size in sizes:
        part = w("MatMul", x, w.slice(weights, at, at + size, 1))
        parts.append(w("Add", part, w.slice(bias, at, at + size, 0)) if bias else part)
        at += size
    masks = (mask_index, past, attention_bias)
    return _self_attention(w, parts, *masks, num_heads=num_heads, width=sizes[0], **options)


@expands("QAttention", hands_on=_OPTIONS)
def _quantized_attention(
    w: Writer,
    x: str,
    weights: str,
    bias: str,
    x_scale: str,
    w_scale: str,
    mask_index: str = "",
    x_zero: str = "",
    w_zero: str = "",
    past: str = "",
    *,
    num_heads: int,
    **options: Any,
) -> tuple[str, ...]:
    size = w.weights(weights, "the weights").shape[1] // 3

    def part(name: str, i: int) -> str:
        """Of a parameter with one number per column; one number for all stays."""
        value = w.value(name) if name else None
        return name if value is None or value.type.size == 1 else w.slice(name, i, i + size, 0)

    parts = [
        scaled_product(
            w,
            x,
            w.slice(weights, at, at + size, 1),
            x_scale,
            part(w_scale, at),
            x_zero,
            part(w_zero, at),
            w.slice(bias, at, at + size, 0),
        )
        for at in (0, size, 2 * size)
    ]
    return _self_attention(
        w, parts, mask_index, past, "", num_heads=num_heads, width=size, **options
    )


# --- MultiHeadAttention ---------------------------------------------------------------


@expands("MultiHeadAttention")
def _multi_head(
    w: Writer,
    query: str,
    key: str = "",
    value: str = "",
    bias: str = "",
    key_mask: str = "",
    attention_bias: str = "",
    past_key: str = "",
    past_value: str = "",
    past_length: str = "",
    indirection: str = "",
    *,
    mask_filter_value: float = -10000.0,
    num_heads: int,
    scale: float = 0.0,
    unidirectional: int = 0,
) -> tuple[str, ...]:
    """Q [B, S, heads · D]; K and V alike, or [B, heads, T, D]."""
    if past_length or indirection:
        raise w.refuse("shared buffers are not supported")
    if not key or not value or w.rank_or(key, 3) == 5:
        raise w.refuse("heads of queries, keys and values in one tensor are not supported")
    ready = w.rank_or(key, 3) == 4
    q, k, v = query, key, value
    if bias:
        width = w.size(query, 2)
        twice = w("Add", width, width)
        q = w("Add", q, w.slice(bias, 0, width, 0))
        if not ready:
            k = w("Add", k, w.slice(bias, width, twice, 0))
            v = w("Add", v, w.slice(bias, twice, _END, 0))
    q = _heads_of(w, q, num_heads)
    k, v = (x if ready else _heads_of(w, x, num_heads) for x in (k, v))
    wanted = any(w.node.outputs[1:3])
    cached = ready or bool(past_key) or wanted
    if cached and not ready:
        k, v = _first(w, k), _first(w, v)
    if past_key and past_value:
        k, v = w("Concat", past_key, k, axis=2), w("Concat", past_value, v, axis=2)
    queries, keys = w.size(q, 1), w.size(k, 2 if cached else 1)
    masks = [attention_bias]
    if key_mask:
        masks.append(_key_mask(w, key_mask, keys, mask_filter_value, q))
    if unidirectional:
        masks.append(_causal(w, queries, keys, q))
    y = _attend(w, _Heads(q, k, v, cached), _added(w, *masks), scale)
    return (y, k, v) if cached else (y,)


# --- GroupQueryAttention --------------------------------------------------------------


def _appended(w: Writer, before: str, new: str, past: str) -> str:
    """The first `past` [B, 1] keys of `before` [B, heads, P, D], then those of `new`."""
    whole = w("Concat", before, new, axis=2)
    keys, held = w.size(whole, 2), w.size(before, 2)
    j = count_up(w, keys)
    later = w("Add", w("Sub", j, past), held)
    last = w("Sub", keys, w.integers(1))
    later = w("Where", w("Greater", later, last), last, later)
    index = w("Where", w("Greater", past, j), j, later)  # [B, T]
    shape = w("Concat", w.slice(w("Shape", whole), 0, 3, 0), w.integers(1), axis=0)
    made: str = w("GatherND", whole, w("Expand", w.unsqueeze(index, 1, 3), shape), batch_dims=2)
    return made


@expands("GroupQueryAttention")
def _group_query(
    w: Writer,
    query: str,
    key: str = "",
    value: str = "",
    past_key: str = "",
    past_value: str = "",
    lengths: str = "",
    total_length: str = "",
    cos: str = "",
    sin: str = "",
    positions: str = "",
    attention_bias: str = "",
    *further: str,
    do_rotary: int = 0,
    k_quant_type: str = "NONE",
    kv_cache_bit_width: int = 0,
    kv_num_heads: int,
    local_window_size: int = -1,
    num_heads: int,
    qk_output: int = 0,
    rotary_interleaved: int = 0,
    scale: float = 0.0,
    smooth_softmax: int = 0,
    softcap: float = 0.0,
    v_quant_type: str = "NONE",
) -> tuple[str, ...]:
    """Several heads of Q share one of K and V. `lengths` [B] is one less than the keys in use. What is kept
    is the past of each row, then its new keys, in a tensor as long as the past's and the new one's."""
    if any(further) or smooth_softmax > 0 or softcap or kv_cache_bit_width or qk_output:
        raise w.refuse("sinks, caps and quantized caches are not supported")
    share = num_heads // kv_num_heads
    q, k, v = query, key, value
    if not key:
        every = w.reshape(query, 0, 0, num_heads + 2 * kv_num_heads, -1)
        q, k, v = (
            w.slice(every, start, end, 2)
            for start, end in (
                (0, num_heads),
                (num_heads, num_heads + kv_num_heads),
                (num_heads + kv_num_heads, _END),
            )
        )
    else:
        q = _heads_of(w, q, num_heads)
        k, v = (_heads_of(w, x, kv_num_heads) for x in (k, v))
    queries = w.size(q, 1)
    zero, one = w.integers(0), w.integers(1)
    used = w.reshape(w.cast(lengths, int64), -1, 1)
    past = w("Sub", w("Add", used, one), queries)
    past = w("Where", w("Greater", past, zero), past, zero)  # [B, 1]
    places = w("Add", past, count_up(w, queries))
    if do_rotary:
        turns = [w.unsqueeze(w("Gather", t, positions or places), 2) for t in (cos, sin)]
        table = w.value(cos)
        width = 2 * table.shape[1] if table is not None else 0
        q, k = (rotated(w, x, turns[0], turns[1], width, rotary_interleaved) for x in (q, k))
    k, v = _first(w, k), _first(w, v)
    if past_key and past_value:
        k, v = (_appended(w, b, x, past) for b, x in ((past_key, k), (past_value, v)))
    j, i = count_up(w, w.size(k, 2)), w.unsqueeze(places, 2)
    closed = w("Greater", j, i)
    if local_window_size > 0:
        oldest = w("Sub", i, w.integers(local_window_size))
        closed = w("Or", closed, w("Not", w("Greater", j, oldest)))
    mask = _closed(w, w.unsqueeze(closed, 1), _lowest(w, q), q)  # [B, 1, S, T]
    if share == 1:
        mask = w("Add", attention_bias, mask) if attention_bias else mask
        return _attend(w, _Heads(q, k, v, cached=True), mask, scale), k, v
    mask = w.unsqueeze(mask, 2)
    if attention_bias:
        zeros = w.constant(w.dtype(q), (1, num_heads, 1, 1), bytes(num_heads * w.dtype(q).itemsize))
        bias = w("Add", attention_bias, zeros)
        sizes = (w.size(bias, 0), w.integers(kv_num_heads, share), queries, w.integers(-1))
        mask = w("Add", w("Reshape", bias, w("Concat", *sizes, axis=0)), mask)
    y = w.fused(
        "Attention",
        w.reshape(q if scale else _scaled(w, q), 0, 0, kv_num_heads, share, -1),
        w.unsqueeze(k, 2),
        w.unsqueeze(v, 2),
        mask,
        scale=scale or 1.0,
        q_perm=(0, 2, 3, 1, 4),
        k_perm=(0, 1, 2, 4, 3),
        y_perm=(0, 3, 1, 2, 4),
    )
    return w.reshape(y, 0, 0, -1), k, v
