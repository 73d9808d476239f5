"""Anderson–Darling: as Cramér–von Mises, with the tails counting as much as the middle."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import inf, log, sqrt
from typing import Final

from strandline.drift.features import NumericFeature
from strandline.drift.stats import intervals
from strandline.drift.stats.cells import effective_n
from strandline.drift.stats.cramer import farthest, nearest
from strandline.drift.stats.curves import TEST_ROWS, Step, joined, ranks
from strandline.drift.stats.intervals import Interval
from strandline.drift.stats.quadratic import LIMIT_ANDERSON, Term, cumulants, tail
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import NumericTally

PLACES: Final = 8
"""per bin, where the value as if rows were mixed evenly looks at it"""


@statistic("numeric")
def anderson(feature: NumericFeature, current: NumericTally) -> Statistic:
    """The standardised two-sample A² with midranks, as SciPy's `anderson_ksamp`; the effect is
    √∫(F − G)²/(H(1 − H)) dH, divided by what it is for samples that lie apart, in [0, 1].

    With e = nm(F − G) and h = B(N − B) − Nl/4 at the middle rank B of a tie of l rows, A² is
    (N − 1)/(nmN)·Σ l·e²/h over the ties. Within a bin e lies between two paths (all reference rows
    first, or all current ones), h between a lone row's and that of the largest tie around B. The
    p-value is that of the same statistic with every bin's rows tied, a quadratic form of the
    Brownian bridge. References: Scholz & Stephens (1987).
    """
    n, m = feature.tally.n, current.n
    total = n + m
    steps = ranks(feature, current)
    scale = (total - 1) / (n * m * total)
    bounds = zip(*(_bounds(step, n, m) for step in steps), strict=True)
    low, high, square = (scale * sum(parts) for parts in bounds)
    square = min(max(square, low), high)
    deviation = _deviation(n, m)
    value_low, value_high, value = ((a2 - 1) / deviation for a2 in (low, high, square))
    unit = effective_n(n, m) * (total - 1) / total * _apart(n / total)
    least, most, estimate = (min(1.0, sqrt(a2 / unit)) for a2 in (low, high, square))
    groups = joined(steps, TEST_ROWS)
    p_value = tail(scale * _tied(groups, n, m), cumulants(_terms(groups, total)))
    around = _around(steps, n, m, square / unit)
    ci_low, ci_high = intervals.widened(least, most, estimate, around)
    return Statistic(
        method="anderson",
        value=value,
        low=value_low,
        high=value_high,
        p_value=p_value,
        p_value_high=min(p_value, tail(high, LIMIT_ANDERSON)),
        effect=least,
        effect_high=most,
        effect_ci_low=ci_low,
        effect_ci_high=min(1.0, ci_high),
        floor=0.05,
    )


def _bounds(step: Step, n: int, m: int) -> tuple[float, float, float]:
    """(low, high, evenly mixed) of Σ l·e²/h over a bin's rows."""
    total, rows = n + m, step.rows
    if step.tied:
        exact = _tied([step], n, m)
        return exact, exact, exact
    centre = min(max(total / 2, step.below + 0.5), step.below + rows - 0.5)
    low = rows * nearest(step, n, m) ** 2 / (centre * (total - centre) - total / 4)
    high = rows * _largest(step, n, m)
    slope = (m * step.r - n * step.c) / rows
    places = min(rows, PLACES)
    even = 0.0
    for k in range(places):
        x = rows * (k + 0.5) / places
        b = step.below + x
        even += (step.before + slope * x) ** 2 / (b * (total - b) - total / 4)
    return low, high, even * rows / places


def _largest(step: Step, n: int, m: int) -> float:
    """A bound of e²/h for ties within a bin: between knots |e| is at most linear and h is concave."""
    total, rows = n + m, step.rows
    knots = {0.5, rows - 0.5, rows / 2, float(step.r), float(step.c)}
    x = 1.0
    while x < rows / 2:
        knots |= {x, rows - x}
        x *= 2
    worst = 0.0
    e_before = h_before = 0.0
    for x in sorted(knot for knot in knots if 0.5 <= knot <= rows - 0.5):
        b = step.below + x
        e, h = farthest(step, n, m, x), b * (total - b) - total * min(x, rows - x) / 2
        if h <= 0:
            return inf  # all rows of both samples in this one bin
        worst = max(worst, max(e, e_before) ** 2 / min(h, h_before if h_before > 0 else h))
        e_before, h_before = e, h
    return worst


def _tied(steps: Sequence[Step], n: int, m: int) -> float:
    """Σ l·e²/h, as if all rows of a step were tied; a tie of everything says nothing."""
    total = n + m
    return sum(
        step.rows * step.middle(n, m) ** 2 / step.spread(total)
        for step in steps
        if step.rows < total
    )


def _terms(steps: Sequence[Step], total: int) -> list[Term]:
    terms = []
    for step in steps:
        if step.rows < total:
            variance = step.spread(total) / total**2
            share = (step.below + step.rows / 2) / total
            terms.append(Term(step.rows / total / variance, share, variance))
    return terms


def _around(steps: Sequence[Step], n: int, m: int, square: float) -> Interval:
    """A confidence interval for the effect, by the influence of a row in each bin on its square."""
    total = n + m
    null = cumulants(_terms(steps, total))
    above = weighed = 0.0
    of_reference, of_current = [], []
    for step in reversed(steps):
        if step.rows == total:
            continue
        d, mass = step.middle(n, m) / (n * m), step.rows / total
        weight = total**2 / step.spread(total)
        lean = 1 - (2 * step.below + step.rows) / total
        reach = 2 * (above + d * weight * mass / 2)
        weighed += (d * weight) ** 2 * lean * mass
        pooled = d * d * weight - weighed
        of_reference.append(reach + n / total * pooled)
        of_current.append(m / total * pooled - reach)
        above += d * weight * mass
    if not of_reference:
        return 0.0, inf
    linear = intervals.score_variance(of_reference, [step.r for step in reversed(steps)])
    linear += intervals.score_variance(of_current, [step.c for step in reversed(steps)])
    apart = _apart(n / total)
    scale = 1 / effective_n(n, m) / apart
    return intervals.of_root(square, scale * null.mean, scale**2 * null.variance, linear / apart**2)


def _apart(share: float) -> float:
    """∫(F − G)²/(H(1 − H)) dH of samples that lie apart, with this share of the rows in one."""
    return _half_apart(share) + _half_apart(1 - share)


def _half_apart(w: float) -> float:
    """∫₀¹ t/(1 − wt) dt."""
    return 0.5 + w / 3 + w * w / 4 if w < 1e-3 else (-1 - log(1 - w) / w) / w


@lru_cache(maxsize=256)
def _deviation(n: int, m: int) -> float:
    """The standard deviation of A² without drift, for two samples (Scholz & Stephens 1987, eq. 4).

    There is none for fewer than four rows: then the limit's.
    """
    total = n + m
    if total < 4:
        return sqrt(LIMIT_ANDERSON.variance)
    inverse = 1 / n + 1 / m
    h = _harmonic(total - 1, 1)
    g = h * h - _harmonic(total, 1) ** 2 + _harmonic(total, 2)
    a = 4 * g - 6 + (10 - 6 * g) * inverse
    b = 8 * g - 16 + 16 * h + (2 * g - 14 * h - 4) * inverse - 8 * h + 4 * g - 6
    c = 24 * h + 8 * g - 8 + 8 * h - 8 * g + 12 + (2 * h - 6) * inverse + 4 * h
    d = 8 * h + 24 - 8 * h
    cubic = ((a * total + b) * total + c) * total + d
    return sqrt(cubic / ((total - 1) * (total - 2) * (total - 3)))


def _harmonic(n: int, power: int) -> float:
    """Σ 1/k^power for k up to n."""
    if n < 200:
        return sum(float(k) ** -power for k in range(1, n + 1))
    if power == 2:
        return 1.6449340668482264 - 1 / n + 1 / (2 * n * n) - 1 / (6 * n**3)
    return log(n) + 0.5772156649015329 + 1 / (2 * n) - 1 / (12 * n * n)
