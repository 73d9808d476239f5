"""Operators of the domain "strandline" on quantized tensors: products and convolutions whose inputs
are 8-bit integers, their bias, activation and requantization taken along; sums and products of
elements; tables of 256 bytes.

`y_scale` absent (products and convolutions): the result is float32 and the bias, too. Else it is of
`y_zero`'s type, and the bias int32 in steps of a_scale · b_scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strandline._lazy import np
from strandline.compiler import fused
from strandline.onnx.types import TensorType, float32
from strandline.ops.quantize import dequantize_linear, quantize_linear
from strandline.ops.registry import Attrs, Info, op
from strandline.ops.rules import Inputs, Types, at, broadcast_shapes, need

A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, BIAS, Y_SCALE, Y_ZERO = range(9)
"""The inputs of products and convolutions."""
SUM_A, SUM_A_SCALE, SUM_A_ZERO, SUM_B, SUM_B_SCALE, SUM_B_ZERO, SUM_Y_SCALE, SUM_Y_ZERO = range(8)
"""The inputs of QuantizedAdd and QuantizedMul; a float32 operand has no scale."""


def _typed(shape: tuple[int, ...], inputs: Inputs) -> Types:
    quantized = at(inputs, Y_ZERO)
    return [TensorType(quantized.type.dtype if quantized else float32, shape)]


def _floats(inputs: Inputs) -> list[Info | None]:
    return [Info(TensorType(float32, need(inputs, i).shape)) for i in (A, B)]


def _gemm_types(inputs: Sequence[Info | None], attrs: Attrs, n: int) -> Types:
    (y,) = fused._gemm_types(_floats(inputs), attrs, n)
    return _typed(y.shape, inputs)


def _conv_types(inputs: Sequence[Info | None], attrs: Attrs, n: int) -> Sequence[TensorType] | None:
    types = fused._conv_types(_floats(inputs), attrs, n)
    return types and _typed(types[0].shape, inputs)


def _real(x: Any, scale: Any, zero: Any, axis: int) -> Any:
    return dequantize_linear(x, scale, zero, axis=axis)


def _given_bias(bias: Any, a_scale: Any, b_scale: Any) -> Any:
    if bias is None or bias.dtype != np.int32:
        return bias
    return (bias * (a_scale * b_scale).reshape(-1)).astype(np.float32)


def _result(y: Any, y_scale: Any, y_zero: Any) -> Any:
    return y if y_scale is None else quantize_linear(y, y_scale, y_zero)


@op("QuantizedGemm", domain=fused.DOMAIN, shape=_gemm_types)
def quantized_gemm(
    a_: Any,
    a_scale: Any,
    a_zero: Any,
    b_: Any,
    b_scale: Any,
    b_zero: Any = None,
    bias: Any = None,
    y_scale: Any = None,
    y_zero: Any = None,
    *,
    transB: int = 0,
    activation: str = "none",
    a: float = 0.0,
    b: float = 0.0,
) -> Any:
    """FusedGemm of dequantized A [..., K] and B [K, N] ([N, K] with transB); B's scales are one or N."""
    y = fused.fused_gemm(
        _real(a_, a_scale, a_zero, -1),
        _real(b_, b_scale, b_zero, 0 if transB else 1),
        _given_bias(bias, a_scale, b_scale),
        transB=transB,
        activation=activation,
        a=a,
        b=b,
    )
    return _result(y, y_scale, y_zero)


@op("QuantizedConv", domain=fused.DOMAIN, shape=_conv_types)
def quantized_conv(
    x: Any,
    x_scale: Any,
    x_zero: Any,
    w: Any,
    w_scale: Any,
    w_zero: Any = None,
    bias: Any = None,
    y_scale: Any = None,
    y_zero: Any = None,
    *,
    activation: str = "none",
    a: float = 0.0,
    b: float = 0.0,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    """FusedConv of dequantized X and W; W's scales are one, or one for each output channel."""
    y = fused.fused_conv(
        _real(x, x_scale, x_zero, 1),
        _real(w, w_scale, w_zero, 0),
        _given_bias(bias, x_scale, w_scale),
        activation=activation,
        a=a,
        b=b,
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    return _result(y, y_scale, y_zero)


def _elementwise_types(inputs: Sequence[Info | None], attrs: Attrs, n: int) -> Types:
    shape = broadcast_shapes(need(inputs, SUM_A).shape, need(inputs, SUM_B).shape)
    return [TensorType(need(inputs, SUM_Y_ZERO).dtype, shape)]


def _operand(x: Any, scale: Any, zero: Any) -> Any:
    return x if scale is None else dequantize_linear(x, scale, zero)


def _rectified(y: Any, activation: str) -> Any:
    return np.maximum(y, 0) if activation == "relu" else y


@op("QuantizedAdd", domain=fused.DOMAIN, shape=_elementwise_types)
def quantized_add(
    a: Any,
    a_scale: Any,
    a_zero: Any,
    b: Any,
    b_scale: Any,
    b_zero: Any,
    y_scale: Any,
    y_zero: Any,
    *,
    activation: str = "none",
) -> Any:
    """The sum of two tensors of bytes, or of bytes and float32, broadcast; "none" or "relu" follows."""
    y = _operand(a, a_scale, a_zero) + _operand(b, b_scale, b_zero)
    return quantize_linear(_rectified(y, activation), y_scale, y_zero)


@op("QuantizedMul", domain=fused.DOMAIN, shape=_elementwise_types)
def quantized_mul(
    a: Any,
    a_scale: Any,
    a_zero: Any,
    b: Any,
    b_scale: Any,
    b_zero: Any,
    y_scale: Any,
    y_zero: Any,
    *,
    activation: str = "none",
) -> Any:
    """QuantizedAdd with a product."""
    y = _operand(a, a_scale, a_zero) * _operand(b, b_scale, b_zero)
    return quantize_linear(_rectified(y, activation), y_scale, y_zero)


def _map_types(inputs: Sequence[Info | None], attrs: Attrs, n: int) -> Types:
    return [TensorType(need(inputs, 1).dtype, need(inputs, 0).shape)]


@op("MapBytes", domain=fused.DOMAIN, shape=_map_types)
def map_bytes(x: Any, table: Any) -> Any:
    """`table` [256] at each byte of X, which is read as unsigned."""
    return table[x.view(np.uint8)]
