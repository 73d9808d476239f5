"""Pearson's chi-square test that two samples come from one distribution over cells."""

from __future__ import annotations

from math import sqrt

from strandline.drift.features import Feature
from strandline.drift.stats.cells import cells, pooled
from strandline.drift.stats.special import chi2_sf
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import Tally


@statistic("numeric", "categorical")
def chisquare(feature: Feature, current: Tally) -> Statistic:
    """The two-sample statistic: reference and current are both samples, neither is taken for the
    truth.

    Categories are exact; numeric features come in tenths of the reference (a binned definition).
    Cells that expect fewer than five rows of either sample are pooled, in the value as well. The
    effect is Cramér's V as samples of equal size with these shares would have it, √(½ Σ (p − q)²/(p
    + q)) in [0, 1].
    """
    table = pooled(cells(feature, current))
    n, m = feature.tally.n, current.n
    value = sum((r * m - c * n) ** 2 / ((r + c) * n * m) for r, c in table)
    p_value = chi2_sf(value, len(table) - 1) if len(table) > 1 else 1.0
    effect = sqrt(sum((r / n - c / m) ** 2 / (r / n + c / m) for r, c in table) / 2)
    return Statistic(
        method="chisquare",
        value=value,
        low=value,
        high=value,
        p_value=p_value,
        p_value_high=p_value,
        effect=effect,
        effect_high=effect,
        floor=0.05,
        binned=feature.kind == "numeric",
    )
