"""Maximum mean discrepancy of vectors: how far the means of their random Fourier features are apart."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import inf, sqrt
from operator import add, mul
from random import Random
from typing import Final

from strandline.drift.features import VectorFeature
from strandline.drift.stats.cells import effective_n
from strandline.drift.stats.special import chi2_quantile, chi2_sf
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import VectorTally
from strandline.drift.vectors import AMPLITUDE

DRAWS: Final = 999
"""permutations of sessions"""


@statistic("vector")
def mmd(feature: VectorFeature, current: VectorTally) -> Statistic:
    """The unbiased estimate of MMD², exact for the kernel of the features: it may be negative.

    The p-value is of the biased estimate, whose null distribution is a weighted sum of chi-squares
    with the eigenvalues of the features' covariance as weights: a shifted chi-square with its
    mean (from both samples), variance and skewness (from the reference's traces). The effect is
    MMD over the root of that covariance's trace, as Cohen's d has the difference of the means over
    the standard deviation. References: Gretton et al. (2012); Hall (1983) and Buckley & Eagleson
    (1988) for the distribution.

    The effect's confidence interval is the triangle inequality's: the means of the two samples lie,
    at 95 %, together no further from those of the populations than that distribution's quantile.
    """
    reference = feature.tally
    n, m = reference.n, current.n
    value = float(squared(reference, current)) if min(n, m) > 1 else 0.0
    spread = _spread(reference, current)
    effect = sqrt(max(0.0, value) / spread) if spread else (1.0 if value > 0 else 0.0)
    p_value = _p_value(feature, current, spread) if min(n, m) > 1 else 1.0
    ci_low, ci_high = _interval(feature, current, spread) if min(n, m) > 1 else (0.0, inf)
    return Statistic(
        method="mmd",
        value=value,
        low=value,
        high=value,
        p_value=p_value,
        p_value_high=p_value,
        effect=effect,
        effect_high=effect,
        floor=0.1,
        effect_ci_low=ci_low,
        effect_ci_high=ci_high,
    )


def squared(a: VectorTally, b: VectorTally) -> Fraction:
    """The unbiased estimate of MMD² between two samples of at least two vectors each, exactly."""
    n, m = a.n, b.n
    within = Fraction(_dot(a, a) - a.squares, n * (n - 1))
    within += Fraction(_dot(b, b) - b.squares, m * (m - 1))
    return (within - Fraction(2 * _dot(a, b), n * m)) / _unit(a)


def mmd_permutation(
    reference: Sequence[VectorTally],
    current: Sequence[VectorTally],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> float:
    """P-value of the MMD when rows within a session are alike: whole sessions change sides.

    Exact in level, however strongly the rows of a session depend on each other, as long as the
    sessions are exchangeable. It needs at least as many sessions as make 1/p relabellings.

    Parameters
    ----------
    reference, current
        The tallies of the sessions of either side.
    draws
        Relabellings that are tried besides the one that was seen.

    Raises
    ------
    ValueError
        When a side has no vectors.
    """
    sessions = [one for one in (*reference, *current) if one.n]
    first = sum(1 for one in reference if one.n)
    if not 0 < first < len(sessions):
        raise ValueError("both sides need a session that has vectors")
    draw = Random(seed)
    seen = _distance(sessions, first)
    extreme = 1
    for _ in range(draws):
        draw.shuffle(sessions)
        extreme += _distance(sessions, first) >= seen
    return extreme / (draws + 1)


def _distance(sessions: Sequence[VectorTally], first: int) -> Fraction:
    """The squared distance of the mean features of the first sessions from that of the others."""
    a, b = (_total(part) for part in (sessions[:first], sessions[first:]))
    above = sum((x * b[0] - y * a[0]) ** 2 for x, y in zip(a[1], b[1], strict=True))
    return Fraction(above, (a[0] * b[0]) ** 2)


def _total(sessions: Sequence[VectorTally]) -> tuple[int, list[int]]:
    sums = [0] * len(sessions[0].sums)
    for one in sessions:
        sums = list(map(add, sums, one.sums))
    return sum(one.n for one in sessions), sums


def distance(a: VectorTally, b: VectorTally) -> Fraction:
    """The squared distance of the samples' mean features: MMD², biased upwards."""
    n, m = a.n, b.n
    within = Fraction(_dot(a, a), n * n) + Fraction(_dot(b, b), m * m)
    return (within - Fraction(2 * _dot(a, b), n * m)) / _unit(a)


def _null(feature: VectorFeature, spread: float) -> tuple[float, float] | None:
    """Degrees of freedom and scale of the shifted chi-square spread + (χ² - df)·scale; `None` where
    nothing varies.
    """
    first, second, third = feature.traces
    if not spread or not first or not second or not third:
        return None
    second *= (spread / first) ** 2
    third *= (spread / first) ** 3
    df = second**3 / third**2
    return df, sqrt(second / df)


def _p_value(feature: VectorFeature, current: VectorTally, spread: float) -> float:
    biased = distance(feature.tally, current)
    null = _null(feature, spread)
    if null is None:
        return 1.0 if biased == 0 else 0.0
    df, scale = null
    x = effective_n(feature.tally.n, current.n) * float(biased)
    return chi2_sf(max(0.0, df + (x - spread) / scale), df)


def _interval(feature: VectorFeature, current: VectorTally, spread: float) -> tuple[float, float]:
    """The effect's, at 95 %."""
    null = _null(feature, spread)
    if null is None:
        return 0.0, inf
    df, scale = null
    quantile = spread + (chi2_quantile(df) - df) * scale
    # With drift the samples' noise has its own size on either side.
    noise = sum(_own_spread(tally) / tally.n for tally in (feature.tally, current))
    seen, reach = sqrt(float(distance(feature.tally, current))), sqrt(quantile / spread * noise)
    return max(0.0, seen - reach) / sqrt(spread), (seen + reach) / sqrt(spread)


def _spread(a: VectorTally, b: VectorTally) -> float:
    """tr Σ of the features, from both samples: each around its own mean."""
    if a.n + b.n < 3:
        return 0.0
    total = a.squares - Fraction(_dot(a, a), a.n) + b.squares - Fraction(_dot(b, b), b.n)
    return float(total / (a.n + b.n - 2) / _unit(a))


def _own_spread(tally: VectorTally) -> float:
    """tr Σ of one sample's features."""
    return float(
        (tally.squares - Fraction(_dot(tally, tally), tally.n)) / (tally.n - 1) / _unit(tally)
    )


def _unit(tally: VectorTally) -> int:
    """k(x, x) in the features' integers."""
    return AMPLITUDE**2 * (len(tally.sums) // 2)


def _dot(a: VectorTally, b: VectorTally) -> int:
    return sum(map(mul, a.sums, b.sums))
