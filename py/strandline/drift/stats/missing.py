"""Whether the share of cells without a usable value has changed."""

from __future__ import annotations

from math import exp, lgamma, sqrt
from typing import Final

from strandline.drift.features import Feature
from strandline.drift.stats.special import chi2_sf
from strandline.drift.stats.statistic import Statistic
from strandline.drift.tally import Tally

EXACT_BELOW: Final = 20
"""expected rows in the smallest cell of the fourfold table below which Fisher's test is used"""


def missing(feature: Feature, current: Tally) -> Statistic:
    """The difference of the shares of rows that are missing or invalid, current minus reference;
    the effect is its size.

    Fisher's exact test where few rows are expected, else Pearson's chi-square of the fourfold
    table.
    """
    reference = feature.tally
    n, m = reference.rows, current.rows
    a, b = n - reference.n, m - current.n
    value = b / m - a / n
    smallest = min(a + b, n + m - a - b) * min(n, m) / (n + m)
    p_value = fisher(a, n, b, m) if smallest < EXACT_BELOW else _pearson(a, n, b, m)
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
    )


def fisher(a: int, n: int, b: int, m: int) -> float:
    """Two-sided p-value of Fisher's exact test for a of n against b of m.

    Sums the tables with these margins that are no more likely than the one at hand.
    """
    if 2 * (a + b) > n + m:
        a, b = n - a, m - b
    hits = a + b
    first, last = max(0, hits - m), min(hits, n)
    constant = _log_choose(n + m, hits)
    at = [_log_choose(n, k) + _log_choose(m, hits - k) - constant for k in range(first, last + 1)]
    limit = at[a - first] + 1e-7
    return min(1.0, sum(exp(x) for x in at if x <= limit))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _pearson(a: int, n: int, b: int, m: int) -> float:
    share = (a + b) / (n + m)
    z = (a / n - b / m) / sqrt(share * (1 - share) * (1 / n + 1 / m))
    return chi2_sf(z * z, 1)
