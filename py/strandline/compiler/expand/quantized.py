"""Operators on quantized tensors: DequantizeLinear, the operator, QuantizeLinear, which the passes put
on the integers again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strandline.compiler.expand.registry import expands
from strandline.compiler.expand.writer import Writer
from strandline.onnx.types import float32


@expands("QuantizeLinear")
def _quantize(w: Writer, x: str, scale: str, zero: str = "", *, axis: int = 1) -> Any:
    return w("QuantizeLinear", x, scale, zero, axis=axis)


@expands("DequantizeLinear")
def _dequantize(w: Writer, x: str, scale: str, zero: str = "", *, axis: int = 1) -> str:
    return w.real(x, scale, zero, axis=axis)


# --- elements -------------------------------------------------------------------------


def _between(
    w: Writer, x: str, quantization: tuple[str, str, str, str], f: Callable[[str], str]
) -> str:
    """`f` on the numbers that the integers `x` stand for; scale and zero point before and after."""
    x_scale, x_zero, y_scale, y_zero = quantization
    return w.quantized(f(w.real(x, x_scale, x_zero)), y_scale, y_zero, x)


@expands("QLinearAdd", "QLinearMul")
def _two(
    w: Writer,
    a: str,
    a_scale: str,
    a_zero: str = "",
    b: str = "",
    b_scale: str = "",
    b_zero: str = "",
    scale: str = "",
    zero: str = "",
) -> str:
    operator = w.node.op.removeprefix("QLinear")
    y = w(operator, w.real(a, a_scale, a_zero), w.real(b, b_scale, b_zero))
    return w.quantized(y, scale, zero, a)


@expands("QLinearSigmoid")
def _sigmoid(
    w: Writer, x: str, x_scale: str, x_zero: str = "", y_scale: str = "", y_zero: str = ""
) -> str:
    return _between(w, x, (x_scale, x_zero, y_scale, y_zero), lambda r: w("Sigmoid", r))


@expands("QLinearLeakyRelu")
def _leaky_relu(
    w: Writer,
    x: str,
    x_scale: str,
    x_zero: str = "",
    y_scale: str = "",
    y_zero: str = "",
    *,
    alpha: float = 0.01,
) -> str:
    quantization = (x_scale, x_zero, y_scale, y_zero)
    return _between(w, x, quantization, lambda r: w("LeakyRelu", r, alpha=alpha))


@expands("QLinearSoftmax")
def _softmax(
    w: Writer,
    x: str,
    x_scale: str,
    x_zero: str = "",
    y_scale: str = "",
    y_zero: str = "",
    *,
    axis: int = -1,
    opset: int,
) -> str:
    """`opset` says which Softmax is meant: before 13 one over all axes from `axis` on."""

    def softmax(real: str) -> str:
        made: str
        if (opset < 13) == (w.opset < 13) or axis == -1:
            return str(w("Softmax", real, axis=axis))
        if w.opset < 13:
            raise w.refuse(f"a Softmax of opset {opset} in a model of opset {w.opset}")
        flat = w("Softmax", w("Flatten", real, axis=axis), axis=1)
        made = w("Reshape", flat, w("Shape", real))
        return made

    return _between(w, x, (x_scale, x_zero, y_scale, y_zero), softmax)


@expands("QLinearWhere")
def _where(
    w: Writer,
    condition: str,
    x: str,
    x_scale: str,
    x_zero: str,
    y: str,
    y_scale: str,
    y_zero: str,
    scale: str,
    zero: str,
) -> str:
    made = w("Where", condition, w.real(x, x_scale, x_zero), w.real(y, y_scale, y_zero))
    return w.quantized(made, scale, zero, x)


@expands("QLinearConcat")
def _concat(w: Writer, scale: str, zero: str, *tensors: str, axis: int) -> str:
    triples = [tensors[i : i + 3] for i in range(0, len(tensors), 3)]
    if not triples or len(triples[-1]) != 3:
        raise ValueError(f"node {w.node}: tensors come with a scale and a zero point each")
    return w.quantized(
        w("Concat", *(w.real(*triple) for triple in triples), axis=axis), scale, zero, tensors[0]
    )


@expands("QLinearAveragePool", hands_on=("auto_pad", "kernel_shape", "pads", "strides"))
def _average_pool(
    w: Writer,
    x: str,
    x_scale: str,
    x_zero: str = "",
    y_scale: str = "",
    y_zero: str = "",
    *,
    ceil_mode: int = 0,
    channels_last: int = 0,
    count_include_pad: int = 0,
    **pool: Any,
) -> str:
    if ceil_mode:  # which AveragePool did not have from the beginning
        pool["ceil_mode"] = ceil_mode
    pool["count_include_pad"] = count_include_pad
    x = w.first(x) if channels_last else x
    quantization = (x_scale, x_zero, y_scale, y_zero)
    y = _between(w, x, quantization, lambda r: w("AveragePool", r, **pool))
    return w.last(y) if channels_last else y


@expands("QLinearGlobalAveragePool")
def _global_average_pool(
    w: Writer,
    x: str,
    x_scale: str,
    x_zero: str,
    y_scale: str,
    y_zero: str = "",
    *,
    channels_last: int = 0,
) -> str:
    x = w.first(x) if channels_last else x
    quantization = (x_scale, x_zero, y_scale, y_zero)
    y = _between(w, x, quantization, lambda r: w("GlobalAveragePool", r))
    return w.last(y) if channels_last else y


# --- products -------------------------------------------------------------------------


@expands("MatMulIntegerToFloat")
def scaled_product(
    w: Writer,
    a: str,
    b: str,
    a_scale: str,
    b_scale: str,
    a_zero: str = "",
    b_zero: str = "",
    bias: str = "",
) -> str:
    """A·B of integers, at the product of their scales in float32, plus a bias, in the scales' type."""
    sums = w("Cast", w("MatMulInteger", a, b, a_zero, b_zero), to=float32.code)
    scale, other, last = (w.cast(x, float32) if x else "" for x in (a_scale, b_scale, bias))
    y: str = w("Mul", sums, w("Mul", scale, other))
    return w.cast(w("Add", y, last) if last else y, w.dtype(a_scale))


@expands("DynamicQuantizeMatMul")
def _dynamic_matmul(
    w: Writer, a: str, b: str, b_scale: str, b_zero: str = "", bias: str = ""
) -> str:
    steps, a_scale, a_zero = w("DynamicQuantizeLinear", a, outputs=3)
    return scaled_product(w, steps, b, a_scale, b_scale, a_zero, b_zero, bias)


@expands("QGemm")
def _gemm(
    w: Writer,
    a: str,
    a_scale: str,
    a_zero: str,
    b: str,
    b_scale: str,
    b_zero: str,
    c: str = "",
    y_scale: str = "",
    y_zero: str = "",
    *,
    alpha: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> str:
    """The bias is in steps of alpha times both scales."""
    attrs: dict[str, Any] = {"alpha": alpha, "transA": transA, "transB": transB}
    bias = ""
    if c:
        unit = w.reshape(w("Mul", a_scale, b_scale), -1)
        unit = unit if alpha == 1.0 else w("Mul", unit, w.scalar(alpha, a_scale))
        known = w.value(b_scale)
        single = known is not None and known.type.size == 1
        steps = w.cast(c, float32) if w.rank(c) is None else c
        if steps is not c:
            bias = w("Mul", steps, unit)
        elif single:
            bias = w.real(c, w("Reshape", unit, w.integers()))
        else:
            bias = w.real(c, unit, axis=w.rank_or(c, 1) - 1)
    real = w.real(b, b_scale, b_zero, axis=0 if transB else 1)
    y: str = w("Gemm", w.real(a, a_scale, a_zero), real, bias, **attrs)
    return w.quantized(y, y_scale, y_zero, a) if y_scale else y


# --- recurrent ------------------------------------------------------------------------


@expands(
    "DynamicQuantizeLSTM",
    hands_on=(
        "activation_alpha",
        "activation_beta",
        "activations",
        "clip",
        "direction",
        "hidden_size",
        "input_forget",
    ),
)
def _lstm(
    w: Writer,
    x: str,
    weights: str,
    recurrence: str,
    bias: str = "",
    lengths: str = "",
    initial_h: str = "",
    initial_c: str = "",
    peepholes: str = "",
    w_scale: str = "",
    w_zero: str = "",
    r_scale: str = "",
    r_zero: str = "",
    **lstm: Any,
) -> Any:
    """The LSTM of the numbers that the weights stand for. onnxruntime rounds the input and the state of
    every step to 8 bits besides, which is left out: results are nearer to those of the model before its
    quantization."""

    def real(steps: str, scale: str, zero: str) -> str:
        """[directions, inputs, 4 · hidden], a scale for each direction or column, as LSTM has it."""
        origin = w("Cast", w.reshape(zero, 0, 1, -1), to=float32.code)
        whole = w("Sub", w("Cast", steps, to=float32.code), origin)
        return w.transpose(w("Mul", whole, w.reshape(scale, 0, 1, -1)), 0, 2, 1)

    both = real(weights, w_scale, w_zero), real(recurrence, r_scale, r_zero)
    return w("LSTM", x, *both, bias, lengths, initial_h, initial_c, peepholes, outputs=3, **lstm)
