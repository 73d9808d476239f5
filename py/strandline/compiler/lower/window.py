"""Convolution, pooling and what else belongs to images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from strandline import core
from strandline.compiler.lower.binary import pair
from strandline.compiler.lower.choice import (
    WIDEST_DEPTHWISE,
    WIDEST_POOL,
    conv_shape,
    padded_rows,
    plane_floats,
)
from strandline.compiler.lower.layout import code
from strandline.compiler.lower.linear import NONE, PACKED_ROWS, Activation, activation_of
from strandline.compiler.lower.registry import Lowering, lower
from strandline.compiler.lower.unary import apply
from strandline.onnx.graph import Node
from strandline.onnx.types import DType, float32, int8, uint8
from strandline.ops.conv import conv_window
from strandline.ops.pool import pool_window
from strandline.ops.windows import Window


def _is_line(spatial: Sequence[int], w: Window) -> bool:
    """Whether a window moves along the first axis only."""
    if len(spatial) == 1:
        return True
    others = (spatial[1], w.kernel[1], w.begins[1], w.output[1])
    return others == (1, 1, 0, 1)


def plane_of(spatial: Sequence[int], w: Window) -> tuple[int, ...]:
    """Height, width, kernel, strides, dilations, begins and output of a window over one or two axes.

    A line is laid along the width, where vectors run.
    """
    if _is_line(spatial, w):
        sizes = (spatial, w.kernel, w.strides, w.dilations)
        return (*(v for size in sizes for v in (1, size[0])), 0, w.begins[0], 1, w.output[0])
    return (*spatial, *w.kernel, *w.strides, *w.dilations, *w.begins, *w.output)


def pack_weights(low: Lowering, name: str, groups: int) -> str:
    """Weights [M, C / groups, ...] in the tiles of conv2d_f32: once per session when constant."""
    shape = low.type(name).shape
    rows, columns = shape[0] // groups, math.prod(shape[1:])
    return _packed(
        low, "pack_a_f32", name, groups * padded_rows(rows) * columns, (groups, rows, columns)
    )


def _packed(low: Lowering, op: str, name: str, size: int, params: tuple[int, ...]) -> str:
    constant = low.value(name)
    if constant is None:
        packed = low.temp(float32, (size,))
        low.emit(op, (name,), (packed,), *params)
        return packed

    def make() -> tuple[DType, tuple[int, ...], Any]:
        result = core.Tensor("f", (size,))
        core.call(op, (constant.data,), (result,), *params)
        return float32, (size,), result

    return low.derived((op, core.isa(), name, *params), make)


def convolution(
    low: Lowering,
    x: str,
    w: str,
    bias: str,
    target: str,
    window: Window,
    groups: int,
    then: Activation,
    residual: str = "",
) -> None:
    """Emit a convolution of float32 images over one or two axes; the residual is of the target's shape."""
    batch, channels, *spatial = low.type(x).shape
    filters = low.type(w).shape[0]
    shape = conv_shape(plane_of(spatial, window), channels, filters, groups, core.panel_width())
    params = (batch, channels, filters, groups, *shape.plane, *then.params)

    def key() -> str:
        plane = "x".join(map(str, shape.plane))
        return f"conv {batch}x{channels} by {filters} in {groups} over {plane}"

    def emit(way: tuple[str, int]) -> None:
        op, block = way
        weights, extra = w, tuple[int, ...]()
        if block:
            extra = (block,)
            floats = replace(shape, block=block).winograd_floats
            size = 36 * padded_rows(filters) * channels
            weights = _packed(low, "pack_winograd_f32", w, size, (filters, channels))
        elif op == "conv2d_f32":
            floats, weights = PACKED_ROWS, pack_weights(low, w, groups)
        else:
            floats = plane_floats(shape.plane)
        scratch = low.temp(float32, (floats,))
        low.emit(op, (x, weights, bias, residual), (target, scratch), *params, *extra)

    ways = shape.ways(constant=low.value(w) is not None)
    low.choose(key, ways, lambda way: "{} by {}".format(*way) if way[1] else way[0], emit)


def add_residual(low: Lowering, product: str, residual: str, target: str, then: Activation) -> None:
    """Emit activation(product + residual), the operands broadcast to the target."""
    pair(low, "add", product, residual, target)
    if then.name != "none":
        apply(low, then.name, target, target, then.a, then.b)


@lower("Conv")
@lower("FusedConv", domain="strandline")
def conv(node: Node, low: Lowering) -> bool:
    x, w = low.type(node.inputs[0]), low.type(node.inputs[1])
    if len(x.shape) not in (3, 4) or not x.dtype.is_float or x.dtype.format == "d":
        return False
    window = conv_window(x.shape, w.shape, low.attrs)
    if min(window.begins) < 0 or min(window.ends) < 0:
        return False
    image, weights, *rest = node.inputs
    y = node.outputs[0]
    bias, residual = (*rest, "", "")[:2]
    then, groups = activation_of(low.attrs), low.attrs["group"]
    own = (x.shape[0], w.shape[0], *window.output)
    if not residual or low.type(residual).shape == own:
        convolution(low, image, weights, bias, y, window, groups, then, residual)
    else:  # a residual that is broadcast, or larger than the images
        product = low.temp(float32, own)
        convolution(low, image, weights, bias, product, window, groups, NONE)
        add_residual(low, product, residual, y, then)
    return True


@lower("MaxPool", "AveragePool")
def pool(node: Node, low: Lowering) -> bool:
    x = low.type(node.inputs[0])
    is_bytes = node.op == "MaxPool" and x.dtype in (int8, uint8)
    if len(x.shape) not in (3, 4) or not (x.dtype.is_float or is_bytes) or x.dtype.format == "d":
        return False
    if len(node.outputs) > 1 and node.outputs[1]:
        return False
    window = pool_window(x.shape, low.attrs)
    if min(window.begins) < 0 or min(window.ends) < 0:
        return False
    op = "max_pool2d_f32" if node.op == "MaxPool" else "average_pool2d_f32"
    plane = plane_of(x.shape[2:], window)
    if plane[3] > (WIDEST_DEPTHWISE if is_bytes else WIDEST_POOL):
        return False
    planes = x.shape[0] * x.shape[1]
    if is_bytes:
        padded = low.temp(uint8, (plane_floats(plane) + 64,))
        operands = (node.inputs, (node.outputs[0], padded))
        low.emit("max_pool2d_i8", *operands, planes, *plane, int(x.dtype is int8))
        return True
    ends: tuple[int, ...] = (-1, -1)
    if low.attrs.get("count_include_pad", 0):
        ends = (0, window.ends[0]) if _is_line(x.shape[2:], window) else window.ends
    scratch = low.temp(float32, (plane_floats(plane) + plane[-1],))
    low.emit(op, node.inputs[:1], (node.outputs[0], scratch), planes, *plane, *ends)
    return True


@lower("LRN")
def lrn(node: Node, low: Lowering) -> bool:
    x = low.type(node.inputs[0])
    if x.dtype is not float32:
        return False
    attrs = low.attrs
    low.emit(
        "lrn_f32",
        node.inputs,
        node.outputs,
        *x.shape[:2],
        math.prod(x.shape[2:]),
        attrs["size"],
        float(attrs["alpha"]),
        float(attrs["beta"]),
        float(attrs["bias"]),
    )
    return True


@lower("BatchNormalization")
def batch_normalization(node: Node, low: Lowering) -> bool:
    """Inference: one factor and one offset per channel. (The compiler folds most of these into weights before.)"""
    x = low.type(node.inputs[0])
    if (
        low.attrs.get("training_mode", 0)
        or not low.attrs.get("spatial", 1)
        or any(node.outputs[1:])
    ):
        return False
    types = {low.type(name).dtype for name in node.inputs}
    if len(types) > 1 or x.dtype.format not in "fd":
        return False
    scale, bias, mean, variance = node.inputs[1:5]
    channels = low.type(scale).shape

    def temp() -> str:
        return low.temp(x.dtype, channels)

    epsilon = low.constant(x.dtype, (), [float(low.attrs["epsilon"])])
    factor, offset = temp(), temp()
    pair(low, "add", variance, epsilon, factor)
    apply(low, "sqrt", factor, factor)
    pair(low, "div", scale, factor, factor)
    pair(low, "mul", mean, factor, offset)
    pair(low, "sub", bias, offset, offset)
    area = math.prod(x.shape[2:])
    lines = (math.prod(x.shape[:2]) // max(channels[0], 1), channels[0], area)
    _per_channel(low, "mul", node.inputs[0], factor, node.outputs[0], lines)
    _per_channel(low, "add", node.outputs[0], offset, node.outputs[0], lines)
    return True


@lower("ScaleShift", domain="strandline")
def scale_shift(node: Node, low: Lowering) -> bool:
    """activation(x * scale + shift), one scale and one shift per channel."""
    x, y = low.type(node.inputs[0]), node.outputs[0]
    if x.dtype.format not in "fd" or any(low.type(n).dtype is not x.dtype for n in node.inputs):
        return False
    lines = (x.shape[0], x.shape[1], math.prod(x.shape[2:]))
    if x.dtype is float32:
        params = (*lines, *activation_of(low.attrs).params)
        low.emit("scale_shift_f32", node.inputs, node.outputs, *params)
        return True
    _per_channel(low, "mul", node.inputs[0], node.inputs[1], y, lines)
    _per_channel(low, "add", y, node.inputs[2], y, lines)
    if low.attrs["activation"] != "none":
        apply(low, low.attrs["activation"], y, y, float(low.attrs["a"]), float(low.attrs["b"]))
    return True


def _per_channel(
    low: Lowering, op: str, x: str, channel: str, target: str, lines: tuple[int, int, int]
) -> None:
    """Emit `op` of `x` [before, channels, after] and one value per channel."""
    _, channels, after = lines
    strides = (channels * after, after, 1, 0, 1, 0)
    low.emit(op, (x, channel), (target,), code(low.type(x).dtype), 3, *lines, *strides)
