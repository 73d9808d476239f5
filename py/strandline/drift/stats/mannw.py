"""Mann-Whitney: how often a current value is above a reference value."""

from __future__ import annotations

from math import sqrt

from strandline.drift import bins
from strandline.drift.features import NumericFeature
from strandline.drift.stats.special import normal_sf
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import NumericTally


@statistic("numeric")
def mannw(feature: NumericFeature, current: NumericTally) -> Statistic:
    """U/nm: the share of pairs in which the current value is the larger one, ties counting half.

    Pairs in different bins are exact, pairs within an atom's bin are ties; only pairs within
    another bin can go either way, so the value errs by at most ½ Σ p·q over those bins. The p-value
    is that of the test on bins, where all pairs within a bin are ties, with the correction for
    ties: exact for what it tests. The effect is |2U/nm − 1|. References: Mann & Whitney (1947).
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
    )
