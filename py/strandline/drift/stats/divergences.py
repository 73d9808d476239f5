"""Divergences between the shares of cells: population stability index, Jensen-Shannon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log, sqrt

from strandline.drift.features import Feature
from strandline.drift.stats.cells import cells, effective_n, pooled, shares
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
    return _from_cells("psi", feature, current, _jeffreys, 1.0, 0.1)


@statistic("numeric", "categorical")
def jensenshannon(feature: Feature, current: Tally) -> Statistic:
    """Jensen-Shannon distance in [0, 1]: the root of the divergence in bits, as SciPy has it with
    base 2.

    A binned definition, in the cells of `psi`. Without drift 8·ln 2·nm/(n+m) times its square is
    about chi-square distributed. References: Lin (1991); Endres & Schindelin (2003).
    """
    return _from_cells("jensenshannon", feature, current, _jensen_shannon, 8.0, 0.1, distance=True)


def _from_cells(
    method: str,
    feature: Feature,
    current: Tally,
    divergence: Callable[[Sequence[tuple[float, float]]], float],
    scale: float,
    floor: float,
    *,
    distance: bool = False,
) -> Statistic:
    """`divergence` is in nats and, times `scale`·nm/(n+m), asymptotically chi-square distributed."""
    table = cells(feature, current)
    value = divergence(shares(table))
    if distance:
        value = sqrt(value / log(2))
    few = pooled(table)
    tested = scale * effective_n(feature.tally.n, current.n) * divergence(shares(few))
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
        binned=True,
    )


def _jeffreys(table: Sequence[tuple[float, float]]) -> float:
    return sum((q - p) * log(q / p) for p, q in table)


def _jensen_shannon(table: Sequence[tuple[float, float]]) -> float:
    total = sum(p * log(2 * p / (p + q)) + q * log(2 * q / (p + q)) for p, q in table) / 2
    return max(0.0, total)
