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
from strandline.drift import bins, columns, exact, text, vectors
from strandline.drift.columns import Column, Numbers
from strandline.drift.tally import (
    CategoricalTally,
    NumericTally,
    Tally,
    VectorTally,
    WireError,
    zeros,
)

Kind: TypeAlias = Literal["numeric", "categorical", "datetime", "vector"]
"""of a feature; a datetime is a number of seconds since 1970-01-01 UTC"""
ColumnKind: TypeAlias = Literal["numeric", "categorical", "datetime", "text", "vector"]
"""of a column; one of texts or vectors makes numeric features besides, one for each descriptor"""
MOST_DIMENSIONS: Final = 8192
COVARIANCE_ROWS: Final = 5000
"""vectors, spread evenly over the reference, whose features' covariance is computed"""
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
class NormReading:
    """The Euclidean norm of vectors."""

    dimensions: int

    def __call__(self, column: Column) -> Numbers:
        return vectors.norms(column, self.dimensions)

    def to_json(self) -> dict[str, Any]:
        return {"descriptor": "norm", "dimensions": self.dimensions}


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


@dataclass(frozen=True)
class VectorFeature:
    """Vectors of a fixed number of coordinates, as sums of random Fourier features (`vectors`)."""

    kind: ClassVar[Literal["vector"]] = "vector"

    name: str
    role: Role
    dimensions: int
    frequencies: int
    """how many there are; each makes two features"""
    seed: int
    bandwidth: float
    """σ of the Gaussian kernel exp(-|x - y|²/2σ²)"""
    traces: tuple[float, float, float]
    """tr Σ, tr Σ², tr Σ³ of the covariance Σ of the reference's features, where k(x, x) is 1"""
    tally: VectorTally = field(repr=False)
    """what the reference held"""

    @property
    def column(self) -> str:
        """The column that is read."""
        return self.name

    @property
    def bins(self) -> int:
        """How many counts there are to send, as of the bins of other features."""
        return 2 * self.frequencies

    @cached_property
    def _frequencies(self) -> array[float]:
        return vectors.frequencies(self.dimensions, self.frequencies, self.seed, self.bandwidth)

    def empty(self) -> VectorTally:
        return VectorTally(zeros(2 * self.frequencies))

    def count(self, column: Column, products: array[int] | None = None) -> VectorTally:
        """The tally of a column. What is no vector of this many finite numbers is invalid.

        `products`, [2·frequencies · 2·frequencies] int64, is increased by the features' products.
        """
        cells = vectors.read(column, self.dimensions)
        sums = zeros(2 * self.frequencies)
        left_out, squares = core.fourier(
            cells.values, self._frequencies, vectors.wave(), sums, products
        )
        n = cells.n - left_out
        return VectorTally(sums, n, squares, cells.missing, cells.invalid + left_out)

    def tally_from_wire(self, wire: Any, place: str) -> VectorTally:
        return VectorTally.from_wire(wire, self.frequencies, vectors.norm_limits(), place)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "role": self.role,
            "kind": self.kind,
            "dimensions": self.dimensions,
            "frequencies": self.frequencies,
            "seed": self.seed,
            "bandwidth": self.bandwidth,
            "traces": list(self.traces),
            "tally": self.tally.to_wire(),
        }


Feature: TypeAlias = NumericFeature | CategoricalFeature | VectorFeature


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
    if kind == "vector":
        return _vectors(name, role, column, most_bins)
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


def _vectors(name: str, role: Role, column: Column, most_bins: int) -> tuple[Feature, ...]:
    dimensions = vectors.dimensions_of(column)
    if dimensions is None or dimensions > MOST_DIMENSIONS:
        raise ValueError(
            f"column {name!r} is to hold vectors of 1 to {MOST_DIMENSIONS} numbers, "
            f"its first cell has {dimensions or 'none'}"
        )
    step = max(1, columns.length(column) // COVARIANCE_ROWS)
    some = columns.taken(column, range(0, columns.length(column), step)) if step > 1 else column
    sigma = vectors.bandwidth(vectors.read(some, dimensions), dimensions)
    shape = VectorFeature(
        name, role, dimensions, vectors.FREQUENCIES, 0, sigma, (0.0, 0.0, 0.0), _NO_VECTORS
    )
    products = zeros(shape.bins**2)
    seen = shape.count(some, products)
    traces = vectors.traces(seen.sums, products, seen.n)
    norm = NumericFeature(
        f"{name}: norm", role, (), _NOTHING, source=name, reading=NormReading(dimensions)
    )
    return replace(shape, traces=traces, tally=shape.empty()), _binned(norm, column, most_bins)


def commonest(column: Column, most: int) -> tuple[str, ...]:
    """The `most` commonest categories of a column, commonest first."""
    counts = columns.categories(column).counts
    return tuple(sorted(counts, key=lambda category: (-counts[category], category))[:most])


def _binned(feature: NumericFeature, column: Column, most_bins: int) -> NumericFeature:
    cuts = bins.quantile_cuts(core.sorted_finite(feature.read(column).values), most_bins)
    return replace(feature, cuts=cuts, tally=NumericTally(zeros(len(cuts) + 1)))


_NOTHING: Final = NumericTally(zeros(1))
_NO_VECTORS: Final = VectorTally(zeros(2 * vectors.FREQUENCIES))


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
    if kind == "vector":
        first, second, third = map(float, wire["traces"])
        return VectorFeature(
            name,
            role,
            wire["dimensions"],
            wire["frequencies"],
            wire["seed"],
            float(wire["bandwidth"]),
            (first, second, third),
            VectorTally(zeros(2 * wire["frequencies"])),
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
    if (descriptor == "norm") != ("dimensions" in wire):
        raise WireError(f"{place}: dimensions belong to the norm of vectors")
    if descriptor == "norm":
        return NormReading(wire["dimensions"])
    return TextReading(descriptor, frozenset(wire.get("words", ())))
