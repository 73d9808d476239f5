"""The frozen reference that profiles are binned by and compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from strandline.drift import bins, features, wire
from strandline.drift.columns import Column, as_columns, length
from strandline.drift.features import ColumnKind, Feature, NumericFeature, Role
from strandline.drift.kinds import infer_kind
from strandline.drift.quality import Quality
from strandline.drift.quality import wire as quality_wire
from strandline.drift.quality.ledger import prediction_columns
from strandline.drift.segments import MOST_PARTS, Segmentation, check_sums
from strandline.drift.tally import NumericTally, Tally, WireError, zeros

if TYPE_CHECKING:
    from strandline.drift.profile import Profile

LATENCY: Final = "latency_ms"
"""system feature: milliseconds that a prediction took"""
LOAD: Final = "load_ms"
"""system feature: milliseconds from navigation until the model was ready"""
MEMORY: Final = "memory_mb"
"""system feature: megabytes that the runtime's memory holds when a window closes"""
LATENCY_CUTS: Final = bins.log_cuts(0.001, 100_000.0, 5)
SYSTEM_CUTS: Final = {
    LATENCY: LATENCY_CUTS,
    LOAD: bins.log_cuts(10.0, 1_000_000.0, 5),
    MEMORY: bins.log_cuts(1.0, 100_000.0, 10),
}
"""fixed cuts: there is nothing to compare with, but profiles of all models can be laid side by side"""


@dataclass(frozen=True)
class Reference:
    """How each feature is binned, and exactly what the reference held. Immutable; known by its
    `sha256`.

    Examples
    --------
    >>> reference = Reference.from_columns({"age": [31, 44, 27, 60] * 25, "speed": [0.5, 1.5] * 50})
    >>> for feature in reference:
    ...     print(feature.name, feature.kind, feature.role)
    age categorical feature
    speed numeric feature
    latency_ms numeric system
    >>> Reference.from_json(reference.to_json()) == reference
    True
    """

    features: tuple[Feature, ...]
    counters: tuple[str, ...] = ()
    """names of whole numbers that the application counts itself, such as conversions"""
    segmentations: tuple[Segmentation, ...] = ()
    quality: Quality | None = None
    """how good the predictions of the reference's rows were"""

    @staticmethod
    def from_columns(
        table: Any,
        *,
        kinds: Mapping[str, ColumnKind] | None = None,
        roles: Mapping[str, Role] | None = None,
        bins: int = 50,
        max_categories: int = 50,
        latency: bool = True,
        system: Sequence[str] = (),
        counters: Sequence[str] = (),
        segments: Sequence[str] = (),
        max_segments: int = 10,
        features: Sequence[str] | None = None,
        quality: Quality | None = None,
    ) -> Reference:
        """Freeze a table: a mapping of columns, a list of dicts, or a pandas, polars or pyarrow
        table.

        Parameters
        ----------
        kinds
            ``"numeric"``, ``"categorical"``, ``"datetime"`` or ``"text"`` by column name; what is
            not named is inferred (`kinds.infer_kind`). A text column makes one numeric feature
            for each descriptor, such as ``comment: length``.
        roles
            ``"feature"`` (the default), ``"output"`` or ``"system"`` by column name.
        bins
            Bins in a numeric feature's range, of about equal mass; atoms and tails come besides.
        max_categories
            Categories of a vocabulary; rarer ones are counted together as *other*.
        latency
            Whether to add the system feature ``latency_ms``, for profiles of predictions.
        system
            Which other system features to add: ``load_ms``, ``memory_mb``.
        counters
            Names for `Profile.count`.
        segments
            Columns whose categories split the rows; every feature but the system's is counted by
            each of them once more.
        max_segments
            Values of a segmentation; rarer ones are one segment of others.
        features
            Which columns are watched; `None`: all, without the labels of `quality`. A segment's
            column need not be.
        quality
            The quality of these rows' predictions (`Quality.from_table`): profiles then take labels,
            and estimate performance until these come.

        Raises
        ------
        ValueError
            When there are no rows, columns differ in length, or columns are named that are not
            there.
        """
        columns = as_columns(table)
        if quality is not None and features is None:
            features = [name for name in columns if name != quality.task.target]
        draft = Reference._draft(
            columns,
            features,
            kinds or {},
            roles or {},
            bins,
            max_categories,
            segments,
            max_segments,
        )
        names = [*([LATENCY] if latency else []), *system]
        absent = [name for name in names if name not in SYSTEM_CUTS]
        if absent:
            raise ValueError(
                f"there is no system feature {', '.join(absent)}; there are {', '.join(SYSTEM_CUTS)}"
            )
        added = tuple(_system(name) for name in names if name not in draft)
        _check_names(counters, "a counter")
        draft = replace(
            draft, features=(*draft.features, *added), counters=tuple(dict.fromkeys(counters))
        )
        from strandline.drift.profile import Profile

        held = Profile(draft)
        held.update({name: column for name, column in columns.items() if draft.reads(name)})
        return replace(draft.holding(held), quality=quality)

    @staticmethod
    def _draft(
        columns: Mapping[str, Column],
        chosen: Sequence[str] | None,
        kinds: Mapping[str, ColumnKind],
        roles: Mapping[str, Role],
        bins: int,
        max_categories: int,
        segments: Sequence[str],
        max_segments: int,
    ) -> Reference:
        """The reference that these columns would make, without what they held."""
        if not columns or not length(next(iter(columns.values()))):
            raise ValueError("the reference has no rows")
        if not 2 <= bins <= 400 or not 1 <= max_categories <= 1000:
            raise ValueError("bins must be 2 to 400, max_categories 1 to 1000")
        if (max_segments + 1) * len(segments) > MOST_PARTS or max_segments < 1:
            raise ValueError(
                f"max_segments must be 1 or more, with at most {MOST_PARTS} segments in all"
            )
        wanted = list(columns) if chosen is None else list(chosen)
        named = kinds.keys() | roles.keys() | set(segments) | set(wanted)
        absent = sorted(named - columns.keys())
        if absent:
            raise ValueError(f"the reference has no column {', '.join(map(repr, absent))}")
        _check_names(wanted, "a column")
        _check_names(segments, "a column")
        frozen = [
            feature
            for name in wanted
            for feature in features.blank(
                name,
                roles.get(name, "feature"),
                kinds.get(name) or infer_kind(columns[name]),
                columns[name],
                bins,
                max_categories,
            )
        ]
        twice = _twice([feature.name for feature in frozen])
        if twice:
            raise ValueError(f"two features would be called {', '.join(map(repr, twice))}")
        parts = tuple(
            Segmentation(name, features.commonest(columns[name], max_segments), ())
            for name in dict.fromkeys(segments)
        )
        unsplit = [one.column for one in parts if not one.vocabulary]
        if unsplit:
            raise ValueError(f"column {', '.join(map(repr, unsplit))} has no values to split by")
        return Reference(tuple(frozen), segmentations=parts)

    def holding(self, profile: Profile) -> Reference:
        """The reference with the same bins that held what a profile of this one holds."""
        return replace(
            self,
            features=tuple(features.holding(f, profile[f.name]) for f in self.features),
            segmentations=tuple(
                replace(one, tallies=tuple(_seen(profile.segment(part)) for part in one.segments))
                for one in self.segmentations
            ),
        )

    def only(self, names: Collection[str]) -> Reference:
        """The reference of some of its features, with all segments and counters; without labels."""
        return Reference(
            tuple(feature for feature in self.features if feature.name in names),
            self.counters,
            tuple(
                replace(
                    one,
                    tallies=tuple({n: part[n] for n in part if n in names} for part in one.tallies),
                )
                for one in self.segmentations
            ),
        )

    @cached_property
    def _by_name(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.features}

    @cached_property
    def _by_column(self) -> dict[str, tuple[Feature, ...]]:
        found: dict[str, tuple[Feature, ...]] = {}
        for feature in self.features:
            found[feature.column] = (*found.get(feature.column, ()), feature)
        return found

    def described_by(self, column: str) -> tuple[Feature, ...]:
        """The features that are read from a column; none for one that only splits the rows."""
        return self._by_column.get(column, ())

    @cached_property
    def columns(self) -> frozenset[str]:
        """Names of all columns that are of any use."""
        names = {*self._by_column, *(one.column for one in self.segmentations)}
        if self.quality is not None:
            names |= {self.quality.task.target, *prediction_columns(self.quality.task)}
        return frozenset(names)

    def reads(self, column: str) -> bool:
        """Whether a column is of any use."""
        return column in self.columns

    def segmentation(self, column: str) -> Segmentation:
        """The segmentation by a column. Raises `KeyError`."""
        for one in self.segmentations:
            if one.column == column:
                return one
        raise KeyError(column)

    def __iter__(self) -> Iterator[Feature]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, name: str) -> Feature:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @property
    def rows(self) -> int:
        """Rows that the reference was made from."""
        return max((f.tally.rows for f in self.features if f.role != "system"), default=0)

    @cached_property
    def _json(self) -> str:
        document: dict[str, Any] = {
            "schema": "strandline.reference/1",
            "features": [f.to_json() for f in self.features],
        }
        if self.counters:
            document["counters"] = list(self.counters)
        if self.segmentations:
            document["segments"] = [one.to_json() for one in self.segmentations]
        if self.quality is not None:
            document["quality"] = {
                "task": quality_wire.task_to_wire(self.quality.task),
                "held": quality_wire.to_wire(self.quality),
            }
        return wire.canonical(document)

    def to_json(self) -> str:
        """The canonical JSON text (ASCII); `from_json` gives an equal reference back."""
        return self._json

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON text, in hexadecimal."""
        return hashlib.sha256(self._json.encode("ascii")).hexdigest()

    @staticmethod
    def from_json(text: str | bytes) -> Reference:
        """Read and check a reference. Raises `WireError`, a `ValueError` that names the place."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise WireError(f"the reference is not JSON: {error}") from None
        wire.check(document, wire.REFERENCE)
        items = document["features"]
        frozen = tuple(features.from_json(item, f"$.features[{i}]") for i, item in enumerate(items))
        counters = tuple(document.get("counters", ()))
        twice = _twice([*(f"feature {f.name!r}" for f in frozen), *map(repr, counters)])
        if twice:
            raise WireError(f"$: {', '.join(twice)} is there twice")
        reference = Reference(frozen, counters)
        columns = [one["column"] for one in document.get("segments", [])]
        try:
            _check_names([*(f.name for f in frozen), *counters, *columns], "a feature")
        except ValueError as error:
            raise WireError(f"$: {error}") from None
        items = document.get("segments", [])
        segmentations = tuple(
            _segmentation_from_json(reference, item, f"$.segments[{i}]")
            for i, item in enumerate(items)
        )
        twice = _twice([one.column for one in segmentations])
        if twice:
            raise WireError(f"$.segments: {', '.join(map(repr, twice))} is there twice")
        quality = None
        if "quality" in document:
            task = quality_wire.task_from_wire(document["quality"]["task"], "$.quality.task")
            quality = quality_wire.from_wire(task, document["quality"]["held"], "$.quality.held")
        return replace(reference, segmentations=segmentations, quality=quality)


def _segmentation_from_json(
    reference: Reference, wire: Mapping[str, Any], place: str
) -> Segmentation:
    column, vocabulary = wire["column"], tuple(wire["vocabulary"])
    if _twice(vocabulary):
        raise WireError(f"{place}: a value is twice in the vocabulary")
    if len(wire["tallies"]) != len(vocabulary) + 1:
        raise WireError(f"{place}: needs {len(vocabulary) + 1} parts, one for all other rows")
    tallies: list[dict[str, Tally]] = []
    for i, part in enumerate(wire["tallies"]):
        here = f"{place}.tallies[{i}]"
        absent = [name for name in part if name not in reference]
        if absent:
            raise WireError(f"{here}: there is no feature {absent[0][:60]!r}")
        tallies.append(
            {
                name: reference[name].tally_from_wire(tally, f"{here}.{name[:60]}")
                for name, tally in part.items()
            }
        )
    segmentation = Segmentation(column, vocabulary, tuple(tallies))
    check_sums(segmentation, reference, {f.name: f.tally for f in reference}, tallies, place)
    return segmentation


def _seen(tallies: Mapping[str, Tally]) -> dict[str, Tally]:
    return {name: tally for name, tally in tallies.items() if tally.rows}


def _check_names(names: Iterable[str], what: str) -> None:
    for name in names:
        if not 1 <= len(name) <= 200:
            raise ValueError(
                f"{what}'s name must have 1 to 200 characters, not {len(name)}: {name[:40]!r}"
            )
        if "\x1f" in name:
            raise ValueError(f"{what}'s name must not have a unit separator: {name[:40]!r}")


def _twice(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _system(name: str) -> NumericFeature:
    cuts = SYSTEM_CUTS[name]
    return NumericFeature(name, "system", cuts, NumericTally(zeros(len(cuts) + 1)))
