"""Tests that two samples come from one distribution over cells: Pearson's chi-square, and G."""

from __future__ import annotations

from math import log, sqrt

from strandline.drift.features import Feature
from strandline.drift.stats.cells import Cells, coarse_cells, pearson, totals
from strandline.drift.stats.intervals import of_cells, score_variance
from strandline.drift.stats.special import chi2_sf
from strandline.drift.stats.statistic import Statistic, statistic
from strandline.drift.tally import Tally


@statistic("numeric", "categorical")
def chisquare(feature: Feature, current: Tally) -> Statistic:
    """The two-sample statistic: reference and current are both samples, neither is taken for the
    truth.

    Categories that both samples together hold too few of are pooled with those outside the
    vocabulary, in the value as well; numeric features come in tenths of the reference, or fewer
    cells when there are few rows. The effect is Cramér's V as samples of equal size with these
    shares would have it, √(½ Σ (p − q)²/(p + q)) in [0, 1]; its confidence interval is that of a
    noncentral chi-square's noncentrality.
    """
    table = coarse_cells(feature, current)
    value, p_value = pearson(table)
    return _homogeneity("chisquare", table, value, p_value)


@statistic("numeric", "categorical")
def g_test(feature: Feature, current: Tally) -> Statistic:
    """The likelihood ratio statistic 2 Σ O·ln(O/E), on the cells of `chisquare`, with its effect."""
    table = coarse_cells(feature, current)
    n, m = totals(table)
    value = 0.0
    for r, c in table:
        expected = (r + c) / (n + m)
        value += 2 * (r * log(r / (n * expected)) if r else 0.0)
        value += 2 * (c * log(c / (m * expected)) if c else 0.0)
    value = max(0.0, value)
    df = len(table) - 1
    return _homogeneity("g_test", table, value, chi2_sf(value, df) if df else 1.0)


def _homogeneity(method: str, table: Cells, value: float, p_value: float) -> Statistic:
    n, m = totals(table)
    square = 0.0
    scores_r, scores_c = [], []
    for r, c in table:
        p, q = r / n, c / m
        lean = (p - q) / (p + q) if r + c else 0.0
        square += (p - q) * lean / 2
        # d/dp of (p − q)²/(p + q) is lean·(2 − lean), d/dq is −lean·(2 + lean)
        scores_r.append(lean * (2 - lean) / 2)
        scores_c.append(-lean * (2 + lean) / 2)
    linear = score_variance(scores_r, [r for r, _ in table])
    linear += score_variance(scores_c, [c for _, c in table])
    effect = sqrt(square)
    ci_low, ci_high = of_cells(table, 1 / 4, square, linear)
    return Statistic(
        method=method,
        value=value,
        low=value,
        high=value,
        p_value=p_value,
        p_value_high=p_value,
        effect=effect,
        effect_high=effect,
        floor=0.05,
        effect_ci_low=ci_low,
        effect_ci_high=min(1.0, ci_high),
        binned=True,
    )
