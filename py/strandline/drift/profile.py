"""What a session, a window or a table held, in the bins of a reference; adds up exactly."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from strandline.drift.columns import as_columns, length, taken
from strandline.drift.quality import Quality
from strandline.drift.quality import wire as quality_wire
from strandline.drift.quality.ledger import Ledger
from strandline.drift.reference import Reference
from strandline.drift.segments import Segment, Segmentation, check_sums
from strandline.drift.tally import MOST_ROWS, Tally, WireError

FEW_CELLS: Final = 64
"""a shorter list waits for more: a pass costs some 10 µs, a cell in it some 10 ns"""
MANY_CELLS: Final = 512

Key: TypeAlias = tuple[Segment | None, str]
"""a segment (`None`: the whole) and the name of a feature"""


class Profile:
    """Counts and exact sums per feature.

    ``a + b`` is bit for bit the profile of the rows of both, in any order and grouping. `update`
    counts rows in; nothing ever takes them out.

    Parameters
    ----------
    reference
        Says which features there are and how they are binned.

    Examples
    --------
    >>> reference = Reference.from_columns({"speed": [0.5, 1.5, 2.5, 3.5]})
    >>> morning, evening = Profile(reference), Profile(reference)
    >>> morning.update({"speed": [1.0, 2.0, None]})
    >>> evening.update({"speed": ["2.75", "fast"]})
    >>> day = morning + evening
    >>> day.rows, day["speed"].missing, day["speed"].invalid, day["speed"].mean
    (5, 1, 1, 1.9166666666666667)
    >>> Profile.from_wire(day.to_wire(), reference) == day
    True
    """

    __slots__ = ("_counted", "_counters", "_ledger", "_waiting", "reference")

    def __init__(self, reference: Reference, tallies: Mapping[str, Tally] | None = None) -> None:
        self.reference = reference
        self._counted: dict[Key, Tally] = {
            (None, name): tally for name, tally in (tallies or {}).items()
        }
        self._waiting: dict[Segment | None, dict[str, list[Any]]] = {}
        self._counters: dict[str, int] = {}
        self._ledger = None if reference.quality is None else Ledger(reference.quality.task)

    @staticmethod
    def from_rows(table: Any, reference: Reference) -> Profile:
        """The profile of a table: a mapping of columns, a list of dicts, or a pandas, polars or
        pyarrow table.

        Columns that the reference does not have are left aside; outputs may be absent. Raises
        `ValueError` when one of the reference's features is not there.
        """
        columns = as_columns(table)
        wanted = dict.fromkeys(f.column for f in reference if f.role == "feature")
        wanted |= dict.fromkeys(one.column for one in reference.segmentations)
        absent = [name for name in wanted if name not in columns]
        if absent:
            raise ValueError(
                f"the table has no column {', '.join(map(repr, absent))}, which the reference has; "
                f"it has {', '.join(map(repr, columns)) or 'none'}"
            )
        profile = Profile(reference)
        profile.update({name: cells for name, cells in columns.items() if reference.reads(name)})
        return profile

    def update(self, columns: Mapping[str, Any]) -> None:
        """Count cells in, by column name; features whose column is not named see nothing. All or
        nothing.

        Where the reference has segments, all columns but the system's must be equally long; rows of
        a segmentation whose column is not named are among its others. Raises `ValueError` for a
        name that the reference does not have.
        """
        if not columns.keys() <= self.reference.columns:
            unknown = [name for name in columns if name not in self.reference.columns]
            raise ValueError(f"the reference has no feature {', '.join(map(repr, unknown))}")
        parts = list(self._parts(columns)) if self.reference.segmentations else []
        if _are_short(columns.values()):
            self._see(columns)
            self._wait(None, columns)
            for part, piece in parts:
                self._wait(part, piece)
            return
        pieces = [(None, columns), *parts]
        seen = [
            ((part, feature.name), feature.count(column))
            for part, piece in pieces
            for name, column in piece.items()
            for feature in self.reference.described_by(name)
        ]
        self._see(columns)
        for key, tally in seen:
            self._add(key, tally)

    def _see(self, columns: Mapping[str, Any]) -> None:
        if self._ledger is not None:
            self._ledger.see(columns)

    def label(self, columns: Mapping[str, Any]) -> None:
        """Count labels in, each beside the prediction that was counted before, maybe in another
        profile: columns by the names of the reference's quality. Raises `ValueError` when one of
        them is absent, or the reference has no quality.
        """
        if self._ledger is None:
            raise ValueError(
                "the reference was frozen without labels: there is no quality to count"
            )
        self._ledger.judge(columns)

    @property
    def quality(self) -> Quality | None:
        """Predictions and labels, counted; `None` when the reference was frozen without labels."""
        return None if self._ledger is None else self._ledger.quality

    def count(self, counter: str, by: int = 1) -> None:
        """Add to one of the reference's counters. Raises `ValueError` for another name, or for less
        than nothing.
        """
        if counter not in self.reference.counters:
            known = ", ".join(map(repr, self.reference.counters)) or "none"
            raise ValueError(f"the reference has no counter {counter!r}; it has {known}")
        if type(by) is not int or not 0 <= by <= MOST_ROWS:
            raise ValueError(f"a counter goes up by a whole number from 0, not {by!r}")
        self._counters[counter] = self._counters.get(counter, 0) + by

    @property
    def counters(self) -> dict[str, int]:
        """All the reference's counters by name, in its order."""
        return {name: self._counters.get(name, 0) for name in self.reference.counters}

    def _parts(self, columns: Mapping[str, Any]) -> Iterator[tuple[Segment, Mapping[str, Any]]]:
        """The same cells once more by segment, for every segmentation."""
        for segmentation in self.reference.segmentations:
            split = {
                name: column
                for name, column in columns.items()
                if any(map(segmentation.splits, self.reference.described_by(name)))
            }
            lengths = {length(column) for column in split.values()}
            key = columns.get(segmentation.column)
            if key is None:
                if split:
                    yield segmentation.segments[-1], split
                continue
            if lengths and lengths != {length(key)}:
                raise ValueError(
                    f"columns differ in length: segments by {segmentation.column!r} need one cell "
                    "of every column per row"
                )
            rows = segmentation.rows(key)
            for part, members in rows.items():
                cells = (
                    split
                    if len(rows) == 1
                    else {name: taken(column, members) for name, column in split.items()}
                )
                yield segmentation.segments[part], cells

    def _wait(self, part: Segment | None, columns: Mapping[str, list[Any]]) -> None:
        """Keep a few cells until they are worth a pass over them; counting later counts the same."""
        waiting = self._waiting.setdefault(part, {})
        for name, column in columns.items():
            cells = waiting.get(name)
            if cells is None:
                waiting[name] = column.copy()
                continue
            cells += column
            if len(cells) >= MANY_CELLS:
                del waiting[name]
                self._count_cells(part, name, cells)

    def _count_cells(self, part: Segment | None, column: str, cells: list[Any]) -> None:
        for feature in self.reference.described_by(column):
            self._add((part, feature.name), feature.count(cells))

    @property
    def _tallies(self) -> dict[Key, Tally]:
        """All that was counted in, by segment and feature name."""
        while self._waiting:
            part, columns = self._waiting.popitem()
            for name, cells in columns.items():
                self._count_cells(part, name, cells)
        return self._counted

    def _add(self, key: Key, tally: Tally) -> None:
        before = self._counted.get(key)
        self._counted[key] = tally if before is None else before + tally  # type: ignore[operator]

    @property
    def rows(self) -> int:
        """Rows seen: the most that any feature or output has."""
        return max(
            (
                tally.rows
                for (part, name), tally in self._tallies.items()
                if part is None and self.reference[name].role != "system"
            ),
            default=0,
        )

    def __getitem__(self, name: str) -> Tally:
        return self._tally(None, name)

    def segment(self, segment: Segment) -> dict[str, Tally]:
        """What a segment held, by the names of the features that are counted by segment. Raises
        `KeyError` for a segment that the reference does not have.
        """
        segmentation = self.reference.segmentation(segment.column)
        if segment not in segmentation.segments:
            raise KeyError(segment)
        return {
            feature.name: self._tally(segment, feature.name)
            for feature in self.reference
            if segmentation.splits(feature)
        }

    @property
    def segments(self) -> frozenset[Segment]:
        """The segments that have rows."""
        tallies = self._tallies.items()
        return frozenset(part for (part, _), tally in tallies if part is not None and tally.rows)

    def without(self, segments: Collection[Segment]) -> Profile:
        """The same, but for what these segments held; the rest no longer adds up to the whole."""
        found = Profile(self.reference)
        found += self
        for key in [key for key in found._counted if key[0] in segments]:
            del found._counted[key]
        return found

    def _tally(self, part: Segment | None, name: str) -> Tally:
        tally = self._tallies.get((part, name))
        return self.reference[name].empty() if tally is None else tally

    def __iter__(self) -> Iterator[str]:
        """Names of the reference's features, in its order."""
        return (feature.name for feature in self.reference)

    def __add__(self, other: Profile) -> Profile:
        if not isinstance(other, Profile):
            return NotImplemented
        return Profile.merge((self, other), self.reference)

    def __iadd__(self, other: Profile) -> Profile:
        if not isinstance(other, Profile):
            return NotImplemented
        _check_same(self.reference, other.reference)
        for key, tally in other._tallies.items():
            self._add(key, tally)
        for name, count in other._counters.items():
            self._counters[name] = self._counters.get(name, 0) + count
        if self._ledger is not None and other.quality is not None:
            self._ledger.add(other.quality)
        return self

    def over(self, reference: Reference) -> Profile:
        """What was counted of the features, segments and counters that another reference has too,
        whose bins must be the same; without labels.
        """
        found = Profile(reference)
        parts = {part for one in reference.segmentations for part in one.segments}
        found._counted = {
            (part, name): tally
            for (part, name), tally in self._tallies.items()
            if name in reference and (part is None or part in parts)
        }
        found._counters = {n: by for n, by in self._counters.items() if n in reference.counters}
        return found

    @staticmethod
    def merge(profiles: Iterable[Profile], reference: Reference) -> Profile:
        """The sum of profiles of one reference; `ValueError` when one has another reference."""
        total = Profile(reference)
        for profile in profiles:
            total += profile
        return total

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Profile):
            return NotImplemented
        return self.to_wire() == other.to_wire()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Profile of {self.rows} rows, reference {self.reference.sha256[:12]}>"

    def to_wire(self) -> dict[str, Any]:
        """A JSON document of the schema ``profile-1``: integers, exact sums as text, no rows."""
        wire = {
            "schema": "strandline.profile/1",
            "reference": self.reference.sha256,
            "features": self._part_to_wire(None),
        }
        counters = {name: count for name, count in self.counters.items() if count}
        if counters:
            wire["counters"] = counters
        segments = {
            one.column: [self._part_to_wire(segment) for segment in one.segments]
            for one in self.reference.segmentations
        }
        segments = {column: parts for column, parts in segments.items() if any(parts)}
        if segments:
            wire["segments"] = segments
        quality = {} if self.quality is None else quality_wire.to_wire(self.quality)
        if quality:
            wire["quality"] = quality
        return wire

    def _part_to_wire(self, part: Segment | None) -> dict[str, Any]:
        tallies = self._tallies
        return {
            name: tallies[part, name].to_wire()
            for name in self
            if (part, name) in tallies and tallies[part, name].rows
        }

    @staticmethod
    def from_wire(wire: Any, reference: Reference) -> Profile:
        """Read and check what `to_wire` made; what it accepts can be merged.

        Besides the schema it checks that the profile belongs to `reference` and that each tally is
        possible: as many counts as bins, min and max in the outermost bins, sums that those
        extremes allow, segments that add up to the whole. Raises `WireError`, which names the
        place.
        """
        _check_members(wire)
        if wire["schema"] != "strandline.profile/1":
            raise WireError("$.schema: must be 'strandline.profile/1'")
        if wire["reference"] != reference.sha256:
            raise WireError("$.reference: the profile was made with another reference")
        profile = Profile(reference, _read_tallies(wire["features"], reference, "$.features"))
        profile._counters = _read_counters(wire.get("counters", {}), reference)
        if "quality" in wire:
            if profile._ledger is None:
                raise WireError("$.quality: the reference was frozen without labels")
            profile._ledger.add(
                quality_wire.from_wire(profile._ledger.task, wire["quality"], "$.quality")
            )
        segments = wire.get("segments", {})
        if not isinstance(segments, Mapping):
            raise WireError("$.segments: must be an object")
        for column in segments.keys() - {one.column for one in reference.segmentations}:
            raise WireError(f"$.segments.{str(column)[:60]}: the reference has no such segments")
        for segmentation in reference.segmentations:
            profile._read_segments(segmentation, segments.get(segmentation.column))
        return profile

    def _read_segments(self, segmentation: Segmentation, wire: Any) -> None:
        place = f"$.segments.{segmentation.column[:60]}"
        segments = segmentation.segments
        if wire is None:
            wire = [{} for _ in segments]
        if not isinstance(wire, list) or len(wire) != len(segments):
            raise WireError(f"{place}: must be a list of {len(segments)} parts")
        parts = [_read_tallies(p, self.reference, f"{place}[{i}]") for i, p in enumerate(wire)]
        whole = {name: tally for (part, name), tally in self._counted.items() if part is None}
        check_sums(segmentation, self.reference, whole, parts, place)
        for segment, tallies in zip(segments, parts, strict=True):
            self._counted |= {(segment, name): tally for name, tally in tallies.items()}


def _are_short(columns: Iterable[Any]) -> bool:
    """Whether all columns are lists of a few cells."""
    for column in columns:  # noqa: SIM110  (twice as fast, and it runs for every row of a page)
        if type(column) is not list or len(column) >= FEW_CELLS:
            return False
    return True


def _check_members(wire: Any) -> None:
    needed, known = {"schema", "reference", "features"}, {"counters", "quality", "segments"}
    if not isinstance(wire, Mapping) or not needed <= set(wire) <= needed | known:
        raise WireError(
            f"$: a profile has exactly schema, reference and features, and may have "
            f"{' and '.join(sorted(known))}"
        )


def _read_tallies(wire: Any, reference: Reference, place: str) -> dict[str, Tally]:
    if not isinstance(wire, Mapping):
        raise WireError(f"{place}: must be an object")
    tallies: dict[str, Tally] = {}
    for name, item in wire.items():
        here = f"{place}.{str(name)[:60]}"
        if name not in reference:
            raise WireError(f"{here}: the reference has no such feature")
        tallies[name] = reference[name].tally_from_wire(item, here)
    return tallies


def _read_counters(wire: Any, reference: Reference) -> dict[str, int]:
    if not isinstance(wire, Mapping):
        raise WireError("$.counters: must be an object")
    for name, count in wire.items():
        place = f"$.counters.{str(name)[:60]}"
        if name not in reference.counters:
            raise WireError(f"{place}: the reference has no such counter")
        if type(count) is not int or not 0 <= count <= MOST_ROWS:
            raise WireError(f"{place}: must be a whole number from 0 to 2^53 - 1")
    return dict(wire)


def _check_same(ours: Reference, theirs: Reference) -> None:
    if ours is not theirs and ours.sha256 != theirs.sha256:
        raise ValueError(
            f"profiles of different references can't be added: {ours.sha256[:12]} and "
            f"{theirs.sha256[:12]}"
        )
