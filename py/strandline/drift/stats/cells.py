"""Counts of reference and current in cells wide enough for statistics that are defined on cells.

Which cells there are must not depend on how the reference's sample happened to fall, or a test on
them sees drift where there is none: a category that the reference lacks by chance has a cell with
nothing in it on one side. So numeric cells are few and wide, and categories are kept apart only if
both samples *together* hold enough of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from typing import Final, TypeAlias

from strandline.drift.features import CategoricalFeature, Feature, NumericFeature
from strandline.drift.stats.special import chi2_sf
from strandline.drift.tally import CategoricalTally, Tally

Cells: TypeAlias = list[tuple[int, int]]
"""(reference, current) counts"""

GROUPS: Final = 10
LEAST_EXPECTED: Final = 5.0
"""rows that either sample must expect in a cell of a test"""
LEAST_REFERENCE: Final = 20
"""rows of the reference in a group of bins of a test: the bins' edges come from these very rows"""


def cells(feature: Feature, current: Tally) -> Cells:
    """A numeric feature's bins in tenths of the reference, open at both ends; a categorical one's
    categories.
    """
    if isinstance(feature, NumericFeature):
        return _grouped(feature, current, GROUPS)
    return list(zip(feature.tally.counts, current.counts, strict=True))


def coarse_cells(feature: Feature, current: Tally) -> Cells:
    """The same, coarser, as a test of homogeneity needs it; a single cell when there are too few
    rows.
    """
    if isinstance(feature, NumericFeature):
        return _grouped(feature, current, _number(feature, current))
    assert isinstance(feature, CategoricalFeature) and isinstance(current, CategoricalTally)
    return pooled(cells(feature, current), _least(feature, current))


def coarse_groups(
    feature: Feature, current: Tally, table: Sequence[tuple[int, int]]
) -> list[list[int]]:
    """The cells of a test by the places in `table` that they put together: categories with the last
    for all others, or ranges of a numeric feature.
    """
    if isinstance(current, CategoricalTally):
        assert isinstance(feature, CategoricalFeature)
        return _pooled(table, _least(feature, current))
    number = _number(feature, current)
    return [list(range(*span)) for span in groups(tuple(r for r, _ in table), number)]


def pearson(table: Cells) -> tuple[float, float]:
    """(statistic, p-value) of the two-sample chi-square test on the cells of a test."""
    n, m = totals(table)
    value = sum((r * m - c * n) ** 2 / ((r + c) * n * m) for r, c in table if r + c)
    df = sum(r + c > 0 for r, c in table) - 1
    return value, chi2_sf(value, df) if df else 1.0


def _number(feature: Feature, current: Tally) -> int:
    """Of cells that a test of a numeric feature has."""
    most = min(feature.tally.n / LEAST_REFERENCE, current.n / LEAST_EXPECTED)
    return max(1, min(GROUPS, int(most)))


def _grouped(feature: NumericFeature, current: Tally, number: int) -> Cells:
    reference = feature.tally.counts
    return [
        (sum(reference[start:stop]), sum(current.counts[start:stop]))
        for start, stop in groups(tuple(reference), number)
    ]


@lru_cache(maxsize=2048)
def groups(reference: tuple[int, ...], number: int) -> tuple[tuple[int, int], ...]:
    """At most `number` ranges of adjacent bins with about equal shares of the reference."""
    left = sum(reference)
    share = left / number
    ranges: list[tuple[int, int]] = []
    start, mass = 0, 0
    for i, count in enumerate(reference):
        mass += count
        left -= count
        if mass >= share * 0.9 and left >= share / 2:
            ranges.append((start, i + 1))
            start, mass = i + 1, 0
    ranges.append((start, len(reference)))
    return tuple(ranges)


def _least(feature: CategoricalFeature, current: CategoricalTally) -> float:
    """Rows that a category must have in both samples together to be a cell of a test.

    Enough to expect `LEAST_EXPECTED` in the smaller sample, and so many that a category left out of
    a full vocabulary would hardly have them.
    """
    n, m = feature.tally.n, current.n
    least = LEAST_EXPECTED * (n + m) / min(n, m)
    if feature.tally.unseen:
        rarest = feature.tally.counts[-2]
        least = max(least, (rarest + 4 * sqrt(rarest)) * (n + m) / n)
    return least


def pooled(table: Sequence[tuple[int, int]], least: float) -> Cells:
    """The cells with at least so many rows in both samples together, and one cell of all others.

    The last cell (the categories that are not in the vocabulary) is always one of the others. When
    the others stay below `least`, the smallest cell joins them.
    """
    sums = [
        (sum(table[i][0] for i in group), sum(table[i][1] for i in group))
        for group in _pooled(table, least)
    ]
    return [cell for cell in sums if any(cell)]


def _pooled(table: Sequence[tuple[int, int]], least: float) -> list[list[int]]:
    """Places in the table by cell, the cell of all others last."""
    rows = [r + c for r, c in table]
    last = len(table) - 1
    whole = sorted((i for i in range(last) if rows[i] >= least), key=lambda i: (rows[i], -i))
    others = [last, *(i for i in range(last) if rows[i] < least)]
    if 0 < sum(rows[i] for i in others) < least and whole:
        others.append(whole.pop(0))
    return [*([i] for i in whole), others]


def totals(table: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """(reference, current) rows in all cells."""
    return sum(r for r, _ in table), sum(c for _, c in table)


def effective_n(n: int, m: int) -> float:
    """nm/(n+m): how much two samples of n and m rows together say about their difference."""
    return n * m / (n + m)
