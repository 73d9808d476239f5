"""Resize and Upsample: every output element a weighted mean of input elements, one axis after
another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType
from strandline.ops.registry import Array, Attrs, Info, op
from strandline.ops.rules import Inputs, Types, at, axes_of, ints, need, value


def _floats(info: Info | None) -> list[float] | None:
    """The reals of a constant input: [] when absent, None when not known before the run."""
    if info is None:
        return []
    return None if info.value is None else [float(v) for v in info.value.flat()]


def resized(
    shape: Sequence[int],
    roi: Sequence[float],
    scales: Sequence[float],
    sizes: Sequence[int],
    attrs: Attrs,
) -> tuple[tuple[int, ...], dict[int, float]]:
    """The output shape, and the scale of each axis that is resized.

    Raises ValueError when not exactly one of `scales` and `sizes` is given.
    """
    rank = len(shape)
    axes = axes_of(ints(attrs.get("axes")), rank) or tuple(range(rank))
    if bool(scales) == bool(sizes):
        raise ValueError("Resize needs either scales or sizes")
    if len(scales or sizes) != len(axes):
        raise ValueError(f"{len(scales or sizes)} scales or sizes for {len(axes)} axes")
    output, factors = list(shape), {}
    if scales:
        crop = attrs.get("coordinate_transformation_mode") == "tf_crop_and_resize" and len(roi)
        for i, (axis, scale) in enumerate(zip(axes, scales, strict=True)):
            part = roi[i + len(axes)] - roi[i] if crop else 1
            output[axis] = math.floor(shape[axis] * part * scale)
            factors[axis] = scale
        return tuple(output), factors
    policy = attrs.get("keep_aspect_ratio_policy", "stretch")
    ratios = [
        size / shape[axis] if shape[axis] else 1.0 for axis, size in zip(axes, sizes, strict=True)
    ]
    for axis, size, ratio in zip(axes, sizes, ratios, strict=True):
        if policy == "stretch":
            output[axis], factors[axis] = size, ratio
        else:
            scale = min(ratios) if policy == "not_larger" else max(ratios)
            output[axis] = math.floor(scale * shape[axis] + 0.5)
            factors[axis] = scale
    return tuple(output), factors


def _resize(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x = need(inputs, 0)
    roi, scales = _floats(at(inputs, 1)), _floats(at(inputs, 2))
    sizes = value(inputs, 3) if at(inputs, 3) else ()
    if roi is None or scales is None or sizes is None:
        return None
    return [TensorType(x.dtype, resized(x.shape, roi, scales, sizes, attrs)[0])]


def positions(size: int, output: int, scale: float, mode: str, roi: tuple[float, float]) -> Array:
    """Where each of `output` elements lies in an axis of `size` (ONNX's coordinate
    transformations)."""
    x = np.arange(output, dtype=np.float64)
    if mode == "half_pixel":
        return (x + 0.5) / scale - 0.5
    if mode == "half_pixel_symmetric":
        wanted = scale * size
        adjustment = output / wanted
        centre = size / 2
        return centre * (1 - adjustment) + (x + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel":
        return (x + 0.5) / scale - 0.5 if output > 1 else np.zeros(output)
    if mode == "align_corners":
        length = scale * size  # not a whole number when it comes from a scale
        return x * (size - 1) / (length - 1) if output > 1 else np.zeros(output)
    if mode == "asymmetric":
        return x / scale
    if mode == "tf_half_pixel_for_nn":
        return (x + 0.5) / scale
    if mode == "tf_crop_and_resize":
        start, end = roi
        if output > 1:
            return start * (size - 1) + x * (end - start) * (size - 1) / (output - 1)
        return np.full(output, 0.5 * (start + end) * (size - 1))
    raise ValueError(f"coordinate_transformation_mode {mode!r} is not one of ONNX's")


def _nearest(x: Array, mode: str) -> Array:
    rounding: dict[str, Callable[[Array], Array]] = {
        "round_prefer_floor": lambda v: np.ceil(v - 0.5),
        "round_prefer_ceil": lambda v: np.floor(v + 0.5),
        "floor": np.floor,
        "ceil": np.ceil,
    }
    return rounding[mode](x)


def _kernel(distance: Array, mode: str, a: float) -> Array:
    """The weight of an element at `distance`."""
    d = np.abs(distance)
    if mode == "linear":
        return np.maximum(1 - d, 0)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def weights(size: int, where: Array, scale: float, attrs: Attrs) -> Array:
    """The matrix [output, size] that maps one axis."""
    matrix = np.zeros((len(where), size))
    rows = np.arange(len(where))
    mode = attrs["mode"]
    if mode == "nearest":
        places = np.clip(_nearest(where, attrs["nearest_mode"]), 0, size - 1).astype(np.int64)
        matrix[rows, places] = 1
        return matrix
    stretch = min(scale, 1) if attrs.get("antialias") else 1
    reach = math.ceil((1 if mode == "linear" else 2) / stretch)
    first = np.floor(where).astype(np.int64) - reach + 1
    # In the first cells of an antialiased filter one more element on the left can have weight.
    for offset in range(-1, 2 * reach + 1):
        place = first + offset
        weight = _kernel((place - where) * stretch, mode, attrs["cubic_coeff_a"])
        if attrs["exclude_outside"]:
            weight = np.where((place < 0) | (place >= size), 0, weight)
        np.add.at(matrix, (rows, np.clip(place, 0, size - 1)), weight)
    return matrix / matrix.sum(axis=1, keepdims=True)


def _apply(
    x: Array, roi: Sequence[float], output: tuple[int, ...], factors: dict[int, float], attrs: Attrs
) -> Array:
    mode = attrs["coordinate_transformation_mode"]
    axes = list(factors)
    result = x.astype(np.float64) if attrs["mode"] != "nearest" else x
    outside = np.zeros(output, bool)
    for i, (axis, scale) in enumerate(factors.items()):
        size = x.shape[axis]
        if mode == "tf_crop_and_resize" or output[axis] != size or scale != 1:
            window = (roi[i], roi[i + len(axes)]) if len(roi) else (0.0, 1.0)
            where = positions(size, output[axis], scale, mode, window)
            matrix = weights(size, where, scale, attrs)
            if attrs["mode"] == "nearest":
                result = np.take(result, matrix.argmax(axis=1), axis=axis)
            else:
                result = np.moveaxis(np.tensordot(matrix, result, (1, axis)), 0, axis)
            if mode == "tf_crop_and_resize":
                beyond = (where < 0) | (where > size - 1)
                outside |= beyond.reshape([-1 if j == axis else 1 for j in range(x.ndim)])
    if outside.any():
        result = np.where(outside, attrs["extrapolation_value"], result)
    if x.dtype.kind in "iu" and attrs["mode"] != "nearest":
        limits = np.iinfo(x.dtype)
        result = np.clip(np.rint(result), limits.min, limits.max)
    return result.astype(x.dtype)


@op("Resize", since=11, shape=_resize)
def resize(
    x: Array,
    roi: Array | None = None,
    scales: Array | None = None,
    sizes: Array | None = None,
    *,
    antialias: int = 0,
    axes: Any = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Array:
    attrs = locals()
    window = [] if roi is None else [float(v) for v in roi]
    factors = [] if scales is None else [float(v) for v in scales]
    output, used = resized(x.shape, window, factors, ints(sizes), attrs)
    return _apply(x, window, output, used, attrs)


_LEGACY = dict.fromkeys(("antialias", "exclude_outside"), 0) | {
    "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor",
    "cubic_coeff_a": -0.75,
    "extrapolation_value": 0.0,
}


def _upsample(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x, scales = need(inputs, 0), _floats(at(inputs, 1))
    if scales is None:
        return None
    return [TensorType(x.dtype, resized(x.shape, (), scales, (), {})[0])]


@op("Upsample", since=9, shape=_upsample)
@op("Resize", since=10, shape=_upsample)
def upsample(x: Array, scales: Array, *, mode: str = "nearest") -> Array:
    output, used = resized(x.shape, (), [float(v) for v in scales], (), {})
    return _apply(x, (), output, used, {**_LEGACY, "mode": mode})


def _upsample_7(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [TensorType(x.dtype, resized(x.shape, (), list(attrs["scales"]), (), {})[0])]


@op("Upsample", since=7, shape=_upsample_7)
def upsample_7(x: Array, *, scales: Any, mode: str = "nearest") -> Array:
    return upsample(x, np.asarray(scales, np.float32), mode=mode)
