"""Strings: normalising, joining, splitting, matching, counting n-grams."""

from __future__ import annotations

import re
from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType, bool_, float32
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, broadcast, ints, need, retyped, strings


@op("StringNormalizer", since=10)
def string_normalizer(
    x: Array,
    *,
    case_change_action: str = "NONE",
    is_case_sensitive: int = 0,
    locale: str = "",
    stopwords: Any = None,
) -> Array:
    """Stop words go first, then the case changes; when nothing is left, one empty string."""
    stop = strings(stopwords)
    if not is_case_sensitive:
        stop = [s.lower() for s in stop]
    words = [w for w in x.ravel() if (w if is_case_sensitive else w.lower()) not in stop]
    if case_change_action == "LOWER":
        words = [w.lower() for w in words]
    elif case_change_action == "UPPER":
        words = [w.upper() for w in words]
    result = np.asarray(words or [""], object)
    return result if x.ndim == 1 else result[None]


@op("StringConcat", since=20, shape=broadcast)
def string_concat(x: Array, y: Array) -> Array:
    joined: Array = x + y
    return joined if isinstance(joined, np.ndarray) else np.asarray(joined, np.object_)


@op("StringSplit", since=20)
def string_split(
    x: Array, *, delimiter: str = "", maxsplit: int | None = None
) -> tuple[Array, Array]:
    """A new last axis of pieces, filled up with empty strings, and the number of pieces."""
    limit = -1 if maxsplit is None else maxsplit
    pieces = [s.split(delimiter or None, limit) for s in x.ravel()]
    if not delimiter:
        pieces = [[p.strip() for p in row] for row in pieces]
    longest = max(map(len, pieces), default=0)
    filled = np.asarray([row + [""] * (longest - len(row)) for row in pieces], object)
    counts = np.asarray([len(row) for row in pieces], np.int64).reshape(x.shape)
    return filled.reshape(*x.shape, longest), counts


@op("RegexFullMatch", since=20, shape=retyped(bool_))
def regex_full_match(x: Array, *, pattern: str) -> Array:
    """By Python's `re`, which reads what RE2 reads but for a few escapes."""
    compiled = re.compile(pattern)
    matches = [compiled.fullmatch(s) is not None for s in x.ravel()]
    return np.asarray(matches, bool).reshape(x.shape)


def _tf_idf(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    width = max(ints(attrs["ngram_indexes"])) + 1
    return [TensorType(float32, (*need(inputs, 0).shape[:-1], width))]


@op("TfIdfVectorizer", since=9, shape=_tf_idf)
def tf_idf_vectorizer(
    x: Array,
    *,
    max_gram_length: int,
    max_skip_count: int,
    min_gram_length: int,
    mode: str,
    ngram_counts: Any,
    ngram_indexes: Any,
    pool_int64s: Any = None,
    pool_strings: Any = None,
    weights: Any = None,
) -> Array:
    """How often each n-gram of the pool occurs, with up to `max_skip_count` items left out in between."""
    indexes, counts = ints(ngram_indexes), ints(ngram_counts)
    pool: list[Any] = strings(pool_strings) if pool_strings is not None else list(ints(pool_int64s))
    known: dict[tuple[Any, ...], int] = {}
    for size, begin in enumerate(counts, start=1):
        end = counts[size] if size < len(counts) else len(pool)
        for start in range(begin, end, size):
            known[tuple(pool[start : start + size])] = len(known)
    table = np.zeros((int(np.prod(x.shape[:-1], dtype=np.int64)), max(indexes) + 1), np.float32)
    for row, items in enumerate(x.reshape(len(table), -1).tolist()):
        for size in range(min_gram_length, max_gram_length + 1):
            # Skips say nothing about single items.
            for skip in range(1, (1 if size == 1 else max_skip_count + 1) + 1):
                reach = skip * (size - 1)
                for start in range(len(items) - reach):
                    place = known.get(tuple(items[start : start + reach + 1 : skip]))
                    if place is not None:
                        table[row, indexes[place]] += 1
    if mode != "TF":
        factors = np.ones(table.shape[1], np.float32)
        if weights is not None and len(weights):
            factors[list(indexes)] = np.asarray(weights, np.float32)
        table = (np.minimum(table, 1) if mode == "IDF" else table) * factors
    return table.reshape(*x.shape[:-1], -1)
