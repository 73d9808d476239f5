"""Counts of reference and current in cells wide enough for statistics that are defined on cells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from strandline.drift.features import Feature, NumericFeature
from strandline.drift.tally import Tally

Cells: TypeAlias = list[tuple[int, int]]
"""(reference, current) counts"""

GROUPS: Final = 10
LEAST_EXPECTED: Final = 5.0


def cells(feature: Feature, current: Tally) -> Cells:
    """A numeric feature's bins in about `GROUPS` groups of equal reference mass; a categorical
    one's categories.

    The groups depend on the reference only, so that their statistics can be compared over time; the
    outer groups are open.
    """
    if not isinstance(feature, NumericFeature):
        return list(zip(feature.tally.counts, current.counts, strict=True))
    reference = feature.tally.counts
    return [
        (sum(reference[start:stop]), sum(current.counts[start:stop]))
        for start, stop in groups(tuple(reference))
    ]


@lru_cache(maxsize=2048)
def groups(reference: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Ranges of adjacent bins, each with about 1/`GROUPS` or more of the reference."""
    share = sum(reference) / GROUPS
    ranges: list[tuple[int, int]] = []
    start, mass, left = 0, 0, sum(reference)
    for i, count in enumerate(reference):
        mass += count
        left -= count
        if mass >= share * 0.9 and left >= share / 2:
            ranges.append((start, i + 1))
            start, mass = i + 1, 0
    ranges.append((start, len(reference)))
    return tuple(ranges)


def pooled(table: Sequence[tuple[int, int]]) -> Cells:
    """The same counts with cells pooled until each is expected to hold `LEAST_EXPECTED` rows of
    either sample.

    Which cells are pooled depends on the totals of both samples only, so that a test given those
    totals stays valid.
    """
    n, m = totals(table)
    least = LEAST_EXPECTED * (n + m) / min(n, m)
    whole: Cells = []
    r = c = 0
    for cell in sorted(table, key=sum):
        r, c = r + cell[0], c + cell[1]
        if r + c >= least:
            whole.append((r, c))
            r = c = 0
    if r + c and whole:
        last = whole.pop()
        whole.append((last[0] + r, last[1] + c))
    return whole or [(n, m)]


def totals(table: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """(reference, current) rows in all cells."""
    return sum(r for r, _ in table), sum(c for _, c in table)


def effective_n(n: int, m: int) -> float:
    """nm/(n+m): how much two samples of n and m rows together say about their difference."""
    return n * m / (n + m)
