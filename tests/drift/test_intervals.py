"""The confidence intervals of effects: they hold what the populations' distribution functions give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from strandline.drift import METHODS, Reference
from strandline.drift.stats import intervals
from strandline.drift.stats.anderson import _apart

ROWS = (500, 800)
CASES = 100
"""cases per statistic and drift; the slow run has ten times as many"""

X = np.linspace(-9, 9, 20_001)
STEP = X[1] - X[0]


def truths(shift, spread):
    """Effects of N(0, 1) against N(shift, spread), by sums over a fine grid."""
    f, g = scipy_stats.norm.pdf(X), scipy_stats.norm.pdf(X, shift, spread)
    F, G = scipy_stats.norm.cdf(X), scipy_stats.norm.cdf(X, shift, spread)
    share = ROWS[0] / sum(ROWS)
    h, H = share * f + (1 - share) * g, share * F + (1 - share) * G
    d = F - G
    half = scipy_stats.norm.ppf(0.75)
    transform = np.array([w(t * X / half) for w in (np.cos, np.sin) for t in (0.4, 0.8)])
    means = [(transform * p).sum(axis=1) * STEP for p in (f, g)]
    covariances = [
        (transform[:, None] * transform * p).sum(axis=2) * STEP - np.outer(mean, mean)
        for p, mean in zip((f, g), means, strict=True)
    ]
    pooled = sum(c / n for c, n in zip(covariances, ROWS, strict=True)) / (
        1 / ROWS[0] + 1 / ROWS[1]
    )
    moved = means[1] - means[0]
    return {
        "ks": abs(d).max(),
        "wasserstein": abs(d).sum() * STEP,
        "ed": np.sqrt(2 * (d * d).sum() * STEP),
        "mannw": abs(2 * (F * g).sum() * STEP - 1),
        "t_test": shift / np.sqrt((1 + spread**2) / 2),
        "cramer_von_mises": np.sqrt(3 * (d * d * h).sum() * STEP),
        "anderson": np.sqrt(
            (d * d * h / np.maximum(H * (1 - H), 1e-9)).sum() * STEP / _apart(share)
        ),
        "es": np.sqrt(moved @ np.linalg.solve(pooled, moved)),
    }


def of_shares(p, q):
    """Effects of categories with these shares."""
    m = (p + q) / 2
    return {
        "chisquare": np.sqrt(((p - q) ** 2 / (p + q)).sum() / 2),
        "g_test": np.sqrt(((p - q) ** 2 / (p + q)).sum() / 2),
        "psi": ((q - p) * np.log(q / p)).sum(),
        "kl_div": (p * np.log(p / q)).sum(),
        "jensenshannon": np.sqrt((p * np.log2(p / m) + q * np.log2(q / m)).sum() / 2),
        "hellinger": np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2),
        "tvd": abs(p - q).sum() / 2,
        "z": abs(p[-1] - q[-1]),
        "fisher_exact": abs(p[-1] - q[-1]),
    }


def covered(kind, draw, true, cases):
    """How often the interval holds the truth, by statistic."""
    held = dict.fromkeys(true, 0)
    for _ in range(cases):
        reference, current = draw()
        feature = Reference.from_columns({"x": reference}, kinds={"x": kind})["x"]
        tally = feature.count(current)
        for name, truth in true.items():
            found = METHODS[name](feature, tally)
            if name in ("wasserstein", "ed", "t_test"):  # the unit is taken as it is
                unit = (reference.std(ddof=1), *([] if name != "t_test" else [current.std(ddof=1)]))
                spreads = {"wasserstein": 1, "ed": 0.5, "t_test": 1}[name]
                true_unit = 1.0 if name != "t_test" else np.sqrt((1 + draw.spread**2) / 2)
                truth = truth * (true_unit / np.sqrt(np.mean(np.square(unit)))) ** spreads
            held[name] += found.effect_ci_low - 1e-9 <= truth <= found.effect_ci_high + 1e-9
    return held


def check(held, cases):
    least = scipy_stats.binom(cases, intervals.CONFIDENCE).ppf(0.001)
    assert {name: count for name, count in held.items() if count < least} == {}


SIZES = [pytest.param(CASES), pytest.param(10 * CASES, marks=pytest.mark.slow)]


@pytest.mark.parametrize("cases", SIZES)
@pytest.mark.parametrize(("shift", "spread"), [(0, 1), (0.3, 1), (1.2, 1), (0, 1.5)], ids=str)
def test_numbers(shift, spread, cases):
    rng = np.random.default_rng(1)

    def draw():
        return rng.normal(size=ROWS[0]), rng.normal(shift, spread, ROWS[1])

    draw.spread = spread
    check(covered("numeric", draw, truths(shift, spread), cases), cases)


@pytest.mark.parametrize("cases", SIZES)
@pytest.mark.parametrize("drift", [0, 0.2, 1])
@pytest.mark.parametrize("k", [2, 10])
def test_categories(k, drift, cases):
    rng = np.random.default_rng(2)
    p = np.arange(1, k + 1.0) / (k * (k + 1) / 2)
    q = p[::-1] * drift + p * (1 - drift)
    labels = [f"c{i:02d}" for i in range(k)]

    def draw():
        return rng.choice(labels, ROWS[0], p=p).tolist(), rng.choice(labels, ROWS[1], p=q).tolist()

    check(covered("categorical", draw, of_shares(p, q), cases), cases)


@given(st.integers(1, 400), st.floats(0, 1))
def test_a_shares_interval_is_scipys(n, part):
    k = round(part * n)
    expected = scipy_stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert intervals.of_share(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(st.floats(0.2, 300), st.floats(0, 3000))
def test_noncentrality_is_scipys(df, x):
    for quantile, tail in ((intervals.Z, 0.025), (-intervals.Z, 0.975)):
        found = intervals._noncentrality(x, df, quantile)
        exact = scipy_stats.chi2.sf(x, df) if found == 0 else scipy_stats.ncx2.sf(x, df, found)
        assert exact == pytest.approx(tail, abs=5e-4) or (found == 0 and exact >= tail - 5e-4)


def test_what_is_known_of_bins_comes_on_top_of_the_sampling_error():
    assert intervals.widened(0.2, 0.5, 0.3, (0.25, 0.4)) == pytest.approx((0.15, 0.6))
    assert intervals.of_size(-0.1, 0.3) == (0, 0.3)
    assert intervals.of_size(-0.3, -0.1) == (0.1, 0.3)
