"""The C core, typed: the only module that imports the extension."""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from strandline import _core
from strandline._core import (
    ACTIVATIONS,
    BYTEWISE,
    OPCODES,
    Arena,
    Bound,
    Fields,
    Program,
    Tensor,
    aligned,
    assemble,
    flatten_forest,
    isa,
    isas,
    panel_width,
    read_varints,
    set_isa,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "ACTIVATIONS",
    "BYTEWISE",
    "OPCODES",
    "Arena",
    "Bound",
    "ColumnTally",
    "Fields",
    "Program",
    "Tensor",
    "aligned",
    "assemble",
    "bridge_sf",
    "call",
    "flatten_forest",
    "fourier",
    "isa",
    "isas",
    "panel_width",
    "read_varints",
    "set_isa",
    "sorted_finite",
    "tally",
    "words",
]


if "STRANDLINE_ISA" in os.environ:
    set_isa(os.environ["STRANDLINE_ISA"])


# --- kernels -------------------------------------------------------------------------------------


_WORD, _DOUBLE = struct.Struct("<q"), struct.Struct("<d")


def words(values: Sequence[int | float]) -> bytes:
    """Parameters as the core reads them: int64 words, a float as the bits of a double."""
    return array("q", [_bits(v) if isinstance(v, float) else v for v in values]).tobytes()


def _bits(value: float) -> int:
    bits: int = _WORD.unpack(_DOUBLE.pack(value))[0]
    return bits


def call(
    op: str,
    inputs: Sequence[Buffer | None],
    outputs: Sequence[Buffer | None],
    *params: int | float,
) -> None:
    """Run one kernel at once on buffers (None: absent); for packing constants, and for tests.

    Raises `ValueError` when the kernel's check or the kernel itself refuses.
    """
    given = [b for b in inputs if b is not None]
    taken = [b for b in outputs if b is not None]
    tensors: list[int] = []
    ids: list[int] = []
    for kind, buffers in ((1, inputs), (3, outputs)):
        index = 0
        for buffer in buffers:
            ids.append(-1 if buffer is None else len(tensors) // 4)
            if buffer is not None:
                tensors += (kind, index, 0, memoryview(buffer).nbytes)
                index += 1
    code = (OPCODES[op], len(inputs), len(outputs), len(params), *ids, *params)
    Program(words(tensors), words(code), given, 0).run((), taken)


# --- drift statistics ----------------------------------------------------------------------------


class ColumnTally(NamedTuple):
    """What one pass over a column of numbers finds; nothing in it is rounded."""

    nan: int
    infinite: int
    finite: int
    minimum: float
    """inf when nothing is finite"""
    maximum: float
    """-inf when nothing is finite"""
    sum: bytes
    """Σx: little-endian two's complement integer, in units of 2**-1074"""
    squares: bytes
    """Σx²: the same in units of 2**-2148"""


def tally(values: Buffer, cuts: Buffer, counts: Buffer) -> ColumnTally:
    """Bin and sum a one-dimensional buffer of numbers (any stride, formats ``dfbBhHiIlLqQ?``).

    `cuts` is ascending float64; `counts` is writable int64 with one item more and is increased in
    place: a value goes to the bin whose index is the number of cuts ≤ value. NaN and ±inf are only
    counted. Raises `ValueError` when a buffer has another shape or format.
    """
    return ColumnTally._make(_core.tally(values, cuts, counts))


def sorted_finite(values: Buffer) -> memoryview[float]:
    """The finite values of a one-dimensional buffer of numbers, ascending float64; −0.0 is 0.0."""
    return memoryview(_core.sorted_finite(values)).cast("d")


def fourier(
    vectors: Buffer,
    frequencies: Buffer,
    wave: Buffer,
    sums: Buffer,
    products: Buffer | None = None,
) -> tuple[int, int]:
    """Add the integer random Fourier features of vectors to `sums`; (left out, sum of squares).

    Parameters
    ----------
    vectors
        [n·d] float64. One with a coordinate or a phase that is not finite is left out.
    frequencies
        [d·k] float64, of each coordinate for every frequency, in steps of 1/4096 turn per unit.
    wave
        [4096] int16: one turn of the cosine.
    sums
        [2·k] int64, increased in place: the cosines, then the sines.
    products
        [2·k·2·k] int64, increased in place by each vector's features times each other.

    Raises `ValueError` when a buffer has another format, or the sizes don't fit.
    """
    return _core.fourier(vectors, frequencies, wave, sums, products)


def bridge_sf(times: Buffer, x: float) -> float:
    """P(max |B(t)| > x over the times) for a Brownian bridge B on [0, 1], to 1e-4 for x ≤ 3.

    `times` is ascending float64 within (0, 1); one that follows another by less than (x/40)² is
    passed over. Raises `ValueError` when the buffer has another shape or format.
    """
    return _core.bridge_sf(times, x)
