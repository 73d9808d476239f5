"""Conversions between element types, text included."""

from __future__ import annotations

from typing import Any

from strandline._lazy import np
from strandline.onnx.types import BY_CODE, DType, TensorType
from strandline.ops.narrow import dtype_of, is_narrow, narrow, widen
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, need


def element_type(code: int) -> DType:
    """The element type with ONNX's `TensorProto.DataType` number; raises ValueError when it is not
    supported."""
    try:
        return BY_CODE[int(code)]
    except KeyError:
        raise ValueError(f"element type {code} (TensorProto.DataType) is not supported") from None


def _text(v: Any) -> str:
    """A number as onnxruntime writes it."""
    if v != v:
        return "NaN"
    if v in (float("inf"), float("-inf")):
        return "INF" if v > 0 else "-INF"
    return str(v)


def convert(x: Array, to: DType, saturate: bool = True, round_mode: str = "up") -> Array:
    """`x` as element type `to`: floats are cut towards zero for integers, anything but 0 is true,
    strings are parsed."""
    if dtype_of(x) is to:
        return x
    if x.dtype == object:
        numbers = np.asarray([float(v) for v in x.flat], np.float64).reshape(x.shape)
        if to.is_integer and to.itemsize == 8:  # beyond the 53 bits of a double
            numbers = np.asarray(
                [int(v) if v.lstrip("+-").isdigit() else int(float(v)) for v in x.flat]
            )
            numbers = numbers.reshape(x.shape)
        return convert(numbers, to)
    if is_narrow(x):
        x = widen(x)
    if to.name == "string":
        return np.asarray([_text(v) for v in x.flat], dtype=object).reshape(x.shape)
    if is_narrow(to):
        return narrow(x, to, saturate, round_mode)
    return x.astype(to.numpy)


def _cast(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [TensorType(element_type(attrs["to"]), need(inputs, 0).shape)]


@op("Cast", since=6, shape=_cast, any_type=True)
def cast(x: Array, *, to: int, saturate: int = 1, round_mode: str = "up") -> Array:
    return convert(x, element_type(to), bool(saturate), round_mode)


@op("Cast", since=1, shape=lambda inputs, attrs, n: None)
def cast_1(x: Array, *, to: str) -> Array:
    """The first opset named the type."""
    return convert(
        x, next(d for d in BY_CODE.values() if d.name.upper() == {"FLOAT": "FLOAT32"}.get(to, to))
    )


def _cast_like(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [TensorType(need(inputs, 1).dtype, need(inputs, 0).shape)]


@op("CastLike", since=15, shape=_cast_like, any_type=True)
def cast_like(x: Array, like: Array, *, saturate: int = 1, round_mode: str = "up") -> Array:
    return convert(x, dtype_of(like), bool(saturate), round_mode)


@op("BitCast", since=26, shape=_cast, any_type=True)
def bit_cast(x: Array, *, to: int) -> Array:
    target = element_type(to).numpy
    if x.dtype.itemsize != target.itemsize:
        raise ValueError(f"BitCast from {x.dtype} to {element_type(to)}: the widths differ")
    return np.ascontiguousarray(x).view(target).reshape(x.shape)
