"""Fisher's exact test of a fourfold table."""

from __future__ import annotations

from math import inf

from strandline.drift.features import CategoricalFeature
from strandline.drift.stats import intervals
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import CategoricalTally


@statistic("categorical")
def fisher_exact(feature: CategoricalFeature, current: CategoricalTally) -> Statistic:
    """The odds ratio of the category that sorts last, current to reference, with the exact p-value;
    the effect is the difference of its shares.

    Meant, as `z`, for features with two categories; with more it is the last one against all others.
    The value is infinite when only the current has both outcomes, and 1 when neither sample tells.
    References: Fisher (1935).
    """
    n, m = feature.tally.n, current.n
    last = last_category(feature)
    a, b = feature.tally.counts[last], current.counts[last]
    wins, losses = b * (n - a), a * (m - b)
    value = wins / losses if losses else inf if wins else 1.0
    p_value = fisher(a, n, b, m)
    effect = abs(b / m - a / n)
    ci_low, ci_high = intervals.of_difference(a / n, n, b / m, m)
    return Statistic(
        method="fisher_exact",
        value=value,
        low=value,
        high=value,
        p_value=p_value,
        p_value_high=p_value,
        effect=effect,
        effect_high=effect,
        effect_ci_low=ci_low,
        effect_ci_high=ci_high,
        floor=0.05,
    )


def last_category(feature: CategoricalFeature) -> int:
    """The index of the category that sorts last: of 0 and 1, no and yes, the one that is counted.

    (One chosen by its count in the reference would be common there by chance, and less so
    elsewhere.)
    """
    return feature.vocabulary.index(max(feature.vocabulary))


def fisher(a: int, n: int, b: int, m: int) -> float:
    """Two-sided p-value of Fisher's exact test for a of n against b of m.

    Sums the tables with these margins that are no more likely than the one at hand: from the
    likeliest outwards, by the ratios of neighbours, until what is left is negligible.
    """
    hits = a + b
    first, last = max(0, hits - m), min(hits, n)
    mode = min(max((hits + 1) * (n + 1) // (n + m + 2), first), last)
    at = {mode: 1.0}
    for step in (1, -1) if a >= mode else (-1, 1):  # towards the table at hand first
        k, weight = mode, 1.0
        while first <= k + step <= last and weight:
            if (a - k) * step <= 0 and weight < 1e-17 * at.get(a, 1.0):
                break
            if step > 0:
                weight *= (n - k) * (hits - k) / ((k + 1) * (m - hits + k + 1))
            else:
                weight *= k * (m - hits + k) / ((n - k + 1) * (hits - k + 1))
            k += step
            at[k] = weight
    limit = at.get(a, 0.0) * (1 + 1e-7)
    return min(1.0, sum(weight for weight in at.values() if weight <= limit) / sum(at.values()))
