"""Pooling."""

from __future__ import annotations

import math
from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType, int64
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, ints, need, value
from strandline.ops.windows import Window, views, window


def pool_window(shape: tuple[int, ...], attrs: Attrs) -> Window:
    """The window of a pooling over `shape` [N, C, *spatial]."""
    kernel = ints(attrs["kernel_shape"])
    return window(shape[2:], kernel, attrs, ceil_mode=attrs.get("ceil_mode", 0))


def _pool(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    shape = (*x.shape[:2], *pool_window(x.shape, attrs).output)
    return [TensorType(x.dtype, shape), TensorType(int64, shape)][:n]


def _spatial(x: Array) -> tuple[int, ...]:
    return tuple(range(2, x.ndim))


def _inner(patches: Array, w: Window) -> Array:
    """The windows with the kernel flattened into the last axis."""
    return patches.reshape(*patches.shape[: patches.ndim - len(w.kernel)], math.prod(w.kernel))


@op("MaxPool", shape=_pool)
def max_pool(
    x: Array,
    *,
    kernel_shape: Any,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    pads: Any = None,
    storage_order: int = 0,
    strides: Any = None,
    n_outputs: int,
) -> Array | tuple[Array, Array]:
    """The second output says where in the whole flattened input each maximum came from."""
    w = pool_window(
        x.shape,
        locals(),
    )
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    patches = _inner(views(x, w, lowest), w)
    if n_outputs == 1:
        return patches.max(axis=-1)
    spatial = x.shape[2:]
    strides_of = [math.prod(spatial[i + 1 :]) for i in range(len(spatial))]
    if storage_order:
        strides_of = [math.prod(spatial[:i]) for i in range(len(spatial))]
    # Padding is given position -1 and must never win, not even against -inf.
    position = sum(
        np.arange(size).reshape([-1 if j == i else 1 for j in range(len(spatial))]) * strides_of[i]
        for i, size in enumerate(spatial)
    )
    places = _inner(views(np.broadcast_to(position, (1, 1, *spatial)), w, -1), w)
    best = np.where(places < 0, -np.inf if x.dtype.kind == "f" else lowest, patches)
    chosen = np.argmax(best, axis=-1)[..., None]
    index = np.take_along_axis(np.broadcast_to(places, patches.shape), chosen, axis=-1)[..., 0]
    plane = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *(1,) * len(spatial))
    index = index + plane * math.prod(spatial)
    return np.take_along_axis(patches, chosen, axis=-1)[..., 0], index.astype(np.int64)


@op("AveragePool", shape=_pool)
def average_pool(
    x: Array,
    *,
    kernel_shape: Any,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Array:
    """Padding counts only if told so; what `ceil_mode` adds beyond the padding never does."""
    w = pool_window(
        x.shape,
        locals(),
    )
    total = _inner(views(x, w, 0), w).sum(
        axis=-1, dtype=np.float64 if x.itemsize > 4 else np.float32
    )
    ones = np.ones((1, 1, *x.shape[2:]), np.float32)
    if count_include_pad:
        ones = np.pad(
            ones, [(0, 0)] * 2 + list(zip(w.begins, w.ends, strict=True)), constant_values=1
        )
        w = Window(w.kernel, w.strides, w.dilations, (0,) * len(w.kernel), w.ends, w.output)
    return (total / _inner(views(ones, w, 0), w).sum(axis=-1)).astype(x.dtype)


@op("LpPool", since=2, shape=_pool)
def lp_pool(
    x: Array,
    *,
    kernel_shape: Any,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    p: int = 2,
    pads: Any = None,
    strides: Any = None,
) -> Array:
    w = pool_window(
        x.shape,
        locals(),
    )
    powers = np.abs(_inner(views(x, w, 0), w)) ** p
    return (powers.sum(axis=-1) ** (1 / p)).astype(x.dtype)


def _global(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [TensorType(x.dtype, (*x.shape[:2], *(1,) * (len(x.shape) - 2)))]


@op("GlobalAveragePool", shape=_global)
def global_average_pool(x: Array) -> Array:
    wide = np.float32 if x.dtype == np.float16 else x.dtype
    return np.mean(x, axis=_spatial(x), keepdims=True, dtype=wide).astype(x.dtype)


@op("GlobalMaxPool", shape=_global)
def global_max_pool(x: Array) -> Array:
    return np.max(x, axis=_spatial(x), keepdims=True)


@op("GlobalLpPool", since=2, shape=_global)
def global_lp_pool(x: Array, *, p: int = 2) -> Array:
    return (np.sum(np.abs(x) ** p, axis=_spatial(x), keepdims=True) ** (1 / p)).astype(x.dtype)


def _unpool_shape(shape: tuple[int, ...], attrs: Attrs) -> tuple[int, ...]:
    kernel = ints(attrs["kernel_shape"])
    strides = ints(attrs["strides"]) or (1,) * len(kernel)
    pads = ints(attrs["pads"]) or (0,) * (2 * len(kernel))
    sizes = (
        (size - 1) * s + k - pads[i] - pads[i + len(kernel)]
        for i, (size, s, k) in enumerate(zip(shape[2:], strides, kernel, strict=True))
    )
    return (*shape[:2], *sizes)


def _max_unpool(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x = need(inputs, 0)
    if len(inputs) > 2 and inputs[2] is not None:
        shape = value(inputs, 2)
        return None if shape is None else [TensorType(x.dtype, shape)]
    return [TensorType(x.dtype, _unpool_shape(x.shape, attrs))]


@op("MaxUnpool", since=9, shape=_max_unpool)
def max_unpool(
    x: Array,
    indices: Array,
    output_shape: Array | None = None,
    *,
    kernel_shape: Any,
    pads: Any = None,
    strides: Any = None,
) -> Array:
    """The indices belong to the tensor that was pooled; a larger `output_shape` only adds zeros."""
    pooled = _unpool_shape(x.shape, locals())
    flat = np.zeros(math.prod(pooled), x.dtype)
    flat[indices.ravel()] = x.ravel()
    small = flat.reshape(pooled)
    if output_shape is None:
        return small
    result = np.zeros(ints(output_shape), x.dtype)
    result[tuple(slice(0, s) for s in pooled)] = small
    return result


@op("MaxRoiPool")
def max_roi_pool(x: Array, rois: Array, *, pooled_shape: Any, spatial_scale: float = 1.0) -> Array:
    """Each region [image, x1, y1, x2, y2] is cut into a grid; of each cell the largest element."""
    rows, columns = ints(pooled_shape)
    result = np.zeros((len(rois), x.shape[1], rows, columns), x.dtype)
    for r, (image, *corners) in enumerate(rois):
        x1, y1, x2, y2 = (int(np.floor(c * spatial_scale + 0.5)) for c in corners)
        high, wide = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
        for i, j in np.ndindex(rows, columns):
            top, bottom = i * high // rows + y1, -(-(i + 1) * high // rows) + y1
            left, right = j * wide // columns + x1, -(-(j + 1) * wide // columns) + x1
            cell = x[int(image), :, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
            if cell.size:
                result[r, :, i, j] = cell.max(axis=(1, 2))
    return result
