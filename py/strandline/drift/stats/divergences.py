"""Divergences between the shares of cells: PSI, Kullback-Leibler, Jensen-Shannon, Hellinger, TVD.

All are, near no drift, monotone in Pearson's statistic of the same cells; their p-value is that
test's, which keeps its level with fewer rows than the chi-square limit of the divergences
themselves.
"""

from __future__ import annotations

from math import log, sqrt

from strandline.drift.features import Feature
from strandline.drift.stats.cells import Cells, cells, coarse_cells, pearson, totals
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import Tally


@statistic("numeric", "categorical")
def psi(feature: Feature, current: Tally) -> Statistic:
    """Population stability index Σ (q − p)·ln(q/p): the Jeffreys divergence of the shares.

    A binned definition: numeric features in tenths of the reference, open at both ends, categories
    as they are; a cell empty on one side counts as half a row.
    """
    value = sum((q - p) * log(q / p) for p, q in _halved(cells(feature, current)))
    return _divergence("psi", feature, current, value, binned=True)


@statistic("numeric", "categorical")
def kl_div(feature: Feature, current: Tally) -> Statistic:
    """Kullback-Leibler divergence of the reference from the current, Σ p·ln(p/q), in nats.

    A binned definition, in the cells of `psi` and as it counts empty ones.
    """
    value = sum(p * log(p / q) for p, q in _halved(cells(feature, current)))
    return _divergence("kl_div", feature, current, max(0.0, value), binned=True)


@statistic("numeric", "categorical")
def jensenshannon(feature: Feature, current: Tally) -> Statistic:
    """Jensen-Shannon distance in [0, 1]: the root of the divergence in bits, as SciPy has it with
    base 2.

    Exact for categories within the vocabulary, a binned definition in the cells of `psi` for
    numbers. References: Lin (1991); Endres & Schindelin (2003).
    """
    nats = 0.0
    for p, q in _shares(cells(feature, current)):
        nats += (p * log(2 * p / (p + q)) if p else 0.0) + (q * log(2 * q / (p + q)) if q else 0.0)
    value = sqrt(max(0.0, nats / 2) / log(2))
    return _divergence("jensenshannon", feature, current, value, binned=feature.kind == "numeric")


@statistic("numeric", "categorical")
def hellinger(feature: Feature, current: Tally) -> Statistic:
    """Hellinger distance √(½ Σ (√p − √q)²) in [0, 1]; exact and binned where `jensenshannon` is."""
    squares = sum((sqrt(p) - sqrt(q)) ** 2 for p, q in _shares(cells(feature, current)))
    value = sqrt(squares / 2)
    return _divergence("hellinger", feature, current, value, binned=feature.kind == "numeric")


@statistic("numeric", "categorical")
def tvd(feature: Feature, current: Tally) -> Statistic:
    """Total variation distance ½ Σ |p − q|: the share of rows that would have to change cells.

    Exact and binned where `jensenshannon` is.
    """
    value = sum(abs(p - q) for p, q in _shares(cells(feature, current))) / 2
    return _divergence("tvd", feature, current, value, binned=feature.kind == "numeric")


def _shares(table: Cells) -> list[tuple[float, float]]:
    n, m = totals(table)
    return [(r / n, c / m) for r, c in table]


def _halved(table: Cells) -> list[tuple[float, float]]:
    """Shares, where a cell that one sample lacks counts as half a row there."""
    n, m = totals(table)
    return [((r or 0.5) / n, (c or 0.5) / m) for r, c in table if r or c]


def _divergence(
    method: str, feature: Feature, current: Tally, value: float, *, binned: bool
) -> Statistic:
    _, p_value = pearson(coarse_cells(feature, current))
    return Statistic(
        method=method,
        value=value,
        low=value,
        high=value,
        p_value=p_value,
        p_value_high=p_value,
        effect=value,
        effect_high=value,
        floor=0.1,
        binned=binned,
    )
