"""Normalisation over batches, groups, layers and vectors, and the softmax family."""

from __future__ import annotations

from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType
from strandline.ops.cast import element_type
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, axes_of, axis_of, ints, need, same
from strandline.ops.shape import flattened


@op("Softmax", since=13, shape=same)
def softmax(x: Array, *, axis: int = -1) -> Array:
    if not x.size:
        return x
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


@op("LogSoftmax", since=13, shape=same)
def log_softmax(x: Array, *, axis: int = -1) -> Array:
    if not x.size:
        return x
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@op("Hardmax", since=13, shape=same)
def hardmax(x: Array, *, axis: int = -1) -> Array:
    """One at the first largest element."""
    result = np.zeros_like(x)
    np.put_along_axis(result, np.argmax(x, axis=axis, keepdims=True), 1, axis=axis)
    return result


@op("Softmax", since=1, shape=same)
def softmax_1(x: Array, *, axis: int = 1) -> Array:
    """Before opset 13: over all axes from `axis` on, together."""
    return softmax(x.reshape(flattened(x.shape, axis))).reshape(x.shape)


@op("LogSoftmax", since=1, shape=same)
def log_softmax_1(x: Array, *, axis: int = 1) -> Array:
    return log_softmax(x.reshape(flattened(x.shape, axis))).reshape(x.shape)


@op("Hardmax", since=1, shape=same)
def hardmax_1(x: Array, *, axis: int = 1) -> Array:
    return hardmax(x.reshape(flattened(x.shape, axis))).reshape(x.shape)


def _per_channel(v: Array, rank: int) -> Array:
    return v.reshape(-1, *(1,) * (rank - 2))


def _batch_normalization(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [need(inputs, 0), *[need(inputs, 3)] * 2][:n]


@op("BatchNormalization", since=14, shape=_batch_normalization)
def batch_normalization(
    x: Array,
    scale: Array,
    bias: Array,
    mean: Array,
    var: Array,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
) -> Array | tuple[Array, ...]:
    running: tuple[Array, ...] = ()
    if training_mode:
        others = (0, *range(2, x.ndim))
        seen, spread = np.mean(x, axis=others), np.var(x, axis=others)
        running = tuple(
            (old * momentum + new * (1 - momentum)).astype(old.dtype)
            for old, new in ((mean, seen), (var, spread))
        )
        mean, var = seen, spread
    factor = scale / np.sqrt(var + np.asarray(epsilon, var.dtype))
    offset = bias - mean * factor
    y = x * _per_channel(factor, x.ndim) + _per_channel(offset, x.ndim)
    return (y.astype(x.dtype), *running) if running else y.astype(x.dtype)


@op("BatchNormalization", since=1, shape=same)
def batch_normalization_1(
    x: Array,
    scale: Array,
    bias: Array,
    mean: Array,
    var: Array,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    spatial: int = 1,
    is_test: int = 1,
    consumed_inputs: None = None,
) -> Array:
    """Inference only. Without `spatial` the statistics are per element."""
    if spatial:
        return batch_normalization(x, scale, bias, mean, var, epsilon=epsilon)
    return ((x - mean) / np.sqrt(var + np.asarray(epsilon, x.dtype)) * scale + bias).astype(x.dtype)


def standardized(x: Array, axes: tuple[int, ...], epsilon: float) -> tuple[Array, Array, Array]:
    """`x` with mean 0 and variance 1 over `axes`, the mean, and the inverse standard deviation."""
    mean = np.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    variance = np.mean(centred * centred, axis=axes, keepdims=True)
    inverse = 1 / np.sqrt(variance + np.asarray(epsilon, x.dtype))
    return centred * inverse, mean, inverse


@op("InstanceNormalization", since=1, shape=same)
def instance_normalization(
    x: Array, scale: Array, bias: Array, *, epsilon: float = 1e-5, consumed_inputs: None = None
) -> Array:
    y, _, _ = standardized(x, tuple(range(2, x.ndim)), epsilon)
    return (y * _per_channel(scale, x.ndim) + _per_channel(bias, x.ndim)).astype(x.dtype)


def _layer_normalization(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    axis = axis_of(attrs["axis"], len(x.shape))
    shape = (*x.shape[:axis], *(1,) * (len(x.shape) - axis))
    return [x, *[TensorType(element_type(attrs["stash_type"]), shape)] * 2][:n]


@op("LayerNormalization", since=1, shape=_layer_normalization)
def layer_normalization(
    x: Array,
    scale: Array,
    bias: Array | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> tuple[Array, Array, Array]:
    """Statistics over `axis` and all after it, in the precision of `stash_type`."""
    stash = element_type(stash_type).numpy
    axes = tuple(range(axis_of(axis, x.ndim), x.ndim))
    y, mean, inverse = standardized(x.astype(stash), axes, epsilon)
    y = y.astype(x.dtype) * scale
    return (y if bias is None else y + bias).astype(x.dtype), mean, inverse


@op("RMSNormalization", since=23, shape=same)
def rms_normalization(
    x: Array, scale: Array, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Array:
    stash = element_type(stash_type).numpy
    axes = tuple(range(axis_of(axis, x.ndim), x.ndim))
    wide = x.astype(stash)
    square = np.mean(wide * wide, axis=axes, keepdims=True)
    y = wide / np.sqrt(square + np.asarray(epsilon, stash))
    return (y.astype(x.dtype) * scale).astype(x.dtype)


def _grouped(x: Array, groups: int, epsilon: float, stash_type: int) -> Array:
    stash = element_type(stash_type).numpy
    rows = x.astype(stash).reshape(x.shape[0], groups, -1)
    return standardized(rows, (2,), epsilon)[0].reshape(x.shape).astype(x.dtype)


@op("GroupNormalization", since=21, shape=same)
def group_normalization(
    x: Array,
    scale: Array,
    bias: Array,
    *,
    num_groups: int,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Array:
    y = _grouped(x, num_groups, epsilon, stash_type)
    return (y * _per_channel(scale, x.ndim) + _per_channel(bias, x.ndim)).astype(x.dtype)


@op("GroupNormalization", since=18, shape=same)
def group_normalization_18(
    x: Array, scale: Array, bias: Array, *, num_groups: int, epsilon: float = 1e-5
) -> Array:
    """Scale and bias are per group here, per channel from opset 21 on."""
    each = x.shape[1] // num_groups
    return group_normalization(
        x, np.repeat(scale, each), np.repeat(bias, each), num_groups=num_groups, epsilon=epsilon
    )


@op("LRN", shape=same)
def local_response_normalization(
    x: Array, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> Array:
    """The squares are summed over `size` neighbouring channels."""
    squares = np.zeros((x.shape[0], x.shape[1] + size - 1, *x.shape[2:]), x.dtype)
    before = (size - 1) // 2
    squares[:, before : before + x.shape[1]] = x * x
    total = sum(squares[:, i : i + x.shape[1]] for i in range(size))
    return (x / (bias + alpha / size * total) ** beta).astype(x.dtype)


@op("LpNormalization", shape=same)
def lp_normalization(x: Array, *, axis: int = -1, p: int = 2) -> Array:
    """A vector of zeros stays one."""
    size = np.abs(x) if p == 1 else x * x
    norm = np.sum(size, axis=axis, keepdims=True)
    norm = norm if p == 1 else np.sqrt(norm)
    return np.where(norm == 0, np.zeros((), x.dtype), x / norm).astype(x.dtype)


@op("MeanVarianceNormalization", since=9, shape=same)
def mean_variance_normalization(x: Array, *, axes: Any = (0, 2, 3)) -> Array:
    chosen = axes_of(ints(axes), x.ndim)
    centred = x - np.mean(x, axis=chosen, keepdims=True)
    deviation = np.sqrt(np.mean(centred * centred, axis=chosen, keepdims=True))
    return (centred / (deviation + np.asarray(1e-9, x.dtype))).astype(x.dtype)
