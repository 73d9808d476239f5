"""Reductions, and what runs along one axis: ArgMax, TopK, Softmax, CumSum."""

from __future__ import annotations

from collections.abc import Sequence

from strandline.compiler.lower.layout import MAX_RANK, code, contiguous, merge, split
from strandline.compiler.lower.registry import Lowering, lower
from strandline.onnx.graph import Node
from strandline.onnx.types import int64
from strandline.ops.rules import axes_of, axis_of, ints

_REDUCE = {
    "ReduceSum": "reduce_sum",
    "ReduceMean": "reduce_mean",
    "ReduceMax": "reduce_max",
    "ReduceMin": "reduce_min",
    "ReduceProd": "reduce_prod",
    "ReduceL1": "reduce_l1",
    "ReduceL2": "reduce_l2",
    "ReduceSumSquare": "reduce_sum_square",
    "ReduceLogSum": "reduce_log_sum",
    "ReduceLogSumExp": "reduce_log_sum_exp",
}


def reduce(low: Lowering, op: str, source: str, target: str, axes: Sequence[int]) -> bool:
    """Emit `op` over `axes`; False when neither merging nor the rank limit allows it."""
    x = low.type(source)
    strides = contiguous(x.shape)
    kept = [a for a in range(len(x.shape)) if a not in axes]
    kept_dims, kept_steps = _merged(x.shape, strides, kept)
    dims, steps = _merged(x.shape, strides, list(axes))
    if len(kept_dims) + len(dims) > MAX_RANK:
        return False
    low.emit(
        op,
        (source,),
        (target,),
        code(x.dtype),
        len(kept_dims),
        len(dims),
        *kept_dims,
        *kept_steps,
        *dims,
        *steps,
    )
    return True


def _merged(
    shape: Sequence[int], strides: Sequence[int], axes: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    dims, steps = merge([shape[a] for a in axes], [strides[a] for a in axes])
    return dims, steps


def _axes(node: Node, low: Lowering, rank: int) -> tuple[int, ...] | None:
    """The reduced axes from the attribute or, in newer opsets, the input; None: known only by running."""
    if len(node.inputs) > 1 and node.inputs[1]:
        constant = low.value(node.inputs[1])
        if constant is None:
            return None
        given = ints(constant)
    else:
        given = ints(low.attrs.get("axes"))
    if not given and low.attrs.get("noop_with_empty_axes", 0):
        return ()
    return tuple(sorted(axes_of(given, rank))) or tuple(range(rank))


@lower(*_REDUCE)
def reduction(node: Node, low: Lowering) -> bool:
    x = low.type(node.inputs[0])
    axes = _axes(node, low, len(x.shape))
    if axes is None or not (x.dtype.is_float or x.dtype.is_integer):
        return False
    if node.op == "ReduceLogSumExp" and not x.dtype.is_float:
        return False
    if node.op in ("ReduceMean", "ReduceLogSum", "ReduceL2") and x.dtype.is_integer:
        return False
    if len(x.shape) > MAX_RANK:
        return False
    reduce(low, _REDUCE[node.op], node.inputs[0], node.outputs[0], axes)
    return True


@lower("GlobalAveragePool", "GlobalMaxPool")
def global_pool(node: Node, low: Lowering) -> bool:
    x = low.type(node.inputs[0])
    if not x.dtype.is_float or len(x.shape) > MAX_RANK:
        return False
    op = "reduce_mean" if node.op == "GlobalAveragePool" else "reduce_max"
    reduce(low, op, node.inputs[0], node.outputs[0], tuple(range(2, len(x.shape))))
    return True


@lower("GlobalLpPool")
def global_lp_pool(node: Node, low: Lowering) -> bool:
    x, op = low.type(node.inputs[0]), {1: "reduce_l1", 2: "reduce_l2"}.get(low.attrs["p"])
    if op is None or x.dtype.format not in "fd" or len(x.shape) > MAX_RANK:
        return False
    return reduce(low, op, node.inputs[0], node.outputs[0], range(2, len(x.shape)))


@lower("ArgMax", "ArgMin")
def arg(node: Node, low: Lowering) -> bool:
    x = low.type(node.inputs[0])
    if not (x.dtype.is_float or x.dtype.is_integer):
        return False
    lines = split(x.shape, axis_of(low.attrs["axis"], len(x.shape)))
    if lines[1] == 0:
        return False
    low.emit(
        node.op.lower(),
        node.inputs[:1],
        node.outputs,
        code(x.dtype),
        *lines,
        int(low.attrs.get("select_last_index", 0)),
    )
    return True


@lower("Hardmax")
def hardmax(node: Node, low: Lowering) -> bool:
    """Before opset 13 over all axes from `axis` on, together."""
    x = low.type(node.inputs[0])
    if x.dtype.format not in "fd" or not x.shape:
        return False
    before, n, after = split(x.shape, axis_of(low.attrs["axis"], len(x.shape)))
    if low.opset < 13:
        n, after = n * after, 1
    best = low.temp(int64, (before, after))
    low.emit("argmax", node.inputs, (best,), code(x.dtype), before, n, after, 0)
    values = low.constant(x.dtype, (2,), [0.0, 1.0])
    size = (before, n, after, x.dtype.itemsize)
    low.emit("one_hot", (best, values), node.outputs, code(int64), *size)
    return True


@lower("TopK")
def top_k(node: Node, low: Lowering) -> bool:
    """k is an attribute before opset 10, an input since; the result is always sorted."""
    x = low.type(node.inputs[0])
    if x.dtype.format not in "fdiq" or x.dtype.name == "string" or len(node.outputs) < 2:
        return False
    if not all(node.outputs[:2]):
        return False
    axis = axis_of(low.attrs["axis"], len(x.shape))
    k = low.type(node.outputs[0]).shape[axis]
    low.emit(
        "top_k",
        node.inputs[:1],
        node.outputs,
        code(x.dtype),
        *split(x.shape, axis),
        k,
        int(low.attrs.get("largest", 1)),
    )
    return True


@lower("Softmax", "LogSoftmax")
def softmax(node: Node, low: Lowering) -> bool:
    """Before opset 13 over all axes from `axis` on, together."""
    x = low.type(node.inputs[0])
    if not x.dtype.is_float:
        return False
    axis = low.attrs["axis"]
    if low.opset < 13:
        axis = axis + len(x.shape) if axis < 0 else axis
        before, n, after = 1, 1, 1
        for i, size in enumerate(x.shape):
            before, n = (before * size, n) if i < axis else (before, n * size)
    else:
        before, n, after = split(x.shape, axis_of(axis, len(x.shape))) if x.shape else (1, 1, 1)
    op = "softmax" if node.op == "Softmax" else "log_softmax"
    low.emit(op, node.inputs, node.outputs, code(x.dtype), before, n, after)
    return True


@lower("CumSum")
def cumsum(node: Node, low: Lowering) -> bool:
    x = low.type(node.inputs[0])
    axis = low.value(node.inputs[1])
    if axis is None or x.dtype.format not in "fdiIqQ":
        return False
    lines = split(x.shape, axis_of(ints(axis)[0], len(x.shape)))
    flags = (int(low.attrs["exclusive"]), int(low.attrs["reverse"]))
    low.emit("cumsum", node.inputs[:1], node.outputs, code(x.dtype), *lines, *flags)
    return True
