"""The difference of two distribution functions, F of the reference and G of the current, along x."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from math import inf, sqrt
from typing import Final, NamedTuple

from strandline.drift import bins
from strandline.drift.features import NumericFeature
from strandline.drift.stats.cells import effective_n
from strandline.drift.tally import NumericTally

TEST_CUTS: Final = 20
"""cuts that a test looks at; its cost grows with their square"""


TEST_ROWS: Final = 10
"""rows of the reference that a test on ranks puts together at least, where values are no ties"""


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


class Step(NamedTuple):
    """A bin with rows in it, as ranks see it."""

    r: int
    """rows of the reference"""
    c: int
    """rows of the current"""
    below: int
    """rows of both in the bins before"""
    before: int
    """nm(F − G) where the bin begins; it ends at before + m·r − n·c"""
    tied: bool
    """whether the rows can have one value only, or there is just one row"""

    @property
    def rows(self) -> int:
        return self.r + self.c

    def middle(self, n: int, m: int) -> float:
        """nm(F − G), a tie's half included, if all rows are tied."""
        return self.before + (m * self.r - n * self.c) / 2

    def spread(self, total: int) -> float:
        """N²·(H(1 − H) less what a tie takes away), H the pooled share at the bin's middle: the
        variance of a bridge's mean over the bin.
        """
        middle = self.below + self.rows / 2
        return middle * (total - middle) - total * self.rows / 4


def ranks(feature: NumericFeature, current: NumericTally) -> list[Step]:
    """The bins that hold rows, in order."""
    steps: list[Step] = []
    n, m = feature.tally.n, current.n
    below = before = 0
    last = len(feature.cuts)
    for i, (r, c) in enumerate(zip(feature.tally.counts, current.counts, strict=True)):
        if r + c:
            atom = 0 < i < last and bins.is_atom(feature.cuts[i - 1], feature.cuts[i])
            steps.append(Step(r, c, below, before, atom or r + c == 1))
            below += r + c
            before += m * r - n * c
    return steps


def joined(steps: Sequence[Step], least: int) -> list[Step]:
    """Neighbours that are no ties put together until they hold so many rows of the reference."""
    groups: list[Step] = []
    for step in steps:
        last = groups[-1] if groups else None
        if last is None or step.tied or last.tied or last.r >= least:
            groups.append(step)
        else:
            groups[-1] = last._replace(r=last.r + step.r, c=last.c + step.c)
    return groups


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


def reaches(
    feature: NumericFeature, current: NumericTally, weight: Callable[[float, float], float]
) -> list[float]:
    """For each bin how much a row in it adds to ∫ weight·(F − G) dx over the reference's range, in
    units of this range; the weight depends on F − G at either end of a bin. From the row's bin on F
    is higher.
    """
    reference = feature.tally
    n, m = reference.n, current.n
    low, high = reference.minimum, reference.maximum
    edges = [low, *(min(max(cut, low), high) for cut in feature.cuts), high]
    ends = [
        r / n - c / m
        for r, c in zip(accumulate(reference.counts), accumulate(current.counts), strict=True)
    ]
    total = 0.0
    scores = []
    for i in reversed(range(len(ends))):
        part = weight(ends[i - 1] if i else 0.0, ends[i]) * (
            (edges[i + 1] - edges[i]) / (high - low)
        )
        scores.append(total + part / 2)
        total += part
    return scores[::-1]


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
