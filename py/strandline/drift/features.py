"""One feature of a reference: how its values are binned, and what the reference held."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Literal, TypeAlias

from strandline import core
from strandline.drift import bins, columns, exact
from strandline.drift.columns import Column
from strandline.drift.tally import CategoricalTally, NumericTally, Tally, WireError, zeros

Kind: TypeAlias = Literal["numeric", "categorical"]
Role: TypeAlias = Literal["feature", "output", "system"]


@dataclass(frozen=True)
class NumericFeature:
    """Numbers: `len(cuts) + 1` bins, bin i holds ``cuts[i-1] <= v < cuts[i]``."""

    kind: ClassVar[Kind] = "numeric"

    name: str
    role: Role
    cuts: tuple[float, ...]
    tally: NumericTally = field(repr=False)
    """what the reference held"""

    @property
    def bins(self) -> int:
        return len(self.cuts) + 1

    @cached_property
    def _cuts(self) -> array[float]:
        return array("d", self.cuts)

    def empty(self) -> NumericTally:
        return NumericTally(zeros(self.bins))

    def count(self, column: Column) -> NumericTally:
        """The tally of a column. A cell that can't be read, or ±inf, is invalid; NaN and `None` are
        missing.
        """
        cells = columns.numbers(column)
        counts = zeros(self.bins)
        seen = core.tally(cells.values, self._cuts, counts)
        return NumericTally(
            counts,
            seen.nan - cells.unreadable,
            seen.infinite + cells.unreadable,
            exact.from_bytes(seen.sum),
            exact.from_bytes(seen.squares),
            seen.minimum,
            seen.maximum,
        )

    def tally_from_wire(self, wire: Any, place: str) -> NumericTally:
        tally = NumericTally.from_wire(wire, self.bins, place)
        if tally.n:
            used = [i for i, count in enumerate(tally.counts) if count]
            if self.bin_of(tally.minimum) != used[0] or self.bin_of(tally.maximum) != used[-1]:
                raise WireError(
                    f"{place}: min and max do not lie in the outermost bins that hold values"
                )
        return tally

    def bin_of(self, value: float) -> int:
        """The index of the bin that a finite value falls in."""
        return bisect_right(self.cuts, value)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "role": self.role,
            "kind": self.kind,
            "cuts": list(self.cuts),
            "tally": self.tally.to_wire(),
        }


@dataclass(frozen=True)
class CategoricalFeature:
    """Categories: one bin for each of the vocabulary, and one for all others."""

    kind: ClassVar[Kind] = "categorical"

    name: str
    role: Role
    vocabulary: tuple[str, ...]
    """the reference's commonest categories, commonest first"""
    tally: CategoricalTally = field(repr=False)
    """what the reference held"""

    @property
    def bins(self) -> int:
        return len(self.vocabulary) + 1

    @cached_property
    def _index(self) -> dict[str, int]:
        return {category: i for i, category in enumerate(self.vocabulary)}

    def empty(self) -> CategoricalTally:
        return CategoricalTally(zeros(self.bins))

    def count(self, column: Column) -> CategoricalTally:
        """The tally of a column."""
        cells = columns.categories(column)
        counts = zeros(self.bins)
        other = len(self.vocabulary)
        for category, count in cells.counts.items():
            counts[self._index.get(category, other)] += count
        return CategoricalTally(counts, cells.missing, cells.invalid)

    def tally_from_wire(self, wire: Any, place: str) -> CategoricalTally:
        return CategoricalTally.from_wire(wire, self.bins, place)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "role": self.role,
            "kind": self.kind,
            "vocabulary": list(self.vocabulary),
            "tally": self.tally.to_wire(),
        }


Feature: TypeAlias = NumericFeature | CategoricalFeature


def numeric(name: str, role: Role, column: Column, most_bins: int) -> NumericFeature:
    """A numeric feature binned by the quantiles of its reference column."""
    cuts = bins.quantile_cuts(core.sorted_finite(columns.numbers(column).values), most_bins)
    blank = NumericFeature(name, role, cuts, NumericTally(zeros(len(cuts) + 1)))
    return NumericFeature(name, role, cuts, blank.count(column))


def categorical(name: str, role: Role, column: Column, most: int) -> CategoricalFeature:
    """A categorical feature whose vocabulary is the `most` commonest categories of its reference
    column.
    """
    counts = columns.categories(column).counts
    vocabulary = tuple(sorted(counts, key=lambda category: (-counts[category], category))[:most])
    blank = CategoricalFeature(name, role, vocabulary, CategoricalTally(zeros(len(vocabulary) + 1)))
    return CategoricalFeature(name, role, vocabulary, blank.count(column))


def from_json(wire: Mapping[str, Any], place: str) -> Feature:
    """Read and check a feature of a reference; raises `WireError`."""
    name, role, kind = wire["name"], wire["role"], wire["kind"]
    feature: Feature
    tally: Tally
    if kind == "numeric":
        cuts = tuple(map(float, wire["cuts"]))
        if any(not a < b for a, b in pairwise(cuts)):
            raise WireError(f"{place}: cuts must ascend")
        feature = NumericFeature(name, role, cuts, NumericTally(zeros(len(cuts) + 1)))
        tally = feature.tally_from_wire(wire["tally"], f"{place}.tally")
        return NumericFeature(name, role, cuts, tally)
    vocabulary = tuple(wire["vocabulary"])
    if len(set(vocabulary)) != len(vocabulary):
        raise WireError(f"{place}: a category is twice in the vocabulary")
    feature = CategoricalFeature(
        name, role, vocabulary, CategoricalTally(zeros(len(vocabulary) + 1))
    )
    tally = feature.tally_from_wire(wire["tally"], f"{place}.tally")
    return CategoricalFeature(name, role, vocabulary, tally)
