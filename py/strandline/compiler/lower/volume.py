"""Windows over three axes, made of the kernels for two: depth by depth."""

from __future__ import annotations

import math

from strandline.compiler.lower.choice import WIDEST_POOL, plane_floats
from strandline.compiler.lower.copy import copy, fill
from strandline.compiler.lower.linear import NONE, activation_of
from strandline.compiler.lower.registry import Lowering, lower
from strandline.compiler.lower.window import add_residual, convolution, plane_of
from strandline.onnx.graph import Node
from strandline.onnx.types import float32
from strandline.ops.conv import conv_window
from strandline.ops.pool import pool_window
from strandline.ops.windows import Window


def _served(low: Lowering, name: str, w: Window) -> bool:
    dtype = low.type(name).dtype
    return dtype.is_float and dtype.format != "d" and min(w.begins) >= 0 and min(w.ends) >= 0


def across(w: Window) -> Window:
    """The window without its first axis."""
    parts = (w.kernel, w.strides, w.dilations, w.begins, w.ends, w.output)
    return Window(*(part[1:] for part in parts))


def along(w: Window, size: int, area: int) -> tuple[int, ...]:
    """The window's first axis of `size` as plane.h's, over images of one row per depth."""
    first = (w.kernel[0], 1, w.strides[0], 1, w.dilations[0], 1, w.begins[0], 0)
    return (size, area, *first, w.output[0], area)


@lower("Conv")
@lower("FusedConv", domain="strandline")
def conv(node: Node, low: Lowering) -> bool:
    """For each depth of the output an image whose channels are those of the depths that it sees."""
    x, w = low.type(node.inputs[0]), low.type(node.inputs[1])
    if len(x.shape) != 5:
        return False
    window = conv_window(x.shape, w.shape, low.attrs)
    if not _served(low, node.inputs[0], window):
        return False
    volume, weights, *rest = node.inputs
    y = node.outputs[0]
    bias, residual = (*rest, "", "")[:2]
    batch, channels, depth, *image = x.shape
    taps, stride, dilation = window.kernel[0], window.strides[0], window.dilations[0]
    depths, area, out_area = window.output[0], math.prod(image), math.prod(window.output[1:])
    reach = (depths - 1) * stride + (taps - 1) * dilation + 1
    volume, depth = _padded(low, volume, window.begins[0], max(reach, depth))
    weights = _flat_weights(low, weights, taps)
    slab = low.temp(float32, (batch, channels * taps, *image))
    whole = low.temp(float32, (batch, w.shape[0], *window.output)) if residual else y
    part = low.temp(float32, (batch, w.shape[0], *window.output[1:])) if depths > 1 else whole
    dims = (batch, channels, taps, area)
    read = (channels * depth * area, depth * area, dilation * area, 1)
    write = (channels * taps * area, taps * area, area, 1)
    last = activation_of(low.attrs)
    then = NONE if residual else last
    for z in range(depths):
        copy(low, volume, slab, dims, read, write, z * stride * area)
        convolution(low, slab, weights, bias, part, across(window), low.attrs["group"], then)
        if depths > 1:
            planes = (batch * w.shape[0], out_area)
            copy(low, part, whole, planes, (out_area, 1), (depths * out_area, 1), to=z * out_area)
    if residual:
        add_residual(low, whole, residual, y, last)
    return True


def _padded(low: Lowering, volume: str, begin: int, reach: int) -> tuple[str, int]:
    """The volume with zeros before and behind it, `reach` deep from where windows begin."""
    batch, channels, depth, *image = low.type(volume).shape
    if begin == 0 and reach == depth:
        return volume, depth
    deep = max(reach, begin + depth)
    padded = low.temp(float32, (batch, channels, deep, *image))
    fill(low, padded, 0.0)
    area = math.prod(image)
    dims = (batch * channels, depth * area)
    copy(low, volume, padded, dims, (depth * area, 1), (deep * area, 1), to=begin * area)
    return padded, deep


def _flat_weights(low: Lowering, name: str, taps: int) -> str:
    """Weights [M, C / groups, taps, ...] with the depths among the channels: the same bytes."""
    type_, constant = low.type(name), low.value(name)
    shape = (type_.shape[0], type_.shape[1] * taps, *type_.shape[3:])
    if constant is not None:
        return low.derived(("depths as channels", name), lambda: (float32, shape, constant.data))
    flat = low.temp(float32, shape)
    low.alias(flat, name)
    return flat


@lower("MaxPool", "AveragePool")
def pool(node: Node, low: Lowering) -> bool:
    """Over each image, then over the depths: a maximum of maxima, and an average of averages, since
    how many elements count in each does not depend on the depth."""
    x = low.type(node.inputs[0])
    if len(x.shape) != 5 or (len(node.outputs) > 1 and node.outputs[1]):
        return False
    window = pool_window(x.shape, low.attrs)
    if not _served(low, node.inputs[0], window):
        return False
    op = "max_pool2d_f32" if node.op == "MaxPool" else "average_pool2d_f32"
    planes, depth, out_area = math.prod(x.shape[:2]), x.shape[2], math.prod(window.output[1:])
    first = plane_of(x.shape[3:], across(window))
    second = along(window, depth, out_area)
    if first[3] > WIDEST_POOL:
        return False
    counted = low.attrs.get("count_include_pad", 0)
    ends = (window.ends[1:], (window.ends[0], 0)) if counted else ((-1, -1), (-1, -1))
    volume, y = node.inputs[0], node.outputs[0]
    images = low.temp(float32, (planes * depth, out_area))
    for source, target, count, plane, end in (
        (volume, images, planes * depth, first, ends[0]),
        (images, y, planes, second, ends[1]),
    ):
        scratch = low.temp(float32, (plane_floats(plane) + plane[-1],))
        low.emit(op, (source,), (target, scratch), count, *plane, *end)
    return True
