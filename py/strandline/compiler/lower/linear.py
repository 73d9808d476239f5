"""Matrix products."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from strandline import core
from strandline.compiler.lower.binary import pair
from strandline.compiler.lower.choice import packs_rows
from strandline.compiler.lower.copy import copy
from strandline.compiler.lower.layout import MAX_RANK, broadcast, merge
from strandline.compiler.lower.registry import Lowering, lower
from strandline.compiler.lower.unary import apply
from strandline.onnx.graph import Node
from strandline.onnx.types import DType, float32, float64

PACKED_ROWS = 192 * 192
"""Floats of scratch in which gemm_f32 packs a block of A: enough for every instruction set."""


class Activation(NamedTuple):
    """What a product or a convolution applies on the way out; `name` is one of `core.ACTIVATIONS`."""

    name: str = "none"
    a: float = 0.0
    b: float = 0.0

    @property
    def params(self) -> tuple[int, float, float]:
        return core.ACTIVATIONS[self.name], self.a, self.b


NONE = Activation()


def activation_of(attrs: Any) -> Activation:
    """The activation that a fusing pass left in a node's attributes."""
    return Activation(
        attrs.get("activation", "none"), float(attrs.get("a", 0)), float(attrs.get("b", 0))
    )


@dataclass(frozen=True, slots=True)
class Matrix:
    """A stack of matrices inside a tensor; strides in elements."""

    name: str
    rows: int
    columns: int
    row: int
    column: int
    count: int = 1
    step: int = 0


def pack(low: Lowering, b: Matrix, factor: float = 1.0) -> str:
    """`b` as gemm_f32 reads it: once per session when it is constant, else in every run."""
    panel = core.panel_width()
    size = b.count * -(-b.columns // panel) * panel * b.rows
    params = (b.rows, b.columns, b.count, b.row, b.column, b.step, factor)
    constant = low.value(b.name)
    if constant is None:
        packed = low.temp(float32, (size,))
        low.emit("pack_b_f32", (b.name,), (packed,), *params)
        return packed

    def make() -> tuple[DType, tuple[int, ...], Any]:
        result = core.Tensor("f", (size,))
        core.call("pack_b_f32", (constant.data,), (result,), *params)
        return float32, (size,), result

    return low.derived(("pack_b_f32", core.isa(), b.name, *params), make)


class Bias(NamedTuple):
    """What is added to a product [rows, columns]: element (i, j) is at i * row + j * column."""

    name: str
    row: int
    column: int


def bias_of(low: Lowering, name: str, rows: int, columns: int) -> Bias | None:
    """How `name` broadcasts over a [rows, columns] product, or None when its strides are uneven."""
    shape = low.type(name).shape
    size = math.prod(shape)
    last = shape[-1] if shape else 1
    if size == 1:
        return Bias(name, 0, 0)
    if size == columns and last == columns:
        return Bias(name, 0, 1)
    if size == rows and last == 1:
        return Bias(name, 1, 0)
    if size == rows * columns and last == columns:
        return Bias(name, columns, 1)
    return None


def gemm(
    low: Lowering,
    a: str,
    packed: str,
    target: str,
    size: tuple[int, int, int],
    *,
    a_row: int | None = None,
    bias: Bias | None = None,
    activation: Activation = NONE,
    batch: tuple[tuple[int, ...], ...] = ((), (), ()),
) -> None:
    """Emit gemm_f32; `batch` is (dims, strides of A in elements, strides of B in matrices)."""
    m, n, k = size
    dims, sa, sb = batch
    a_row = k if a_row is None else a_row

    def emit(packs: bool) -> None:
        low.emit(
            "gemm_f32",
            (a, packed, bias.name if bias else "", ""),
            (target, low.temp(float32, (PACKED_ROWS,)) if packs else ""),
            m,
            n,
            k,
            a_row,
            bias.row if bias else 0,
            bias.column if bias else 0,
            *activation.params,
            len(dims),
            *dims,
            *sa,
            *sb,
        )

    low.choose(
        lambda: f"gemm {m}x{k}x{n} from {a_row} times {math.prod(dims)}",
        packs_rows(m, n, k, core.panel_width()),
        lambda packs: f"gemm_f32{', rows packed' if packs else ''}",
        emit,
    )


def _scaled(low: Lowering, name: str, factor: float) -> str:
    if factor == 1.0:
        return name
    type_ = low.type(name)
    result = low.temp(type_.dtype, type_.shape)
    pair(low, "mul", name, low.constant(type_.dtype, (), [factor]), result)
    return result


def _product(
    low: Lowering,
    a: str,
    b: Matrix,
    bias: Bias | None,
    target: str,
    *,
    alpha: float = 1.0,
    then: Activation = NONE,
) -> None:
    """Emit A [rows, K] times one matrix, plus the bias."""
    size = (math.prod(low.type(a).shape) // b.rows if b.rows else 0, b.columns, b.rows)
    if not b.rows:
        size = (math.prod(low.type(target).shape) // (b.columns or 1), b.columns, 0)
    if low.type(target).dtype is float32:
        gemm(low, a, pack(low, b, alpha), target, size, bias=bias, activation=then)
        return
    offset = (bias.row, bias.column) if bias else (0, 0)
    operands = (a, b.name, bias.name if bias else "")
    low.emit("gemm_f64", operands, (target,), *size, b.rows, b.row, b.column, *offset, alpha, 1.0)
    if then.name != "none":
        apply(low, then.name, target, target, then.a, then.b)


def _transposed(low: Lowering, name: str) -> str:
    type_ = low.type(name)
    rows, columns = type_.shape
    result = low.temp(type_.dtype, (columns, rows))
    copy(low, name, result, (columns, rows), (1, columns), (rows, 1))
    return result


def _has_kernel(low: Lowering, node: Node) -> bool:
    dtype = low.type(node.inputs[0]).dtype
    return dtype.is_float and all(low.type(n).dtype is dtype for n in node.inputs if n)


@lower("Gemm")
@lower("FusedGemm", domain="strandline")
def gemm_(node: Node, low: Lowering) -> bool:
    """alpha * A B + beta * C, with A of any rank (its leading axes are rows) in FusedGemm."""
    if not _has_kernel(low, node):
        return False
    shape = low.type(node.outputs[0]).shape
    rows, columns = math.prod(shape[:-1]), shape[-1]
    c = node.inputs[2] if len(node.inputs) > 2 else ""
    bias = bias_of(low, c, rows, columns) if c else None
    inner = low.type(node.inputs[1]).shape[1 if low.attrs["transB"] else 0]
    # C may be larger than the product, which then repeats.
    if (c and bias is None) or low.type(node.inputs[0]).size != rows * inner:
        return False
    a, b, *_ = inputs = node.inputs
    if low.attrs.get("transA", 0):
        a = _transposed(low, a)
    row, column = (1, inner) if low.attrs["transB"] else (columns, 1)
    if bias:
        bias = Bias(_scaled(low, inputs[2], float(low.attrs["beta"])), bias.row, bias.column)
    y = node.outputs[0]
    matrix = Matrix(b, inner, columns, row, column)
    alpha = float(low.attrs["alpha"])
    _product(low, a, matrix, bias, y, alpha=alpha, then=activation_of(low.attrs))
    return True


@lower("MatMul")
def matmul(node: Node, low: Lowering) -> bool:
    if not _has_kernel(low, node):
        return False
    left, right = (low.type(n).shape for n in node.inputs)
    dtype = low.type(node.inputs[0]).dtype
    vector = len(right) == 1
    k, n = (right[0], 1) if vector else right[-2:]
    if len(right) <= 2:
        a, b_name = node.inputs
        y = node.outputs[0]
        _product(low, a, Matrix(b_name, k, n, n, 1), None, y)
        return True
    if dtype is float64:
        return False
    m = 1 if len(left) == 1 else left[-2]
    target = low.type(node.outputs[0]).shape
    batch = target[: len(target) - (1 if len(left) == 1 else 2)]
    sa = [step * m * k for step in broadcast(left[:-2], batch)]
    sb = list(broadcast(right[:-2], batch))
    merged = merge(batch, sa, sb)
    if len(merged[0]) > MAX_RANK - 3:
        return False
    a, b_name = node.inputs
    y = node.outputs[0]
    stack = Matrix(b_name, k, n, n, 1, math.prod(right[:-2]), k * n)
    gemm(low, a, pack(low, stack), y, (m, n, k), batch=merged)
    return True
