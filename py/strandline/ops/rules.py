"""What shape rules are made of: broadcasting, axes, and the integers that attributes and constants
hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strandline.onnx.graph import Constant
from strandline.onnx.types import DType, TensorType
from strandline.ops.registry import Attrs, Info, ShapeRule

Inputs = Sequence[Info | None]
Types = list[TensorType]


def ints(value: Any) -> tuple[int, ...]:
    """The integers in an attribute (any buffer or sequence), a constant, or an array; `()` for
    None."""
    if value is None:
        return ()
    if isinstance(value, tuple):  # as `Op.attrs` makes them
        return value
    if isinstance(value, memoryview) and value.format == "q":  # as the reader makes them
        return tuple(value.tolist())
    if isinstance(value, Constant):
        value = value.flat()
    elif hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(int(v) for v in value) if isinstance(value, Sequence) else (int(value),)


def strings(value: Any) -> list[str]:
    """The strings in an attribute; `[]` for None."""
    texts = [] if value is None else list(value)
    if bytes in set(map(type, texts)):  # in steps of C: a forest has one for each of its nodes
        texts = [v.decode() if isinstance(v, bytes) else v for v in texts]
    return texts


def at(inputs: Inputs, index: int) -> Info | None:
    """Input `index`, or None when it is absent."""
    return inputs[index] if index < len(inputs) else None


def need(inputs: Inputs, index: int) -> TensorType:
    """Type of input `index`; raises ValueError when it is absent."""
    info = at(inputs, index)
    if info is None:
        raise ValueError(f"input {index} is required")
    return info.type


def value(inputs: Inputs, index: int) -> tuple[int, ...] | None:
    """The integers of constant input `index`, or None when it is absent or not known before the
    run."""
    info = at(inputs, index)
    return None if info is None or info.value is None else ints(info.value)


def known(inputs: Inputs, index: int) -> bool:
    """Whether input `index` is absent or has a value known before the run."""
    info = at(inputs, index)
    return info is None or info.value is not None


def axis_of(axis: int, rank: int) -> int:
    """`axis` counted from the front; raises ValueError when it is not in [-rank, rank)."""
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is out of range for rank {rank}")
    return axis % rank


def axes_of(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """`axes` counted from the front; raises ValueError on a repeated one."""
    result = tuple(axis_of(a, rank) for a in axes)
    if len(set(result)) != len(result):
        raise ValueError(f"axes {list(axes)} repeat for rank {rank}")
    return result


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The common shape under NumPy's multidirectional broadcasting."""
    if len(shapes) == 2 and shapes[0] == shapes[1]:
        return tuple(shapes[0])
    rank = max(map(len, shapes), default=0)
    result = [1] * rank
    for shape in shapes:
        for i, size in enumerate(shape, start=rank - len(shape)):
            if size != 1:
                if result[i] not in (1, size):
                    raise ValueError(f"shapes {[list(s) for s in shapes]} do not broadcast")
                result[i] = size
    return tuple(result)


def same(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    """Every output has the first input's type."""
    return [need(inputs, 0)] * n


def retyped(dtype: DType) -> ShapeRule:
    """The first input's shape with element type `dtype`."""

    def rule(inputs: Inputs, attrs: Attrs, n: int) -> Types:
        return [TensorType(dtype, need(inputs, 0).shape)]

    return rule


def broadcast(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    """All inputs broadcast together; element type of the first."""
    shape = broadcast_shapes(*(i.type.shape for i in inputs if i is not None))
    return [TensorType(need(inputs, 0).dtype, shape)]


def broadcast_to(dtype: DType) -> ShapeRule:
    """All inputs broadcast together with element type `dtype`."""

    def rule(inputs: Inputs, attrs: Attrs, n: int) -> Types:
        return [TensorType(dtype, broadcast(inputs, attrs, n)[0].shape)]

    return rule
