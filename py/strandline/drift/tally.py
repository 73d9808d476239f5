"""What has been seen of one feature: integers and extremes only, so that adding two tallies is
exact in any order.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite
from operator import add
from typing import Any, TypeAlias

from strandline.drift import exact

MOST_ROWS = 2**53 - 1
"""the largest count on the wire: every JSON reader holds it exactly"""


class WireError(ValueError):
    """A document that is not what its schema says; the message names the place."""


@dataclass(frozen=True)
class NumericTally:
    """A numeric feature. Immutable; `a + b` is what one pass over the rows of both would have
    found.
    """

    counts: array[int]
    """[bins] int64: finite values per bin"""
    missing: int = 0
    invalid: int = 0
    total: int = 0
    """Σx of the finite values in units of 2^-1074"""
    squares: int = 0
    """Σx² in units of 2^-2148"""
    minimum: float = inf
    maximum: float = -inf

    @cached_property
    def n(self) -> int:
        """Finite values: those that are in a bin."""
        return sum(self.counts)

    @property
    def rows(self) -> int:
        return self.n + self.missing + self.invalid

    @property
    def mean(self) -> float | None:
        return exact.mean(self.total, self.n) if self.n else None

    @property
    def std(self) -> float | None:
        """Square root of the unbiased variance."""
        return exact.variance(self.total, self.squares, self.n) ** 0.5 if self.n else None

    def __add__(self, other: NumericTally) -> NumericTally:
        if not isinstance(other, NumericTally):
            return NotImplemented
        return NumericTally(
            _added(self.counts, other.counts),
            self.missing + other.missing,
            self.invalid + other.invalid,
            self.total + other.total,
            self.squares + other.squares,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
        )

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {"counts": self.counts.tolist()}
        wire |= _nonzero(missing=self.missing, invalid=self.invalid)
        if self.n:
            wire["sum"] = exact.to_text(self.total, exact.SUM_SCALE)
            wire["squares"] = exact.to_text(self.squares, exact.SQUARES_SCALE)
            wire["min"] = self.minimum
            wire["max"] = self.maximum
        return wire

    @staticmethod
    def from_wire(wire: Mapping[str, Any], bins: int, place: str) -> NumericTally:
        """Read and check; `bins` is how many counts there must be. Raises `WireError`."""
        counts = _read_counts(wire, bins, place)
        keys = {"sum", "squares", "min", "max"} if any(counts) else set()
        _check_keys(wire, keys, place)
        missing, invalid = (_read_count(wire, key, place) for key in ("missing", "invalid"))
        if not keys:
            return NumericTally(counts, missing, invalid)
        minimum, maximum = (_read_double(wire, key, place) for key in ("min", "max"))
        try:
            total = exact.from_text(wire["sum"], exact.SUM_SCALE)
            squares = exact.from_text(wire["squares"], exact.SQUARES_SCALE)
        except (TypeError, ValueError) as error:
            raise WireError(f"{place}: {error}") from None
        n = sum(counts)
        if not n * exact.double_units(minimum) <= total <= n * exact.double_units(maximum):
            raise WireError(f"{place}: sum does not lie between n times min and n times max")
        if total * total > n * squares:
            raise WireError(f"{place}: squares is smaller than sum²/n")
        return NumericTally(counts, missing, invalid, total, squares, minimum, maximum)


@dataclass(frozen=True)
class CategoricalTally:
    """A categorical feature. Immutable, adds up like `NumericTally`."""

    counts: array[int]
    """[vocabulary + 1] int64: rows per category of the vocabulary, then of all others together"""
    missing: int = 0
    invalid: int = 0

    @cached_property
    def n(self) -> int:
        """Rows that name a category."""
        return sum(self.counts)

    @property
    def rows(self) -> int:
        return self.n + self.missing + self.invalid

    @property
    def unseen(self) -> int:
        """Rows whose category is not in the reference's vocabulary."""
        return self.counts[-1]

    def __add__(self, other: CategoricalTally) -> CategoricalTally:
        if not isinstance(other, CategoricalTally):
            return NotImplemented
        return CategoricalTally(
            _added(self.counts, other.counts),
            self.missing + other.missing,
            self.invalid + other.invalid,
        )

    def to_wire(self) -> dict[str, Any]:
        return {"counts": self.counts.tolist()} | _nonzero(
            missing=self.missing, invalid=self.invalid
        )

    @staticmethod
    def from_wire(wire: Mapping[str, Any], bins: int, place: str) -> CategoricalTally:
        """Read and check; `bins` is how many counts there must be. Raises `WireError`."""
        _check_keys(wire, set(), place)
        counts = _read_counts(wire, bins, place)
        return CategoricalTally(
            counts, _read_count(wire, "missing", place), _read_count(wire, "invalid", place)
        )


@dataclass(frozen=True)
class VectorTally:
    """A feature of vectors: sums of integer random Fourier features. Immutable, adds up like
    `NumericTally`.
    """

    sums: array[int]
    """[2·frequencies] int64: of the cosines, then of the sines, of all vectors"""
    n: int = 0
    """vectors that were summed up"""
    squares: int = 0
    """of all vectors' features"""
    missing: int = 0
    invalid: int = 0

    @property
    def counts(self) -> array[int]:
        """[1] int64: vectors have one bin, which all are in."""
        return array("q", [self.n])

    @property
    def rows(self) -> int:
        return self.n + self.missing + self.invalid

    def __add__(self, other: VectorTally) -> VectorTally:
        if not isinstance(other, VectorTally):
            return NotImplemented
        return VectorTally(
            _added(self.sums, other.sums),
            self.n + other.n,
            self.squares + other.squares,
            self.missing + other.missing,
            self.invalid + other.invalid,
        )

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {"n": self.n, "sums": self.sums.tolist()}
        if self.n:
            wire["squares"] = exact.to_text(self.squares, 0)
        return wire | _nonzero(missing=self.missing, invalid=self.invalid)

    @staticmethod
    def from_wire(
        wire: Mapping[str, Any], frequencies: int, norms: tuple[int, int], place: str
    ) -> VectorTally:
        """Read and check; `norms` is the least and the most that one frequency adds to the squares
        of a vector. Raises `WireError`.
        """
        n = _read_count(wire, "n", place) if isinstance(wire, Mapping) else 0
        _check_keys(wire, {"n", "sums", "squares"} if n else {"n", "sums"}, place, {"n", "sums"})
        missing, invalid = (_read_count(wire, key, place) for key in ("missing", "invalid"))
        sums = wire["sums"]
        if not isinstance(sums, list) or len(sums) != 2 * frequencies:
            raise WireError(f"{place}: needs {2 * frequencies} sums")
        if set(map(type, sums)) != {int} or max(map(abs, sums)) > MOST_ROWS:
            raise WireError(f"{place}: sums must be whole numbers of at most 2^53 - 1")
        if not n:
            if any(sums):
                raise WireError(f"{place}: sums of no vectors must be 0")
            return VectorTally(array("q", sums), 0, 0, missing, invalid)
        try:
            squares = exact.from_text(wire["squares"], 0)
        except (TypeError, ValueError) as error:
            raise WireError(f"{place}: {error}") from None
        if not n * frequencies * norms[0] <= squares <= n * frequencies * norms[1]:
            raise WireError(f"{place}: squares is not what {n} vectors can have")
        if sum(s * s for s in sums) > n * squares:
            raise WireError(f"{place}: squares is smaller than the sums' over n")
        return VectorTally(array("q", sums), n, squares, missing, invalid)


Tally: TypeAlias = NumericTally | CategoricalTally | VectorTally


def zeros(n: int) -> array[int]:
    """n counts of nothing."""
    return array("q", bytes(8 * n))


def _added(a: Iterable[int], b: Iterable[int]) -> array[int]:
    return array("q", map(add, a, b))


def _nonzero(**counts: int) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _check_keys(wire: Any, keys: set[str], place: str, always: Iterable[str] = ("counts",)) -> None:
    if not isinstance(wire, Mapping):
        raise WireError(f"{place}: must be an object")
    names = set(wire) - {"missing", "invalid"}
    wanted = keys | set(always)
    if names != wanted:
        raise WireError(f"{place}: has {_listed(names)} where {_listed(wanted)} belong")


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(sorted(str(name)[:40] for name in names)) or "nothing"


def _read_counts(wire: Any, bins: int, place: str) -> array[int]:
    counts = wire.get("counts") if isinstance(wire, Mapping) else None
    if not isinstance(counts, list) or len(counts) != bins:
        found = f"{len(counts)} of them" if isinstance(counts, list) else "none"
        raise WireError(f"{place}: needs {bins} counts, has {found}")
    if set(map(type, counts)) != {int} or min(counts) < 0 or sum(counts) > MOST_ROWS:
        raise WireError(f"{place}: counts must be whole numbers from 0 to 2^53 - 1 in total")
    return array("q", counts)


def _read_count(wire: Mapping[str, Any], key: str, place: str) -> int:
    count = wire.get(key, 0)
    if type(count) is not int or not 0 <= count <= MOST_ROWS:
        raise WireError(f"{place}: {key} must be a whole number from 0 to 2^53 - 1")
    return count


def _read_double(wire: Mapping[str, Any], key: str, place: str) -> float:
    value = wire[key]
    if type(value) is int and abs(value) <= 2**1023:
        value = float(value)
    if type(value) is not float or not isfinite(value):
        raise WireError(f"{place}: {key} must be a finite number")
    return value + 0.0
