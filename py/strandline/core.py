"""The C core, typed: the only module that imports the extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from strandline import _core

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ColumnTally", "sorted_finite", "tally"]


# --- drift statistics -------------------------------------------------------------------------------


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
    """Bin and sum a one-dimensional buffer of numbers (any stride, struct formats ``dfbBhHiIlLqQ?``).

    `cuts` is ascending float64; `counts` is writable int64 with one item more and is increased in place: a value
    goes to the bin whose index is the number of cuts ≤ value. NaN and ±inf are only counted.
    Raises `ValueError` when a buffer has another shape or format.
    """
    return ColumnTally._make(_core.tally(values, cuts, counts))


def sorted_finite(values: Buffer) -> memoryview:
    """The finite values of a one-dimensional buffer of numbers, ascending, as float64; −0.0 becomes 0.0."""
    return memoryview(_core.sorted_finite(values)).cast("d")
