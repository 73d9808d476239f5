"""Reductions over axes, positions of extremes, and running sums and products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType, int64
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, axes_of, axis_of, ints, known, need, same, value


def reduced(shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """`shape` with `axes` at size 1 or left out."""
    return tuple(
        1 if i in axes else size for i, size in enumerate(shape) if keepdims or i not in axes
    )


def _attribute_rule(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    axes = axes_of(ints(attrs["axes"]), len(x.shape)) or tuple(range(len(x.shape)))
    return [TensorType(x.dtype, reduced(x.shape, axes, attrs["keepdims"]))]


def _input_rule(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x = need(inputs, 0)
    if not known(inputs, 1):
        return None
    axes = axes_of(value(inputs, 1) or (), len(x.shape))
    if not axes and not attrs["noop_with_empty_axes"]:
        axes = tuple(range(len(x.shape)))
    return [TensorType(x.dtype, reduced(x.shape, axes, attrs["keepdims"]))]


Reduction = Callable[[Array, tuple[int, ...], bool], Array]


def _reduction(name: str, axes_as_input: int = 18) -> Callable[[Reduction], Reduction]:
    """Register a reduction (array, axes, keepdims) both ways: axes as attribute, and as input from
    an opset on."""

    def register(function: Reduction) -> Reduction:
        @op(name, since=1, shape=_attribute_rule)
        def by_attribute(x: Array, *, axes: Any = None, keepdims: int = 1) -> Array:
            return function(x, axes_of(ints(axes), x.ndim) or tuple(range(x.ndim)), bool(keepdims))

        @op(name, since=axes_as_input, shape=_input_rule)
        def by_input(
            x: Array, axes: Array | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
        ) -> Array:
            chosen = axes_of(ints(axes), x.ndim)
            if not chosen and not noop_with_empty_axes:
                chosen = tuple(range(x.ndim))
            return function(x, chosen, bool(keepdims))

        return function

    return register


@_reduction("ReduceSum", axes_as_input=13)
def reduce_sum(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.sum(x, axis=axes, keepdims=keepdims, dtype=x.dtype)


@_reduction("ReduceMean")
def reduce_mean(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    count = np.prod([x.shape[a] for a in axes], dtype=np.int64)
    total = np.sum(
        x, axis=axes, keepdims=keepdims, dtype=np.float32 if x.dtype == np.float16 else x.dtype
    )
    return (total / count).astype(x.dtype)


@_reduction("ReduceProd")
def reduce_prod(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.prod(x, axis=axes, keepdims=keepdims, dtype=x.dtype)


def _lowest(x: Array) -> Any:
    if x.dtype.kind == "b":
        return False
    return -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min


def _highest(x: Array) -> Any:
    if x.dtype.kind == "b":
        return True
    return np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).max


@_reduction("ReduceMax")
def reduce_max(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.max(x, axis=axes, keepdims=keepdims, initial=_lowest(x))


@_reduction("ReduceMin")
def reduce_min(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.min(x, axis=axes, keepdims=keepdims, initial=_highest(x))


@_reduction("ReduceL1")
def reduce_l1(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return reduce_sum(np.abs(x), axes, keepdims)


@_reduction("ReduceL2")
def reduce_l2(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.sqrt(reduce_sum(x * x, axes, keepdims)).astype(x.dtype)


@_reduction("ReduceSumSquare")
def reduce_sum_square(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return reduce_sum(x * x, axes, keepdims)


@_reduction("ReduceLogSum")
def reduce_log_sum(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.log(reduce_sum(x, axes, keepdims)).astype(x.dtype)


@_reduction("ReduceLogSumExp")
def reduce_log_sum_exp(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """With the largest element taken out, so that exp does not overflow."""
    if x.dtype.kind != "f":
        return reduce_log_sum_exp(x.astype(np.float64), axes, keepdims).astype(x.dtype)
    top = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, np.zeros((), x.dtype))
    total = np.log(np.sum(np.exp(x - top), axis=axes, keepdims=True)) + top
    return (total if keepdims else np.squeeze(total, axes)).astype(x.dtype)


def _position(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    axis = axis_of(attrs["axis"], len(x.shape))
    return [TensorType(int64, reduced(x.shape, (axis,), attrs["keepdims"]))]


@op("ArgMax", shape=_position)
def arg_max(x: Array, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Array:
    if select_last_index:
        return x.shape[axis] - 1 - np.argmax(np.flip(x, axis), axis=axis, keepdims=bool(keepdims))
    return np.argmax(x, axis=axis, keepdims=bool(keepdims)).astype(np.int64)


@op("ArgMin", shape=_position)
def arg_min(x: Array, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Array:
    if select_last_index:
        return x.shape[axis] - 1 - np.argmin(np.flip(x, axis), axis=axis, keepdims=bool(keepdims))
    return np.argmin(x, axis=axis, keepdims=bool(keepdims)).astype(np.int64)


def _running(
    x: Array, axis: int, accumulate: Any, neutral: int, exclusive: int, reverse: int
) -> Array:
    if reverse:
        x = np.flip(x, axis)
    result = accumulate(x, axis=axis, dtype=x.dtype)
    if exclusive:
        shifted = np.full_like(result, neutral)
        after, before = [[slice(None)] * x.ndim for _ in range(2)]
        after[axis], before[axis] = slice(1, None), slice(None, -1)
        shifted[tuple(after)] = result[tuple(before)]
        result = shifted
    return np.flip(result, axis) if reverse else result


@op("CumSum", since=11, shape=same)
def cum_sum(x: Array, axis: Array, *, exclusive: int = 0, reverse: int = 0) -> Array:
    return _running(x, int(axis.item()), np.cumsum, 0, exclusive, reverse)


@op("CumProd", since=26, shape=same)
def cum_prod(x: Array, axis: Array, *, exclusive: int = 0, reverse: int = 0) -> Array:
    return _running(x, int(axis.item()), np.cumprod, 1, exclusive, reverse)
