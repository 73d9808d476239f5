"""Picking and placing elements: gather, scatter, sort, search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType, int64
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, axis_of, ints, need, same, value


def _gather(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x, indices = need(inputs, 0), need(inputs, 1)
    axis = axis_of(attrs["axis"], len(x.shape))
    return [TensorType(x.dtype, x.shape[:axis] + indices.shape + x.shape[axis + 1 :])]


def _checked(indices: Array, size: int) -> Array:
    """Indices counted from the front; raises ValueError when one is out of range."""
    if indices.size and (indices.min() < -size or indices.max() >= size):
        raise ValueError(f"an index is out of range for an axis of size {size}")
    return np.where(indices < 0, indices + size, indices)


@op("Gather", shape=_gather)
def gather(x: Array, indices: Array, *, axis: int = 0) -> Array:
    return np.take(x, _checked(indices, x.shape[axis]), axis=axis)


def _like_indices(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [TensorType(need(inputs, 0).dtype, need(inputs, 1).shape)]


@op("GatherElements", since=11, shape=_like_indices)
def gather_elements(x: Array, indices: Array, *, axis: int = 0) -> Array:
    return x[_element_index(x, indices, axis)]


def _element_index(x: Array, indices: Array, axis: int) -> tuple[Array, ...]:
    """Index arrays that address, for every place in `indices`, the element of `x` at that place but
    for `axis`."""
    grid = list(np.indices(indices.shape, sparse=True))
    grid[axis] = _checked(indices, x.shape[axis])
    return tuple(grid)


def _gather_nd(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x, indices = need(inputs, 0), need(inputs, 1)
    depth = attrs["batch_dims"] + indices.shape[-1]
    return [TensorType(x.dtype, indices.shape[:-1] + x.shape[depth:])]


@op("GatherND", since=11, shape=_gather_nd)
def gather_nd(x: Array, indices: Array, *, batch_dims: int = 0) -> Array:
    places = [_checked(indices[..., k], x.shape[batch_dims + k]) for k in range(indices.shape[-1])]
    rank = indices.ndim - 1
    batch = [
        np.arange(x.shape[b]).reshape([-1 if i == b else 1 for i in range(rank)])
        for b in range(batch_dims)
    ]
    return x[tuple(batch + places)]


def _reducer(reduction: str) -> Callable[[Array, Any, Array], None]:
    """How an update meets what is there; unlike assignment these count every repeated index."""

    def assign(target: Array, index: Any, updates: Array) -> None:
        target[index] = updates

    functions = {
        "none": assign,
        "add": np.add.at,
        "mul": np.multiply.at,
        "max": np.maximum.at,
        "min": np.minimum.at,
    }
    if reduction not in functions:
        raise ValueError(f"reduction {reduction!r} is none of {', '.join(functions)}")
    return functions[reduction]


@op("ScatterElements", since=11, shape=same)
def scatter_elements(
    x: Array, indices: Array, updates: Array, *, axis: int = 0, reduction: str = "none"
) -> Array:
    result = x.copy()
    _reducer(reduction)(result, _element_index(x, indices, axis), updates)
    return result


@op("Scatter", since=9, shape=same)
def scatter(x: Array, indices: Array, updates: Array, *, axis: int = 0) -> Array:
    return scatter_elements(x, indices, updates, axis=axis)


@op("ScatterND", since=11, shape=same)
def scatter_nd(x: Array, indices: Array, updates: Array, *, reduction: str = "none") -> Array:
    result = x.copy()
    places = tuple(_checked(indices[..., k], x.shape[k]) for k in range(indices.shape[-1]))
    _reducer(reduction)(result, places, updates)
    return result


@op("TensorScatter", since=24, shape=same)
def tensor_scatter(
    cache: Array,
    update: Array,
    write_indices: Array | None = None,
    *,
    axis: int = -2,
    mode: str = "linear",
) -> Array:
    """Write `update` into a copy of `cache` from each sample's own position along `axis` on."""
    axis = axis_of(axis, cache.ndim)
    result = np.moveaxis(cache.copy(), axis, 1)
    moved = np.moveaxis(update, axis, 1)
    starts = np.zeros(len(cache), np.int64) if write_indices is None else write_indices
    for sample, start in enumerate(starts):
        places = start + np.arange(moved.shape[1])
        result[sample, places % cache.shape[axis] if mode == "circular" else places] = moved[sample]
    return np.moveaxis(result, 1, axis)


def _one_hot(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    indices, depth = need(inputs, 0), value(inputs, 1)
    if depth is None:
        return None
    axis = axis_of(attrs["axis"], len(indices.shape) + 1)
    return [
        TensorType(need(inputs, 2).dtype, (*indices.shape[:axis], depth[0], *indices.shape[axis:]))
    ]


@op("OneHot", since=9, shape=_one_hot)
def one_hot(indices: Array, depth: Array, values: Array, *, axis: int = -1) -> Array:
    """Indices outside [-depth, depth) give no one at all."""
    size = int(depth.item())
    axis = axis_of(axis, indices.ndim + 1)
    whole = indices.astype(np.int64)
    whole = np.where((whole < 0) & (whole >= -size), whole + size, whole)
    places = np.arange(size).reshape([-1 if i == axis else 1 for i in range(indices.ndim + 1)])
    return np.where(np.expand_dims(whole, axis) == places, values[1], values[0])


@op("NonZero", since=9)
def non_zero(x: Array) -> Array:
    return np.asarray(np.nonzero(np.atleast_1d(x)), np.int64)


@op("Compress", since=9)
def compress(x: Array, condition: Array, *, axis: int | None = None) -> Array:
    return np.compress(condition, x, axis=axis)


@op("Unique", since=11)
def unique(x: Array, *, axis: int | None = None, sorted: int = 1) -> tuple[Array, ...]:  # noqa: A002
    """Distinct values (or slices), where each first appears, which one each element is, and how
    many there are."""
    values, first, inverse, counts = np.unique(
        x, axis=axis, return_index=True, return_inverse=True, return_counts=True
    )
    inverse = inverse.reshape(-1)
    if not sorted:
        order = np.argsort(first)
        values = np.take(values, order, axis=0 if axis is None else axis)
        inverse = np.argsort(order)[inverse]
        first, counts = first[order], counts[order]
    return values, *(a.astype(np.int64) for a in (first, inverse, counts))


def _top_k_types(x: TensorType, k: int, axis: int) -> Types:
    axis = axis_of(axis, len(x.shape))
    shape = (*x.shape[:axis], k, *x.shape[axis + 1 :])
    return [TensorType(x.dtype, shape), TensorType(int64, shape)]


def _top_k(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    k = value(inputs, 1)
    return None if k is None else _top_k_types(need(inputs, 0), k[0], attrs["axis"])[:n]


@op("TopK", since=11, shape=_top_k)
def top_k(
    x: Array,
    k: Array,
    *,
    axis: int = -1,
    largest: int = 1,
    sorted: int = 1,  # noqa: A002
) -> Any:
    """Among equals the lower index comes first."""
    if largest:
        # A stable ascending sort of the reversed axis, read backwards, keeps the lower index first.
        order = np.flip(
            x.shape[axis] - 1 - np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis
        )
    else:
        order = np.argsort(x, axis=axis, kind="stable")
    order = np.take(order, np.arange(int(k.item())), axis=axis).astype(np.int64)
    return np.take_along_axis(x, order, axis=axis), order


@op("TopK", since=10, shape=_top_k)
def top_k_10(x: Array, k: Array, *, axis: int = -1) -> Any:
    return top_k(x, k, axis=axis)


def _top_k_1(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return _top_k_types(need(inputs, 0), attrs["k"], attrs["axis"])[:n]


@op("TopK", since=1, shape=_top_k_1)
def top_k_1(x: Array, *, axis: int = -1, k: int) -> Any:
    return top_k(x, np.asarray(k), axis=axis)


@op("ReverseSequence", since=10, shape=same)
def reverse_sequence(x: Array, lengths: Array, *, batch_axis: int = 1, time_axis: int = 0) -> Array:
    """Of each batch entry the first `lengths` steps are reversed."""
    moved = np.moveaxis(x, (batch_axis, time_axis), (0, 1))
    result = moved.copy()
    for entry, length in enumerate(ints(lengths)):
        result[entry, :length] = moved[entry, :length][::-1]
    return np.moveaxis(result, (0, 1), (batch_axis, time_axis))


@op("Trilu", since=1, shape=same)
def trilu(x: Array, k: Array | None = None, *, upper: int = 1) -> Array:
    diagonal = 0 if k is None else int(k.item())
    return np.triu(x, diagonal) if upper else np.tril(x, diagonal)
