"""Placing elements by index."""

from __future__ import annotations

import math

from strandline.compiler.lower.copy import copy
from strandline.compiler.lower.gather import picked_walk
from strandline.compiler.lower.layout import MAX_RANK, code
from strandline.compiler.lower.registry import Lowering, lower
from strandline.onnx.graph import Node
from strandline.onnx.types import DType, int64
from strandline.ops.rules import axis_of, ints

_REDUCTIONS = ("none", "add", "mul", "max", "min")


def _served(low: Lowering, dtype: DType) -> bool:
    return low.attrs.get("reduction", "none") == "none" or dtype.format in "fdiq"


def _scatter(node: Node, low: Lowering, kernel: str, *where: int) -> None:
    """Emit the copy that the updates go into, and the kernel that puts them there."""
    x = low.type(node.inputs[0])
    copy(low, node.inputs[0], node.outputs[0], (x.size,), (1,), (1,))
    how = (code(x.dtype), _REDUCTIONS.index(low.attrs.get("reduction", "none")))
    low.emit(kernel, node.inputs[1:3], node.outputs, *how, *where)


@lower("ScatterElements", "Scatter")
def scatter_elements(node: Node, low: Lowering) -> bool:
    x, picks = low.type(node.inputs[0]), low.type(node.inputs[1])
    rank = len(x.shape)
    if not 0 < rank <= MAX_RANK or picks.dtype.format not in "iq" or not _served(low, x.dtype):
        return False
    axis = axis_of(low.attrs["axis"], rank)
    if any(p > s for i, (p, s) in enumerate(zip(picks.shape, x.shape, strict=True)) if i != axis):
        return False
    walk = picked_walk(x.shape, picks.shape, axis)
    _scatter(node, low, "scatter_elements", code(picks.dtype), *walk)
    return True


@lower("ScatterND")
def scatter_nd(node: Node, low: Lowering) -> bool:
    x, picks = low.type(node.inputs[0]), low.type(node.inputs[1])
    length = picks.shape[-1]
    slice_size, tuples = math.prod(x.shape[length:]), math.prod(picks.shape[:-1])
    if length > MAX_RANK or picks.dtype is not int64 or not _served(low, x.dtype):
        return False
    if low.type(node.inputs[2]).size != slice_size * tuples:
        return False
    _scatter(node, low, "scatter_nd", slice_size, tuples, length, *x.shape[:length])
    return True


@lower("Trilu")
def trilu(node: Node, low: Lowering) -> bool:
    x = low.type(node.inputs[0])
    diagonal = 0
    if len(node.inputs) > 1 and node.inputs[1]:
        constant = low.value(node.inputs[1])
        if constant is None:
            return False
        (diagonal,) = ints(constant)
    rows, columns = x.shape[-2:]
    diagonal = min(max(diagonal, -rows), columns)
    size = (x.dtype.itemsize, math.prod(x.shape[:-2]), rows, columns)
    low.emit("triangle", node.inputs[:1], node.outputs, *size, diagonal, low.attrs["upper"])
    return True
