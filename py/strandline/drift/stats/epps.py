"""Epps–Singleton: the difference of the empirical characteristic functions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import cos, inf, sin, sqrt
from operator import add
from typing import Final, TypeAlias

from strandline.drift import bins
from strandline.drift.features import NumericFeature
from strandline.drift.stats import intervals
from strandline.drift.stats.curves import TEST_ROWS, unit
from strandline.drift.stats.special import beta_i
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import NumericTally

POINTS: Final = (0.4, 0.8)
"""where the characteristic functions are compared, per half the reference's interquartile range"""
SMALL: Final = 25
"""rows of the larger sample below which the statistic is corrected"""

Matrix: TypeAlias = list[list[float]]


@statistic("numeric")
def es(feature: NumericFeature, current: NumericTally) -> Statistic:
    """Epps and Singleton's W, as SciPy's `epps_singleton_2samp`, of rows moved to the middles of
    their bins; the effect is the distance of the transforms' means in standard deviations.

    A binned definition: the mean cosines and sines at two points can't be had from counts otherwise.
    Bins with fewer than 10 rows of the reference are taken together, at the mean that these have.
    Half the interquartile range, by which the points are scaled, is the reference's. W's own
    chi-square limit alarms in a third of the cases without drift when one sample has a few dozen
    rows and the other thousands; the p-value is therefore that of the same distance with the
    covariance of all rows together, as Hotelling's. References: Epps & Singleton (1986).
    """
    n, m = feature.tally.n, current.n
    spans = holding(feature, TEST_ROWS)
    rows = transforms(feature, spans)
    reference, seen = (
        [sum(tally.counts[first:last]) for first, last in spans]
        for tally in (feature.tally, current)
    )
    mean_r, cov_r = _moments(rows, reference)
    mean_c, cov_c = _moments(rows, seen)
    shift = [c - r for c, r in zip(mean_c, mean_r, strict=True)]
    covariance = [
        [x / n + y / m for x, y in zip(*pair, strict=True)]
        for pair in zip(cov_r, cov_c, strict=True)
    ]
    square, rank = mahalanobis(covariance, shift)
    value = square * (_small(n, m) if max(n, m) < SMALL else 1.0)
    per_row = 1 / n + 1 / m
    p_value = _p_value(rows, [*map(add, reference, seen)], shift, per_row)
    effect = sqrt(square * per_row)
    linear = (4 + 2 * effect**2) * effect**2 * per_row
    ci_low, ci_high = intervals.of_root(effect**2, rank * per_row, 2 * rank * per_row**2, linear)
    return Statistic(
        method="es",
        value=value,
        low=value,
        high=value,
        p_value=p_value,
        p_value_high=p_value,
        effect=effect,
        effect_high=effect,
        effect_ci_low=ci_low,
        effect_ci_high=ci_high,
        floor=0.1,
        binned=True,
    )


def _p_value(
    rows: Sequence[Sequence[float]], counts: Sequence[int], shift: Sequence[float], per_row: float
) -> float:
    total = sum(counts)
    _, covariance = _moments(rows, counts)
    square, rank = mahalanobis(covariance, shift)
    freedom = total - 1 - rank
    if not rank or freedom <= 0:
        return 1.0
    explained = min(1.0, square / per_row / total)
    return beta_i(freedom / 2, rank / 2, 1 - explained)


def holding(feature: NumericFeature, least: int) -> list[tuple[int, int]]:
    """Ranges [first, last) of bins that hold so many rows of the reference; the last ones join
    others.
    """
    reference = feature.tally.counts
    spans: list[tuple[int, int]] = []
    start = held = 0
    for i, r in enumerate(reference):
        held += r
        if held >= least:
            spans.append((start, i + 1))
            start, held = i + 1, 0
    if start < len(reference):
        first = spans.pop()[0] if spans else 0
        spans.append((first, len(reference)))
    return spans


def transforms(
    feature: NumericFeature, spans: Sequence[tuple[int, int]]
) -> list[tuple[float, ...]]:
    """Per range of bins the mean cosines and sines of the reference's rows in it."""
    at, counts = representatives(feature), feature.tally.counts
    scale = _half_range(feature) or unit(feature.tally)
    means = []
    for first, last in spans:
        held = sum(counts[first:last])
        rows = [
            (_transform(at[i] / scale), counts[i] if held else 1)
            for i in range(first, last)
            if counts[i] or not held
        ]
        total = sum(count for _, count in rows)
        means.append(
            tuple(
                sum(row[k] * count for row, count in rows) / total for k in range(2 * len(POINTS))
            )
        )
    return means


def representatives(feature: NumericFeature) -> list[float]:
    """A value for each bin: an atom's own, else the middle; the cut of a bin that is open."""
    cuts = feature.cuts
    if not cuts:
        return [0.0]
    middles = [a if bins.is_atom(a, b) else a / 2 + b / 2 for a, b in pairwise(cuts)]
    return [cuts[0], *middles, cuts[-1]]


def _half_range(feature: NumericFeature) -> float:
    """Half the interquartile range of the reference's rows in the middles of their bins."""
    n = feature.tally.n
    at = representatives(feature)
    below = list(accumulate(feature.tally.counts))
    low, high = (
        next(x for x, count in zip(at, below, strict=True) if count >= share * n)
        for share in (0.25, 0.75)
    )
    return high / 2 - low / 2


def _transform(x: float) -> tuple[float, ...]:
    return (*(cos(t * x) for t in POINTS), *(sin(t * x) for t in POINTS))


def _moments(rows: Sequence[Sequence[float]], counts: Sequence[int]) -> tuple[list[float], Matrix]:
    """Mean and (biased) covariance of rows that are there so many times."""
    n = sum(counts)
    used = [(row, count) for row, count in zip(rows, counts, strict=True) if count]
    width = range(len(rows[0]))
    mean = [sum(row[i] * count for row, count in used) / n for i in width]
    covariance = [
        [sum((row[i] - mean[i]) * (row[j] - mean[j]) * c for row, c in used) / n for j in width]
        for i in width
    ]
    return mean, covariance


def _small(n: float, m: float) -> float:
    """Epps and Singleton's correction for small samples."""
    correction: float = 1 / (1 + (n + m) ** -0.45 + 10.1 * (n**-1.7 + m**-1.7))
    return correction


def mahalanobis(covariance: Matrix, shift: Sequence[float]) -> tuple[float, int]:
    """(shift'·C⁻¹·shift, rank of C) by elimination with the largest pivot first; infinite when there
    is a shift where there is no variance.
    """
    work = [[*row, x] for row, x in zip(covariance, shift, strict=True)]
    left = list(range(len(work)))
    largest = max(covariance[i][i] for i in left)
    square, rank = 0.0, 0
    while left:
        pivot = max(left, key=lambda i: work[i][i])
        head = work[pivot][pivot]
        if head <= 1e-10 * largest or head <= 0:
            apart = any(abs(work[i][-1]) > 1e-9 for i in left)
            return (inf if apart else square), rank
        square += work[pivot][-1] ** 2 / head
        rank += 1
        left.remove(pivot)
        for i in left:
            factor = work[i][pivot] / head
            for j in (*left, -1):
                work[i][j] -= factor * work[pivot][j]
    return square, rank
