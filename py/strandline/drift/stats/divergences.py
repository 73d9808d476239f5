"""Divergences between the shares of cells: population stability index, Jensen-Shannon.

Both are, near no drift, multiples of Pearson's statistic of the same cells; their p-value is that
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
    table = cells(feature, current)
    n, m = totals(table)
    halved = [((r or 0.5) / n, (c or 0.5) / m) for r, c in table if r or c]
    value = sum((q - p) * log(q / p) for p, q in halved)
    return _divergence("psi", feature, current, value, binned=True)


@statistic("numeric", "categorical")
def jensenshannon(feature: Feature, current: Tally) -> Statistic:
    """Jensen-Shannon distance in [0, 1]: the root of the divergence in bits, as SciPy has it with
    base 2.

    Exact for categories within the vocabulary, a binned definition in the cells of `psi` for
    numbers. References: Lin (1991); Endres & Schindelin (2003).
    """
    value = sqrt(_jensen_shannon(cells(feature, current)) / log(2))
    return _divergence("jensenshannon", feature, current, value, binned=feature.kind == "numeric")


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


def _jensen_shannon(table: Cells) -> float:
    """In nats."""
    n, m = totals(table)
    total = 0.0
    for r, c in table:
        p, q = r / n, c / m
        total += (p * log(2 * p / (p + q)) if r else 0.0) + (q * log(2 * q / (p + q)) if c else 0.0)
    return max(0.0, total / 2)
