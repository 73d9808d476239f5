"""The energy distance: like Wasserstein's, of the square of the difference."""

from __future__ import annotations

from math import inf, sqrt

from strandline.drift.features import NumericFeature
from strandline.drift.stats import intervals
from strandline.drift.stats.cells import effective_n
from strandline.drift.stats.curves import pieces, points, reaches, unit
from strandline.drift.stats.intervals import Interval
from strandline.drift.stats.ks import ks
from strandline.drift.stats.quadratic import Cumulants, Term, cumulants, tail
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import NumericTally


@statistic("numeric")
def ed(feature: NumericFeature, current: NumericTally) -> Statistic:
    """√(2 ∫(F − G)² dx) of values divided by the reference's standard deviation, as SciPy's
    `energy_distance`; the effect is the distance.

    The bounds: F − G is known at the cuts, and within a bin moves by no more than its masses. The
    p-value is of Σ v(F − G)² over the cuts that `wasserstein` tests, a quadratic form of the Brownian
    bridge; the confidence interval is that of its noncentrality. References: Székely & Rizzo (2013).
    """
    low = high = even = 0.0
    for piece in pieces(feature, current):
        low += piece.width * max(piece.least_above, piece.least_below) ** 2
        high += piece.width * max(piece.most_above, piece.most_below) ** 2
        a, b = piece.before, piece.after
        even += piece.width * (a * a + a * b + b * b) / 3
    low, high, even = (sqrt(2 * area / unit(feature.tally)) for area in (low, high, even))
    even = min(max(even, low), high)  # a² and (a² + ab + b²)/3 are rounded apart
    at = points(feature, current)
    p_value = ks(feature, current).p_value
    around = 0.0, inf
    if at:
        null = cumulants([Term(p.span, p.share, p.share * (1 - p.share)) for p in at])
        p_value = tail(sum(point.span * point.value**2 for point in at), null)
        around = _around(feature, current, null, even)
    ci_low, ci_high = intervals.widened(low, high, even, around)
    return Statistic(
        method="ed",
        value=even,
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


def _around(
    feature: NumericFeature, current: NumericTally, null: Cumulants, value: float
) -> Interval:
    """A confidence interval for the distance over the reference's range, in this unit."""
    width = feature.tally.maximum - feature.tally.minimum
    scale = 2 * width / unit(feature.tally) / effective_n(feature.tally.n, current.n)
    scores = reaches(feature, current, lambda before, after: before + after)
    linear = intervals.score_variance(scores, feature.tally.counts)
    linear += intervals.score_variance(scores, current.counts)
    return intervals.of_root(
        value * value,
        scale * null.mean,
        scale * scale * null.variance,
        linear * (2 * width / unit(feature.tally)) ** 2,
    )
