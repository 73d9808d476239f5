"""Tests of means, exact from the exact sums: Welch's t, and z for a share."""

from __future__ import annotations

from fractions import Fraction
from math import inf, isfinite, sqrt
from typing import Final

from strandline.drift import exact
from strandline.drift.features import CategoricalFeature, NumericFeature
from strandline.drift.stats import intervals
from strandline.drift.stats.cells import LEAST_EXPECTED, LEAST_REFERENCE, effective_n
from strandline.drift.stats.epps import holding, representatives
from strandline.drift.stats.fisher import fisher, last_category
from strandline.drift.stats.intervals import score_variance
from strandline.drift.stats.special import normal_sf, separation, student_quantile, student_sf
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import CategoricalTally, NumericTally

HEAVY: Final = 0.4
"""of √n standard deviations: a row this far away makes the mean anything but normal"""


@statistic("numeric")
def t_test(feature: NumericFeature, current: NumericTally) -> Statistic:
    """Welch's t of current minus reference; the effect is Cohen's d, |Δmean| over the root of the
    mean of the variances, its confidence interval Welch's for Δmean, in this unit.

    As on the raw rows: the sums are exact. Without spread in either sample t is 0 or infinite.

    Welch's p-value holds where means are near normal. A single row that is more than `HEAVY` of
    √n standard deviations away says that they are not (then Welch alarms in up to a quarter of the
    cases without drift): the p-value is then the larger one of Welch's and of the test of the means
    of values that are moved into ranges of bins with 20 rows of the reference, where no row can be
    far away. References: Welch (1947).
    """
    reference = feature.tally
    n, m = reference.n, current.n
    shift = _difference_of_means(reference, current)
    v = exact.variance(reference.total, reference.squares, n)
    w = exact.variance(current.total, current.squares, m)
    error = v / n + w / m
    reach = inf
    if error > 0 and error < inf:
        value = shift / sqrt(error)
        part = v / n / error
        df = 1 / (part * part / max(n - 1, 1) + (1 - part) ** 2 / max(m - 1, 1))
        p_value = 2 * student_sf(abs(value), df) if min(n, m) > 1 else 1.0
        if max(_reach(reference), _reach(current)) > HEAVY:
            p_value = max(p_value, _moved(feature, current))
        unit = sqrt((v + w) / 2)
        effect = abs(shift) / unit
        reach = student_quantile(df) * sqrt(error) / unit if min(n, m) > 1 else inf
    else:
        value = effect = 0.0 if shift == 0 or error == inf else inf
        p_value = separation(n, m) if value else 1.0
    ci_low, ci_high = intervals.of_size(effect - reach, effect + reach)
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
        effect_ci_low=ci_low if isfinite(effect) else 0.0,
        effect_ci_high=ci_high,
    )


def _reach(tally: NumericTally) -> float:
    """The largest deviation from the mean, in √n standard deviations."""
    mean, spread = tally.mean or 0.0, tally.std or 0.0
    farthest = max(tally.maximum - mean, mean - tally.minimum)
    return farthest / spread / sqrt(tally.n) if spread else 0.0


def _moved(feature: NumericFeature, current: NumericTally) -> float:
    """p-value for the means of values moved to where the reference's rows of their ranges lie."""
    n, m = feature.tally.n, current.n
    at, counts = representatives(feature), feature.tally.counts
    ranges = holding(feature, LEAST_REFERENCE)
    cells = [(sum(counts[a:b]), sum(current.counts[a:b])) for a, b in ranges]
    scores = [
        sum(at[i] * (counts[i] / r) for i in range(a, b))
        for (a, b), (r, _) in zip(ranges, cells, strict=True)
    ]
    low, width = min(scores), max(scores) - min(scores)
    if not 0 < width < inf:
        return 1.0
    scores = [(score - low) / width for score in scores]
    difference = sum(s * (c / m - r / n) for s, (r, c) in zip(scores, cells, strict=True))
    variance = score_variance(scores, [r + c for r, c in cells]) * (n + m) / effective_n(n, m)
    return 2 * normal_sf(abs(difference) / sqrt(variance)) if variance > 0 else 1.0


@statistic("categorical")
def z(feature: CategoricalFeature, current: CategoricalTally) -> Statistic:
    """The two-sample z of the share of the category that sorts last, current minus reference.

    Meant for features with two categories: the last one of 0 and 1, False and True, no and yes. The
    effect is the difference of the shares, its confidence interval Newcombe's. Where either sample
    expects fewer than five rows of it, or of all others, p is Fisher's if that is larger.
    """
    n, m = feature.tally.n, current.n
    last = last_category(feature)
    a, b = feature.tally.counts[last], current.counts[last]
    difference = b / m - a / n
    pooled = (a + b) / (n + m)
    error = sqrt(pooled * (1 - pooled) / effective_n(n, m))
    value = difference / error if error else 0.0
    p_value = 2 * normal_sf(abs(value))
    if min(pooled, 1 - pooled) * min(n, m) < LEAST_EXPECTED:
        p_value = max(p_value, fisher(a, n, b, m))
    ci_low, ci_high = intervals.of_difference(a / n, n, b / m, m)
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
        effect_ci_low=ci_low,
        effect_ci_high=ci_high,
    )


def _difference_of_means(reference: NumericTally, current: NumericTally) -> float:
    """Exact, rounded once, so that it is 0 only if the means are equal."""
    difference = Fraction(current.total, current.n) - Fraction(reference.total, reference.n)
    try:
        return float(difference / 2**exact.SUM_SCALE)
    except OverflowError:
        return inf if difference > 0 else -inf
