"""Images and boxes: rearranging, sampling, cropping, suppressing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, axes_of, ints, need, value


def _depth_to_space(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x, b = need(inputs, 0), attrs["blocksize"]
    batch, channels, height, width = x.shape
    return [TensorType(x.dtype, (batch, channels // (b * b), height * b, width * b))]


@op("DepthToSpace", shape=_depth_to_space)
def depth_to_space(x: Array, *, blocksize: int, mode: str = "DCR") -> Array:
    """The block's offset is the outermost part of the channel (DCR), or the innermost (CRD)."""
    n, c, h, w = x.shape
    b, rest = blocksize, c // (blocksize * blocksize)
    if mode == "DCR":
        parts = x.reshape(n, b, b, rest, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        parts = x.reshape(n, rest, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return np.ascontiguousarray(parts).reshape(n, rest, h * b, w * b)


def _space_to_depth(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x, b = need(inputs, 0), attrs["blocksize"]
    batch, channels, height, width = x.shape
    return [TensorType(x.dtype, (batch, channels * b * b, height // b, width // b))]


@op("SpaceToDepth", shape=_space_to_depth)
def space_to_depth(x: Array, *, blocksize: int, mode: str = "DCR") -> Array:
    n, c, h, w = x.shape
    b = blocksize
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    parts = x.reshape(n, c, h // b, b, w // b, b).transpose(order)
    return np.ascontiguousarray(parts).reshape(n, c * b * b, h // b, w // b)


def _crop_pad(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x, sizes = need(inputs, 0), value(inputs, 1)
    if sizes is None:
        return None
    shape = list(x.shape)
    axes = axes_of(ints(attrs["axes"]), len(shape)) or range(len(shape))
    for axis, size in zip(axes, sizes, strict=True):
        shape[axis] = size
    return [TensorType(x.dtype, tuple(shape))]


@op("CenterCropPad", since=18, shape=_crop_pad)
def center_crop_pad(x: Array, shape: Array, *, axes: Any = None) -> Array:
    """An odd pixel is cut on the right, and added on the right."""
    result = x
    for axis, size in zip(axes_of(ints(axes), x.ndim) or range(x.ndim), ints(shape), strict=True):
        have = x.shape[axis]
        if size <= have:
            start = (have - size) // 2
            result = np.take(result, np.arange(start, start + size), axis=axis)
        else:
            before = (size - have) // 2
            widths = [(0, 0)] * x.ndim
            widths[axis] = (before, size - have - before)
            result = np.pad(result, widths)
    return result


def _col2im(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    x, image, block = need(inputs, 0), value(inputs, 1), value(inputs, 2)
    if image is None or block is None:
        return None
    return [TensorType(x.dtype, (x.shape[0], x.shape[1] // math.prod(block), *image))]


@op("Col2Im", since=18, shape=_col2im)
def col2im(
    x: Array,
    image_shape: Array,
    block_shape: Array,
    *,
    dilations: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Array:
    """Columns are added up where their blocks overlap."""
    image, block = ints(image_shape), ints(block_shape)
    rank = len(image)
    step, spread = ints(strides) or (1,) * rank, ints(dilations) or (1,) * rank
    pad = ints(pads) or (0,) * (2 * rank)
    full = [image[i] + pad[i] + pad[i + rank] for i in range(rank)]
    counts = [(full[i] - spread[i] * (block[i] - 1) - 1) // step[i] + 1 for i in range(rank)]
    taps = x.reshape(x.shape[0], -1, math.prod(block), *counts)
    canvas = np.zeros((*taps.shape[:2], *full), x.dtype)
    for t, place in enumerate(np.ndindex(*block)):
        target = tuple(
            slice(p * d, p * d + (c - 1) * s + 1, s)
            for p, d, c, s in zip(place, spread, counts, step, strict=True)
        )
        canvas[(slice(None), slice(None), *target)] += taps[:, :, t]
    inner = tuple(slice(pad[i], pad[i] + image[i]) for i in range(rank))
    return canvas[(slice(None), slice(None), *inner)]


def _affine_grid(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    theta, size = need(inputs, 0), value(inputs, 1)
    if size is None:
        return None
    return [TensorType(theta.dtype, (size[0], *size[2:], len(size) - 2))]


@op("AffineGrid", since=20, shape=_affine_grid)
def affine_grid(theta: Array, size: Array, *, align_corners: int = 0) -> Array:
    """The places, in [-1, 1] per axis with the last axis first, that the matrices map the grid to."""
    batch, _, *spatial = ints(size)
    lines = []
    for length in spatial:
        line = np.arange(length, dtype=np.float64)
        if align_corners:
            lines.append(line * 2 / (length - 1) - 1 if length > 1 else line)
        else:
            lines.append((line * 2 + 1) / length - 1)
    grid = np.meshgrid(*lines, indexing="ij")[::-1]
    points = np.stack([*grid, np.ones(spatial)], axis=-1).reshape(-1, len(spatial) + 1)
    result = points @ theta.astype(np.float64).transpose(0, 2, 1)
    return result.reshape(batch, *spatial, len(spatial)).astype(theta.dtype)


def _grid_sample(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x, grid = need(inputs, 0), need(inputs, 1)
    return [TensorType(x.dtype, (*x.shape[:2], *grid.shape[1:-1]))]


def _reflected(x: Array, low: float, high: float) -> Array:
    """`x` folded back and forth into [low, high]."""
    span = high - low
    if span <= 0:
        return np.full_like(x, low)
    offset = np.mod(x - low, 2 * span)
    return low + np.where(offset > span, 2 * span - offset, offset)


def _cubic_weights(t: Array) -> list[Array]:
    """Weights of the four neighbours of a point `t` past the second (a = -0.75)."""
    a = -0.75

    def near(d: Array) -> Array:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Array) -> Array:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


@op("GridSample", since=1, shape=_grid_sample)
def grid_sample(
    x: Array,
    grid: Array,
    *,
    align_corners: int = 0,
    mode: str = "linear",
    padding_mode: str = "zeros",
) -> Array:
    """`x` read between its elements at the places in `grid`, which name the last axis first."""
    spatial = x.shape[2:]
    rank = len(spatial)
    where = []
    for axis, size in enumerate(spatial):
        g = grid[..., rank - 1 - axis].astype(np.float64)
        p = (g + 1) / 2 * (size - 1) if align_corners else ((g + 1) * size - 1) / 2
        where.append(p)

    def fetch(places: list[Array]) -> Array:
        """The elements at whole-numbered places [N, *out], padded as told: [N, *out, C]."""
        inside: Any = True
        index = []
        for p, size in zip(places, spatial, strict=True):
            if padding_mode == "border":
                p = np.clip(p, 0, size - 1)
            elif padding_mode == "reflection":
                low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
                p = np.clip(_reflected(p, low, high), 0, size - 1)
            inside = inside & (p >= 0) & (p <= size - 1)
            index.append(np.clip(p, 0, size - 1).astype(np.int64))
        n = np.arange(x.shape[0]).reshape(-1, *(1,) * rank)
        values = np.moveaxis(x, 1, -1)[(n, *index)]
        return np.where(np.asarray(inside)[..., None], values, 0)

    if mode == "nearest":
        result = fetch([np.rint(p) for p in where])
    else:
        taps = {"linear": 2, "bilinear": 2, "cubic": 4, "bicubic": 4}[mode]
        if taps == 2 and padding_mode != "zeros":
            for axis, size in enumerate(spatial):
                if padding_mode == "border":
                    where[axis] = np.clip(where[axis], 0, size - 1)
                else:
                    low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
                    where[axis] = np.clip(_reflected(where[axis], low, high), 0, size - 1)
        base = [np.floor(p) for p in where]
        parts = [p - b for p, b in zip(where, base, strict=True)]
        weights = [[1 - t, t] if taps == 2 else _cubic_weights(t) for t in parts]
        result = 0
        for corner in np.ndindex(*(taps,) * rank):
            weight: Any = 1
            for axis, k in enumerate(corner):
                weight = weight * weights[axis][k]
            shift = 0 if taps == 2 else -1
            places = [b + k + shift for b, k in zip(base, corner, strict=True)]
            result = result + fetch(places) * weight[..., None]
    return np.moveaxis(result, -1, 1).astype(x.dtype)


def _roi_align(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x, rois = need(inputs, 0), need(inputs, 1)
    size = (attrs["output_height"], attrs["output_width"])
    return [TensorType(x.dtype, (rois.shape[0], x.shape[1], *size))]


@op("RoiAlign", since=16, shape=_roi_align)
def roi_align(
    x: Array,
    rois: Array,
    batch_indices: Array,
    *,
    coordinate_transformation_mode: str = "half_pixel",
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Array:
    """Each region is cut into cells, each cell sampled bilinearly on a small grid."""
    shift = 0.5 if coordinate_transformation_mode == "half_pixel" else 0.0
    result = np.zeros((len(rois), x.shape[1], output_height, output_width), x.dtype)
    for r, (roi, image) in enumerate(
        zip(rois.astype(np.float64), ints(batch_indices), strict=True)
    ):
        x1, y1, x2, y2 = roi * spatial_scale - shift
        width, height = x2 - x1, y2 - y1
        if not shift:
            width, height = max(width, 1.0), max(height, 1.0)
        ys = _cells(y1, height, output_height, sampling_ratio)
        xs = _cells(x1, width, output_width, sampling_ratio)
        samples = _bilinear(x[image].astype(np.float64), ys.ravel(), xs.ravel(), mode == "max")
        cells = samples.reshape(x.shape[1], output_height, ys.shape[1], output_width, xs.shape[1])
        pool = np.max if mode == "max" else np.mean
        result[r] = pool(cells, axis=(2, 4))
    return result


@op("RoiAlign", since=10, shape=_roi_align)
def roi_align_10(
    x: Array,
    rois: Array,
    batch_indices: Array,
    *,
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Array:
    return roi_align(
        x,
        rois,
        batch_indices,
        coordinate_transformation_mode="output_half_pixel",
        mode=mode,
        output_height=output_height,
        output_width=output_width,
        sampling_ratio=sampling_ratio,
        spatial_scale=spatial_scale,
    )


def _cells(start: float, length: float, count: int, ratio: int) -> Array:
    """Sampling places [count, samples] of `count` equal cells from `start` on."""
    cell = length / count
    samples = ratio or max(math.ceil(cell), 0)
    return start + (np.arange(count)[:, None] + (np.arange(samples) + 0.5) / max(samples, 1)) * cell


def _bilinear(image: Array, ys: Array, xs: Array, largest: bool) -> Array:
    """`image` [C, H, W] read at all pairs of places: [C, Y, X]; beyond one pixel outside it is 0. With
    `largest` the four weighted neighbours are not added up, the largest counts."""
    sides = []
    for where, size in ((ys, image.shape[1]), (xs, image.shape[2])):
        valid = (where >= -1) & (where <= size)
        p = np.clip(where, 0, size - 1)
        low = np.floor(p).astype(np.int64)
        high = np.minimum(low + 1, size - 1)
        sides.append((((low, 1 - (p - low)), (high, p - low)), valid))
    (rows, row_ok), (columns, column_ok) = sides
    terms = [image[:, i][:, :, j] * wi[:, None] * wj for i, wi in rows for j, wj in columns]
    value = np.max(terms, axis=0) if largest else np.sum(terms, axis=0)
    return value * (row_ok[:, None] & column_ok)


def _corners(boxes: Array, center_point_box: int) -> Array:
    """Boxes as [low y, low x, high y, high x]."""
    if center_point_box:
        middle, size = boxes[:, [1, 0]], boxes[:, [3, 2]]
        return np.hstack((middle - size / 2, middle + size / 2))
    first, second = boxes[:, :2], boxes[:, 2:]
    return np.hstack((np.minimum(first, second), np.maximum(first, second)))


def _overlap(box: Array, others: Array) -> Array:
    """Intersection over union of one box with others."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    area, areas = np.prod(box[2:] - box[:2]), np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = area + areas - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0)


def _kept(boxes: Array, scores: Array, most: int, iou: float, least: float | None) -> Iterator[int]:
    order = np.argsort(-scores, kind="stable")
    if least is not None:
        order = order[scores[order] > least]
    chosen: list[int] = []
    for candidate in order:
        if len(chosen) == most:
            return
        if not chosen or (_overlap(boxes[candidate], boxes[chosen]) <= iou).all():
            chosen.append(candidate)
            yield int(candidate)


@op("NonMaxSuppression", since=10)
def non_max_suppression(
    boxes: Array,
    scores: Array,
    max_output_boxes_per_class: Array | None = None,
    iou_threshold: Array | None = None,
    score_threshold: Array | None = None,
    *,
    center_point_box: int = 0,
) -> Array:
    """Rows [image, class, box], each class's best boxes first."""
    most = 0 if max_output_boxes_per_class is None else int(max_output_boxes_per_class.item())
    iou = 0.0 if iou_threshold is None else float(iou_threshold.item())
    least = None if score_threshold is None else float(score_threshold.item())
    rows = [
        (image, kind, box)
        for image in range(scores.shape[0])
        for kind in range(scores.shape[1])
        for box in _kept(
            _corners(boxes[image], center_point_box), scores[image, kind], most, iou, least
        )
    ]
    return np.asarray(rows, np.int64).reshape(-1, 3)
