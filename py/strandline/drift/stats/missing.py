"""Whether the share of cells without a usable value has changed."""

from __future__ import annotations

from math import sqrt
from typing import Final

from strandline.drift.features import Feature
from strandline.drift.stats import intervals
from strandline.drift.stats.fisher import fisher
from strandline.drift.stats.special import chi2_sf
from strandline.drift.stats.statistic import Statistic
from strandline.drift.tally import Tally

EXACT_BELOW: Final = 20
"""expected rows in the smallest cell of the fourfold table below which Fisher's test is used"""


def missing(feature: Feature, current: Tally) -> Statistic:
    """The difference of the shares of rows that are missing or invalid, current minus reference;
    the effect is its size, its confidence interval Newcombe's.

    Fisher's exact test where few rows are expected, else Pearson's chi-square of the fourfold
    table.
    """
    reference = feature.tally
    n, m = reference.rows, current.rows
    a, b = n - reference.n, m - current.n
    value = b / m - a / n
    smallest = min(a + b, n + m - a - b) * min(n, m) / (n + m)
    p_value = fisher(a, n, b, m) if smallest < EXACT_BELOW else _pearson(a, n, b, m)
    ci_low, ci_high = intervals.of_difference(a / n, n, b / m, m)
    return Statistic(
        method="missing",
        value=value,
        low=value,
        high=value,
        p_value=p_value,
        p_value_high=p_value,
        effect=abs(value),
        effect_high=abs(value),
        floor=0.01,
        effect_ci_low=ci_low,
        effect_ci_high=ci_high,
    )


def _pearson(a: int, n: int, b: int, m: int) -> float:
    share = (a + b) / (n + m)
    z = (a / n - b / m) / sqrt(share * (1 - share) * (1 / n + 1 / m))
    return chi2_sf(z * z, 1)
