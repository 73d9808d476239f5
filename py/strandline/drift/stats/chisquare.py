"""Pearson's chi-square test that two samples come from one distribution over cells."""

from __future__ import annotations

from math import sqrt

from strandline.drift.features import Feature
from strandline.drift.stats.cells import coarse_cells, pearson
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import Tally


@statistic("numeric", "categorical")
def chisquare(feature: Feature, current: Tally) -> Statistic:
    """The two-sample statistic: reference and current are both samples, neither is taken for the
    truth.

    Categories that both samples together hold too few of are pooled with those outside the
    vocabulary, in the value as well; numeric features come in tenths of the reference, or fewer
    cells when there are few rows. The effect is Cramér's V as samples of equal size with these
    shares would have it, √(½ Σ (p − q)²/(p + q)) in [0, 1].
    """
    table = coarse_cells(feature, current)
    n, m = feature.tally.n, current.n
    value, p_value = pearson(table)
    effect = sqrt(sum((r / n - c / m) ** 2 / (r / n + c / m) for r, c in table if r + c) / 2)
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
        binned=True,
    )
