"""Order statistics from bins: where a quantile of the raw rows must lie."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, floor, inf, nextafter
from typing import Final

from strandline.drift.features import NumericFeature
from strandline.drift.tally import NumericTally

QUARTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""what a summary lists"""


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile, and the interval that holds it by any of the usual definitions."""

    share: float
    value: float
    """as if values were spread evenly within each bin"""
    low: float
    high: float


def quantile(feature: NumericFeature, tally: NumericTally, share: float) -> Quantile:
    """The quantile of a sample by its bins; `share` lies in [0, 1].

    The interval runs from the least value that the order statistic ⌊(n − 1)·share⌋ can have to the
    largest that ⌈(n − 1)·share⌉ can have: every definition that interpolates between these two lies
    in it (Hyndman & Fan 1996, type 7, NumPy's and pandas' default among them). Raises `ValueError`
    when there are no values.
    """
    if not tally.n:
        raise ValueError(f"{feature.name!r} has no values")
    at = (tally.n - 1) * share
    below = [0, *accumulate(tally.counts)]
    low, _ = _ends(feature, tally, _bin_of_rank(below, floor(at)))
    _, high = _ends(feature, tally, _bin_of_rank(below, ceil(at)))
    if at == 0 or at == tally.n - 1:
        low = high = tally.minimum if at == 0 else tally.maximum
    i = _bin_of_rank(below, floor(at))
    a, b = _ends(feature, tally, i)
    part = min((at - below[i] + 0.5) / (below[i + 1] - below[i]), 1.0)
    return Quantile(share, min(max(a + (b - a) * part, low), high), low, high)


def within(
    feature: NumericFeature, tally: NumericTally, left: float, right: float
) -> tuple[int, int]:
    """How many values lie in [left, right]: at least, at most."""
    if not tally.n or right < left:
        return 0, 0
    sure = possible = 0
    for i, count in enumerate(tally.counts):
        if count:
            a, b = _ends(feature, tally, i)
            if left <= a and b <= right:
                sure += count
            if a <= right and left <= b:
                possible += count
    return sure, possible


def different(feature: NumericFeature, tally: NumericTally) -> tuple[int, int]:
    """How many different values there are: at least, at most."""
    least = most = 0
    for i, count in enumerate(tally.counts):
        if count:
            a, b = _ends(feature, tally, i)
            least += 1
            most += 1 if a == b else count
    return least, most


def _ends(feature: NumericFeature, tally: NumericTally, i: int) -> tuple[float, float]:
    """The least and the largest value that a value of bin i can have."""
    low = feature.cuts[i - 1] if i else -inf
    high = nextafter(feature.cuts[i], -inf) if i < len(feature.cuts) else inf
    return max(low, tally.minimum), min(high, tally.maximum)


def _bin_of_rank(below: list[int], rank: int) -> int:
    """The bin that holds the order statistic of this rank, counted from 0."""
    return min(bisect_right(below, rank), bisect_left(below, below[-1])) - 1
