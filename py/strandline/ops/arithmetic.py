"""Arithmetic and elementary functions, element by element."""

from __future__ import annotations

import math
from functools import reduce

from strandline._lazy import np
from strandline.onnx.types import TensorType
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, broadcast, broadcast_shapes, need, same


@op("Add", since=7, shape=broadcast)
def add(a: Array, b: Array) -> Array:
    return np.add(a, b)


@op("Sub", since=7, shape=broadcast)
def sub(a: Array, b: Array) -> Array:
    return np.subtract(a, b)


@op("Mul", since=7, shape=broadcast)
def mul(a: Array, b: Array) -> Array:
    return np.multiply(a, b)


@op("Div", since=7, shape=broadcast)
def div(a: Array, b: Array) -> Array:
    """Integers divide towards zero, as in C."""
    if a.dtype.kind in "iu":
        quotient = np.floor_divide(a, b)
        if a.dtype.kind == "i":
            quotient += ((a < 0) != (b < 0)) & (quotient * b != a)
        return quotient.astype(a.dtype)
    return np.divide(a, b)


def align(a: Array, b: Array, axis: int | None) -> Array:
    """`b` with trailing axes of size 1, so that it starts at `a`'s `axis` (the broadcasting of
    opsets 1 to 6)."""
    if axis is None:
        return b
    start = axis % a.ndim
    return b.reshape(b.shape + (1,) * (a.ndim - start - b.ndim))


def legacy(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    """Before opset 7 the second input was fitted to the first."""
    return [need(inputs, 0)]


@op("Add", since=1, shape=legacy)
def add_1(
    a: Array, b: Array, *, axis: int | None = None, broadcast: int = 0, consumed_inputs: None = None
) -> Array:
    return add(a, align(a, b, axis))


@op("Sub", since=1, shape=legacy)
def sub_1(
    a: Array, b: Array, *, axis: int | None = None, broadcast: int = 0, consumed_inputs: None = None
) -> Array:
    return sub(a, align(a, b, axis))


@op("Mul", since=1, shape=legacy)
def mul_1(
    a: Array, b: Array, *, axis: int | None = None, broadcast: int = 0, consumed_inputs: None = None
) -> Array:
    return mul(a, align(a, b, axis))


@op("Div", since=1, shape=legacy)
def div_1(
    a: Array, b: Array, *, axis: int | None = None, broadcast: int = 0, consumed_inputs: None = None
) -> Array:
    return div(a, align(a, b, axis))


@op("Pow", since=1, shape=legacy)
def pow_1(a: Array, b: Array, *, axis: int | None = None, broadcast: int = 0) -> Array:
    return power(a, align(a, b, axis))


@op("Pow", since=7, shape=broadcast)
def power(x: Array, y: Array) -> Array:
    """The result has the base's type, whatever the exponent's."""
    if x.dtype.kind in "iu" and y.dtype.kind == "f":
        return np.power(x.astype(np.float64), y).astype(x.dtype)
    return np.power(
        x, y.astype(np.float64 if y.dtype.kind in "iu" and x.dtype.kind == "f" else y.dtype)
    ).astype(x.dtype)


@op("Mod", since=10, shape=broadcast)
def mod(a: Array, b: Array, *, fmod: int = 0) -> Array:
    """Sign of the divisor, or with `fmod` that of the dividend."""
    return np.fmod(a, b) if fmod else np.mod(a, b)


@op("Abs", since=1, shape=same)
def absolute(x: Array, *, consumed_inputs: None = None) -> Array:
    return np.abs(x)


@op("Neg", since=1, shape=same)
def negative(x: Array, *, consumed_inputs: None = None) -> Array:
    return np.negative(x)


@op("Sign", since=9, shape=same)
def sign(x: Array) -> Array:
    return np.sign(x)


@op("Reciprocal", since=1, shape=same)
def reciprocal(x: Array, *, consumed_inputs: None = None) -> Array:
    return np.divide(np.ones((), x.dtype), x)


@op("Sqrt", since=1, shape=same)
def sqrt(x: Array, *, consumed_inputs: None = None) -> Array:
    return np.sqrt(x)


@op("Exp", since=1, shape=same)
def exp(x: Array, *, consumed_inputs: None = None) -> Array:
    return np.exp(x)


@op("Log", since=1, shape=same)
def log(x: Array, *, consumed_inputs: None = None) -> Array:
    return np.log(x)


@op("Ceil", since=1, shape=same)
def ceil(x: Array, *, consumed_inputs: None = None) -> Array:
    return np.ceil(x)


@op("Floor", since=1, shape=same)
def floor(x: Array, *, consumed_inputs: None = None) -> Array:
    return np.floor(x)


@op("Round", since=11, shape=same)
def round_half_even(x: Array) -> Array:
    return np.rint(x)


@op("Sin", since=7, shape=same)
def sin(x: Array) -> Array:
    return np.sin(x)


@op("Cos", since=7, shape=same)
def cos(x: Array) -> Array:
    return np.cos(x)


@op("Tan", since=7, shape=same)
def tan(x: Array) -> Array:
    return np.tan(x)


@op("Asin", since=7, shape=same)
def asin(x: Array) -> Array:
    return np.arcsin(x)


@op("Acos", since=7, shape=same)
def acos(x: Array) -> Array:
    return np.arccos(x)


@op("Atan", since=7, shape=same)
def atan(x: Array) -> Array:
    return np.arctan(x)


@op("Sinh", since=9, shape=same)
def sinh(x: Array) -> Array:
    return np.sinh(x)


@op("Cosh", since=9, shape=same)
def cosh(x: Array) -> Array:
    return np.cosh(x)


@op("Asinh", since=9, shape=same)
def asinh(x: Array) -> Array:
    return np.arcsinh(x)


@op("Acosh", since=9, shape=same)
def acosh(x: Array) -> Array:
    return np.arccosh(x)


@op("Atanh", since=9, shape=same)
def atanh(x: Array) -> Array:
    return np.arctanh(x)


@op("Erf", since=9, shape=same)
def erf(x: Array) -> Array:
    """Through the C library's `erf`, one element at a time: exact, and rarely the step that
    counts."""
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(x.astype(np.float64))).astype(x.dtype)


@op("Sum", since=1, shape=broadcast)
def total(*tensors: Array, consumed_inputs: None = None) -> Array:
    return reduce(np.add, tensors)


@op("Mean", since=1, shape=broadcast)
def mean(*tensors: Array, consumed_inputs: None = None) -> Array:
    return (reduce(np.add, tensors) / np.asarray(len(tensors), tensors[0].dtype)).astype(
        tensors[0].dtype
    )


@op("Max", since=1, shape=broadcast)
def maximum(*tensors: Array, consumed_inputs: None = None) -> Array:
    return reduce(np.maximum, tensors)


@op("Min", since=1, shape=broadcast)
def minimum(*tensors: Array, consumed_inputs: None = None) -> Array:
    return reduce(np.minimum, tensors)


@op("Clip", since=11, shape=same)
def clip(x: Array, low: Array | None = None, high: Array | None = None) -> Array:
    """When `low` > `high` everything becomes `high`."""
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


@op("Clip", since=1, shape=same)
def clip_1(
    x: Array,
    *,
    min: float | None = None,  # noqa: A002
    max: float | None = None,  # noqa: A002
    consumed_inputs: None = None,
) -> Array:
    limits = [None if v is None else np.asarray(v, x.dtype) for v in (min, max)]
    return clip(x, *limits)


def _prelu(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x, slope = need(inputs, 0), need(inputs, 1)
    return [TensorType(x.dtype, broadcast_shapes(x.shape, slope.shape))]


@op("PRelu", since=7, shape=_prelu)
def prelu(x: Array, slope: Array) -> Array:
    return np.where(x < 0, x * slope, x).astype(x.dtype)


@op("PRelu", since=1, shape=same)
def prelu_1(x: Array, slope: Array, *, consumed_inputs: None = None) -> Array:
    """One slope per channel (axis 1), or one for all."""
    return prelu(x, slope if slope.size == 1 else slope.reshape(-1, *(1,) * (x.ndim - 2)))
