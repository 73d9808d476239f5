"""Mann-Whitney: how often a current value is above a reference value."""

from __future__ import annotations

from math import sqrt

from strandline.drift import bins
from strandline.drift.features import NumericFeature
from strandline.drift.stats import intervals
from strandline.drift.stats.special import normal_sf
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import NumericTally


@statistic("numeric")
def mannw(feature: NumericFeature, current: NumericTally) -> Statistic:
    """U/nm: the share of pairs in which the current value is the larger one, ties counting half.

    Pairs in different bins are exact, pairs within an atom's bin are ties; only pairs within
    another bin can go either way, so the value errs by at most ½ Σ p·q over those bins. The p-value
    is that of the test on bins, where all pairs within a bin are ties, with the correction for
    ties: exact for what it tests. The effect is |2U/nm − 1|; its confidence interval is Wilson's,
    with the rows that DeLong's variance is worth. References: Mann & Whitney (1947); DeLong, DeLong
    & Clarke-Pearson (1988).
    """
    n, m = feature.tally.n, current.n
    below = pairs = doubtful = ties = 0
    for i, (r, c) in enumerate(zip(feature.tally.counts, current.counts, strict=True)):
        pairs += 2 * c * below + c * r
        below += r
        ties += (r + c) ** 3 - (r + c)
        if not (0 < i < len(feature.cuts) and bins.is_atom(feature.cuts[i - 1], feature.cuts[i])):
            doubtful += r * c
    value = pairs / (2 * n * m)
    slack = doubtful / (2 * n * m)
    low, high = max(0.0, value - slack), min(1.0, value + slack)
    total = n + m
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    x = abs(value - 0.5) * n * m / sqrt(variance) if variance > 0 else 0.0
    far = max(abs(low - 0.5), abs(high - 0.5)) * n * m
    widest = n * m * (total + 1) / 12
    near = 0.0 if low <= 0.5 <= high else min(abs(low - 0.5), abs(high - 0.5))
    around = intervals.of_share(value, _worth(feature, current, value))
    ci_low, ci_high = intervals.of_size(
        2 * (low - (value - around[0])) - 1, 2 * (high + (around[1] - value)) - 1
    )
    return Statistic(
        method="mannw",
        value=value,
        low=low,
        high=high,
        p_value=2 * normal_sf(x),
        p_value_high=min(2 * normal_sf(x), 2 * normal_sf(far / sqrt(widest))),
        effect=2 * near,
        effect_high=2 * max(abs(low - 0.5), abs(high - 0.5)),
        floor=0.1,
        effect_ci_low=ci_low,
        effect_ci_high=min(1.0, ci_high),
    )


def _worth(feature: NumericFeature, current: NumericTally, value: float) -> float:
    """Rows of one sample in which a share would be as uncertain as U/nm is."""
    n, m = feature.tally.n, current.n
    below_r = below_c = 0
    of_reference, of_current = [], []
    for r, c in zip(feature.tally.counts, current.counts, strict=True):
        of_reference.append(1 - (below_c + c / 2) / m)
        of_current.append((below_r + r / 2) / n)
        below_r, below_c = below_r + r, below_c + c
    variance = intervals.score_variance(of_reference, feature.tally.counts)
    variance += intervals.score_variance(of_current, current.counts)
    return value * (1 - value) / variance if variance > 0 else min(n, m)
