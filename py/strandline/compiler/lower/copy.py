"""Operators that only move elements, and those that move nothing at all."""

from __future__ import annotations

import math
from collections.abc import Sequence

from strandline.compiler.lower.gather import gather
from strandline.compiler.lower.layout import MAX_RANK, broadcast, code, contiguous, merge
from strandline.compiler.lower.registry import Lowering, lower
from strandline.onnx.graph import Node
from strandline.onnx.types import DType, int64
from strandline.ops.rules import axis_of, ints
from strandline.ops.shape import permutation, slice_range


def copy(
    low: Lowering,
    source: str,
    target: str,
    dims: Sequence[int],
    read: Sequence[int],
    write: Sequence[int],
    start: int = 0,
    to: int = 0,
) -> None:
    """Emit a copy of `dims` elements, read from `start` by strides `read` and written from `to` by `write`."""
    if 0 in dims:
        return
    size = low.type(target).dtype.itemsize
    sizes, read, write = merge(dims, read, write)
    low.emit("copy_nd", (source,), (target,), size, len(sizes), *sizes, *read, start, *write, to)


def fill(low: Lowering, target: str, value: int | float) -> None:
    """Emit `target` full of one value of its type."""
    type_ = low.type(target)
    low.emit("fill", (), (target,), type_.dtype.itemsize, type_.size, bits(type_.dtype, value))


def bits(dtype: DType, value: int | float) -> int:
    """An element's bytes as the integer they are."""
    import struct

    if dtype.name == "bfloat16":
        return struct.unpack("<I", struct.pack("<f", value))[0] >> 16  # type: ignore[no-any-return]
    return int.from_bytes(struct.pack(f"<{dtype.format}", value), "little", signed=True)


def _walkable(rank: int) -> bool:
    return rank <= MAX_RANK


@lower("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "StopGradient")
def reshape(node: Node, low: Lowering) -> bool:
    low.alias(node.outputs[0], node.inputs[0])
    return True


@lower("Dropout")
def dropout(node: Node, low: Lowering) -> bool:
    """Outside training: the input, and a mask that keeps everything."""
    if len(node.inputs) > 2 and node.inputs[2]:
        training = low.value(node.inputs[2])
        if training is None or training.flat()[0]:
            return False
    low.alias(node.outputs[0], node.inputs[0])
    if len(node.outputs) > 1 and node.outputs[1]:
        fill(low, node.outputs[1], 1)
    return True


@lower("Transpose")
def transpose(node: Node, low: Lowering) -> bool:
    x, y = low.type(node.inputs[0]), low.type(node.outputs[0])
    order = permutation(low.attrs["perm"], len(x.shape))
    moving = [axis for axis in order if x.shape[axis] != 1]
    if moving == sorted(moving):
        low.alias(node.outputs[0], node.inputs[0])
        return True
    if not _walkable(len(moving)):
        return False
    strides = contiguous(x.shape)
    copy(
        low,
        node.inputs[0],
        node.outputs[0],
        y.shape,
        [strides[axis] for axis in order],
        contiguous(y.shape),
    )
    return True


@lower("Expand")
def expand(node: Node, low: Lowering) -> bool:
    x, y = low.type(node.inputs[0]), low.type(node.outputs[0])
    if not _walkable(len(y.shape)):
        return False
    read = broadcast(x.shape, y.shape)
    copy(low, node.inputs[0], node.outputs[0], y.shape, read, contiguous(y.shape))
    return True


@lower("Concat")
def concat(node: Node, low: Lowering) -> bool:
    y = low.type(node.outputs[0])
    axis = axis_of(low.attrs["axis"], len(y.shape))
    strides, place = contiguous(y.shape), 0
    if not _walkable(len(y.shape)):
        return False
    in_one_piece = math.prod(y.shape[:axis]) == 1
    for name in node.inputs:
        x = low.type(name)
        to = place * strides[axis]
        place += x.shape[axis]
        if in_one_piece and low.place(name, node.outputs[0], to * y.dtype.itemsize):
            continue
        copy(low, name, node.outputs[0], x.shape, contiguous(x.shape), strides, to=to)
    return True


@lower("Split")
def split(node: Node, low: Lowering) -> bool:
    x = low.type(node.inputs[0])
    axis = axis_of(low.attrs["axis"], len(x.shape))
    strides, place = contiguous(x.shape), 0
    if not _walkable(len(x.shape)):
        return False
    if not all(node.outputs):
        return False
    in_one_piece = math.prod(x.shape[:axis]) == 1
    for name in node.outputs:
        y = low.type(name)
        start = place * strides[axis]
        place += y.shape[axis]
        if in_one_piece and low.view(name, node.inputs[0], start * x.dtype.itemsize):
            continue
        copy(low, node.inputs[0], name, y.shape, strides, contiguous(y.shape), start)
    return True


def _integers(node: Node, low: Lowering, index: int, attr: str) -> tuple[int, ...] | None:
    """A list that is an attribute in old opsets and an input in new ones; None when it is not known."""
    if index < len(node.inputs):
        if not node.inputs[index]:
            return ()
        constant = low.value(node.inputs[index])
        return None if constant is None else ints(constant)
    return ints(low.attrs.get(attr))


@lower("Slice")
def slice_(node: Node, low: Lowering) -> bool:
    x, y = low.type(node.inputs[0]), low.type(node.outputs[0])
    lists = [
        _integers(node, low, i, name)
        for i, name in enumerate(("starts", "ends", "axes", "steps"), start=1)
    ]
    if any(values is None for values in lists) or not _walkable(len(x.shape)):
        return False
    starts, ends, axes, steps = (values or () for values in lists)
    strides = list(contiguous(x.shape))
    start = 0
    for i, (begin, end) in enumerate(zip(starts, ends, strict=True)):
        axis = axis_of(axes[i] if axes else i, len(x.shape))
        step = steps[i] if steps else 1
        picked = slice_range(x.shape[axis], begin, end, step)
        if len(picked):
            start += picked[0] * strides[axis]
        strides[axis] *= step
    in_one_piece = merge(y.shape, strides)[1] == (1,)
    if in_one_piece and low.view(node.outputs[0], node.inputs[0], start * x.dtype.itemsize):
        return True
    copy(low, node.inputs[0], node.outputs[0], y.shape, strides, contiguous(y.shape), start)
    return True


@lower("Tile")
def tile(node: Node, low: Lowering) -> bool:
    """Every axis read as (repeats, size), the repeats without moving."""
    x, y = low.type(node.inputs[0]), low.type(node.outputs[0])
    dims: list[int] = []
    read: list[int] = []
    for size, step, total in zip(x.shape, contiguous(x.shape), y.shape, strict=True):
        dims += [total // size if size else 0, size]
        read += [0, step]
    if len(merge(dims, read, contiguous(dims))[0]) > MAX_RANK:
        return False
    copy(low, node.inputs[0], node.outputs[0], dims, read, contiguous(dims))
    return True


@lower("Pad")
def pad(node: Node, low: Lowering) -> bool:
    """The value everywhere, then the input's inside over it; other modes repeat elements of the input."""
    x, y = low.type(node.inputs[0]), low.type(node.outputs[0])
    rank = len(x.shape)
    pads = _integers(node, low, 1, "pads")
    axes = _integers(node, low, 3, "axes")
    if pads is None or axes is None or not _walkable(rank):
        return False
    if low.attrs["mode"] != "constant":
        return _mirrored(node, low, pads, [axis_of(a, rank) for a in axes] or list(range(rank)))
    value = low.attrs.get("value", 0.0)
    if len(node.inputs) > 2 and node.inputs[2]:
        constant = low.value(node.inputs[2])
        if constant is None or x.dtype.name == "string":
            return False
        value = constant.flat()[0]
    chosen = [axis_of(a, rank) for a in axes] or list(range(rank))
    begins, ends = [0] * rank, [0] * rank
    for i, axis in enumerate(chosen):
        begins[axis], ends[axis] = pads[i], pads[len(chosen) + i]
    if any(begins) or any(ends):
        fill(low, node.outputs[0], value if x.dtype.is_float else int(value))
    strides, steps = contiguous(x.shape), contiguous(y.shape)
    inside = [
        max(size + min(b, 0) + min(e, 0), 0)
        for size, b, e in zip(x.shape, begins, ends, strict=True)
    ]
    start = sum(max(-b, 0) * s for b, s in zip(begins, strides, strict=True))
    to = sum(max(b, 0) * s for b, s in zip(begins, steps, strict=True))
    copy(low, node.inputs[0], node.outputs[0], inside, strides, steps, start, to)
    return True


def _mirrored(node: Node, low: Lowering, pads: Sequence[int], axes: Sequence[int]) -> bool:
    """Padding by elements of the input itself: axis after axis, each a gather of known indices."""
    x, mode = low.type(node.inputs[0]), low.attrs["mode"]
    shape, source = list(x.shape), node.inputs[0]
    moves = [(axis, pads[i], pads[len(axes) + i]) for i, axis in enumerate(axes)]
    moves = [move for move in moves if move[1:] != (0, 0)]
    if not moves or not x.size:
        return False
    for i, (axis, begin, end) in enumerate(moves):
        picks = [_source(mode, at, shape[axis]) for at in range(-begin, shape[axis] + end)]
        shape[axis] = len(picks)
        last = i == len(moves) - 1
        target = node.outputs[0] if last else low.temp(x.dtype, shape)
        gather(low, source, low.constant(int64, (len(picks),), picks), target, axis)
        source = target
    return True


def _source(mode: str, at: int, size: int) -> int:
    """Which of `size` elements stands at a place before, among or after them."""
    if mode == "edge":
        return min(max(at, 0), size - 1)
    if mode == "wrap" or size == 1:
        return at % size
    around = at % (2 * size - 2)
    return min(around, 2 * size - 2 - around)


@lower("DepthToSpace", "SpaceToDepth")
def blocks(node: Node, low: Lowering) -> bool:
    """Blocks of pixels become channels, or channels blocks: axes in another order."""
    x = low.type(node.inputs[0])
    batch, channels, height, width = x.shape
    b, last = low.attrs["blocksize"], low.attrs["mode"] == "CRD"
    if node.op == "SpaceToDepth":
        split = (batch, channels, height // b, b, width // b, b)
        order = (0, 1, 3, 5, 2, 4) if last else (0, 3, 5, 1, 2, 4)
    elif last:
        split = (batch, channels // (b * b), b, b, height, width)
        order = (0, 1, 4, 2, 5, 3)
    else:
        split = (batch, b, b, channels // (b * b), height, width)
        order = (0, 3, 4, 1, 5, 2)
    strides, dims = contiguous(split), [split[axis] for axis in order]
    read = [strides[axis] for axis in order]
    copy(low, node.inputs[0], node.outputs[0], dims, read, contiguous(dims))
    return True


@lower("EyeLike")
def eye_like(node: Node, low: Lowering) -> bool:
    y, k = low.type(node.outputs[0]), low.attrs["k"]
    rows, columns = y.shape
    if y.dtype.name in ("bfloat16", "string"):
        return False
    fill(low, node.outputs[0], 0)
    length = max(min(rows + min(k, 0), columns - max(k, 0)), 0)
    start = -k * columns if k < 0 else k
    one = low.constant(y.dtype, (1,), [1])
    copy(low, one, node.outputs[0], (length,), (0,), (columns + 1,), to=start)
    return True


@lower("ConstantOfShape")
def constant_of_shape(node: Node, low: Lowering) -> bool:
    value = low.attrs["value"]
    if low.type(node.outputs[0]).dtype.name == "string":
        return False
    fill(low, node.outputs[0], 0 if value is None else value.flat()[0])
    return True


@lower("Range")
def range_(node: Node, low: Lowering) -> bool:
    """Only between bounds that are known at plan time, as its length is known only then."""
    y = low.type(node.outputs[0])
    start, delta = (low.value(node.inputs[i]) for i in (0, 2))
    if start is None or delta is None or y.dtype.format not in "fdhiq":
        return False
    kind = float if y.dtype.is_float else int
    params = (kind(start.flat()[0]), kind(delta.flat()[0]))
    low.emit("range", (), node.outputs, code(y.dtype), y.size, *params)
    return True


@lower("FeatureVectorizer", domain="ai.onnx.ml")
def feature_vectorizer(node: Node, low: Lowering) -> bool:
    """The inputs' columns side by side, each cut or filled up with zeros to its dimension."""
    from strandline.compiler.lower.convert import as_type
    from strandline.ops.ml_linear import rows_of

    y = low.type(node.outputs[0])
    place = 0
    widths = ints(low.attrs["inputdimensions"])
    tables = [rows_of(low.type(name).shape) for name in node.inputs]
    if any(columns < width for (_, columns), width in zip(tables, widths, strict=True)):
        fill(low, node.outputs[0], 0.0)
    for name, (rows, columns), width in zip(node.inputs, tables, widths, strict=True):
        part = as_type(low, name, y.dtype)
        taken = (rows, min(columns, width))
        copy(low, part, node.outputs[0], taken, (columns, 1), contiguous(y.shape), to=place)
        place += width
    return True
