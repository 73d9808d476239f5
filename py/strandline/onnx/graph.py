"""The immutable graph that the reader makes and that every compiler pass maps to another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from strandline.onnx.types import DType, TensorType

if TYPE_CHECKING:
    import numpy as np

Dim = int | str | None
"""A size: known, named (`"batch"`), or unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A tensor whose value is known before any run.

    `data` holds the elements little-endian and C-contiguous, often as a view into the model's own bytes (no copy,
    so it may be unaligned); string tensors keep theirs in `strings` instead and leave `data` empty.
    """

    type: TensorType
    data: memoryview
    strings: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    def flat(self) -> Sequence[Any]:
        """The elements in C order as Python scalars (needs no NumPy; for small tensors)."""
        if self.dtype.name == "string":
            return self.strings
        if self.dtype.name == "bfloat16":
            import struct

            return [
                struct.unpack("<f", struct.pack("<I", half << 16))[0]
                for half in self.data.cast("B").cast("H")
            ]
        if self.dtype.format == "e":
            import struct

            return struct.unpack(f"<{self.type.size}e", self.data)
        return self.data.cast("B").cast(self.dtype.format).tolist()  # type: ignore[call-overload, no-any-return]

    def array(self) -> np.ndarray[Any, Any]:
        """The value as a read-only NumPy array (strings as an object array)."""
        from strandline._lazy import np as numpy

        if self.dtype.name == "string":
            result = numpy.array(self.strings, dtype=object).reshape(self.shape)
        else:
            result = numpy.frombuffer(self.data, dtype=self.dtype.numpy).reshape(self.shape)
        result.flags.writeable = False
        return result


class Computed(Constant):
    """A constant that can be made again: it gives `data` away when it is first asked, and from then on
    asks `make`. What a kernel wants packed is so not kept beside its packed form."""

    __slots__ = ("_data", "_make")
    _make: Callable[[], memoryview]
    _data: memoryview | None

    def __init__(
        self, type_: TensorType, make: Callable[[], memoryview], data: memoryview | None = None
    ) -> None:
        for name, value in (("type", type_), ("strings", ()), ("_make", make), ("_data", data)):
            object.__setattr__(self, name, value)

    @property
    def data(self) -> memoryview:
        data = self._data
        object.__setattr__(self, "_data", None)
        return self._make() if data is None else data


AttributeValue = Any
"""int, float, str, bytes, Constant, Graph, or a sequence of one of them (numbers as buffer-protocol arrays)."""


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """A graph input or output as the model declares it. `kind` is `tensor`, `sequence`, `map` or `optional`;
    `spelled` is the whole type as ONNX writes it, `seq(map(int64,tensor(float)))`, empty where none is declared.
    """

    name: str
    dtype: DType | None
    shape: tuple[Dim, ...] | None
    kind: str = "tensor"
    spelled: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operator call; an absent optional input or output is the empty name."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, AttributeValue] = field(default_factory=dict)
    domain: str = ""
    name: str = ""
    memo: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    """What follows from the node alone and is asked for again and again."""

    def __str__(self) -> str:
        kind = f"{self.domain}.{self.op}" if self.domain else self.op
        return f"{kind} '{self.name}'" if self.name else f"{kind} -> {', '.join(self.outputs)}"


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Nodes in topological order; `constants` are the initializers; `opsets` maps a domain to its version.

    `metadata` are the model's own notes (`metadata_props`); `about` its other fields by their ONNX names
    (`producer_name`, `model_version` …) as far as it has them.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]
    constants: Mapping[str, Constant] = field(default_factory=dict)
    opsets: Mapping[str, int] = field(default_factory=dict)
    name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str | int] = field(default_factory=dict)
