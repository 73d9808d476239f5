"""Divergences between the shares of cells: population stability index, Jensen-Shannon."""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt

from strandline.drift.features import Feature
from strandline.drift.stats.cells import Cells, cells, effective_n, pooled, totals
from strandline.drift.stats.special import chi2_sf
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import Tally


@statistic("numeric", "categorical")
def psi(feature: Feature, current: Tally) -> Statistic:
    """Population stability index Σ (q − p)·ln(q/p): the Jeffreys divergence of the shares.

    A binned definition: numeric features in tenths of the reference, open at both ends, categories
    as they are; a cell empty on one side counts as half a row. Without drift nm/(n+m)·PSI is about
    chi-square distributed, which gives the p-value; cells are pooled for it where few rows are
    expected. References: Yurdakul (2018).
    """
    return _from_cells("psi", feature, current, _jeffreys, 1.0, 0.1, binned=True)


@statistic("numeric", "categorical")
def jensenshannon(feature: Feature, current: Tally) -> Statistic:
    """Jensen-Shannon distance in [0, 1]: the root of the divergence in bits, as SciPy has it with
    base 2.

    A binned definition, in the cells of `psi`. Without drift 8·ln 2·nm/(n+m) times its square is
    about chi-square distributed. References: Lin (1991); Endres & Schindelin (2003).
    """
    binned = feature.kind == "numeric"
    return _from_cells(
        "jensenshannon", feature, current, _jensen_shannon, 8.0, 0.1, binned=binned, root=True
    )


def _from_cells(
    method: str,
    feature: Feature,
    current: Tally,
    divergence: Callable[[Cells], float],
    scale: float,
    floor: float,
    *,
    binned: bool,
    root: bool = False,
) -> Statistic:
    """`divergence` is in nats and, times `scale`·nm/(n+m), asymptotically chi-square distributed."""
    table = cells(feature, current)
    value = divergence(table)
    few = pooled(table)
    tested = scale * effective_n(feature.tally.n, current.n) * divergence(few)
    if root:
        value = sqrt(value / log(2))
    p_value = chi2_sf(tested, len(few) - 1) if len(few) > 1 else 1.0
    return Statistic(
        method=method,
        value=value,
        low=value,
        high=value,
        p_value=p_value,
        p_value_high=p_value,
        effect=value,
        effect_high=value,
        floor=floor,
        binned=binned,
    )


def _jeffreys(table: Cells) -> float:
    """Of shares, where a cell that one sample lacks counts as half a row there."""
    n, m = totals(table)
    halved = [((r or 0.5) / n, (c or 0.5) / m) for r, c in table if r or c]
    return sum((q - p) * log(q / p) for p, q in halved)


def _jensen_shannon(table: Cells) -> float:
    n, m = totals(table)
    total = 0.0
    for r, c in table:
        p, q = r / n, c / m
        total += (p * log(2 * p / (p + q)) if r else 0.0) + (q * log(2 * q / (p + q)) if c else 0.0)
    return max(0.0, total / 2)
