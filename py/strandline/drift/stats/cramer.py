"""Cramér–von Mises: the mean square of the difference of the distribution functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

from strandline.drift.features import NumericFeature
from strandline.drift.stats import intervals
from strandline.drift.stats.cells import effective_n
from strandline.drift.stats.curves import TEST_ROWS, Step, joined, ranks
from strandline.drift.stats.intervals import Interval
from strandline.drift.stats.quadratic import LIMIT_CRAMER, Cumulants, Term, cumulants, tail
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import NumericTally


@statistic("numeric")
def cramer_von_mises(feature: NumericFeature, current: NumericTally) -> Statistic:
    """Anderson's two-sample T with average ranks for ties, as SciPy's `cramervonmises_2samp`; the
    effect is √(3 ∫(F − G)² dH) in [0, 1], H of both samples together, all three halfway up a tie.

    With e = nm(F − G) along the N pooled ranks T is (∫e² dk/N + Σ ties)/(nmN) and a constant. Within
    a bin e rises by m per row of the reference and falls by n per current one, in an unknown order:
    both parts are bounded over all orders and ties. The p-value is that of the same statistic with
    every bin's rows tied, a quadratic form of the Brownian bridge. References: Anderson (1962).
    """
    n, m = feature.tally.n, current.n
    total = n + m
    steps = ranks(feature, current)
    bounds = zip(*(_bounds(step, n, m) for step in steps), strict=True)
    low, high, value = (
        (sum(parts) - (n * n + m * m) / 12) / (n * m * total) + 1 / (6 * total) for parts in bounds
    )
    value = min(max(value, low), high)
    squares = [_square(steps, n, m, at) for at in (nearest, _most, _middle)]
    least, most, estimate = (min(1.0, sqrt(3 * square)) for square in squares)
    groups = joined(steps, TEST_ROWS)
    null = cumulants(_terms(groups, total))
    size = effective_n(n, m) * (total - 1) / total
    p_value = tail(size * _square(groups, n, m, _middle), null)
    around = _around(steps, n, m, 3 * squares[2])
    ci_low, ci_high = intervals.widened(least, most, estimate, around)
    return Statistic(
        method="cramer_von_mises",
        value=value,
        low=low,
        high=high,
        p_value=p_value,
        p_value_high=min(p_value, tail(size * squares[1], LIMIT_CRAMER)),
        effect=least,
        effect_high=most,
        effect_ci_low=ci_low,
        effect_ci_high=min(1.0, ci_high),
        floor=0.05,
    )


def _bounds(step: Step, n: int, m: int) -> tuple[float, float, float]:
    """(low, high, evenly mixed) of ∫e² dk/N + Σ (a + b)(a − b)(na − mb)/12 over a bin's rows, with
    ties of a reference and b current rows.
    """
    r, c, rows = step.r, step.c, step.rows
    start, end = step.before, step.before + m * r - n * c
    along = rows * (start * start + start * end + end * end) / 3 / (n + m)
    if step.tied:
        exact = along + rows * (r - c) * (n * r - m * c) / 12
        return exact, exact, exact
    ties = rows * (m - n) ** 2 * min(r * r / m, c * c / n) / 48
    most = 0.0
    knots = sorted({0, r, c, rows})
    sizes = [farthest(step, n, m, k) for k in knots]
    for i in range(1, len(knots)):
        a, b = sizes[i - 1], sizes[i]
        most += (knots[i] - knots[i - 1]) * (a * a + a * b + b * b) / 3
    return (
        rows * nearest(step, n, m) ** 2 / (n + m) - ties,
        most / (n + m) + (n * r**3 + m * c**3) / 12,
        along + (n * r + m * c) / 12,
    )


def farthest(step: Step, n: int, m: int, k: float) -> float:
    """The largest |e| after k of a bin's rows: all reference rows first, or all current ones."""
    top = step.before + m * min(step.r, k) - n * max(0, k - step.r)
    bottom = step.before - n * min(step.c, k) + m * max(0, k - step.c)
    return max(top, -bottom)


def nearest(step: Step, n: int, m: int) -> float:
    """The smallest |e| within a bin, in any order of its rows."""
    return max(0, step.before - n * step.c, -step.before - m * step.r)


def _square(steps: Sequence[Step], n: int, m: int, at: Callable[[Step, int, int], float]) -> float:
    """∫(F − G)² dH; `at` says which |e| in a bin whose rows are no ties."""
    squares = sum(
        step.rows * (step.middle(n, m) if step.tied else at(step, n, m)) ** 2 for step in steps
    )
    return squares / (n * m) ** 2 / (n + m)


def _middle(step: Step, n: int, m: int) -> float:
    return step.middle(n, m)


def _most(step: Step, n: int, m: int) -> float:
    return max(step.before + m * step.r, n * step.c - step.before)


def _terms(steps: Sequence[Step], total: int) -> list[Term]:
    return [
        Term(
            step.rows / total,
            (step.below + step.rows / 2) / total,
            step.spread(total) / total**2,
        )
        for step in steps
    ]


def _around(steps: Sequence[Step], n: int, m: int, square: float) -> Interval:
    """A confidence interval for the effect, by the influence of a row in each bin on 3∫(F − G)²dH."""
    total = n + m
    null: Cumulants = cumulants(_terms(steps, total))
    above = 0.0
    of_reference, of_current = [], []
    for step in reversed(steps):
        d, mass = step.middle(n, m) / (n * m), step.rows / total
        reach = 2 * (above + d * mass / 2)
        of_reference.append(reach + n / total * d * d)
        of_current.append(m / total * d * d - reach)
        above += d * mass
    linear = intervals.score_variance(of_reference, [step.r for step in reversed(steps)])
    linear += intervals.score_variance(of_current, [step.c for step in reversed(steps)])
    scale = 3 / effective_n(n, m)
    return intervals.of_root(square, scale * null.mean, scale**2 * null.variance, 9 * linear)
