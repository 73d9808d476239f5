"""Confidence intervals at 95 % for effects: what the populations' difference may be, given samples.

An effect is a size, at least 0, so that its estimate is too large where there is next to none; and
it may be known to lie between two numbers only. `widened` adds both: the sampling error on either
side is that of the estimate on bins, and it starts where the rows could lie in their bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, sqrt
from typing import Final, TypeAlias

from strandline.drift.stats.special import central_chi2_cdfs, noncentral_chi2_cdf, normal_sf

Interval: TypeAlias = tuple[float, float]

CONFIDENCE: Final = 0.95
Z: Final = 1.959963984540054
"""the normal quantile at (1 + CONFIDENCE)/2"""
KOLMOGOROV: Final = 1.3580986393225507
"""P(sup|B| > KOLMOGOROV) = 1 − CONFIDENCE for a Brownian bridge B"""
_SERIES_TO: Final = 20.0
"""up to here the noncentral chi-square is summed: its series is short, and its approximation crude"""


def widened(low: float, high: float, estimate: float, around: Interval) -> Interval:
    """[low, high] and, beyond it, as far as `around` reaches from its `estimate` on either side."""
    below = max(0.0, estimate - around[0])
    above = max(0.0, around[1] - estimate)
    return max(0.0, low - below), high + above


def of_size(low: float, high: float) -> Interval:
    """Of |x|, when x lies in [low, high]."""
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    return nearest, max(abs(low), abs(high))


def of_share(share: float, n: float) -> Interval:
    """Wilson's interval for a share seen in n rows.

    References: Wilson (1927).
    """
    if not n > 0:
        return 0.0, 1.0
    centre = share + Z * Z / (2 * n)
    half = Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    scale = 1 + Z * Z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def of_difference(a: float, n: float, b: float, m: float) -> Interval:
    """Newcombe's hybrid score interval for the size of b − a, shares seen in n and in m rows.

    References: Newcombe (1998), method 10.
    """
    (a_low, a_high), (b_low, b_high) = of_share(a, n), of_share(b, m)
    return of_size(
        b - a - sqrt((b - b_low) ** 2 + (a_high - a) ** 2),
        b - a + sqrt((b_high - b) ** 2 + (a - a_low) ** 2),
    )


def of_root(square: float, mean: float, variance: float, linear: float) -> Interval:
    """For √θ, where θ is a quadratic distance that is estimated by `square`.

    Without any distance the estimate has this mean and variance: it is then σ²·χ² with some degrees of
    freedom, and with a distance about σ² times a noncentral χ², whose noncentrality the interval is
    for. `linear` is the delta method's variance of the estimate; where it is the larger one (shares
    that are anything but alike), the interval is as wide as it says. It never ends below the estimate,
    though the estimate is too large on average.
    """
    if not (mean > 0 and variance > 0 and isfinite(square)):
        return 0.0, inf
    scale, nu = variance / (2 * mean), 2 * mean * mean / variance
    low, high = (sqrt(scale * _noncentrality(square / scale, nu, quantile)) for quantile in (Z, -Z))
    if square > 0 and linear > 4 * square * scale:
        centre = sqrt(max(0.0, square - mean))
        error = Z * sqrt(linear / (4 * square))
        low, high = min(low, max(0.0, centre - error)), max(high, centre + error)
    return low, max(high, sqrt(square))


def of_cells(
    table: Sequence[tuple[int, int]], unit: float, square: float, linear: float
) -> Interval:
    """For the root of a divergence of the shares of cells that is near 0 about `unit`·Σ(p − q)²/p̄:
    without drift that is unit·(1/n + 1/m) times a chi-square variable.
    """
    n, m = (sum(column) for column in zip(*table, strict=True))
    df = sum(r + c > 0 for r, c in table) - 1
    scale = unit * (1 / n + 1 / m)
    return of_root(square, scale * df, 2 * scale * scale * df, linear) if df else (0.0, inf)


def _noncentrality(x: float, nu: float, quantile: float) -> float:
    """The λ at which x is so many standard deviations above what χ²(λ) gives, by bisection."""
    if x <= _SERIES_TO:
        central, below = central_chi2_cdfs(x, nu), normal_sf(-quantile)

        def is_above(noncentrality: float) -> bool:
            return noncentral_chi2_cdf(central, noncentrality) > below
    else:

        def is_above(noncentrality: float) -> bool:
            return _sankaran(x, nu, noncentrality) > quantile

    if not is_above(0.0):
        return 0.0
    low, high = 0.0, x + 10.0 * (1 + sqrt(x))
    for _ in range(60):
        middle = (low + high) / 2
        if is_above(middle):
            low = middle
        else:
            high = middle
    return low


def _sankaran(x: float, nu: float, noncentrality: float) -> float:
    """A normal variable that is large when χ²(λ) is, good to 0.0004 in probability for x above
    `_SERIES_TO`. References: Sankaran (1963).
    """
    a, b, c = nu + noncentrality, nu + 2 * noncentrality, nu + 3 * noncentrality
    h = 1 - 2 * a * c / (3 * b * b)
    p = b / (a * a)
    m = (h - 1) * (1 - 3 * h)
    power: float = (x / a) ** h
    return (power - (1 + h * p * (h - 1 - (2 - h) * m * p / 2))) / (
        h * sqrt(2 * p) * (1 + m * p / 2)
    )


def of_sum(total: float, mean: float, variance: float, linear: float) -> Interval:
    """For θ = Σ|d_j|, estimated by `total`; without any difference the estimate would have this mean
    and variance.

    Noise adds to a sum of sizes at most its own sum of sizes (for the lower end, a gamma quantile by
    Wilson & Hilferty), and is never expected to take away from it (for the upper end; `linear`: the
    delta method's variance).
    """
    if not (mean > 0 and isfinite(total)):
        return 0.0, inf
    ninth = variance / (9 * mean * mean)
    most = mean * (1 - ninth + Z * sqrt(ninth)) ** 3
    return max(0.0, total - most), total + Z * sqrt(max(variance, linear))


def score_variance(scores: Sequence[float], counts: Sequence[int]) -> float:
    """Variance of the mean of scores that rows have by their bins: what an estimate's influence
    function becomes.
    """
    n = sum(counts)
    mean = sum(s * c for s, c in zip(scores, counts, strict=True)) / n
    return sum(c * (s - mean) ** 2 for s, c in zip(scores, counts, strict=True)) / (n * n)
