"""Quantisation: integers with a scale and a zero point."""

from __future__ import annotations

from typing import Any

from strandline._lazy import np
from strandline.onnx.types import DType, TensorType, float32, uint8
from strandline.ops.cast import convert, element_type
from strandline.ops.conv import conv_integer, conv_types
from strandline.ops.linalg import matmul_integer, matmul_shape
from strandline.ops.narrow import dtype_of, integer_limits, is_narrow, widen
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, at, axis_of, need


def _spread(parameter: Array, shape: tuple[int, ...], axis: int, block: int) -> Array:
    """A scale or zero point as something that broadcasts over `shape`: one for all, one per index
    of `axis`, or one per block of `block` along it."""
    if parameter.size == 1 and (parameter.ndim == 0 or len(shape) != parameter.ndim or not block):
        return parameter.reshape(())
    axis = axis_of(axis, len(shape))
    if block:
        repeated = np.repeat(parameter, block, axis=axis)
        return np.take(repeated, np.arange(shape[axis]), axis=axis)
    return parameter.reshape([-1 if i == axis else 1 for i in range(len(shape))])


def clamped(x: Array, dtype: DType) -> Array:
    """Numbers held within an integer type's limits, and converted."""
    limits = integer_limits(dtype)
    return convert(x if limits is None else np.clip(x, *limits), dtype)


def _quantize_type(attrs: Attrs, zero: DType | None) -> DType:
    code = attrs.get("output_dtype")
    return element_type(code) if code else zero or uint8


def _quantize(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    zero = at(inputs, 2)
    dtype = _quantize_type(attrs, zero.type.dtype if zero else None)
    return [TensorType(dtype, need(inputs, 0).shape)]


@op("QuantizeLinear", since=10, shape=_quantize, any_type=True)
def quantize_linear(
    x: Array,
    scale: Array,
    zero: Array | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Array:
    """Divide in the scale's precision, round half to even, add the zero point, clamp."""
    dtype = _quantize_type({"output_dtype": output_dtype}, None if zero is None else dtype_of(zero))
    wide = element_type(precision) if precision else dtype_of(scale)
    work = float32 if is_narrow(wide) else wide
    factor = _spread(convert(scale, work), x.shape, axis, block_size)
    quotient = convert(x, work) / factor
    if integer_limits(dtype) is None:
        return convert(quotient, dtype, bool(saturate))
    rounded = np.rint(quotient).astype(np.float64 if wide.itemsize == 8 else np.float32)
    if zero is not None:
        rounded = rounded + _spread(_plain(zero), x.shape, axis, block_size).astype(rounded.dtype)
    return clamped(rounded, dtype)


def _plain(x: Array) -> Array:
    """Something that NumPy computes with."""
    return widen(x) if is_narrow(x) else x


def _dequantize(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    code = attrs.get("output_dtype")
    dtype = element_type(code) if code else need(inputs, 1).dtype
    return [TensorType(dtype, need(inputs, 0).shape)]


@op("DequantizeLinear", since=10, shape=_dequantize, any_type=True)
def dequantize_linear(
    x: Array,
    scale: Array,
    zero: Array | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Array:
    dtype = element_type(output_dtype) if output_dtype else dtype_of(scale)
    wide = _plain(x).astype(np.int32 if dtype_of(x).is_integer else np.float32)
    if zero is not None:
        wide = wide - _spread(_plain(zero), x.shape, axis, block_size).astype(wide.dtype)
    factor = _spread(
        convert(scale, float32 if dtype.itemsize < 4 else dtype), x.shape, axis, block_size
    )
    return convert((wide * factor).astype(factor.dtype), dtype)


def _dynamic(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [TensorType(uint8, x.shape), TensorType(float32, ()), TensorType(uint8, ())][:n]


@op("DynamicQuantizeLinear", since=11, shape=_dynamic)
def dynamic_quantize_linear(x: Array) -> tuple[Array, Array, Array]:
    """The range of `x`, widened to hold 0, over 255 steps."""
    low, high = np.minimum(x.min(initial=0), 0), np.maximum(x.max(initial=0), 0)
    scale = np.asarray((high - low) / np.float32(255), np.float32)
    if scale == 0:
        return np.zeros(x.shape, np.uint8), np.asarray(1, np.float32), np.asarray(0, np.uint8)
    zero = np.clip(np.rint(-low / scale), 0, 255)
    quantized = np.clip(np.rint(x / scale) + zero, 0, 255).astype(np.uint8)
    return quantized, scale, zero.astype(np.uint8)


def _requantized(total: Array, scale: Array, zero: Array) -> Array:
    """Sums in int32 at `scale` (input scales over output scale) as integers around `zero`."""
    return clamped(np.rint(total * scale) + zero.astype(np.float32), dtype_of(zero))


def _qlinear_matmul(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    shape = matmul_shape(need(inputs, 0).shape, need(inputs, 3).shape)
    return [TensorType(need(inputs, 7).dtype, shape)]


@op("QLinearMatMul", since=10, shape=_qlinear_matmul)
def qlinear_matmul(
    a: Array,
    a_scale: Array,
    a_zero: Array,
    b: Array,
    b_scale: Array,
    b_zero: Array,
    y_scale: Array,
    y_zero: Array,
) -> Array:
    total = matmul_integer(a, b, a_zero, b_zero)
    left = a_scale[:, None] if a_scale.ndim == 1 and a_scale.size > 1 else a_scale
    scale = left.astype(np.float32) * b_scale.astype(np.float32) / y_scale.astype(np.float32)
    return _requantized(total, scale, y_zero)


def _qlinear_conv(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    shape = conv_types([at(inputs, 0), at(inputs, 3)], attrs, n)[0].shape
    return [TensorType(need(inputs, 7).dtype, shape)]


@op("QLinearConv", since=10, shape=_qlinear_conv)
def qlinear_conv(
    x: Array,
    x_scale: Array,
    x_zero: Array,
    w: Array,
    w_scale: Array,
    w_zero: Array,
    y_scale: Array,
    y_zero: Array,
    b: Array | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Array:
    """The bias is in steps of input scale times weight scale."""
    total = conv_integer(
        x,
        w,
        x_zero,
        w_zero if w_zero.size > 1 else w_zero.reshape(()),
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    channel = (-1, *(1,) * (x.ndim - 2))
    if b is not None:
        total = total + b.reshape(channel)
    scale = x_scale * (w_scale.reshape(channel) if w_scale.size > 1 else w_scale) / y_scale
    return _requantized(total, scale, y_zero)
