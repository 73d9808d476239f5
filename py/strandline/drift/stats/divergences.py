"""Divergences between the shares of cells: PSI, Kullback-Leibler, Jensen-Shannon, Hellinger, TVD.

All are, near no drift, monotone in Pearson's statistic of the same cells; their p-value is that
test's, which keeps its level with fewer rows than the chi-square limit of the divergences
themselves. The confidence intervals of their effects are those of this chi-square's noncentrality
(TVD: of a sum of sizes), and no narrower than the delta method's.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi, sqrt
from typing import Final, NamedTuple

from strandline.drift.features import CategoricalFeature, Feature
from strandline.drift.stats import intervals
from strandline.drift.stats.cells import Cells, cells, coarse_cells, pearson, totals
from strandline.drift.stats.intervals import Interval
from strandline.drift.stats.special import covariance_of_abs
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import Tally

_BITS: Final = 2 * log(2)


class Divergence(NamedTuple):
    """A sum over cells of a function of two shares; the functions are 0 where their share is."""

    term: Callable[[float, float], float]
    by_p: Callable[[float, float], float]
    """its derivative by the reference's share p > 0"""
    by_q: Callable[[float, float], float]
    """its derivative by the current's share q > 0"""
    unit: float
    """near no drift it is this times Σ (p − q)²/p"""
    rooted: bool
    """whether the root of the sum is what is reported"""


PSI: Final = Divergence(
    lambda p, q: (q - p) * log(q / p),
    lambda p, q: log(p / q) + 1 - q / p,
    lambda p, q: log(q / p) + 1 - p / q,
    unit=1.0,
    rooted=False,
)
KL: Final = Divergence(
    lambda p, q: p * log(p / q),
    lambda p, q: log(p / q) + 1,
    lambda p, q: -p / q,
    unit=1 / 2,
    rooted=False,
)
JENSEN_SHANNON: Final = Divergence(
    lambda p, q: (_half_js(p, q) + _half_js(q, p)) / _BITS,
    lambda p, q: log(2 * p / (p + q)) / _BITS,
    lambda p, q: log(2 * q / (p + q)) / _BITS,
    unit=1 / 4 / _BITS,
    rooted=True,
)
HELLINGER: Final = Divergence(
    lambda p, q: (sqrt(p) - sqrt(q)) ** 2 / 2,
    lambda p, q: (1 - sqrt(q / p)) / 2,
    lambda p, q: (1 - sqrt(p / q)) / 2,
    unit=1 / 8,
    rooted=True,
)


@statistic("numeric", "categorical")
def psi(feature: Feature, current: Tally) -> Statistic:
    """Population stability index Σ (q − p)·ln(q/p): the Jeffreys divergence of the shares.

    A binned definition: numeric features in tenths of the reference, open at both ends, categories
    as they are; a cell empty on one side counts as half a row.
    """
    return _of_halved("psi", feature, current, PSI)


@statistic("numeric", "categorical")
def kl_div(feature: Feature, current: Tally) -> Statistic:
    """Kullback-Leibler divergence of the reference from the current, Σ p·ln(p/q), in nats.

    A binned definition, in the cells of `psi` and as it counts empty ones.
    """
    return _of_halved("kl_div", feature, current, KL)


@statistic("numeric", "categorical")
def jensenshannon(feature: Feature, current: Tally) -> Statistic:
    """Jensen-Shannon distance in [0, 1]: the root of the divergence in bits, as SciPy has it with
    base 2.

    Exact for categories within the vocabulary, bounded where both samples have others; a binned
    definition in the cells of `psi` for numbers. References: Lin (1991); Endres & Schindelin (2003).
    """
    return _of_shares("jensenshannon", feature, current, JENSEN_SHANNON)


@statistic("numeric", "categorical")
def hellinger(feature: Feature, current: Tally) -> Statistic:
    """Hellinger distance √(½ Σ (√p − √q)²) in [0, 1]; exact and binned where `jensenshannon` is."""
    return _of_shares("hellinger", feature, current, HELLINGER)


@statistic("numeric", "categorical")
def tvd(feature: Feature, current: Tally) -> Statistic:
    """Total variation distance ½ Σ |p − q|: the share of rows that would have to change cells.

    Exact and binned where `jensenshannon` is.
    """
    table = cells(feature, current)
    value, high = (
        sum(abs(p - q) for p, q in _shares(t)) / 2 for t in (table, _apart(feature, table))
    )
    around = _around_tvd(table, value)
    return _divergence("tvd", feature, current, value, high, around)


def _of_halved(method: str, feature: Feature, current: Tally, of: Divergence) -> Statistic:
    table = [cell for cell in cells(feature, current) if any(cell)]
    n, m = totals(table)
    shares = [((r or 0.5) / n, (c or 0.5) / m) for r, c in table]
    value = max(0.0, sum(of.term(p, q) for p, q in shares))
    around = _around(table, shares, value, of)
    return _divergence(method, feature, current, value, value, around, binned=True)


def _of_shares(method: str, feature: Feature, current: Tally, of: Divergence) -> Statistic:
    table = cells(feature, current)
    shares = _shares(table)
    square, high = (
        max(0.0, sum(of.term(p, q) for p, q in some))
        for some in (shares, _shares(_apart(feature, table)))
    )
    around = _around(table, shares, square, of)
    return _divergence(method, feature, current, sqrt(square), sqrt(high), around)


def _shares(table: Cells) -> list[tuple[float, float]]:
    n, m = totals(table)
    return [(r / n, c / m) for r, c in table]


def _apart(feature: Feature, table: Cells) -> Cells:
    """As far apart as the rows can be: in the cell of all other categories no two need be the same."""
    r, c = table[-1]
    if isinstance(feature, CategoricalFeature) and r and c:
        return [*table[:-1], (r, 0), (0, c)]
    return table


def _half_js(p: float, q: float) -> float:
    return p * log(2 * p / (p + q)) if p else 0.0


def _around(
    table: Cells, shares: list[tuple[float, float]], square: float, of: Divergence
) -> Interval:
    linear = intervals.score_variance(
        [of.by_p(p, q) if r else 0.0 for (p, q), (r, _) in zip(shares, table, strict=True)],
        [r for r, _ in table],
    )
    linear += intervals.score_variance(
        [of.by_q(p, q) if c else 0.0 for (p, q), (_, c) in zip(shares, table, strict=True)],
        [c for _, c in table],
    )
    low, high = intervals.of_cells(table, of.unit, square, linear)
    return (low, high) if of.rooted else (low * low, high * high)


def _around_tvd(table: Cells, value: float) -> Interval:
    n, m = totals(table)
    pooled = [(r + c) / (n + m) for r, c in table if r + c]
    sds = [sqrt(p * (1 - p) * (1 / n + 1 / m)) / 2 for p in pooled]
    variance = sum(sd * sd for sd in sds) * (1 - 2 / pi)
    for j, p in enumerate(pooled):
        for i, q in enumerate(pooled[:j]):
            if sds[i] and sds[j]:
                rho = sqrt(p * q / ((1 - p) * (1 - q)))
                variance += 2 * sds[i] * sds[j] * covariance_of_abs(min(1.0, rho))
    signs = [((r * m > c * n) - (r * m < c * n)) / 2 for r, c in table]
    linear = intervals.score_variance(signs, [r for r, _ in table])
    linear += intervals.score_variance(signs, [c for _, c in table])
    return intervals.of_sum(value, sum(sds) * sqrt(2 / pi), variance, linear)


def _divergence(
    method: str,
    feature: Feature,
    current: Tally,
    value: float,
    high: float,
    around: Interval,
    *,
    binned: bool = False,
) -> Statistic:
    _, p_value = pearson(coarse_cells(feature, current))
    ci_low, ci_high = intervals.widened(value, high, value, around)
    return Statistic(
        method=method,
        value=value,
        low=value,
        high=high,
        p_value=p_value,
        p_value_high=p_value,
        effect=value,
        effect_high=high,
        floor=0.1,
        binned=binned or not isinstance(feature, CategoricalFeature),
        effect_ci_low=ci_low,
        effect_ci_high=ci_high,
    )
