"""Products, convolutions and elementwise arithmetic of 8-bit integers."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strandline import core
from strandline.compiler import quantized as q
from strandline.compiler.lower.binary import pair
from strandline.compiler.lower.choice import (
    WIDEST_DEPTHWISE,
    gathered_pixels,
    padded_rows,
    plane_floats,
)
from strandline.compiler.lower.layout import MAX_RANK, broadcast, code, merge
from strandline.compiler.lower.linear import NONE, Activation, Matrix, activation_of
from strandline.compiler.lower.quantize import BYTES
from strandline.compiler.lower.registry import Lowering, lower
from strandline.compiler.lower.window import plane_of
from strandline.onnx.graph import Node
from strandline.onnx.types import DType, float32, int8, int32, uint8
from strandline.ops.conv import conv_window
from strandline.ops.rules import broadcast_shapes
from strandline.ops.windows import Window

BLOCK_ROWS = 48
"""Rows of A that gemm_i8 packs at a time."""
_WHOLE, _REAL, _QUANTIZED = range(3)


@dataclass(frozen=True, slots=True)
class Finish:
    """What becomes of the exact sums; names "" where absent. `factor` is a_scale · scale per column."""

    mode: int = _WHOLE
    a_zero: str = ""
    b_zero: str = ""
    a_scale: str = ""
    scale: str = ""
    bias: str = ""
    y_zero: str = ""
    then: Activation = NONE
    clamp: tuple[int, int] = (-128, 255)
    """Bounds of a quantized result, besides its type's."""

    @property
    def names(self) -> tuple[str, ...]:
        return self.a_zero, self.b_zero, self.a_scale, self.scale, self.bias, self.y_zero


def _within(dtype: DType, clamp: tuple[int, int]) -> tuple[int, int]:
    least, most = (-128, 127) if dtype is int8 else (0, 255)
    return max(clamp[0], least), min(clamp[1], most)


def _shared(low: Lowering, f: Finish, a: str, b: str, y: str) -> tuple[int | float, ...] | None:
    """The parameters that gemm_i8 and conv2d_i8 begin with; None when they cannot serve these."""
    for name in (a, b, f.a_zero, f.b_zero, f.y_zero):
        if name and low.type(name).dtype not in BYTES:
            return None
    if f.a_zero and low.type(f.a_zero).size != 1:
        return None
    signed = [int(low.type(name).dtype is int8) for name in (a, b, y)]
    bounds = _within(low.type(y).dtype, f.clamp) if f.mode == _QUANTIZED else (0, 0)
    counts = [low.type(name).size if name else 1 for name in (f.b_zero, f.scale)]
    return (f.mode, *signed, *bounds, *f.then.params, *counts)


def pack(low: Lowering, b: Matrix, op: str = "pack_b_i8", taps: int = 1) -> str:
    """`b` as gemm_i8 reads it (conv2d_i8: `op` "pack_w_i8"): once per session when it is constant, else
    in every run."""
    columns = padded_rows(b.columns)
    if op == "pack_b_i8":
        panel = core.panel_width()
        columns = -(-b.columns // panel) * panel
    size = b.count * columns * (-(-b.rows // 4) * 8 + 4)
    signed = int(low.type(b.name).dtype is int8)
    params = (b.rows, b.columns, b.count, b.row, b.column, b.step, signed, taps)
    constant = low.value(b.name)
    if constant is None:
        packed = low.temp(uint8, (size,))
        low.emit(op, (b.name,), (packed,), *params)
        return packed

    def make() -> tuple[DType, tuple[int, ...], Any]:
        result = core.Tensor("B", (size,))
        core.call(op, (constant.data,), (result,), *params)
        return uint8, (size,), result

    return low.derived((op, core.isa(), b.name, *params), make)


def _scratch(low: Lowering, k: int) -> str:
    return low.temp(int32, (BLOCK_ROWS * (-(-k // 2) + 1),))


def gemm(
    low: Lowering,
    a: str,
    b: Matrix,
    y: str,
    finish: Finish,
    batch: Sequence[Sequence[int]] = ((), (), ()),
    rows: int | None = None,
) -> bool:
    """Emit gemm_i8; `batch` is (dims, strides of A in elements, strides of B in matrices)."""
    shared = _shared(low, finish, a, b.name, y)
    if shared is None:
        return False
    m = low.type(y).size // b.columns if rows is None and b.columns else rows or 0
    dims, sa, sb = batch
    low.emit(
        "gemm_i8",
        (a, pack(low, b), *finish.names),
        (y, _scratch(low, b.rows)),
        *shared,
        m,
        b.columns,
        b.rows,
        b.rows,
        len(dims),
        *dims,
        *sa,
        *sb,
    )
    return True


def _product(low: Lowering, a: str, b: str, y: str, finish: Finish) -> bool:
    """MatMul's batching over 8-bit integers."""
    left, right = low.type(a).shape, low.type(b).shape
    if not left or not right:
        return False
    k, n = (right[0], 1) if len(right) == 1 else right[-2:]
    if any(name and low.type(name).size not in (1, n) for name in (finish.b_zero, finish.scale)):
        return False
    if any(name and len(low.type(name).shape) > 1 for name in (finish.b_zero,)):
        return False
    if len(right) <= 2:
        return gemm(low, a, Matrix(b, k, n, n, 1), y, finish)
    m = 1 if len(left) == 1 else left[-2]
    target = low.type(y).shape
    outer = target[: len(target) - (1 if len(left) == 1 else 2)]
    sa = [step * m * k for step in broadcast(left[:-2], outer)]
    merged = merge(outer, sa, list(broadcast(right[:-2], outer)))
    if len(merged[0]) > MAX_RANK - 3:
        return False
    stack = Matrix(b, k, n, n, 1, math.prod(right[:-2]), k * n)
    return gemm(low, a, stack, y, finish, merged, m)


def _conv(low: Lowering, x: str, w: str, y: str, finish: Finish) -> bool:
    shape, weights = low.type(x).shape, low.type(w).shape
    shared = _shared(low, finish, x, w, y)
    if shared is None or len(shape) not in (3, 4):
        return False
    window = conv_window(shape, weights, low.attrs)
    if min(window.begins) < 0 or min(window.ends) < 0:
        return False
    groups, filters, k = low.attrs["group"], weights[0], math.prod(weights[1:])
    if any(
        name and low.type(name).size not in (1, filters) for name in (finish.b_zero, finish.scale)
    ):
        return False
    if shape[1] == groups > 1 and _depthwise(low, x, w, y, finish, window):
        return True
    each = filters // groups
    taps = math.prod(window.kernel)
    by_four = taps > 1 and weights[1] % 4 == 0
    matrix = Matrix(w, k, each, 1, k, groups, each * k)
    packed = pack(low, matrix, "pack_w_i8", taps if by_four else 1)
    plane = plane_of(shape[2:], window)
    pixels, words = gathered_pixels(k, plane, core.panel_width())
    low.emit(
        "conv2d_i8",
        (x, packed, *finish.names),
        (y, low.temp(int32, (words,))),
        *shared,
        shape[0],
        shape[1],
        filters,
        groups,
        *plane,
        pixels,
        int(by_four),
    )
    return True


def _depthwise(low: Lowering, x: str, w: str, y: str, f: Finish, window: Window) -> bool:
    """Emit depthwise2d_i8; False where float32 might not hold the sums."""
    shape, filters = low.type(x).shape, low.type(w).shape[0]
    plane = plane_of(shape[2:], window)
    weights, bias = low.value(w), low.value(f.bias) if f.bias else None
    constant = weights is not None and not (f.bias and bias is None)
    zero_known = not f.b_zero or low.value(f.b_zero) is not None
    if f.mode != _QUANTIZED or not constant or not zero_known or plane[3] > WIDEST_DEPTHWISE:
        return False
    largest = max(map(abs, bias.flat()), default=0) if bias else 0
    if largest + math.prod(window.kernel) * 255 * 255 >= 1 << 24:
        return False
    size = math.prod(low.type(w).shape)
    each = f.b_zero if f.b_zero and low.type(f.b_zero).size > 1 else ""
    lines = (1, filters, size // filters) if each else (1, 1, size)
    real = _as_float(low, w, f.b_zero, lines)
    offsets = _as_float(low, f.bias, "", (1, 1, filters)) if f.bias else ""
    area = math.prod(shape[2:]) + math.prod(window.output)
    low.emit(
        "depthwise2d_i8",
        (x, real, f.a_zero, f.scale, offsets, f.y_zero),
        (y, low.temp(float32, (area + plane_floats(plane) + 64,))),
        shape[0],
        shape[1],
        filters,
        *plane,
        int(low.type(x).dtype is int8),
        int(low.type(y).dtype is int8),
        *_within(low.type(y).dtype, f.clamp),
        low.type(f.scale).size,
    )
    return True


def _as_float(low: Lowering, name: str, zero: str, lines: tuple[int, int, int]) -> str:
    """A constant of integers, less its zero point, as float32."""
    held, origin = low.value(name), low.value(zero) if zero else None
    assert held is not None

    def make() -> tuple[DType, tuple[int, ...], Any]:
        result = core.Tensor("f", held.shape)
        ones = struct.pack(f"<{lines[1]}f", *[1.0] * lines[1])
        operands = (held.data, ones, origin.data if origin else None)
        core.call("dequantize_linear_f32", operands, (result,), code(held.dtype), *lines)
        return float32, held.shape, result

    return low.derived(("as_float", name, zero), make)


def _combined(low: Lowering, op: str, a: str, b: str) -> str:
    """`op` over two small float tensors: once per session when both are constant."""
    shape = broadcast_shapes(low.type(a).shape, low.type(b).shape)
    values = [low.value(name) for name in (a, b)]
    size = math.prod(shape)
    if any(value is None or len(shape) > 1 for value in values):
        result = low.temp(float32, shape)
        pair(low, op, a, b, result)
        return result
    steps = [int(low.type(name).size > 1) for name in (a, b)]

    def make() -> tuple[DType, tuple[int, ...], Any]:
        result = core.Tensor("f", (size,))
        operands = [value.data for value in values if value is not None]
        core.call(op, operands, (result,), code(float32), 1, size, *steps)
        return float32, shape, result

    return low.derived((op, a, b), make)


def _given(node: Node, index: int) -> str:
    return node.inputs[index] if index < len(node.inputs) else ""


@lower("MatMulInteger")
def matmul_integer(node: Node, low: Lowering) -> bool:
    a, b = node.inputs[:2]
    finish = Finish(a_zero=_given(node, 2), b_zero=_given(node, 3))
    return _product(low, a, b, node.outputs[0], finish)


@lower("ConvInteger")
def conv_integer(node: Node, low: Lowering) -> bool:
    x, w = node.inputs[:2]
    finish = Finish(a_zero=_given(node, 2), b_zero=_given(node, 3))
    return _conv(low, x, w, node.outputs[0], finish)


def _requantized(node: Node, low: Lowering, bias: str = "") -> Finish | None:
    """For QLinearMatMul and QLinearConv, whose first eight inputs are alike."""
    _, a_scale, a_zero, _, b_scale, b_zero, y_scale, y_zero = node.inputs[:8]
    if any(low.type(name).dtype is not float32 for name in (a_scale, b_scale, y_scale)):
        return None
    if any(low.type(name).size != 1 for name in (a_scale, y_scale, y_zero)):
        return None
    scale = _combined(low, "div", _combined(low, "mul", a_scale, b_scale), y_scale)
    return Finish(_QUANTIZED, a_zero, b_zero, "", scale, bias, y_zero)


@lower("QLinearMatMul")
def qlinear_matmul(node: Node, low: Lowering) -> bool:
    finish = _requantized(node, low)
    if finish is None or any(len(low.type(n).shape) > 1 for n in (finish.scale, finish.b_zero)):
        return False
    return _product(low, node.inputs[0], node.inputs[3], node.outputs[0], finish)


@lower("QLinearConv")
def qlinear_conv(node: Node, low: Lowering) -> bool:
    finish = _requantized(node, low, _given(node, 8))
    return finish is not None and _conv(
        low, node.inputs[0], node.inputs[3], node.outputs[0], finish
    )


def _fused_finish(node: Node, low: Lowering) -> Finish | None:
    names = (*node.inputs, *("",) * 9)[:9]
    a_scale, b_scale, y_scale = (names[i] for i in (q.A_SCALE, q.B_SCALE, q.Y_SCALE))
    if any(name and low.type(name).dtype is not float32 for name in (a_scale, b_scale, y_scale)):
        return None
    if low.type(a_scale).size != 1 or (y_scale and low.type(y_scale).size != 1):
        return None
    zeros, bias = (names[q.A_ZERO], names[q.B_ZERO]), names[q.BIAS]
    then = activation_of(low.attrs)
    if not y_scale:
        return Finish(_REAL, *zeros, a_scale, b_scale, bias, "", then)
    clamp = _clamp(low, then, y_scale, names[q.Y_ZERO])
    if clamp is None:
        return None
    scale = _combined(low, "div", _combined(low, "mul", a_scale, b_scale), y_scale)
    return Finish(_QUANTIZED, *zeros, "", scale, bias, names[q.Y_ZERO], clamp=clamp)


def _clamp(low: Lowering, then: Activation, scale: str, zero: str) -> tuple[int, int] | None:
    """The bounds that stand for an activation between a product and its QuantizeLinear."""
    if then.name == "none":
        return -128, 255
    known = low.value(scale), low.value(zero)
    if known[0] is None or known[1] is None or then.name not in ("relu", "clip"):
        return None
    limits = (0.0, math.inf) if then.name == "relu" else (then.a, then.b)
    step, origin = known[0].flat()[0], known[1].flat()[0]
    # Quotients of two float32 rounded to double, then to float32, are as if rounded once.
    steps = [_float32(_float32(limit) / step) for limit in limits]
    low_, high = (origin + round(max(-512.0, min(512.0, v))) for v in steps)
    return max(-128, min(255, low_)), max(-128, min(255, high))


def _float32(x: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


@lower("QuantizedGemm", domain="strandline")
def quantized_gemm(node: Node, low: Lowering) -> bool:
    finish = _fused_finish(node, low)
    a, b, y = node.inputs[q.A], node.inputs[q.B], node.outputs[0]
    rows, columns = low.type(b).shape
    matrix = Matrix(b, rows, columns, columns, 1)
    if low.attrs["transB"]:
        matrix = Matrix(b, columns, rows, 1, columns)
    return finish is not None and gemm(low, a, matrix, y, finish)


@lower("QuantizedConv", domain="strandline")
def quantized_conv(node: Node, low: Lowering) -> bool:
    finish = _fused_finish(node, low)
    if finish is None:
        return False
    return _conv(low, node.inputs[q.A], node.inputs[q.B], node.outputs[0], finish)


# --- elements -------------------------------------------------------------------------


@lower("QuantizedAdd", "QuantizedMul", domain="strandline")
def quantized_elements(node: Node, low: Lowering) -> bool:
    target = low.type(node.outputs[0])
    a, b = node.inputs[q.SUM_A], node.inputs[q.SUM_B]
    types = [low.type(name).dtype for name in (a, b)]
    if any(dtype not in (*BYTES, float32) for dtype in types):
        return False
    shapes = (broadcast(low.type(name).shape, target.shape) for name in (a, b))
    dims, sa, sb = merge(target.shape, *shapes)
    if len(dims) > MAX_RANK or max(sa[-1], sb[-1]) > 1:
        return False
    then = activation_of(low.attrs)
    clamp = _clamp(low, then, node.inputs[q.SUM_Y_SCALE], node.inputs[q.SUM_Y_ZERO])
    if clamp is None:
        return False
    formats = (*map(code, types), code(target.dtype))
    op = "add_i8" if node.op == "QuantizedAdd" else "mul_i8"
    bounds = _within(target.dtype, clamp)
    low.emit(op, node.inputs, node.outputs, *formats, *bounds, len(dims), *dims, *sa, *sb)
    return True


@lower("MapBytes", domain="strandline")
def bytes_by_table(node: Node, low: Lowering) -> bool:
    low.emit("map_bytes", node.inputs, node.outputs, low.type(node.inputs[0]).size)
    return True
