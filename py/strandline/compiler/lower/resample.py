"""Images made larger or smaller: ConvTranspose, and Resize by the nearest or by linear interpolation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from strandline import core
from strandline.compiler.lower.copy import copy
from strandline.compiler.lower.layout import contiguous
from strandline.compiler.lower.linear import NONE
from strandline.compiler.lower.registry import Lowering, lower
from strandline.compiler.lower.volume import across, along
from strandline.compiler.lower.window import convolution, plane_of
from strandline.onnx.graph import Node
from strandline.onnx.types import DType, float32, int64
from strandline.ops.conv import transposed_window
from strandline.ops.resize import resized
from strandline.ops.rules import ints
from strandline.ops.windows import Window


@lower("ConvTranspose")
def conv_transpose(node: Node, low: Lowering) -> bool:
    """What each element spreads to each tap is a convolution by 1x1; then the taps are summed."""
    x, w = low.type(node.inputs[0]), low.type(node.inputs[1])
    constant = low.value(node.inputs[1])
    if len(x.shape) not in (3, 4, 5) or x.dtype is not float32 or constant is None:
        return False
    groups = low.attrs["group"]
    window, _ = transposed_window(x.shape, w.shape, low.attrs)
    if min(window.begins) < 0:
        return False
    batch, channels, *spatial = x.shape
    per_group, filters = channels // groups, w.shape[1]
    taps = math.prod(window.kernel)

    def turned() -> tuple[DType, tuple[int, ...], Any]:
        """[C, M / groups, taps] -> [groups * M / groups * taps, C / groups, 1, ...]."""
        rows = filters * taps
        result = core.Tensor("f", (groups * rows, per_group, 1))
        dims = (groups, rows, per_group)
        read = (per_group * rows, 1, rows)
        write = (per_group * rows, per_group, 1)
        core.call("copy_nd", (constant.data,), (result,), 4, 3, *dims, *read, 0, *write, 0)
        return float32, tuple(result.shape), result

    weights = low.derived(("ConvTranspose", node.inputs[1], groups), turned)
    area = math.prod(spatial)
    line = low.temp(float32, (batch, channels, area))
    low.alias(line, node.inputs[0])
    spread = low.temp(float32, (batch, groups * filters * taps, area))
    alone = Window((1,), (1,), (1,), (0,), (0,), (area,))
    convolution(low, line, weights, "", spread, alone, groups, NONE)
    bias = node.inputs[2] if len(node.inputs) > 2 else ""
    planes = groups * filters
    if len(spatial) == 3:
        spread, plane = _summed_across(low, spread, batch * planes, spatial, window)
    else:
        plane = plane_of(spatial, window)
    low.emit("col2im2d_f32", (spread, bias), node.outputs, batch, planes, *plane, *NONE.params)
    return True


def _summed_across(
    low: Lowering, spread: str, planes: int, spatial: Sequence[int], window: Window
) -> tuple[str, tuple[int, ...]]:
    """Emit the sums within each depth of a volume; with them, the window that is left along it."""
    depth, *image = spatial
    taps, *kernel = window.kernel
    sizes = (planes, taps, math.prod(kernel), depth, math.prod(image))
    before, after = contiguous(sizes), (0, 1, 3, 2, 4)
    dims = [sizes[axis] for axis in after]
    ordered = low.temp(float32, dims)
    copy(low, spread, ordered, dims, [before[axis] for axis in after], contiguous(dims))
    area = math.prod(window.output[1:])
    summed = low.temp(float32, (planes, taps, depth, area))
    plane = plane_of(image, across(window))
    count = planes * taps * depth
    low.emit("col2im2d_f32", (ordered, ""), (summed,), 1, count, *plane, *NONE.params)
    return summed, along(window, depth, area)


_PLACES: dict[str, Callable[[int, int, float], list[float]]] = {
    "half_pixel": lambda size, out, scale: [(x + 0.5) / scale - 0.5 for x in range(out)],
    "half_pixel_symmetric": lambda size, out, scale: [
        size / 2 * (1 - out / (scale * size)) + (x + 0.5) / scale - 0.5 for x in range(out)
    ],
    "pytorch_half_pixel": lambda size, out, scale: (
        [(x + 0.5) / scale - 0.5 for x in range(out)] if out > 1 else [0.0] * out
    ),
    "align_corners": lambda size, out, scale: (
        [x * (size - 1) / (scale * size - 1) for x in range(out)] if out > 1 else [0.0] * out
    ),
    "asymmetric": lambda size, out, scale: [x / scale for x in range(out)],
    "tf_half_pixel_for_nn": lambda size, out, scale: [(x + 0.5) / scale for x in range(out)],
}
"""Where each of `out` outputs lies among `size` elements, by coordinate transformation."""

_ROUND: dict[str, Callable[[float], int]] = {
    "round_prefer_floor": lambda v: math.ceil(v - 0.5),
    "round_prefer_ceil": lambda v: math.floor(v + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
}


@lower("Resize", "Upsample")
def resize(node: Node, low: Lowering) -> bool:
    """The last two axes of float images, unless elements beyond the neighbours have weight."""
    x, y = low.type(node.inputs[0]), low.type(node.outputs[0])
    attrs = {
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
        **low.attrs,
    }
    if low.opset < 9 or len(x.shape) < 3 or not x.dtype.is_float or x.dtype.format == "d":
        return False
    place = _PLACES.get(attrs["coordinate_transformation_mode"])
    if place is None or attrs["mode"] not in ("nearest", "linear"):
        return False
    if attrs.get("antialias", 0) or attrs.get("exclude_outside", 0):
        return False
    factors = _factors(node, low, attrs)
    if factors is None or any(
        factors.get(axis, 1.0) != 1.0 or x.shape[axis] != y.shape[axis]
        for axis in range(len(x.shape) - 2)
    ):
        return False
    nearest = attrs["mode"] == "nearest"
    taps = 1 if nearest else 2
    tables: list[str] = []
    for axis in (-2, -1):
        size, out = x.shape[axis], y.shape[axis]
        scale = factors.get(len(x.shape) + axis, 1.0)
        at = place(size, out, scale)
        if nearest:
            round_ = _ROUND[attrs["nearest_mode"]]
            tables += [low.constant(int64, (out,), _clipped(map(round_, at), size)), ""]
            continue
        left = [math.floor(v) for v in at]
        places = _clipped((v + k for v in left for k in (0, 1)), size)
        weights = [w for v, f in zip(at, left, strict=True) for w in (1 - (v - f), v - f)]
        tables += [
            low.constant(int64, (out, 2), places),
            low.constant(float32, (out, 2), weights),
        ]
    scratch = low.temp(float32, (x.shape[-1],))
    sizes = (math.prod(x.shape[:-2]), *x.shape[-2:], *y.shape[-2:], taps, taps)
    low.emit("resize2d_f32", (node.inputs[0], *tables), (node.outputs[0], scratch), *sizes)
    return True


def _factors(node: Node, low: Lowering, attrs: Any) -> dict[int, float] | None:
    """The scale of each axis that is resized; None where it is not known."""
    # Since opset 11 X, roi, scales, sizes; before X, scales.
    given: list[Sequence[Any]] = []
    order = (1, 2, 3) if low.opset >= 11 and node.op == "Resize" else (4, 1, 4)
    for index in order:
        name = node.inputs[index] if index < len(node.inputs) else ""
        constant = low.value(name) if name else None
        if name and constant is None:
            return None
        given.append([] if constant is None else list(constant.flat()))
    roi, scales, sizes = given
    return resized(low.type(node.inputs[0]).shape, roi, scales, ints(sizes), attrs)[1]


def _clipped(places: Iterable[int], size: int) -> list[int]:
    places, last = list(places), size - 1
    if places and min(places) >= 0 and max(places) <= last:
        return places  # as is usual
    return [0 if place < 0 else min(place, last) for place in places]
