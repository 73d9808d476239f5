"""The Wasserstein distance W1: how far mass has to move, in the reference's standard deviations."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, pi, sqrt

from strandline.drift.features import NumericFeature
from strandline.drift.stats import intervals
from strandline.drift.stats.cells import LEAST_EXPECTED, effective_n
from strandline.drift.stats.curves import Point, pieces, points, reaches, unit
from strandline.drift.stats.intervals import Interval
from strandline.drift.stats.ks import ks
from strandline.drift.stats.special import covariance_of_abs, gamma_q
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import NumericTally


@statistic("numeric")
def wasserstein(feature: NumericFeature, current: NumericTally) -> Statistic:
    """∫|F − G| dx divided by the reference's standard deviation (by |mean|, then 1, if that is 0);
    the effect is W1.

    The bounds: at the cuts F − G is known; within a bin it moves by no more than the bin's masses.
    With A and B the areas where F is above and below G, W1 = A + B, and A − B is the difference of
    the means, which is known exactly, so W1 = A − B + 2B = B − A + 2A: a tail in which only one
    sample has values costs no width of the bounds.

    The p-value is of Σ v|F − G| over cuts within the reference's range that enough rows lie beyond
    (v: the part of the range each stands for), whose mean and variance without drift follow from
    the Brownian bridge; a gamma distribution with these two is fitted.
    """
    scale = unit(feature.tally)
    low, high, value = (bound / scale for bound in _bounds(feature, current))
    at = points(feature, current)
    # Beyond a cut that so few rows lie beyond, F − G moves in a few large steps and is not normal.
    least = LEAST_EXPECTED / min(feature.tally.n, current.n)
    at = [point for point in at if least <= point.share <= 1 - least] or at
    # Without a range there is nothing to move over: what is left is whether values are the same.
    p_value = _p_value(at) if at else ks(feature, current).p_value
    width = (feature.tally.maximum - feature.tally.minimum) / scale
    around = (0.0, inf)
    if at:
        around = _around(feature, current, at, value / width)
    ci_low, ci_high = intervals.widened(low, high, value, (around[0] * width, around[1] * width))
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
        effect_ci_low=ci_low,
        effect_ci_high=ci_high,
    )


def _bounds(feature: NumericFeature, current: NumericTally) -> tuple[float, float, float]:
    """(low, high, as if values were spread evenly within each bin), in the feature's unit."""
    above_low = above_high = below_low = below_high = low = high = even = 0.0
    for piece in pieces(feature, current):
        above_low += piece.width * piece.least_above
        above_high += piece.width * piece.most_above
        below_low += piece.width * piece.least_below
        below_high += piece.width * piece.most_below
        low += piece.width * max(piece.least_above, piece.least_below)
        high += piece.width * max(piece.most_above, piece.most_below)
        even += piece.width * _mean_abs(piece.before, piece.after)
    shift = (current.mean or 0.0) - (feature.tally.mean or 0.0)
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


def _p_value(at: Sequence[Point]) -> float:
    mean, variance = _moments(at)
    x = sum(point.span * abs(point.value) for point in at)
    return gamma_q(mean * mean / variance, x * mean / variance)


def _moments(at: Sequence[Point]) -> tuple[float, float]:
    """Mean and variance of Σ v·|Z| for a bridge Z."""
    sds = [point.span * sqrt(point.share * (1 - point.share)) for point in at]
    mean = sum(sds) * sqrt(2 / pi)
    variance = 0.0
    for j, later in enumerate(at):
        variance += sds[j] ** 2 * (1 - 2 / pi)
        for sd, earlier in zip(sds, at[:j], strict=False):
            rho = sqrt(earlier.share * (1 - later.share) / (later.share * (1 - earlier.share)))
            variance += 2 * sd * sds[j] * covariance_of_abs(min(rho, 1.0))
    return mean, variance


def _around(
    feature: NumericFeature, current: NumericTally, at: Sequence[Point], value: float
) -> Interval:
    """A confidence interval for W1 in units of the reference's range, to which it is confined."""
    n, m = feature.tally.n, current.n
    mean, variance = _moments(at)
    scale = 1 / sqrt(effective_n(n, m))
    scores = reaches(feature, current, lambda before, after: (before > -after) - (before < -after))
    linear = intervals.score_variance(scores, feature.tally.counts)
    linear += intervals.score_variance(scores, current.counts)
    return intervals.of_sum(value, scale * mean, scale * scale * variance, linear)
