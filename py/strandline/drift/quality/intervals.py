"""Confidence intervals: Wilson's for shares, Student's for means, both from sums alone."""

from __future__ import annotations

from functools import cache
from math import exp, inf, log, sqrt
from statistics import NormalDist

from strandline.drift.stats.special import student_sf

Interval = tuple[float, float]


@cache
def normal_quantile(level: float) -> float:
    """z such that a standard normal lies within ±z with probability `level`."""
    return NormalDist().inv_cdf((1 + level) / 2)


@cache
def student_quantile(level: float, df: float) -> float:
    """t such that Student's T of `df` degrees of freedom lies within ±t with probability `level`."""
    if df > 1e6:
        return normal_quantile(level)
    tail = (1 - level) / 2
    low, high = 0.0, 1.0
    while student_sf(high, df) > tail:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_sf(middle, df) > tail else (low, middle)
    return (low + high) / 2


def wilson(share: float, n: float, level: float) -> Interval:
    """Wilson's score interval for a share of n > 0 trials; n may be an effective size.

    References: Wilson (1927); Brown, Cai & DasGupta (2001) on its coverage.
    """
    z2 = normal_quantile(level) ** 2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def bounded(value: float, variance: float, n: float, level: float) -> Interval:
    """The interval of an estimate in [0, 1] of a known variance: Wilson's, at the sample size at which
    a share would have that variance; at most `n`-fold, so that 0 and 1 get an interval as well.

    References: Korn & Graubard (1998) on effective sample sizes.
    """
    spread = value * (1 - value)
    effective = spread / variance if variance > 0 and spread > 0 else n
    return wilson(value, max(effective, 1e-9), level)


def of_mean(mean: float, variance: float, n: int, level: float) -> Interval:
    """Student's interval for a mean of n rows whose unbiased variance is given; all numbers when n < 2."""
    if n < 2:
        return -inf, inf
    half = student_quantile(level, n - 1) * sqrt(max(variance, 0.0) / n)
    return mean - half, mean + half


def positive(value: float, variance: float, n: float, level: float) -> Interval:
    """The interval of a positive estimate with a standard error, on the scale of its logarithm."""
    if n < 2 or value <= 0:
        return 0.0, inf if n < 2 else 0.0
    half = student_quantile(level, n - 1) * sqrt(max(variance, 0.0)) / value
    return (value * exp(-half), value * exp(half)) if half < log(1e300) else (0.0, inf)
