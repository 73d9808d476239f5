"""The difference of two distribution functions, F of the reference and G of the current, along x."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise
from math import inf, sqrt
from typing import Final, NamedTuple

from strandline.drift.features import NumericFeature
from strandline.drift.stats.cells import effective_n
from strandline.drift.tally import NumericTally

TEST_CUTS: Final = 20
"""cuts that a test looks at; its cost grows with their square"""


class Piece(NamedTuple):
    """F − G over one bin: known at its ends, between them within [least, most] of either sign."""

    width: float
    before: float
    """F − G where the bin begins"""
    after: float
    """F − G where it ends"""
    p: float
    """the reference's share in the bin: F may rise by it anywhere within"""
    q: float
    """the current's share: G may"""

    @property
    def most_above(self) -> float:
        """The largest F − G can be, if positive."""
        return max(0.0, self.before + self.p)

    @property
    def most_below(self) -> float:
        """The largest G − F can be, if positive."""
        return max(0.0, self.q - self.before)

    @property
    def least_above(self) -> float:
        """The smallest F − G can be, if positive."""
        return max(0.0, self.before - self.q)

    @property
    def least_below(self) -> float:
        """The smallest G − F can be, if positive."""
        return max(0.0, -self.before - self.p)


class Point(NamedTuple):
    """F − G at one cut, as a test sees it."""

    span: float
    """the part of the reference's range that the cut stands for"""
    share: float
    """of both samples together, below the cut; within (0, 1)"""
    value: float
    """√(nm/(n+m))·(F − G): without drift a Brownian bridge at the time `share`"""


def pieces(feature: NumericFeature, current: NumericTally) -> Iterator[Piece]:
    """The bins that have a width between the smallest and the largest value of both samples."""
    reference = feature.tally
    n, m = reference.n, current.n
    first = min(reference.minimum, current.minimum)
    last = max(reference.maximum, current.maximum)
    edges = [first, *(min(max(cut, first), last) for cut in feature.cuts), last]
    before = 0.0
    seen_r = seen_c = 0
    for (a, b), r, c in zip(pairwise(edges), reference.counts, current.counts, strict=True):
        seen_r, seen_c = seen_r + r, seen_c + c
        after = (seen_r * m - seen_c * n) / (n * m)
        if b > a:
            yield Piece(b - a, before, after, r / n, c / m)
        before = after


def points(feature: NumericFeature, current: NumericTally) -> list[Point]:
    """Up to `TEST_CUTS` cuts within the reference's range; none when it has no finite width."""
    reference = feature.tally
    n, m = reference.n, current.n
    width = reference.maximum - reference.minimum
    below = zip(accumulate(reference.counts), accumulate(current.counts), strict=True)
    inside = [
        (cut, r, c)
        for cut, (r, c) in zip(feature.cuts, below, strict=False)
        if 0 < r + c < n + m and reference.minimum <= cut <= reference.maximum
    ]
    if len(inside) > TEST_CUTS:
        step = (len(inside) - 1) / (TEST_CUTS - 1)
        inside = [inside[int(i * step)] for i in range(TEST_CUTS)]
    if not 0 < width < inf:
        return []
    root = sqrt(effective_n(n, m))
    xs = [reference.minimum, *(cut for cut, _, _ in inside), reference.maximum]
    spans = ((b - a) / width / 2 for a, b in zip(xs, xs[2:], strict=False))
    return [
        Point(span, (r + c) / (n + m), root * (r / n - c / m))
        for span, (_, r, c) in zip(spans, inside, strict=True)
    ]


def unit(reference: NumericTally) -> float:
    """The reference's standard deviation; |mean| if that is 0, and 1 if both are."""
    return reference.std or abs(reference.mean or 0.0) or 1.0
