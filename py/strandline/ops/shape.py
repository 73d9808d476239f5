"""Operators that change only the shape, or move whole blocks: their elements are never looked
at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType, int64
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import (
    Inputs,
    Types,
    at,
    axes_of,
    axis_of,
    broadcast_shapes,
    ints,
    known,
    need,
    same,
    value,
)


def _identity(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    return same(inputs, attrs, n) if at(inputs, 0) else None


@op("Identity", shape=_identity, any_type=True)
def identity(x: Any) -> Any:
    return x


def reshaped(shape: Sequence[int], target: Sequence[int], allowzero: int = 0) -> tuple[int, ...]:
    """`target` with 0 (copy this axis, unless `allowzero`) and one -1 (whatever is left) filled
    in."""
    sizes = list(target)
    for i, size in enumerate(sizes):
        if size == 0 and not allowzero:
            if i >= len(shape):
                raise ValueError(
                    f"0 at axis {i} of {list(target)} copies an axis that {list(shape)} lacks"
                )
            sizes[i] = shape[i]
    total = math.prod(shape)
    if sizes.count(-1) == 1:
        rest = math.prod(s for s in sizes if s != -1)
        if rest == 0 or total % rest:
            raise ValueError(f"{list(shape)} does not reshape to {list(target)}")
        sizes[sizes.index(-1)] = total // rest
    if math.prod(sizes) != total or any(s < 0 for s in sizes):
        raise ValueError(f"{list(shape)} does not reshape to {list(target)}")
    return tuple(sizes)


def _reshape(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x, target = need(inputs, 0), value(inputs, 1)
    return (
        None
        if target is None
        else [TensorType(x.dtype, reshaped(x.shape, target, attrs["allowzero"]))]
    )


@op("Reshape", since=5, shape=_reshape)
def reshape(x: Array, shape: Array, *, allowzero: int = 0) -> Array:
    return x.reshape(reshaped(x.shape, ints(shape), allowzero))


def _reshape_1(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [TensorType(x.dtype, reshaped(x.shape, ints(attrs["shape"])))]


@op("Reshape", since=1, shape=_reshape_1)
def reshape_1(x: Array, *, shape: Any = None, consumed_inputs: None = None) -> Array:
    return x.reshape(reshaped(x.shape, ints(shape)))


def flattened(shape: Sequence[int], axis: int) -> tuple[int, int]:
    """Two axes: everything before `axis`, and the rest."""
    if not -len(shape) <= axis <= len(shape):
        raise ValueError(f"axis {axis} is out of range for rank {len(shape)}")
    axis = axis + len(shape) if axis < 0 else axis
    return math.prod(shape[:axis]), math.prod(shape[axis:])


def _flatten(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [TensorType(x.dtype, flattened(x.shape, attrs["axis"]))]


@op("Flatten", shape=_flatten)
def flatten(x: Array, *, axis: int = 1) -> Array:
    return x.reshape(flattened(x.shape, axis))


def squeezed(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    """`shape` without `axes`, or, when none are named, without all those of size 1."""
    if not axes:
        return tuple(size for size in shape if size != 1)
    gone = axes_of(axes, len(shape))
    for axis in gone:
        if shape[axis] != 1:
            raise ValueError(f"axis {axis} of {list(shape)} is not of size 1")
    return tuple(size for i, size in enumerate(shape) if i not in gone)


def _squeeze(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x = need(inputs, 0)
    if not known(inputs, 1):
        return None
    return [TensorType(x.dtype, squeezed(x.shape, value(inputs, 1) or ()))]


@op("Squeeze", since=13, shape=_squeeze)
def squeeze(x: Array, axes: Array | None = None) -> Array:
    return x.reshape(squeezed(x.shape, ints(axes)))


def _squeeze_1(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [TensorType(x.dtype, squeezed(x.shape, ints(attrs["axes"])))]


@op("Squeeze", since=1, shape=_squeeze_1)
def squeeze_1(x: Array, *, axes: Any = None) -> Array:
    return x.reshape(squeezed(x.shape, ints(axes)))


def unsqueezed(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    """`shape` with size 1 at `axes`, which count in the result."""
    rank = len(shape) + len(axes)
    new = axes_of(axes, rank)
    sizes = iter(shape)
    return tuple(1 if i in new else next(sizes) for i in range(rank))


def _unsqueeze(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x, axes = need(inputs, 0), value(inputs, 1)
    return None if axes is None else [TensorType(x.dtype, unsqueezed(x.shape, axes))]


@op("Unsqueeze", since=13, shape=_unsqueeze)
def unsqueeze(x: Array, axes: Array) -> Array:
    return x.reshape(unsqueezed(x.shape, ints(axes)))


def _unsqueeze_1(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [TensorType(x.dtype, unsqueezed(x.shape, ints(attrs["axes"])))]


@op("Unsqueeze", since=1, shape=_unsqueeze_1)
def unsqueeze_1(x: Array, *, axes: Any) -> Array:
    return x.reshape(unsqueezed(x.shape, ints(axes)))


def permutation(perm: Any, rank: int) -> tuple[int, ...]:
    """The axes in their new order; reversed when none is given."""
    order = ints(perm) or tuple(reversed(range(rank)))
    if sorted(order) != list(range(rank)):
        raise ValueError(f"perm {list(order)} is no permutation of {rank} axes")
    return order


def _transpose(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [
        TensorType(x.dtype, tuple(x.shape[p] for p in permutation(attrs["perm"], len(x.shape))))
    ]


@op("Transpose", shape=_transpose)
def transpose(x: Array, *, perm: Any = None) -> Array:
    return np.transpose(x, permutation(perm, x.ndim))


def _expand(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x, shape = need(inputs, 0), value(inputs, 1)
    return None if shape is None else [TensorType(x.dtype, broadcast_shapes(x.shape, shape))]


@op("Expand", since=8, shape=_expand)
def expand(x: Array, shape: Array) -> Array:
    return np.broadcast_to(x, broadcast_shapes(x.shape, ints(shape))).copy()


def _shape(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    rank = len(need(inputs, 0).shape)
    return [TensorType(int64, (len(range(rank)[attrs["start"] : attrs["end"]]),))]


@op("Shape", shape=_shape)
def shape_of(x: Array, *, start: int = 0, end: int | None = None) -> Array:
    return np.asarray(x.shape[start:end], np.int64)


@op("Size", shape=lambda inputs, attrs, n: [TensorType(int64, ())])
def size_of(x: Array) -> Array:
    return np.asarray(x.size, np.int64)


def _concat(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    types = [i.type for i in inputs if i is not None]
    first = types[0]
    axis = axis_of(attrs["axis"], len(first.shape))
    for other in types[1:]:
        if len(other.shape) != len(first.shape) or any(
            a != b
            for i, (a, b) in enumerate(zip(first.shape, other.shape, strict=True))
            if i != axis
        ):
            raise ValueError(f"{first} and {other} do not join along axis {axis}")
    total = sum(t.shape[axis] for t in types)
    return [TensorType(first.dtype, (*first.shape[:axis], total, *first.shape[axis + 1 :]))]


@op("Concat", since=4, shape=_concat)
def concat(*tensors: Array, axis: int) -> Array:
    return np.concatenate(tensors, axis=axis)


@op("Concat", since=1, shape=_concat)
def concat_1(*tensors: Array, axis: int = 1) -> Array:
    return np.concatenate(tensors, axis=axis)


def split_sizes(total: int, parts: int) -> list[int]:
    """Equal parts; when they don't come out even, the last is smaller."""
    each = -(-total // parts)
    return [min(each, max(total - i * each, 0)) for i in range(parts)]


def _split_types(x: TensorType, axis: int, sizes: Sequence[int]) -> Types:
    axis = axis_of(axis, len(x.shape))
    if sum(sizes) != x.shape[axis]:
        raise ValueError(f"sizes {list(sizes)} do not add up to axis {axis} of {x}")
    return [TensorType(x.dtype, (*x.shape[:axis], size, *x.shape[axis + 1 :])) for size in sizes]


def _split(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x = need(inputs, 0)
    if not known(inputs, 1):
        return None
    sizes = value(inputs, 1) or split_sizes(x.shape[axis_of(attrs["axis"], len(x.shape))], n)
    return _split_types(x, attrs["axis"], sizes)


def _cut(x: Array, axis: int, sizes: Sequence[int]) -> tuple[Array, ...]:
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=axis))


@op("Split", since=13, shape=_split)
def split(
    x: Array,
    sizes: Array | None = None,
    *,
    axis: int = 0,
    num_outputs: int | None = None,
    n_outputs: int,
) -> tuple[Array, ...]:
    return _cut(x, axis, ints(sizes) or split_sizes(x.shape[axis], num_outputs or n_outputs))


def _split_1(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    sizes = ints(attrs["split"]) or split_sizes(x.shape[axis_of(attrs["axis"], len(x.shape))], n)
    return _split_types(x, attrs["axis"], sizes)


@op("Split", since=2, shape=_split_1)
def split_2(x: Array, *, axis: int = 0, split: Any = None, n_outputs: int) -> tuple[Array, ...]:
    return _cut(x, axis, ints(split) or split_sizes(x.shape[axis], n_outputs))


def _tile(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x, repeats = need(inputs, 0), value(inputs, 1)
    if repeats is None:
        return None
    return [TensorType(x.dtype, tuple(size * r for size, r in zip(x.shape, repeats, strict=True)))]


@op("Tile", since=6, shape=_tile)
def tile(x: Array, repeats: Array) -> Array:
    return np.tile(x, ints(repeats))


def slice_range(size: int, start: int, end: int, step: int) -> range:
    """The positions that ONNX's Slice takes of one axis: out-of-range bounds are clamped."""
    if step == 0:
        raise ValueError("a step of 0 in Slice")
    return range(size)[start:end:step]


def _slice_ranges(
    shape: Sequence[int],
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int],
    steps: Sequence[int],
) -> dict[int, range]:
    chosen = axes_of(axes or range(len(starts)), len(shape))
    return {
        a: slice_range(shape[a], start, end, step)
        for a, start, end, step in zip(
            chosen, starts, ends, steps or (1,) * len(starts), strict=True
        )
    }


def _sliced(x: TensorType, ranges: dict[int, range]) -> Types:
    return [
        TensorType(
            x.dtype, tuple(len(ranges[i]) if i in ranges else s for i, s in enumerate(x.shape))
        )
    ]


def _take_ranges(x: Array, ranges: dict[int, range]) -> Array:
    index: list[slice] = [slice(None)] * x.ndim
    for axis, r in ranges.items():
        index[axis] = (
            slice(r.start, r.stop if r.stop >= 0 else None, r.step) if len(r) else slice(0, 0)
        )
    return x[tuple(index)]


def _slice(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x = need(inputs, 0)
    if not all(known(inputs, i) for i in range(1, 5)):
        return None
    starts, ends, axes, steps = (value(inputs, i) or () for i in range(1, 5))
    return _sliced(x, _slice_ranges(x.shape, starts, ends, axes, steps))


@op("Slice", since=10, shape=_slice)
def slice_(
    x: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None
) -> Array:
    return _take_ranges(
        x, _slice_ranges(x.shape, ints(starts), ints(ends), ints(axes), ints(steps))
    )


def _slice_1(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    starts, ends, axes = (ints(attrs[name]) for name in ("starts", "ends", "axes"))
    return _sliced(x, _slice_ranges(x.shape, starts, ends, axes, ()))


@op("Slice", since=1, shape=_slice_1)
def slice_1(x: Array, *, starts: Any, ends: Any, axes: Any = None) -> Array:
    return _take_ranges(x, _slice_ranges(x.shape, ints(starts), ints(ends), ints(axes), ()))
