"""The energy distance: like Wasserstein's, of the square of the difference."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from strandline.drift.features import NumericFeature
from strandline.drift.stats.curves import Point, pieces, points, unit
from strandline.drift.stats.ks import ks
from strandline.drift.stats.special import gamma_q
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import NumericTally


@statistic("numeric")
def ed(feature: NumericFeature, current: NumericTally) -> Statistic:
    """√(2 ∫(F − G)² dx) of values divided by the reference's standard deviation, as SciPy's
    `energy_distance`; the effect is the distance.

    The bounds: F − G is known at the cuts, and within a bin moves by no more than its masses. The
    p-value is of Σ v(F − G)² over the cuts that `wasserstein` tests: a gamma distribution with its
    mean and variance without drift. References: Székely & Rizzo (2013).
    """
    low = high = even = 0.0
    for piece in pieces(feature, current):
        low += piece.width * max(piece.least_above, piece.least_below) ** 2
        high += piece.width * max(piece.most_above, piece.most_below) ** 2
        a, b = piece.before, piece.after
        even += piece.width * (a * a + a * b + b * b) / 3
    low, high, even = (sqrt(2 * area / unit(feature.tally)) for area in (low, high, even))
    at = points(feature, current)
    p_value = _p_value(at) if at else ks(feature, current).p_value
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
    )


def _p_value(at: Sequence[Point]) -> float:
    x = sum(point.span * point.value**2 for point in at)
    mean = sum(point.span * point.share * (1 - point.share) for point in at)
    variance = 0.0
    for j, later in enumerate(at):
        variance += 2 * (later.span * later.share * (1 - later.share)) ** 2
        for earlier in at[:j]:
            covariance = earlier.share * (1 - later.share)
            variance += 4 * earlier.span * later.span * covariance**2
    return gamma_q(mean * mean / variance, x * mean / variance)
