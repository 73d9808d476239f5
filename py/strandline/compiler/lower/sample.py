"""Images read between their pixels: GridSample and RoiAlign."""

from __future__ import annotations

import math

from strandline.compiler.lower.registry import Lowering, lower
from strandline.onnx.graph import Node
from strandline.onnx.types import float32, int64

_READS = {"nearest": 0, "linear": 1, "bilinear": 1, "cubic": 2, "bicubic": 2}
_OUTSIDE = ("zeros", "border", "reflection")


@lower("GridSample")
def grid_sample(node: Node, low: Lowering) -> bool:
    x, grid = (low.type(name) for name in node.inputs)
    if len(x.shape) != 4 or x.dtype is not float32 or grid.dtype is not float32:
        return False
    read, outside = _READS.get(low.attrs["mode"]), low.attrs["padding_mode"]
    if read is None or outside not in _OUTSIDE or grid.shape[0] != x.shape[0] or not x.size:
        return False
    places = math.prod(grid.shape[1:-1])
    how = (read, _OUTSIDE.index(outside), low.attrs["align_corners"])
    low.emit("grid_sample2d_f32", node.inputs, node.outputs, *x.shape, places, *how)
    return True


@lower("RoiAlign")
def roi_align(node: Node, low: Lowering) -> bool:
    """Before opset 16 coordinates are not by half pixels."""
    x, regions, images = (low.type(name) for name in node.inputs)
    attrs = low.attrs
    if x.dtype is not float32 or regions.dtype is not float32 or images.dtype is not int64:
        return False
    if attrs["mode"] not in ("avg", "max") or not x.size or attrs["sampling_ratio"] < 0:
        return False
    by_half = attrs.get("coordinate_transformation_mode", "output_half_pixel") == "half_pixel"
    low.emit(
        "roi_align_f32",
        node.inputs,
        node.outputs,
        *x.shape,
        regions.shape[0],
        attrs["output_height"],
        attrs["output_width"],
        attrs["sampling_ratio"],
        attrs["mode"] == "max",
        by_half,
        float(attrs["spatial_scale"]),
    )
    return True
