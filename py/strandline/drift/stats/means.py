"""Tests of means, exact from the exact sums: Welch's t, and z for a share."""

from __future__ import annotations

from fractions import Fraction
from math import inf, sqrt

from strandline.drift import exact
from strandline.drift.features import CategoricalFeature, NumericFeature
from strandline.drift.stats.cells import effective_n
from strandline.drift.stats.special import normal_sf, student_sf
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import CategoricalTally, NumericTally


@statistic("numeric")
def t_test(feature: NumericFeature, current: NumericTally) -> Statistic:
    """Welch's t of current minus reference; the effect is Cohen's d, |Δmean| over the root of the
    mean of the variances.

    As on the raw rows: the sums are exact. Without spread in either sample t is 0 or infinite.
    References: Welch (1947).
    """
    reference = feature.tally
    n, m = reference.n, current.n
    shift = _difference_of_means(reference, current)
    v = exact.variance(reference.total, reference.squares, n)
    w = exact.variance(current.total, current.squares, m)
    error = v / n + w / m
    if error > 0 and error < inf:
        value = shift / sqrt(error)
        df = error**2 / ((v / n) ** 2 / max(n - 1, 1) + (w / m) ** 2 / max(m - 1, 1))
        p_value = 2 * student_sf(abs(value), df)
        effect = abs(shift) / sqrt((v + w) / 2)
    else:
        value = effect = 0.0 if shift == 0 or error == inf else inf
        p_value = 1.0 if min(n, m) < 2 or not value else 0.0
    return Statistic(
        method="t_test",
        value=value,
        low=value,
        high=value,
        p_value=p_value,
        p_value_high=p_value,
        effect=effect,
        effect_high=effect,
        floor=0.1,
    )


@statistic("categorical")
def z(feature: CategoricalFeature, current: CategoricalTally) -> Statistic:
    """The two-sample z of the share of the category that sorts last, current minus reference.

    Meant for features with two categories: the last one of 0 and 1, False and True, no and yes.
    (One chosen by its count in the reference would be common there by chance, and less so
    elsewhere.) The effect is the difference of the shares.
    """
    n, m = feature.tally.n, current.n
    last = feature.vocabulary.index(max(feature.vocabulary))
    a, b = feature.tally.counts[last], current.counts[last]
    difference = b / m - a / n
    pooled = (a + b) / (n + m)
    error = sqrt(pooled * (1 - pooled) / effective_n(n, m))
    value = difference / error if error else 0.0
    p_value = 2 * normal_sf(abs(value))
    return Statistic(
        method="z",
        value=value,
        low=value,
        high=value,
        p_value=p_value,
        p_value_high=p_value,
        effect=abs(difference),
        effect_high=abs(difference),
        floor=0.05,
    )


def _difference_of_means(reference: NumericTally, current: NumericTally) -> float:
    """Exact, rounded once, so that it is 0 only if the means are equal."""
    difference = Fraction(current.total, current.n) - Fraction(reference.total, reference.n)
    try:
        return float(difference / 2**exact.SUM_SCALE)
    except OverflowError:
        return inf if difference > 0 else -inf
