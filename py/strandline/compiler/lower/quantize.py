"""Quantized tensors: to and from float32."""

from __future__ import annotations

import math

from strandline.compiler.lower.convert import as_type
from strandline.compiler.lower.layout import code, contiguous, merge, split
from strandline.compiler.lower.registry import Lowering, lower
from strandline.onnx.graph import Node
from strandline.onnx.types import (
    DType,
    float32,
    int2,
    int4,
    int8,
    int16,
    int32,
    uint2,
    uint4,
    uint8,
    uint16,
)
from strandline.ops.rules import axis_of

BYTES = (int8, uint8)
"""Types that the integer kernels compute on."""
_IN_BYTES = (int4, uint4, int2, uint2)
"""Types of fewer bits, each element in a byte of its own."""


def _lines(low: Lowering, x: str, scale: str) -> tuple[int, int, int] | None:
    """(before, along, after) the axis of the scales, blocks along the last axis as rows of their own; None
    for other blocks."""
    shape, scales = low.type(x).shape, low.type(scale).shape
    if low.attrs["block_size"]:
        blocks = _blocks(low, x, scale)
        return None if blocks is None or blocks[3] != 1 else (1, blocks[0] * blocks[1], blocks[2])
    if math.prod(scales) == 1:
        return 1, 1, low.type(x).size
    axis = axis_of(low.attrs["axis"], len(shape)) if len(shape) else 0
    return split(shape, axis) if scales == shape[axis : axis + 1] else None


def _blocks(low: Lowering, x: str, scale: str) -> tuple[int, int, int, int] | None:
    """(elements before the axis, blocks along it, of how many, elements after it); None where the last
    block is shorter."""
    shape, size = low.type(x).shape, int(low.attrs["block_size"])
    axis = axis_of(low.attrs["axis"], len(shape))
    before, along, after = split(shape, axis)
    if along % size or low.type(scale).shape != (*shape[:axis], along // size, *shape[axis + 1 :]):
        return None
    return before, along // size, size, after


def _linear(node: Node, low: Lowering, op: str, x: str, whole: DType) -> bool:
    scale = node.inputs[1]
    zero = node.inputs[2] if len(node.inputs) > 2 else ""
    lines = _lines(low, x, scale)
    if lines is None or low.type(scale).dtype is not float32:
        return False
    if zero and (low.type(zero).dtype is not whole or low.type(zero).size != low.type(scale).size):
        return False
    low.emit(op, (x, scale, zero), node.outputs, code(whole), *lines)
    return True


@lower("QuantizeLinear")
def quantize(node: Node, low: Lowering) -> bool:
    whole = low.type(node.outputs[0]).dtype
    fits = whole in (*BYTES, int16, uint16) and low.type(node.inputs[0]).dtype is float32
    if not fits or low.attrs["precision"] not in (0, 1):
        return False
    return _linear(node, low, "quantize_linear_f32", node.inputs[0], whole)


@lower("DequantizeLinear")
def dequantize(node: Node, low: Lowering) -> bool:
    whole = low.type(node.inputs[0]).dtype
    fits = whole in (*BYTES, *_IN_BYTES, int16, uint16, int32)
    if not fits or low.type(node.outputs[0]).dtype is not float32:
        return False
    if _linear(node, low, "dequantize_linear_f32", node.inputs[0], whole):
        return True
    return bool(low.attrs["block_size"]) and _dequantize_blocks(node, low)


def _dequantize_blocks(node: Node, low: Lowering) -> bool:
    """Blocks along an axis that is not the last."""
    x, scale, zero = (*node.inputs, "")[:3]
    blocks = _blocks(low, x, scale)
    if blocks is None or low.type(scale).dtype is not float32:
        return False
    if zero and low.type(zero).shape != low.type(scale).shape:
        return False
    _, count, _, after = blocks
    along = merge(blocks, contiguous(blocks), (count * after, after, 0, 1))
    params = (code(float32), len(along[0]), *along[0], *along[1], *along[2])
    steps = as_type(low, x, float32)
    if zero:
        centred = low.temp(float32, low.type(x).shape)
        low.emit("sub", (steps, as_type(low, zero, float32)), (centred,), *params)
        steps = centred
    low.emit("mul", (steps, scale), (node.outputs[0],), *params)
    return True


@lower("DynamicQuantizeLinear")
def dynamic_quantize(node: Node, low: Lowering) -> bool:
    names = [
        name or low.temp(dtype, shape)
        for name, dtype, shape in zip(
            (*node.outputs, "", "")[:3],
            (uint8, float32, uint8),
            (low.type(node.inputs[0]).shape, (), ()),
            strict=True,
        )
    ]
    low.emit("dynamic_quantize_u8", node.inputs, names, low.type(node.inputs[0]).size)
    return True


# --- products and convolutions --------------------------------------------------------
