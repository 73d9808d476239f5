"""Kolmogorov-Smirnov: the largest difference of the distribution functions."""

from __future__ import annotations

from array import array
from itertools import accumulate
from math import sqrt
from operator import add

from strandline import core
from strandline.drift import bins
from strandline.drift.features import NumericFeature
from strandline.drift.stats import intervals
from strandline.drift.stats.cells import effective_n
from strandline.drift.stats.special import kolmogorov_sf
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import NumericTally


@statistic("numeric")
def ks(feature: NumericFeature, current: NumericTally) -> Statistic:
    """The two-sample Kolmogorov-Smirnov statistic D in [0, 1]; the effect is D itself.

    At the cuts both distribution functions are known exactly, so D is at least the largest
    difference D_h there. Within a bin the difference starts from d and moves by at most the
    reference's mass p one way and the current's q the other way, so D is at most max(d + p, q − d)
    over the bins, which is no more than D_h + max min(p, q). In an atom's bin nothing lies between
    the cuts.

    The p-value is that of D_h in the limit, a Brownian bridge at the pooled shares below the cuts:
    it keeps its level where values repeat and bins are few, which Kolmogorov's distribution (of the
    supremum over all times) does not. The confidence interval of D is Kolmogorov's band around both
    ends.
    """
    n, m = feature.tally.n, current.n
    differences = [
        (r * m - c * n) / (n * m)
        for r, c in zip(accumulate(feature.tally.counts), accumulate(current.counts), strict=True)
    ]
    low = max(map(abs, differences))
    high = low
    before = 0.0
    for i, after in enumerate(differences):
        atom = 0 < i < len(feature.cuts) and bins.is_atom(feature.cuts[i - 1], feature.cuts[i])
        if not atom:
            p, q = feature.tally.counts[i] / n, current.counts[i] / m
            high = max(high, before + p, q - before)
        before = after
    root = sqrt(effective_n(n, m))
    band = intervals.KOLMOGOROV / root
    p_value = at_cuts(feature, current, root * low)
    return Statistic(
        method="ks",
        value=low,
        low=low,
        high=high,
        p_value=p_value,
        p_value_high=min(p_value, kolmogorov_sf(root * high)),
        effect=low,
        effect_high=high,
        effect_ci_low=max(0.0, low - band),
        effect_ci_high=min(1.0, high + band),
        floor=0.05,
    )


def at_cuts(feature: NumericFeature, current: NumericTally, x: float) -> float:
    """P(max|B| > x) for a Brownian bridge B at the pooled shares below the cuts."""
    most = kolmogorov_sf(x)
    if most < 1e-5 or x == 0:
        return most  # a small one is beyond the accuracy of the integral
    total = feature.tally.n + current.n
    below = accumulate(map(add, feature.tally.counts, current.counts))
    times = array("d", (count / total for count in below if 0 < count < total))
    return min(most, core.bridge_sf(times, x))
