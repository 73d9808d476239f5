"""Comparisons, Boolean and bitwise operators, and choice."""

from __future__ import annotations

from strandline._lazy import np
from strandline.onnx.types import TensorType, bool_
from strandline.ops.arithmetic import align
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import (
    Inputs,
    Types,
    broadcast,
    broadcast_shapes,
    broadcast_to,
    need,
    retyped,
    same,
)


@op("Equal", since=7, shape=broadcast_to(bool_))
def equal(a: Array, b: Array) -> Array:
    return np.equal(a, b).astype(bool)


@op("Greater", since=7, shape=broadcast_to(bool_))
def greater(a: Array, b: Array) -> Array:
    return np.greater(a, b)


@op("GreaterOrEqual", since=12, shape=broadcast_to(bool_))
def greater_or_equal(a: Array, b: Array) -> Array:
    return np.greater_equal(a, b)


@op("Less", since=7, shape=broadcast_to(bool_))
def less(a: Array, b: Array) -> Array:
    return np.less(a, b)


@op("LessOrEqual", since=12, shape=broadcast_to(bool_))
def less_or_equal(a: Array, b: Array) -> Array:
    return np.less_equal(a, b)


@op("And", since=7, shape=broadcast_to(bool_))
def logical_and(a: Array, b: Array) -> Array:
    return np.logical_and(a, b)


@op("Or", since=7, shape=broadcast_to(bool_))
def logical_or(a: Array, b: Array) -> Array:
    return np.logical_or(a, b)


@op("Xor", since=7, shape=broadcast_to(bool_))
def logical_xor(a: Array, b: Array) -> Array:
    return np.logical_xor(a, b)


def _legacy(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    """Before opset 7 the second input was fitted to the first."""
    return [TensorType(bool_, need(inputs, 0).shape)]


@op("Equal", since=1, shape=_legacy)
def equal_1(a: Array, b: Array, *, axis: int | None = None, broadcast: int = 0) -> Array:
    return equal(a, align(a, b, axis))


@op("Greater", since=1, shape=_legacy)
def greater_1(a: Array, b: Array, *, axis: int | None = None, broadcast: int = 0) -> Array:
    return greater(a, align(a, b, axis))


@op("Less", since=1, shape=_legacy)
def less_1(a: Array, b: Array, *, axis: int | None = None, broadcast: int = 0) -> Array:
    return less(a, align(a, b, axis))


@op("And", since=1, shape=_legacy)
def logical_and_1(a: Array, b: Array, *, axis: int | None = None, broadcast: int = 0) -> Array:
    return logical_and(a, align(a, b, axis))


@op("Or", since=1, shape=_legacy)
def logical_or_1(a: Array, b: Array, *, axis: int | None = None, broadcast: int = 0) -> Array:
    return logical_or(a, align(a, b, axis))


@op("Xor", since=1, shape=_legacy)
def logical_xor_1(a: Array, b: Array, *, axis: int | None = None, broadcast: int = 0) -> Array:
    return logical_xor(a, align(a, b, axis))


@op("Not", since=1, shape=same)
def logical_not(x: Array) -> Array:
    return np.logical_not(x)


@op("BitwiseAnd", since=18, shape=broadcast)
def bitwise_and(a: Array, b: Array) -> Array:
    return np.bitwise_and(a, b)


@op("BitwiseOr", since=18, shape=broadcast)
def bitwise_or(a: Array, b: Array) -> Array:
    return np.bitwise_or(a, b)


@op("BitwiseXor", since=18, shape=broadcast)
def bitwise_xor(a: Array, b: Array) -> Array:
    return np.bitwise_xor(a, b)


@op("BitwiseNot", since=18, shape=same)
def bitwise_not(x: Array) -> Array:
    return np.bitwise_not(x)


@op("BitShift", since=11, shape=broadcast)
def bit_shift(x: Array, y: Array, *, direction: str) -> Array:
    return (np.left_shift if direction == "LEFT" else np.right_shift)(x, y)


@op("IsNaN", since=9, shape=retyped(bool_))
def is_nan(x: Array) -> Array:
    return np.isnan(x)


@op("IsInf", since=10, shape=retyped(bool_))
def is_inf(x: Array, *, detect_negative: int = 1, detect_positive: int = 1) -> Array:
    return (np.isposinf(x) & bool(detect_positive)) | (np.isneginf(x) & bool(detect_negative))


def _where(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    condition, x, y = (need(inputs, i) for i in range(3))
    return [TensorType(x.dtype, broadcast_shapes(condition.shape, x.shape, y.shape))]


@op("Where", since=9, shape=_where)
def where(condition: Array, x: Array, y: Array) -> Array:
    return np.where(condition, x, y)
