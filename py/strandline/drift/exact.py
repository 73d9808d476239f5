"""Exact sums: integers in fixed point, so that adding them up never rounds and never depends on
order.

A sum Σx is an integer in units of 2^-1074 (the smallest double), a sum of squares Σx² one in units
of 2^-2148. On the wire they are written as ``"<hex>p<exponent>"``, the integer times two to the
exponent: ``"-3p-1"`` is −1.5.
"""

from __future__ import annotations

import re
from typing import Final

SUM_SCALE: Final = 1074
SQUARES_SCALE: Final = 2148

_TEXT = re.compile(r"(-?[0-9a-f]{1,1100})p(-?[0-9]{1,5})")
_MOST_BITS: Final = 4500
"""more than Σx² of 2^63 of the largest doubles needs"""


def from_bytes(data: bytes) -> int:
    """The integer that the core writes: little-endian two's complement."""
    return int.from_bytes(data, "little", signed=True)


def to_text(units: int, scale: int) -> str:
    """`units`·2^-scale in its one shortest spelling."""
    if units == 0:
        return "0p0"
    shift = (units & -units).bit_length() - 1
    return f"{units >> shift:x}p{shift - scale}"


def from_text(text: str, scale: int) -> int:
    """How many units of 2^-scale `text` says. Raises `ValueError` if it isn't such a text or has a
    finer unit.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not an exact sum such as '3fp-12'")
    shift = int(match[2]) + scale
    if not 0 <= shift <= _MOST_BITS:
        raise ValueError(f"the exponent {match[2]} of an exact sum is out of range")
    units = int(match[1], 16) << shift
    if units.bit_length() > _MOST_BITS:
        raise ValueError("an exact sum is larger than any sum of doubles")
    return units


def double_units(value: float) -> int:
    """A finite double in units of 2^-1074; exact."""
    numerator, denominator = value.as_integer_ratio()
    return (numerator << SUM_SCALE) // denominator


def mean(total: int, n: int) -> float:
    """Σx/n, correctly rounded; `total` in units of 2^-1074."""
    return total / (n << SUM_SCALE)


def variance(total: int, squares: int, n: int) -> float:
    """The unbiased variance (Σx² − (Σx)²/n)/(n − 1), computed exactly and rounded once; 0.0 for n <
    2.

    inf when it is larger than the largest double.
    """
    if n < 2:
        return 0.0
    try:
        return (n * squares - total * total) / (n * (n - 1) << SQUARES_SCALE)
    except OverflowError:
        return float("inf")
