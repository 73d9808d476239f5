"""How much the sessions of a window differ from each other: what corrects tests for rows that come in
sessions.

Rows of one session are alike, so that a thousand rows of ten sessions say less than a thousand rows of
a thousand. How much less follows from sums over sessions of products of their counts. They are
integers and merge exactly, as long as all rows of a session are in one summand: the moments of two
halves of a session do not add up to those of the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import add, sub
from typing import Any, Final, TypeVar

from strandline.drift import exact, triangle, wire
from strandline.drift.features import (
    CategoricalFeature,
    Feature,
    Kind,
    NumericFeature,
    VectorFeature,
)
from strandline.drift.profile import Profile
from strandline.drift.quality import Quality
from strandline.drift.quality.products import SessionProducts
from strandline.drift.quality.sessions import of_session as of_quality
from strandline.drift.quality.sessions import sums_of
from strandline.drift.reference import Reference
from strandline.drift.stats.cells import groups
from strandline.drift.tally import NumericTally, Tally, VectorTally, WireError

GROUPS: Final = 20
"""cells of a numeric feature: ranges of bins with about equal shares of the reference"""
FREQUENCIES: Final = 16
"""of a vector's random frequencies, that tell in how many directions sessions differ"""
Number = TypeVar("Number", int, float)
Summand = TypeVar("Summand", "Moments", SessionProducts)
SCHEMA: Final = "strandline.sessions/1"


@dataclass(frozen=True)
class Moments:
    """Of one feature: sums over sessions s of products of what s had. Adds up and subtracts exactly."""

    sessions: int
    """with at least one row of the feature"""
    products: tuple[int, ...]
    """Σ_s c_si·c_sj for i ≤ j, row by row, over the cells of `spans` and then the cells that hold no
    value (missing or invalid)
    """
    squares: int = 0
    """numeric: Σ_s (Σx)_s² in units of 2^-2148; vectors: Σ_s |S_s|², of the sums S_s of the features"""
    by_rows: int = 0
    """numeric: Σ_s (Σx)_s·n_s in units of 2^-1074"""
    sums: tuple[int, ...] = ()
    """vectors: [2·frequencies] Σ_s n_s·S_s"""
    block: tuple[int, ...] = ()
    """vectors: Σ_s S_si·S_sj for i ≤ j, row by row, over the features of the first `FREQUENCIES`; empty
    when sessions differ as rows do
    """

    @cached_property
    def matrix(self) -> tuple[tuple[int, ...], ...]:
        """Σ_s c_s·c_s', symmetric."""
        return triangle.symmetric(self.products)

    def __add__(self, other: Moments) -> Moments:
        return self._combined(other, add)

    def __sub__(self, other: Moments) -> Moments:
        return self._combined(other, sub)

    def _combined(self, other: Moments, by: Any) -> Moments:
        if not isinstance(other, Moments):
            return NotImplemented
        return Moments(
            by(self.sessions, other.sessions),
            tuple(map(by, self.products, other.products)),
            by(self.squares, other.squares),
            by(self.by_rows, other.by_rows),
            tuple(map(by, self.sums, other.sums)),
            tuple(map(by, self.block, other.block)),
        )


def first_waves(of: tuple[Number, ...]) -> tuple[Number, ...]:
    """Of sums of a vector's features, the cosines and the sines of the first `FREQUENCIES`."""
    middle = len(of) // 2
    return of[: min(FREQUENCIES, middle)] + of[middle : middle + FREQUENCIES]


def spans(feature: Feature) -> tuple[tuple[int, int], ...]:
    """The ranges [first, last) of bins that are the feature's cells here; they depend on the
    reference only. All vectors are in one.
    """
    if isinstance(feature, VectorFeature):
        return ((0, 1),)
    if isinstance(feature, CategoricalFeature):
        return tuple((i, i + 1) for i in range(feature.bins))
    return groups(tuple(feature.tally.counts), GROUPS)


def cells_of(feature: Feature, tally: Tally) -> tuple[int, ...]:
    """Rows per cell of `spans`, then those without a value."""
    cells = (sum(tally.counts[first:last]) for first, last in spans(feature))
    return (*cells, tally.missing + tally.invalid)


def of_session(feature: Feature, tally: Tally) -> Moments:
    """The moments of a single session's tally."""
    products = triangle.pairs(cells_of(feature, tally))
    if isinstance(tally, VectorTally):
        squares = sum(x * x for x in tally.sums)
        by_rows = tuple(tally.n * x for x in tally.sums)
        return Moments(
            1, products, squares, 0, by_rows, triangle.pairs(first_waves(tuple(tally.sums)))
        )
    if isinstance(tally, NumericTally):
        return Moments(1, products, tally.total * tally.total, tally.total * tally.n)
    return Moments(1, products)


def as_alike(feature: Feature, tally: Tally, effect: float, sessions: int) -> Moments:
    """The moments of rows that come in so many sessions, whose shares and means vary `effect` times as
    much as those of independent rows do: what is assumed of a segment's, whose own are not kept.
    """

    def times(x: int) -> int:
        return x * round(_UNIT * effect) // _UNIT

    cells = cells_of(feature, tally)
    size = len(cells)
    products = tuple(times(cells[i]) if i == j else 0 for i in range(size) for j in range(i, size))
    if isinstance(tally, NumericTally):
        return Moments(sessions, products, times(tally.squares), times(tally.total))
    if isinstance(tally, VectorTally):
        sums = tuple(map(times, tally.sums))
        return Moments(sessions, products, times(tally.squares), 0, sums)
    return Moments(sessions, products)


_UNIT: Final = 1 << 20


@dataclass(frozen=True)
class SessionMoments:
    """Of all features of a reference: ``a + b`` for different sessions, ``moved`` for one that grew.

    Examples
    --------
    >>> reference = Reference.from_columns({"speed": [0.5, 1.5, 2.5, 3.5]})
    >>> first, more = (Profile.from_rows({"speed": x}, reference) for x in ([1.0, 2.0], [3.0]))
    >>> other = Profile.from_rows({"speed": [0.5]}, reference)
    >>> window = SessionMoments.of(first) + SessionMoments.of(other)
    >>> grown = window.moved(first, first + more)
    >>> grown == SessionMoments.of(first + more) + SessionMoments.of(other)
    True
    >>> grown["speed"].sessions
    2
    """

    reference: Reference
    features: Mapping[str, Moments]
    """what no session had is left out"""
    quality: SessionProducts | None = None
    """of labelled predictions (`quality.sessions.sums_of`); `None` when no session had any"""
    counters: Mapping[str, SessionProducts] = field(default_factory=dict)
    """by counter, of sessions' rows and counts"""

    @staticmethod
    def of(*sessions: Profile) -> SessionMoments:
        """The moments of profiles each of which is all that one session had."""
        if not sessions:
            raise ValueError("there are no moments of no session: SessionMoments(reference, {})")
        reference = sessions[0].reference
        total = SessionMoments(reference, {})
        for profile in sessions:
            own = {
                feature.name: of_session(feature, profile[feature.name])
                for feature in reference
                if profile[feature.name].rows
            }
            quality = profile.quality
            labelled = of_quality(quality) if quality is not None and quality.n else None
            counted = {
                name: SessionProducts.of((profile.rows, count))
                for name, count in profile.counters.items()
                if profile.rows or count
            }
            total += SessionMoments(profile.reference, own, labelled, counted)
        return total

    def __getitem__(self, name: str) -> Moments:
        return self.features[name]

    def get(self, name: str) -> Moments | None:
        """The moments of a feature; `None` when no session had any rows of it."""
        return self.features.get(name)

    def __add__(self, other: SessionMoments) -> SessionMoments:
        if not isinstance(other, SessionMoments):
            return NotImplemented
        if self.reference is not other.reference and (
            self.reference.sha256 != other.reference.sha256
        ):
            raise ValueError("moments of different references can't be added")
        quality = self.quality
        if other.quality is not None:
            quality = other.quality if quality is None else quality + other.quality
        return SessionMoments(
            self.reference,
            _joined(self.features, other.features),
            quality,
            _joined(self.counters, other.counters),
        )

    def moved(self, before: Profile | None, after: Profile) -> SessionMoments:
        """With one session's rows grown from `before` (`None`: new in this window) to `after`."""
        grown = self + SessionMoments.of(after)
        if before is None:
            return grown
        was = SessionMoments.of(before)
        quality = grown.quality
        if quality is not None and was.quality is not None:
            quality = quality - was.quality
        return SessionMoments(
            self.reference,
            {name: x - was.features.get(name, x - x) for name, x in grown.features.items()},
            quality,
            {name: x - was.counters.get(name, x - x) for name, x in grown.counters.items()},
        )

    def to_wire(self) -> dict[str, Any]:
        """A JSON document of the schema ``sessions-1``."""
        features = {}
        for feature in self.reference:
            moments = self.features.get(feature.name)
            if moments is None:
                continue
            item: dict[str, Any] = {
                "sessions": moments.sessions,
                "products": list(moments.products),
            }
            if isinstance(feature, NumericFeature):
                item["squares"] = exact.to_text(moments.squares, exact.SQUARES_SCALE)
                item["by_rows"] = exact.to_text(moments.by_rows, exact.SUM_SCALE)
            if isinstance(feature, VectorFeature):
                item["squares"] = exact.to_text(moments.squares, 0)
                item["sums"], item["block"] = list(moments.sums), list(moments.block)
            features[feature.name] = item
        document = {"schema": SCHEMA, "reference": self.reference.sha256, "features": features}
        if self.quality is not None:
            document["quality"] = _products_to_wire(self.quality)
        if self.counters:
            document["counters"] = {k: _products_to_wire(v) for k, v in self.counters.items()}
        return document

    @staticmethod
    def from_wire(document: Any, reference: Reference) -> SessionMoments:
        """Read and check what `to_wire` made. Raises `WireError`, which names the place."""
        wire.check(document, wire.SESSIONS)
        if document["reference"] != reference.sha256:
            raise WireError("$.reference: the moments were made with another reference")
        features = {}
        for name, item in document["features"].items():
            place = f"$.features.{name[:60]}"
            if name not in reference:
                raise WireError(f"{place}: the reference has no such feature")
            features[name] = _from_wire(item, reference[name], place)
        quality = None
        if "quality" in document:
            if reference.quality is None:
                raise WireError("$.quality: the reference was frozen without labels")
            size = len(sums_of(Quality.empty(reference.quality.task)))
            quality = _products_from_wire(document["quality"], size, "$.quality")
        counters = document.get("counters", {})
        absent = [name for name in counters if name not in reference.counters]
        if absent:
            raise WireError(f"$.counters.{absent[0][:60]}: the reference has no such counter")
        return SessionMoments(
            reference,
            features,
            quality,
            {k: _products_from_wire(v, 2, f"$.counters.{k[:60]}") for k, v in counters.items()},
        )


def _joined(a: Mapping[str, Summand], b: Mapping[str, Summand]) -> dict[str, Summand]:
    """The sums of two mappings' values, those of one of them as they are."""
    joined = dict(a)
    for name, value in b.items():
        joined[name] = joined[name] + value if name in joined else value
    return joined


def _products_to_wire(of: SessionProducts) -> dict[str, Any]:
    return {"sessions": of.sessions, "products": list(of.products)}


def _products_from_wire(item: Mapping[str, Any], size: int, place: str) -> SessionProducts:
    return SessionProducts(item["sessions"], _checked(item["products"], size, f"{place}.products"))


def _from_wire(item: Mapping[str, Any], feature: Feature, place: str) -> Moments:
    products = _checked(item["products"], len(spans(feature)) + 1, f"{place}.products")
    members = ["sessions", "products", *_MEMBERS[feature.kind]]
    if set(item) != set(members):
        raise WireError(f"{place}: of a {feature.kind} feature there are {', '.join(members)}")
    if isinstance(feature, VectorFeature):
        return _vectors_from_wire(item, products, feature, place)
    try:
        squares = exact.from_text(item.get("squares", "0p0"), exact.SQUARES_SCALE)
        by_rows = exact.from_text(item.get("by_rows", "0p0"), exact.SUM_SCALE)
    except ValueError as error:
        raise WireError(f"{place}: {error}") from None
    return Moments(item["sessions"], products, squares, by_rows)


_MEMBERS: Final[dict[Kind, tuple[str, ...]]] = {
    "numeric": ("squares", "by_rows"),
    "datetime": ("squares", "by_rows"),
    "categorical": (),
    "vector": ("squares", "sums", "block"),
}


def _vectors_from_wire(
    item: Mapping[str, Any], products: tuple[int, ...], feature: VectorFeature, place: str
) -> Moments:
    sums, size = tuple(item["sums"]), 2 * min(FREQUENCIES, feature.frequencies)
    held = triangle.entries(size)
    if len(sums) != feature.bins or len(item["block"]) != held:
        raise WireError(f"{place}: needs {feature.bins} sums and {held} in the block")
    block = _checked(item["block"], size, f"{place}.block")
    try:
        squares = exact.from_text(item["squares"], 0)
    except ValueError as error:
        raise WireError(f"{place}: {error}") from None
    if any(x * x > squares * products[0] for x in sums):
        raise WireError(f"{place}.sums: no vectors have such sums")
    return Moments(item["sessions"], products, squares, 0, sums, block)


def _checked(products: Sequence[int], size: int, place: str) -> tuple[int, ...]:
    """Products of all pairs of so many sums over sessions."""
    if len(products) != triangle.entries(size):
        raise WireError(f"{place}: needs {triangle.entries(size)}, has {len(products)}")
    matrix = triangle.symmetric(products)
    if any(
        matrix[i][j] ** 2 > matrix[i][i] * matrix[j][j] for i in range(size) for j in range(i)
    ) or any(matrix[i][i] < 0 for i in range(size)):
        raise WireError(f"{place}: no counts have such products")
    return tuple(products)


def merged(moments: Iterable[SessionMoments], reference: Reference) -> SessionMoments:
    """The sum over different sessions."""
    total = SessionMoments(reference, {})
    for one in moments:
        total += one
    return total
