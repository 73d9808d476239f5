"""Convolutions."""

from __future__ import annotations

import math
from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType, int32
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, ints, need
from strandline.ops.windows import Window, views, window


def conv_window(x: tuple[int, ...], w: tuple[int, ...], attrs: Attrs) -> Window:
    """The window of a convolution of `x` [N, C, *spatial] with weights `w` [M, C/group, *kernel].

    Raises ValueError when the two don't fit.
    """
    if len(x) != len(w) or len(x) < 3:
        raise ValueError(f"weights {list(w)} do not fit an input {list(x)}")
    if x[1] != w[1] * attrs["group"] or w[0] % attrs["group"]:
        raise ValueError(
            f"{x[1]} input channels in {attrs['group']} groups do not fit weights {list(w)}"
        )
    kernel = ints(attrs.get("kernel_shape"))
    if kernel and kernel != tuple(w[2:]):
        raise ValueError(f"kernel_shape {list(kernel)} is not that of the weights {list(w)}")
    return window(x[2:], w[2:], attrs)


def conv_types(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    """The shape rule of Conv."""
    x, w = need(inputs, 0), need(inputs, 1)
    return [
        TensorType(x.dtype, (x.shape[0], w.shape[0], *conv_window(x.shape, w.shape, attrs).output))
    ]


def convolve(x: Array, w: Array, b: Array | None, attrs: Attrs) -> Array:
    """Windows gathered into rows, then one matrix product per group (im2col)."""
    shape = conv_window(x.shape, w.shape, attrs)
    groups, rank = attrs["group"], len(shape.kernel)
    wide = np.float32 if x.dtype == np.float16 else x.dtype
    patches = views(x.astype(wide), shape, 0)  # [N, C, *output, *kernel]
    batch, channels = x.shape[:2]
    places, taps = math.prod(shape.output), math.prod(shape.kernel)
    order = (0, *range(2, 2 + rank), 1, *range(2 + rank, 2 + 2 * rank))
    rows = patches.transpose(order).reshape(batch * places, groups, channels // groups * taps)
    weights = w.astype(wide).reshape(groups, w.shape[0] // groups, -1)
    result = np.matmul(
        rows.transpose(1, 0, 2), weights.transpose(0, 2, 1)
    )  # [G, N * places, M / G]
    result = result.transpose(1, 0, 2).reshape(batch, places, w.shape[0]).transpose(0, 2, 1)
    if b is not None:
        result = result + b.astype(wide)[:, None]
    return np.ascontiguousarray(result).reshape(batch, w.shape[0], *shape.output).astype(x.dtype)


@op("Conv", shape=conv_types)
def conv(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Array:
    return convolve(
        x,
        w,
        b,
        locals(),
    )


def _conv_integer(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [TensorType(int32, conv_types(inputs, attrs, n)[0].shape)]


@op("ConvInteger", since=10, shape=_conv_integer)
def conv_integer(
    x: Array,
    w: Array,
    x_zero: Array | None = None,
    w_zero: Array | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Array:
    """Padding stands for the zero point, so the zero points go first."""
    centred = x.astype(np.int32) - (0 if x_zero is None else x_zero.astype(np.int32))
    weights = w.astype(np.int32)
    if w_zero is not None:
        zero = w_zero.astype(np.int32)
        weights = weights - (zero.reshape(-1, *(1,) * (w.ndim - 1)) if zero.ndim else zero)
    return convolve(
        centred,
        weights,
        None,
        locals(),
    )


def transposed_window(
    x: tuple[int, ...], w: tuple[int, ...], attrs: Attrs
) -> tuple[Window, tuple[int, ...]]:
    """The window whose scatter a transposed convolution is, and the sizes before cropping.

    The window's `output` is here the size of the result.
    """
    rank = len(x) - 2
    if len(w) != len(x) or x[1] != w[0]:
        raise ValueError(f"weights {list(w)} do not fit an input {list(x)}")
    kernel = tuple(w[2:])
    strides = ints(attrs.get("strides")) or (1,) * rank
    dilations = ints(attrs.get("dilations")) or (1,) * rank
    extra = ints(attrs.get("output_padding")) or (0,) * rank
    pads = ints(attrs.get("pads")) or (0,) * (2 * rank)
    wanted = ints(attrs.get("output_shape"))[-rank:]
    mode = attrs["auto_pad"]
    full = tuple(
        strides[i] * (x[2 + i] - 1) + extra[i] + (kernel[i] - 1) * dilations[i] + 1
        for i in range(rank)
    )
    if not wanted and mode.startswith("SAME"):
        wanted = tuple(x[2 + i] * strides[i] for i in range(rank))
    begins, ends = list(pads[:rank]), list(pads[rank:])
    if mode == "VALID":
        begins, ends = [0] * rank, [0] * rank
    if wanted:
        for i in range(rank):
            total = max(full[i] - wanted[i], 0)
            small = total // 2
            # Unlike in Conv, the larger half goes to the end only where SAME_UPPER asks for it.
            begins[i] = small if mode == "SAME_UPPER" else total - small
            ends[i] = total - begins[i]
    output = wanted or tuple(full[i] - begins[i] - ends[i] for i in range(rank))
    result = Window(kernel, strides, dilations, tuple(begins), tuple(ends), tuple(output))
    return result, full


def _conv_transpose(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x, w = need(inputs, 0), need(inputs, 1)
    shape, _ = transposed_window(x.shape, w.shape, attrs)
    return [TensorType(x.dtype, (x.shape[0], w.shape[1] * attrs["group"], *shape.output))]


@op("ConvTranspose", shape=_conv_transpose)
def conv_transpose(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    output_padding: Any = None,
    output_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Array:
    """Every input element spreads its kernel over the output: one strided addition per kernel
    tap."""
    shape, full = transposed_window(
        x.shape,
        w.shape,
        locals(),
    )
    wide = np.float32 if x.dtype == np.float16 else x.dtype
    batch, spatial = x.shape[0], x.shape[2:]
    columns = x.astype(wide).reshape(batch, group, x.shape[1] // group, math.prod(spatial))
    weights = w.astype(wide).reshape(
        group, w.shape[0] // group, w.shape[1], math.prod(shape.kernel)
    )
    canvas = np.zeros((batch, group * w.shape[1], *full), wide)
    for tap, place in enumerate(np.ndindex(shape.kernel)):
        part = np.matmul(weights[..., tap].transpose(0, 2, 1), columns)  # [N, G, M/G, places]
        target = tuple(
            slice(k * d, k * d + (size - 1) * s + 1, s)
            for k, d, s, size in zip(place, shape.dilations, shape.strides, spatial, strict=True)
        )
        canvas[(slice(None), slice(None), *target)] += part.reshape(*canvas.shape[:2], *spatial)
    result = np.zeros((*canvas.shape[:2], *shape.output), wide)
    source = tuple(slice(p, p + o) for p, o in zip(shape.begins, shape.output, strict=True))
    cropped = canvas[(slice(None), slice(None), *source)]
    result[tuple(slice(0, s) for s in cropped.shape)] = cropped
    if b is not None:
        result += _channel(b.astype(wide), x.ndim)
    return result.astype(x.dtype)


def _channel(b: Array, rank: int) -> Array:
    return b.reshape(-1, *(1,) * (rank - 2))


def _causal_conv(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x, w = need(inputs, 0), need(inputs, 1)
    state = TensorType(x.dtype, (*x.shape[:2], w.shape[2] - 1))
    return [x, state][:n]


@op("CausalConvWithState", since=27, shape=_causal_conv)
def causal_conv_with_state(
    x: Array,
    w: Array,
    b: Array | None = None,
    past: Array | None = None,
    *,
    activation: str = "none",
) -> tuple[Array, Array]:
    """A depthwise convolution that looks back only; the last taps are handed on as the next
    state."""
    state = w.shape[2] - 1
    before = np.zeros((*x.shape[:2], state), x.dtype) if past is None else past
    line = np.concatenate((before, x), axis=2)
    y = convolve(line, w, b, {"group": x.shape[1]})
    if activation in ("silu", "swish"):
        y = y / (1 + np.exp(-y))
    return y.astype(x.dtype), line[:, :, line.shape[2] - state :]


def _deform_conv(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return conv_types(inputs, attrs, n)


@op("DeformConv", since=19, shape=_deform_conv)
def deform_conv(
    x: Array,
    w: Array,
    offset: Array,
    b: Array | None = None,
    mask: Array | None = None,
    *,
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    offset_group: int = 1,
    pads: Any = None,
    strides: Any = None,
) -> Array:
    """2-D: each tap is read bilinearly where its offset points to; outside the image there is
    zero."""
    shape = conv_window(x.shape, w.shape, locals())
    (kh, kw), (oh, ow) = shape.kernel, shape.output
    batch, channels, height, width = x.shape
    shift = offset.reshape(batch, offset_group, kh * kw, 2, oh, ow)
    weight = 1 if mask is None else mask.reshape(batch, offset_group, 1, kh * kw, oh, ow)
    grids = [
        (np.arange(o) * s - p)[None, :] + (np.arange(k) * d)[:, None]
        for o, s, p, k, d in zip(
            shape.output, shape.strides, shape.begins, shape.kernel, shape.dilations, strict=True
        )
    ]
    base_y = np.repeat(grids[0], kw, axis=0)[:, :, None]  # [taps, oh, 1]
    base_x = np.tile(grids[1], (kh, 1))[:, None, :]
    ys, xs = base_y + shift[:, :, :, 0], base_x + shift[:, :, :, 1]  # [N, OG, taps, oh, ow]
    image = x.reshape(batch, offset_group, channels // offset_group, height, width)
    n = np.arange(batch)[:, None, None, None, None]
    g = np.arange(offset_group)[None, :, None, None, None]
    total: Any = 0
    y0, x0 = np.floor(ys).astype(np.int64), np.floor(xs).astype(np.int64)
    for dy in (0, 1):
        for dx in (0, 1):
            yy, xx = y0 + dy, x0 + dx
            inside = (yy >= 0) & (yy < height) & (xx >= 0) & (xx < width)
            share = (1 - np.abs(ys - yy)) * (1 - np.abs(xs - xx)) * inside
            pixel = image.transpose(0, 1, 3, 4, 2)[
                n, g, np.clip(yy, 0, height - 1), np.clip(xx, 0, width - 1)
            ]  # [N, OG, taps, oh, ow, C/OG]
            total = total + pixel * share[..., None]
    samples = total.transpose(0, 1, 5, 2, 3, 4) * weight  # [N, OG, C/OG, taps, oh, ow]
    rows = samples.reshape(batch, group, channels // group * kh * kw, oh * ow)
    weights = w.reshape(group, w.shape[0] // group, -1)
    y = np.matmul(weights, rows).reshape(batch, w.shape[0], oh, ow)
    return (y if b is None else y + _channel(b, 4)).astype(x.dtype)
