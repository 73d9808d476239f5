"""Segments: a column whose categories split the rows into parts that are counted each on its own.

The bins are those of the whole, so the tallies of all parts of a segmentation add up to the tallies
of the whole, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

from strandline.drift import columns
from strandline.drift.columns import Column
from strandline.drift.features import Feature
from strandline.drift.tally import Tally, WireError

MOST_PARTS: Final = 64


class Segment(NamedTuple):
    """A part of a segmentation: rows whose `column` is `value`; `None`: all rows of other values,
    or of none.
    """

    column: str
    value: str | None


@dataclass(frozen=True)
class Segmentation:
    """One column that splits the rows: a part for each value of the vocabulary, and one for all
    other rows.
    """

    column: str
    vocabulary: tuple[str, ...]
    """the reference's commonest values, commonest first"""
    tallies: tuple[Mapping[str, Tally], ...] = field(repr=False)
    """[vocabulary + 1] what each part of the reference held, by feature name"""

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The parts, in order; the last one is of all other rows."""
        return tuple(Segment(self.column, value) for value in (*self.vocabulary, None))

    @cached_property
    def _index(self) -> dict[str | None, int]:
        return {value: i for i, value in enumerate(self.vocabulary)}

    def splits(self, feature: Feature) -> bool:
        """Whether a feature is counted by part: all but the system's, and the column itself."""
        return feature.role != "system" and feature.column != self.column

    def rows(self, column: Column) -> dict[int, list[int]]:
        """The rows of each part that has some, by the part's number."""
        others = len(self.vocabulary)
        found: dict[int, list[int]] = {}
        for row, value in enumerate(columns.texts(column)):
            found.setdefault(self._index.get(value, others), []).append(row)
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "vocabulary": list(self.vocabulary),
            "tallies": [
                {name: tally.to_wire() for name, tally in part.items()} for part in self.tallies
            ],
        }


def check_sums(
    segmentation: Segmentation,
    features: Iterable[Feature],
    whole: Mapping[str, Tally],
    parts: Iterable[Mapping[str, Tally]],
    place: str,
) -> None:
    """Raise `WireError` unless the parts of a segmentation add up to the whole."""
    listed = list(parts)
    for feature in features:
        total: Any = feature.empty()
        for part in listed:
            if feature.name in part:
                total += part[feature.name]
        expected = whole.get(feature.name, feature.empty())
        if total != (expected if segmentation.splits(feature) else feature.empty()):
            raise WireError(
                f"{place}: the segments by {segmentation.column!r} do not add up to the whole of "
                f"{feature.name!r}"
            )
