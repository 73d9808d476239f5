"""The cells that a feature is watched in: few, and every row falls into exactly one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from strandline.drift.bins import is_atom
from strandline.drift.features import CategoricalFeature, Feature, NumericFeature
from strandline.drift.stats.cells import groups
from strandline.drift.tally import Tally

GROUPS: Final = 10
"""parts of about equal mass that a numeric feature's range is watched in"""
LEAST_REFERENCE: Final = 20
"""rows of the reference that a category of its own has; the rarer ones share a cell with the unseen
"""
MOST_CATEGORIES: Final = 20


@dataclass(frozen=True)
class Cells:
    """Ranges of a tally's bins, and the cells *usable*, *missing* and *invalid*.

    A numeric feature's values beyond the reference's range have cells of their own, where the
    reference holds nothing: a few rows there say much.
    """

    bins: tuple[tuple[int, ...], ...]
    """indices of the tally's bins, by cell of values"""
    values: tuple[int, ...]
    """rows of the reference by cell of values; where `continuous`, gaps between its sorted values
    (n + 1 of them)
    """
    lacking: tuple[int, int, int]
    """rows of the reference that are usable, missing, invalid"""
    continuous: bool
    """whether the cells' edges are values of the reference that hardly any other row shares"""

    @staticmethod
    def of(feature: Feature) -> Cells:
        """How `feature` is watched; chosen by its reference alone."""
        tally = feature.tally
        continuous = isinstance(feature, NumericFeature) and not _has_atoms(feature)
        if isinstance(feature, NumericFeature):
            bins: list[tuple[int, ...]] = _numeric(feature, continuous)
        elif isinstance(feature, CategoricalFeature):
            bins = _categorical(feature)
        else:
            bins = [(0,)]  # of vectors, only which are usable
        values = _summed(bins, tally.counts)
        if continuous:
            # [a, b) with edges that are values holds as many gaps as rows; the last range ends at
            # the largest value, and beyond the range lies one gap on either side.
            values = [1, *values[1:-2], values[-2] - 1, 1]
        lacking = (tally.n, tally.missing, tally.invalid)
        return Cells(tuple(bins), tuple(values), lacking, continuous)

    def count(self, tally: Tally) -> tuple[list[int], list[int]]:
        """(rows by cell of values, rows that are usable, missing, invalid) of a tally."""
        return _summed(self.bins, tally.counts), [tally.n, tally.missing, tally.invalid]


def _summed(bins: Sequence[Sequence[int]], counts: Sequence[int]) -> list[int]:
    return [sum(counts[i] for i in cell) for cell in bins]


def _has_atoms(feature: NumericFeature) -> bool:
    """Whether many rows of the reference share a value; where there are none, there are no gaps."""
    counts = feature.tally.counts
    inner = enumerate(pairwise(feature.cuts), 1)
    most = max((counts[i] for i, (a, b) in inner if is_atom(a, b)), default=0)
    return feature.tally.n < 2 * GROUPS or most > max(2, feature.tally.n / 1000)


def _numeric(feature: NumericFeature, continuous: bool) -> list[tuple[int, ...]]:
    tally = feature.tally
    if not tally.n:
        return [tuple(range(feature.bins))]
    first, last = feature.bin_of(tally.minimum), feature.bin_of(tally.maximum)
    below, above = tuple(range(first)), tuple(range(last + 1, feature.bins))
    inside = [
        tuple(range(first + start, first + stop))
        for start, stop in groups(tuple(tally.counts[first : last + 1]), GROUPS)
    ]
    return [below, *inside, above] if continuous else [*inside, below + above]


def _categorical(feature: CategoricalFeature) -> list[tuple[int, ...]]:
    counts = feature.tally.counts
    common = [i for i in range(feature.bins - 1) if counts[i] >= LEAST_REFERENCE]
    rare = tuple(i for i in range(feature.bins) if i not in set(common))
    rest = tuple(common[MOST_CATEGORIES:])
    return [*((i,) for i in common[:MOST_CATEGORIES]), *([rest] if rest else []), rare]
