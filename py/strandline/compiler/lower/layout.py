"""Strides and shapes as the kernels want them: few axes, the innermost last, sizes in elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from strandline.onnx.types import DType, TensorType

MAX_RANK = 8
"""Axes that a kernel walks at most (SL_MAX_RANK)."""


def code(dtype: DType) -> int:
    """The element type as a kernel's parameter: its struct character, 'w' for bfloat16."""
    return ord("w" if dtype.name == "bfloat16" else dtype.format)


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of a C-contiguous tensor."""
    return _contiguous(tuple(shape))


# A network has the same few shapes over and over, and each more than once per plan.
@lru_cache(maxsize=1024)
def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def broadcast(shape: Sequence[int], to: Sequence[int]) -> tuple[int, ...]:
    """Strides by which a contiguous tensor of `shape` is read as one of shape `to`."""
    return _broadcast(tuple(shape), tuple(to))


@lru_cache(maxsize=1024)
def _broadcast(shape: tuple[int, ...], to: tuple[int, ...]) -> tuple[int, ...]:
    missing = len(to) - len(shape)
    strides = contiguous(shape)
    return (0,) * missing + tuple(
        0 if size == 1 else step for size, step in zip(shape, strides, strict=True)
    )


def walk(shape: tuple[int, ...], *operands: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """How contiguous tensors of these shapes are read as ones of `shape`, with as few axes as possible:
    (dims, strides of each operand)."""
    for operand in operands:
        if operand != shape:
            return _merge(shape, *[_broadcast(each, shape) for each in operands])
    size = math.prod(shape)
    return ((size,), *((int(size != 1),),) * len(operands))


def merge(dims: Sequence[int], *operands: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The same walk with as few axes as possible, at least one: (dims, strides of each operand).

    Axes of size 1 go; neighbours that every operand steps through as one become one.
    """
    return _merge(tuple(dims), *map(tuple, operands))


@lru_cache(maxsize=1024)
def _merge(dims: tuple[int, ...], *operands: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    merged: list[list[int]] = []
    for axis in reversed(range(len(dims))):
        size = dims[axis]
        if size == 1:
            continue
        steps = [strides[axis] for strides in operands]
        if merged:
            inner = merged[-1]
            if steps == [inner[0] * step for step in inner[1:]]:
                inner[0] *= size
                continue
        merged.append([size, *steps])
    if not merged:
        merged = [[1, *(0 for _ in operands)]]
    return tuple(zip(*reversed(merged), strict=True))


def split(shape: Sequence[int], axis: int) -> tuple[int, int, int]:
    """(elements before, along, after) `axis`, which may be negative."""
    axis %= len(shape)
    before = after = 1
    for size in shape[:axis]:
        before *= size
    for size in shape[axis + 1 :]:
        after *= size
    return before, shape[axis], after


def reals(type_: TensorType) -> bool:
    """Whether the elements are float32 or float64."""
    return type_.dtype.format in "fd"
