"""What all plans of one session share: string codes, packed weights, constants as the core reads
them, and the memory they run in."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from strandline import core
from strandline.onnx.graph import Constant, Graph
from strandline.onnx.types import DType, TensorType
from strandline.onnx.types import string as string_type

if TYPE_CHECKING:
    from strandline.compiler.tuning import Tuning


class Vocabulary:
    """Strings by number. Code 0 is the empty string, so that zeroed memory holds valid strings."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {"": 0}
        self.texts: list[str] = [""]

    def add(self, texts: Iterable[str]) -> list[int]:
        """The codes of `texts`, new ones included."""
        codes = self.codes
        result = []
        for text in texts:
            code = codes.get(text)
            if code is None:
                code = codes[text] = len(self.texts)
                self.texts.append(text)
            result.append(code)
        return result


class LocalStrings:
    """A vocabulary for one run: strings that the session does not know get negative codes and are
    then forgotten."""

    def __init__(self, known: Vocabulary) -> None:
        self._known = known
        self._codes: dict[str, int] = {}
        self._texts: list[str] = []

    def encode(self, texts: Iterable[str]) -> array[int]:
        """int32 codes."""
        known, local = self._known.codes, self._codes
        result = array("i")
        for text in texts:
            code = known.get(text)
            if code is None:
                code = local.get(text)
                if code is None:
                    self._texts.append(text)
                    code = local[text] = -len(self._texts)
            result.append(code)
        return result

    def decode(self, codes: Iterable[int]) -> list[str]:
        known, local = self._known.texts, self._texts
        return [known[code] if code >= 0 else local[-1 - code] for code in codes]


class Store:
    """Per session, never per plan. Entries are made once, on first use."""

    def __init__(self, tuning: Tuning | None = None) -> None:
        self.tuning = tuning
        """What chooses kernels by measuring; None: the policies alone."""
        self.vocabulary = Vocabulary()
        self.arena = core.Arena()
        """Where programs lay intermediate values: one runs at a time, and values between steps have
        memory of their own."""
        self.folded_by_numpy: list[str] = []
        """Nodes on constants that took NumPy to compute: without it they become host steps."""
        self.packings: set[str] = set()
        """Kernels that packed constants in a layout of the instruction set in force."""
        self.bodies: dict[int, tuple[Graph, Graph]] = {}
        """Bodies of control flow by identity, and what the passes make of them."""
        self._derived: dict[tuple[Any, ...], tuple[str, Constant]] = {}
        self._buffers: dict[int, tuple[Constant, Any, bool]] = {}
        """Buffers of constants, and whether they are aligned."""

    def for_body(self) -> Store:
        """The store of an engine for a subgraph: what is derived there is its own."""
        store = Store(self.tuning)
        store.vocabulary, store.arena = self.vocabulary, self.arena
        return store

    def derived(
        self, key: tuple[Any, ...], make: Callable[[], tuple[DType, Sequence[int], Any]]
    ) -> tuple[str, Constant]:
        """The constant under `key`, made by `make` when it is asked for first, and its name."""
        known = self._derived.get(key)
        if known is None:
            name = f"derived/{'/'.join(map(str, key))}"
            known = self._derived[key] = name, constant_of(*make())
            if core.isa() in key:
                self.packings.add(str(key[0]))
        return known

    @contextmanager
    def trial(self) -> Iterator[None]:
        """What is derived within is forgotten afterwards."""
        held = dict(self._derived), dict(self._buffers), set(self.packings)
        try:
            yield
        finally:
            self._derived, self._buffers, self.packings = held

    def buffer(self, constant: Constant, anywhere: bool = False) -> Any:
        """The constant's bytes for the core (string codes for strings), aligned at most once per
        session, and not at all while they may lie `anywhere`."""
        # Keyed by identity, so the constant is kept beside its buffer.
        held = self._buffers.get(id(constant))
        if held is not None and (held[2] or anywhere):
            return held[1]
        data = self.bytes_of(constant) if held is None else held[1]
        if not anywhere:
            data = core.aligned(data)
        self._buffers[id(constant)] = (constant, data, not anywhere)
        return data

    def bytes_of(self, constant: Constant) -> Any:
        """The same for once: as it lies, and not kept."""
        if constant.dtype is string_type:
            return array("i", self.vocabulary.add(constant.strings))
        return constant.data


def constant_of(dtype: DType, shape: Sequence[int], data: Any) -> Constant:
    """A constant from a buffer of its bytes or a flat sequence of numbers (codes for strings are
    not taken)."""
    type_ = TensorType(dtype, tuple(shape))
    if isinstance(data, list | tuple | range):
        data = struct.pack(f"<{len(data)}{dtype.format}", *data)
    view = memoryview(data)
    view = view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
    if view.nbytes != type_.nbytes:
        raise ValueError(f"a constant of {type_} needs {type_.nbytes} bytes, not {view.nbytes}")
    return Constant(type_, view)
