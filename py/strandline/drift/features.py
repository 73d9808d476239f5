"""One feature of a reference: how its values are binned, and what the reference held."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Final, Literal, Protocol, TypeAlias

from strandline import core
from strandline.drift import bins, columns, exact, text
from strandline.drift.columns import Column, Numbers
from strandline.drift.tally import CategoricalTally, NumericTally, Tally, WireError, zeros

Kind: TypeAlias = Literal["numeric", "categorical", "datetime"]
"""of a feature; a datetime is a number of seconds since 1970-01-01 UTC"""
ColumnKind: TypeAlias = Literal["numeric", "categorical", "datetime", "text"]
"""of a column; a text column makes several numeric features, one for each descriptor"""
Role: TypeAlias = Literal["feature", "output", "system"]


class Reading(Protocol):
    """How a column that holds no plain numbers is read as such."""

    def __call__(self, column: Column) -> Numbers: ...

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class TextReading:
    """A descriptor of texts (`text.DESCRIPTORS`)."""

    descriptor: str
    words: frozenset[int] = field(default=frozenset(), repr=False)
    """checksums of the reference's commonest words, for the descriptor that counts the others"""

    def __call__(self, column: Column) -> Numbers:
        return text.describe(column, self.descriptor, self.words)

    def to_json(self) -> dict[str, Any]:
        words = {"words": sorted(self.words)} if self.words else {}
        return {"descriptor": self.descriptor, **words}


@dataclass(frozen=True)
class NumericFeature:
    """Numbers or moments: `len(cuts) + 1` bins, bin i holds ``cuts[i-1] <= v < cuts[i]``."""

    name: str
    role: Role
    cuts: tuple[float, ...]
    tally: NumericTally = field(repr=False)
    """what the reference held"""
    kind: Literal["numeric", "datetime"] = "numeric"
    source: str | None = None
    """the column that it describes; `None`: the one of its own name"""
    reading: Reading | None = None
    """how it describes it; `None`: as numbers, or as moments"""

    @property
    def column(self) -> str:
        """The column that is read."""
        return self.name if self.source is None else self.source

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
        cells = self.read(column)
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

    def read(self, column: Column) -> Numbers:
        """A column as the numbers that are counted."""
        if self.reading is not None:
            return self.reading(column)
        return columns.moments(column) if self.kind == "datetime" else columns.numbers(column)

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
            **({} if self.source is None else {"column": self.source}),
            **({} if self.reading is None else self.reading.to_json()),
            "cuts": list(self.cuts),
            "tally": self.tally.to_wire(),
        }


@dataclass(frozen=True)
class CategoricalFeature:
    """Categories: one bin for each of the vocabulary, and one for all others."""

    kind: ClassVar[Literal["categorical"]] = "categorical"

    name: str
    role: Role
    vocabulary: tuple[str, ...]
    """the reference's commonest categories, commonest first"""
    tally: CategoricalTally = field(repr=False)
    """what the reference held"""

    @property
    def column(self) -> str:
        """The column that is read."""
        return self.name

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


def blank(
    name: str, role: Role, kind: ColumnKind, column: Column, most_bins: int, most_categories: int
) -> tuple[Feature, ...]:
    """The features that a column makes, binned by what it holds, and empty themselves."""
    if kind == "categorical":
        vocabulary = commonest(column, most_categories)
        return (
            CategoricalFeature(
                name, role, vocabulary, CategoricalTally(zeros(len(vocabulary) + 1))
            ),
        )
    if kind != "text":
        return (_binned(NumericFeature(name, role, (), _NOTHING, kind), column, most_bins),)
    known = text.vocabulary(column)
    described = [
        NumericFeature(
            f"{name}: {descriptor.replace('_', ' ')}",
            role,
            (),
            _NOTHING,
            source=name,
            reading=TextReading(
                descriptor, known if descriptor == "unknown_words" else frozenset()
            ),
        )
        for descriptor in text.DESCRIPTORS
    ]
    return tuple(_binned(feature, column, most_bins) for feature in described)


def commonest(column: Column, most: int) -> tuple[str, ...]:
    """The `most` commonest categories of a column, commonest first."""
    counts = columns.categories(column).counts
    return tuple(sorted(counts, key=lambda category: (-counts[category], category))[:most])


def _binned(feature: NumericFeature, column: Column, most_bins: int) -> NumericFeature:
    cuts = bins.quantile_cuts(core.sorted_finite(feature.read(column).values), most_bins)
    return replace(feature, cuts=cuts, tally=NumericTally(zeros(len(cuts) + 1)))


_NOTHING: Final = NumericTally(zeros(1))


def from_json(wire: Mapping[str, Any], place: str) -> Feature:
    """Read and check a feature of a reference; raises `WireError`."""
    feature = _shape_from_json(wire, place)
    return holding(feature, feature.tally_from_wire(wire["tally"], f"{place}.tally"))


def holding(feature: Feature, tally: Tally) -> Feature:
    """The feature of a reference that held this."""
    return replace(feature, tally=tally)  # type: ignore[arg-type]


def _shape_from_json(wire: Mapping[str, Any], place: str) -> Feature:
    name, role, kind = wire["name"], wire["role"], wire["kind"]
    if kind == "categorical":
        vocabulary = tuple(wire["vocabulary"])
        if len(set(vocabulary)) != len(vocabulary):
            raise WireError(f"{place}: a category is twice in the vocabulary")
        return CategoricalFeature(
            name, role, vocabulary, CategoricalTally(zeros(len(vocabulary) + 1))
        )
    cuts = tuple(map(float, wire["cuts"]))
    if any(not a < b for a, b in pairwise(cuts)):
        raise WireError(f"{place}: cuts must ascend")
    return NumericFeature(
        name,
        role,
        cuts,
        NumericTally(zeros(len(cuts) + 1)),
        kind,
        wire.get("column"),
        _reading_from_json(wire, place),
    )


def _reading_from_json(wire: Mapping[str, Any], place: str) -> Reading | None:
    descriptor = wire.get("descriptor")
    if (descriptor is None) != (wire.get("column") is None):
        raise WireError(f"{place}: column and descriptor go together")
    if descriptor is None:
        return None
    return TextReading(descriptor, frozenset(wire.get("words", ())))
