"""Sequences (lists of arrays) and optionals (a value or None)."""

from __future__ import annotations

from typing import Any

from strandline._lazy import np
from strandline.onnx.graph import Graph
from strandline.onnx.types import TensorType, bool_, int64
from strandline.ops.registry import Array, Attrs, CallGraph, op
from strandline.ops.rules import Inputs, Types, axis_of, ints

Sequence = list[Array]


def _place(position: Array | None, size: int, default: int) -> int:
    """A position counted from the front; raises ValueError when it is outside."""
    place = default if position is None else int(position.item())
    if not -size <= place <= size:
        raise ValueError(f"position {place} is outside a sequence of {size}")
    return place + size if place < 0 else place


@op("SequenceEmpty", since=11, any_type=True)
def sequence_empty(*, dtype: int = 1) -> Sequence:
    return []


@op("SequenceConstruct", since=11, any_type=True)
def sequence_construct(*tensors: Array) -> Sequence:
    return list(tensors)


@op("SequenceInsert", since=11, any_type=True)
def sequence_insert(sequence: Sequence, tensor: Array, position: Array | None = None) -> Sequence:
    place = _place(position, len(sequence), len(sequence))
    return [*sequence[:place], tensor, *sequence[place:]]


@op("SequenceErase", since=11, any_type=True)
def sequence_erase(sequence: Sequence, position: Array | None = None) -> Sequence:
    place = _place(position, len(sequence), len(sequence) - 1)
    return [*sequence[:place], *sequence[place + 1 :]]


@op("SequenceAt", since=11, any_type=True)
def sequence_at(sequence: Sequence, position: Array) -> Array:
    return sequence[_place(position, len(sequence), 0)]


def _length(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [TensorType(int64, ())]


@op("SequenceLength", since=11, shape=_length, any_type=True)
def sequence_length(sequence: Sequence) -> Array:
    return np.asarray(len(sequence), np.int64)


@op("ConcatFromSequence", since=11)
def concat_from_sequence(sequence: Sequence, *, axis: int, new_axis: int = 0) -> Array:
    return np.stack(sequence, axis) if new_axis else np.concatenate(sequence, axis)


@op("SplitToSequence", since=11)
def split_to_sequence(
    x: Array, split: Array | None = None, *, axis: int = 0, keepdims: int = 1
) -> Sequence:
    """Into single slices, into pieces of one size, or into the sizes given."""
    axis = axis_of(axis, x.ndim)
    total = x.shape[axis]
    if split is None:
        pieces = np.split(x, total, axis) if total else []
        return pieces if keepdims else [np.squeeze(p, axis) for p in pieces]
    step = ints(split)
    ends = list(range(step[0], total, step[0])) if split.ndim == 0 else list(np.cumsum(step)[:-1])
    return np.split(x, ends, axis)


@op("SequenceMap", since=17, any_type=True)
def sequence_map(
    sequence: Sequence, *others: Any, body: Graph, call: CallGraph
) -> tuple[Sequence, ...]:
    """The body over the elements; other sequences go along, tensors stay the same."""
    rows = [
        call(body, [item, *(o[i] if isinstance(o, list) else o for o in others)])
        for i, item in enumerate(sequence)
    ]
    return tuple([row[k] for row in rows] for k in range(len(body.outputs)))


@op("Optional", since=15, any_type=True)
def optional(x: Any = None, *, type: Any = None) -> Any:  # noqa: A002
    return x


def _boolean(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [TensorType(bool_, ())]


@op("OptionalHasElement", since=15, shape=_boolean, any_type=True)
def optional_has_element(x: Any = None) -> Array:
    return np.asarray(x is not None)


@op("OptionalGetElement", since=15, any_type=True)
def optional_get_element(x: Any) -> Any:
    if x is None:
        raise ValueError("the optional is empty")
    return x
