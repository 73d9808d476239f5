"""Picking elements by index."""

from __future__ import annotations

import math
from collections.abc import Sequence

from strandline.compiler.lower.layout import MAX_RANK, code, contiguous, split
from strandline.compiler.lower.registry import Lowering, lower
from strandline.onnx.graph import Node
from strandline.ops.rules import axis_of


def gather(low: Lowering, source: str, indices: str, target: str, axis: int = 0) -> None:
    """Emit `target` = `source` at `indices` (int32 or int64) along `axis`."""
    x, picks = low.type(source), low.type(indices)
    before, size, after = split(x.shape, axis)
    low.emit(
        "gather",
        (source, indices),
        (target,),
        code(picks.dtype),
        before,
        size,
        after * x.dtype.itemsize,
        picks.size,
    )


@lower("Gather")
def gather_(node: Node, low: Lowering) -> bool:
    axis = axis_of(low.attrs["axis"], len(low.type(node.inputs[0]).shape))
    gather(low, node.inputs[0], node.inputs[1], node.outputs[0], axis)
    return True


@lower("ArrayFeatureExtractor", domain="ai.onnx.ml")
def array_feature_extractor(node: Node, low: Lowering) -> bool:
    """Columns of the last axis by number."""
    gather(low, node.inputs[0], node.inputs[1], node.outputs[0], -1)
    return True


@lower("GatherElements")
def gather_elements(node: Node, low: Lowering) -> bool:
    x, picks = low.type(node.inputs[0]), low.type(node.inputs[1])
    if len(x.shape) > MAX_RANK:
        return False
    axis = axis_of(low.attrs["axis"], len(x.shape))
    params = (code(picks.dtype), x.dtype.itemsize, *picked_walk(x.shape, picks.shape, axis))
    low.emit("gather_elements", node.inputs, node.outputs, *params)
    return True


def picked_walk(shape: Sequence[int], picks: Sequence[int], axis: int) -> tuple[int, ...]:
    """How a kernel walks over indices of shape `picks` that say where on `axis` of `shape` each one points:
    rank, axis, its size, `picks`, strides of the other axes, the axis' own.
    """
    strides = list(contiguous(shape))
    along, strides[axis] = strides[axis], 0
    return len(shape), axis, shape[axis], *picks, *strides, along


@lower("GatherND")
def gather_nd(node: Node, low: Lowering) -> bool:
    x, picks = low.type(node.inputs[0]), low.type(node.inputs[1])
    batch, length = low.attrs.get("batch_dims", 0), picks.shape[-1]
    if length > MAX_RANK or picks.dtype.format != "q":
        return False
    indexed = x.shape[batch : batch + length]
    slice_bytes = math.prod(x.shape[batch + length :]) * x.dtype.itemsize
    low.emit(
        "gather_nd",
        node.inputs,
        node.outputs,
        slice_bytes,
        math.prod(x.shape[:batch]),
        math.prod(picks.shape[batch:-1]),
        length,
        *indexed,
    )
    return True


@lower("OneHot")
def one_hot(node: Node, low: Lowering) -> bool:
    indices, y = low.type(node.inputs[0]), low.type(node.outputs[0])
    if indices.dtype.format not in "iq" or low.type(node.inputs[2]).dtype is not y.dtype:
        return False
    before, depth, after = split(y.shape, axis_of(low.attrs["axis"], len(y.shape)))
    low.emit(
        "one_hot",
        (node.inputs[0], node.inputs[2]),
        node.outputs,
        code(indices.dtype),
        before,
        depth,
        after,
        y.dtype.itemsize,
    )
    return True
