"""The Wasserstein distance W1: how far the mass has to move, in standard deviations of the
reference.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import asin, inf, isfinite, pi, sqrt
from typing import Final

from strandline.drift.features import NumericFeature
from strandline.drift.stats.cells import effective_n
from strandline.drift.stats.ks import ks
from strandline.drift.stats.special import gamma_q
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import NumericTally

TEST_CUTS: Final = 20
"""cuts that the test looks at; its cost grows with their square"""


@statistic("numeric")
def wasserstein(feature: NumericFeature, current: NumericTally) -> Statistic:
    """∫|F − G| dx divided by the reference's standard deviation (by |mean|, then 1, if that is 0);
    the effect is W1.

    The bounds: at the cuts F − G is known; within a bin it moves by no more than the bin's masses.
    With A and B the areas where F is above and below G, W1 = A + B, and A − B is the difference of
    the means, which is known exactly, so W1 = A − B + 2B = B − A + 2A: a tail in which only one
    sample has values costs no width of the bounds.

    The p-value is of Σ v|F − G| over up to `TEST_CUTS` cuts within the reference's range (v: the
    range each stands for), whose mean and variance without drift follow from the Brownian bridge; a
    gamma distribution with these two is fitted.
    """
    reference = feature.tally
    scale = reference.std or abs(reference.mean or 0.0) or 1.0
    low, high, value = (bound / scale for bound in _bounds(feature, current))
    p_value = _p_value(feature, current)
    return Statistic(
        method="wasserstein",
        value=value,
        low=low,
        high=high,
        p_value=p_value,
        p_value_high=p_value,
        effect=low,
        effect_high=high,
        floor=0.1,
    )


def _bounds(feature: NumericFeature, current: NumericTally) -> tuple[float, float, float]:
    """(low, high, what it is if values are spread evenly within each bin), in the feature's unit."""
    reference = feature.tally
    n, m = reference.n, current.n
    first = min(reference.minimum, current.minimum)
    last = max(reference.maximum, current.maximum)
    edges = [first, *(min(max(cut, first), last) for cut in feature.cuts), last]
    above_low = above_high = below_low = below_high = low = high = even = 0.0
    d = 0.0
    seen_r = seen_c = 0
    for (a, b), r, c in zip(pairwise(edges), reference.counts, current.counts, strict=True):
        width = b - a
        seen_r += r
        seen_c += c
        after = (seen_r * m - seen_c * n) / (n * m)
        if width > 0:
            p, q = r / n, c / m
            most_above, most_below = max(0.0, d + p), max(0.0, q - d)
            least_above, least_below = max(0.0, d - q), max(0.0, -d - p)
            above_low += width * least_above
            above_high += width * most_above
            below_low += width * least_below
            below_high += width * most_below
            low += width * max(least_above, least_below)
            high += width * max(most_above, most_below)
            even += width * _mean_abs(d, after)
        d = after
    shift = (current.mean or 0.0) - (reference.mean or 0.0)
    if not isfinite(shift):
        return low, inf, even
    low = max(low, abs(shift), shift + 2 * below_low, 2 * above_low - shift)
    high = max(low, min(high, shift + 2 * below_high, 2 * above_high - shift))
    return low, high, min(max(even, low), high)


def _mean_abs(a: float, b: float) -> float:
    """Mean of |x| while x goes evenly from a to b."""
    if a * b >= 0:
        return (abs(a) + abs(b)) / 2
    return (a * a + b * b) / (2 * (abs(a) + abs(b)))


def _p_value(feature: NumericFeature, current: NumericTally) -> float:
    reference = feature.tally
    n, m = reference.n, current.n
    total = n + m
    points = [
        (cut, r, c)
        for cut, r, c in zip(
            feature.cuts, accumulate(reference.counts), accumulate(current.counts), strict=False
        )
        if 0 < r + c < total and reference.minimum <= cut <= reference.maximum
    ]
    points = _thinned(points)
    xs = [reference.minimum, *(cut for cut, _, _ in points), reference.maximum]
    width = reference.maximum - reference.minimum
    if not points or not 0 < width < inf:
        # Nothing to move over: what is left is whether values are the same.
        return ks(feature, current).p_value or 0.0
    spans = [(b - a) / width / 2 for a, b in zip(xs, xs[2:], strict=False)]
    shares = [(r + c) / total for _, r, c in points]
    observed = sum(v * abs(r / n - c / m) for v, (_, r, c) in zip(spans, points, strict=True))
    sds = [v * sqrt(f * (1 - f)) for v, f in zip(spans, shares, strict=True)]
    mean = sum(sds) * sqrt(2 / pi)
    variance = 0.0
    for j, f in enumerate(shares):
        variance += sds[j] ** 2 * (1 - 2 / pi)
        for i in range(j):
            rho = sqrt(shares[i] * (1 - f) / (f * (1 - shares[i])))
            variance += 2 * sds[i] * sds[j] * _covariance_of_abs(min(rho, 1.0))
    x = observed * sqrt(effective_n(n, m))
    return gamma_q(mean * mean / variance, x * mean / variance)


def _covariance_of_abs(rho: float) -> float:
    """Cov(|X|, |Y|) of standard normals with correlation rho."""
    return 2 / pi * (sqrt(1 - rho * rho) + rho * asin(rho) - 1)


def _thinned(points: list[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    if len(points) <= TEST_CUTS:
        return points
    return [points[i * (len(points) - 1) // (TEST_CUTS - 1)] for i in range(TEST_CUTS)]
