"""Tensors made from attributes and sizes."""

from __future__ import annotations

import math
from typing import Any

from strandline._lazy import np
from strandline.onnx.graph import Constant
from strandline.onnx.types import TensorType, bool_, float32, int64, string
from strandline.ops.cast import convert, element_type
from strandline.ops.narrow import dtype_of
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, axis_of, ints, need, same, strings, value


def _constant(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    for key, dtype in (("value_float", float32), ("value_int", int64), ("value_string", string)):
        if attrs[key] is not None:
            return [TensorType(dtype, ())]
        many = attrs[key + "s"]
        if many is not None:
            return [TensorType(dtype, (len(many),))]
    return [attrs["value"].type]


@op("Constant", shape=_constant)
def constant(
    *,
    value: Constant | None = None,
    value_float: float | None = None,
    value_floats: Any = None,
    value_int: int | None = None,
    value_ints: Any = None,
    value_string: str | None = None,
    value_strings: Any = None,
) -> Array:
    if value is not None:
        return value.array()
    for one, many, dtype in (
        (value_float, value_floats, np.float32),
        (value_int, value_ints, np.int64),
        (value_string, value_strings, object),
    ):
        if one is not None:
            return np.asarray(one, dtype)
        if many is not None:
            return np.asarray(strings(many) if dtype is object else many, dtype)
    raise ValueError("a Constant without a value (sparse ones are not supported)")


def _constant_of_shape(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    shape = value(inputs, 0)
    if shape is None:
        return None
    return [TensorType(attrs["value"].dtype if attrs["value"] else float32, shape)]


@op("ConstantOfShape", since=9, shape=_constant_of_shape)
def constant_of_shape(shape: Array, *, value: Constant | None = None) -> Array:
    fill = np.zeros(1, np.float32) if value is None else value.array()
    return np.broadcast_to(fill.reshape(()), ints(shape)).copy()


def range_size(start: float, limit: float, delta: float) -> int:
    """How many elements Range gives."""
    return max(math.ceil((limit - start) / delta), 0)


def _range(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    values = [i.value.flat()[0] for i in inputs if i is not None and i.value is not None]
    if len(values) < 3:
        return None
    start, limit, delta = values
    return [TensorType(need(inputs, 0).dtype, (range_size(start, limit, delta),))]


@op("Range", since=11, shape=_range)
def arange(start: Array, limit: Array, delta: Array, *, stash_type: int = 1) -> Array:
    if start.dtype == np.float16:
        return arange(*(v.astype(np.float32) for v in (start, limit, delta))).astype(np.float16)
    size = range_size(*(v.item() for v in (start, limit, delta)))
    return (start.item() + np.arange(size) * delta.item()).astype(start.dtype)


def _eye_like(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [x if attrs["dtype"] is None else TensorType(element_type(attrs["dtype"]), x.shape)]


@op("EyeLike", since=9, shape=_eye_like)
def eye_like(x: Array, *, dtype: int | None = None, k: int = 0) -> Array:
    rows, columns = x.shape
    eye = np.eye(rows, columns, k, np.float32)
    return convert(eye, dtype_of(x) if dtype is None else element_type(dtype))


def padded(shape: tuple[int, ...], pads: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with `pads` (all the begins, then all the ends; negative ones cut) added on
    `axes`."""
    chosen = axes or tuple(range(len(shape)))
    if len(pads) != 2 * len(chosen):
        raise ValueError(f"{len(pads)} pads for {len(chosen)} axes")
    result = list(shape)
    for i, axis in enumerate(chosen):
        result[axis_of(axis, len(shape))] += pads[i] + pads[i + len(chosen)]
    return tuple(result)


def _pad(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x, pads = need(inputs, 0), value(inputs, 1)
    axes = value(inputs, 3) if len(inputs) > 3 and inputs[3] is not None else ()
    return (
        None if pads is None or axes is None else [TensorType(x.dtype, padded(x.shape, pads, axes))]
    )


def _pad_array(
    x: Array, pads: tuple[int, ...], axes: tuple[int, ...], mode: Any, fill: Any
) -> Array:
    chosen = axes or tuple(range(x.ndim))
    before, after = [0] * x.ndim, [0] * x.ndim
    for i, axis in enumerate(chosen):
        before[axis], after[axis] = pads[i], pads[i + len(chosen)]
    cut = tuple(
        slice(max(-b, 0), size - max(-a, 0))
        for b, a, size in zip(before, after, x.shape, strict=True)
    )
    widths: Any = [(max(b, 0), max(a, 0)) for b, a in zip(before, after, strict=True)]
    inner = x[cut]
    if mode == "constant":
        return np.pad(inner, widths, constant_values=0 if fill is None else fill)
    return np.pad(inner, widths, mode=mode)


@op("Pad", since=11, shape=_pad)
def pad(
    x: Array,
    pads: Array,
    fill: Array | None = None,
    axes: Array | None = None,
    *,
    mode: str = "constant",
) -> Array:
    return _pad_array(x, ints(pads), ints(axes), mode, None if fill is None else fill.item())


def _pad_2(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [TensorType(x.dtype, padded(x.shape, ints(attrs["pads"]), ()))]


@op("Pad", since=2, shape=_pad_2)
def pad_2(x: Array, *, pads: Any, mode: str = "constant", value: float = 0.0) -> Array:
    return _pad_array(x, ints(pads), (), mode, value)


def _dropout(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [x, TensorType(bool_, x.shape)][:n]


@op("Dropout", since=12, shape=_dropout)
def dropout(
    x: Array,
    ratio: Array | None = None,
    training_mode: Array | None = None,
    *,
    seed: int | None = None,
) -> tuple[Array, Array]:
    """Outside training it passes its input on, with a mask of ones."""
    rate = 0.5 if ratio is None else float(ratio)
    if training_mode is None or not training_mode or rate == 0:
        return x, np.ones(x.shape, bool)
    keep = np.random.default_rng(seed).random(x.shape) >= rate
    return (x * keep / np.asarray(1 - rate, x.dtype)).astype(x.dtype), keep


@op("Dropout", since=10, shape=_dropout)
def dropout_10(x: Array, *, ratio: float = 0.5) -> tuple[Array, Array]:
    return x, np.ones(x.shape, bool)


@op("Dropout", since=1, shape=same)
def dropout_1(
    x: Array, *, ratio: float = 0.5, is_test: int = 1, consumed_inputs: None = None
) -> tuple[Array, Array]:
    """The mask had the input's type."""
    return x, np.ones(x.shape, x.dtype)
