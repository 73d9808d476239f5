"""Every statistic against SciPy on the raw rows, over columns with ties, constants, heavy tails and
few rows.
"""

from __future__ import annotations

import warnings
from math import isfinite, log

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.spatial import distance

from strandline.drift import METHODS, Profile, Reference
from strandline.drift.stats import (
    chisquare,
    ed,
    g_test,
    hellinger,
    jensenshannon,
    kl_div,
    ks,
    mannw,
    missing,
    psi,
    t_test,
    tvd,
    wasserstein,
    z,
)
from strandline.drift.stats.cells import cells, coarse_cells

SHAPES = {
    "normal": lambda rng, n: rng.normal(rng.choice([0, 0.2, 3]), rng.choice([1, 2]), n),
    "ties": lambda rng, n: rng.integers(0, rng.integers(1, 200), n).astype(float),
    "half zero": lambda rng, n: np.where(rng.random(n) < 0.5, 0.0, rng.exponential(size=n)),
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
    "constant": lambda rng, n: np.full(n, float(rng.integers(0, 3))),
    "sentinel": lambda rng, n: np.where(rng.random(n) < 0.01, 1e6, rng.normal(size=n)),
    "tiny": lambda rng, n: rng.normal(size=n) * 1e-300,
    "far": lambda rng, n: rng.normal(1e9, 1, n),
}


@st.composite
def pairs(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = (draw(st.sampled_from([1, 2, 7, 50, 400])) for _ in range(2))
    a, b = (draw(st.sampled_from(sorted(SHAPES))) for _ in range(2))
    return SHAPES[a](rng, n), SHAPES[draw(st.sampled_from([a, b]))](rng, m)


def pair(reference, current, **options):
    frozen = Reference.from_columns({"x": reference}, **{"kinds": {"x": "numeric"}, **options})
    return frozen["x"], Profile.from_rows({"x": current}, frozen)["x"]


def raw_ks(a, b):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the p-value of a handful of rows
        return scipy_stats.ks_2samp(a, b, method="asymp").statistic


@given(pairs(), st.sampled_from([2, 10, 50]))
def test_ks_holds_the_raw_rows_statistic(columns, bins):
    found = ks(*pair(*columns, bins=bins))
    raw = raw_ks(*columns)
    assert found.low - 1e-12 <= raw <= found.high + 1e-12
    feature, current = pair(*columns, bins=bins)
    p, q = (np.array(t.counts) / t.n for t in (feature.tally, current))
    assert found.high <= found.low + np.minimum(p, q).max() + 1e-12


def test_ks_is_exact_when_all_values_have_their_own_bins():
    rng = np.random.default_rng(0)
    reference, current = rng.integers(0, 20, 500), rng.integers(0, 25, 300)
    found = ks(*pair(reference, current))
    assert found.low == pytest.approx(scipy_stats.ks_2samp(reference, current).statistic)


def test_ks_p_value_is_that_of_permutations():
    rng = np.random.default_rng(0)
    reference, current = (
        rng.integers(0, 20, 900),
        rng.integers(0, 20, 700) + (rng.random(700) < 0.4),
    )
    found = ks(*pair(reference, current))
    rows, sign = np.concatenate([reference, current]), np.repeat([1 / 900, -1 / 700], [900, 700])
    order = np.array([rng.permutation(rows) for _ in range(4000)])
    below = [np.where(order <= value, sign, 0).sum(axis=1) for value in range(20)]
    share = (np.abs(below).max(axis=0) >= found.low - 1e-12).mean()
    assert found.p_value == pytest.approx(share, abs=0.02)
    assert found.p_value < scipy_stats.ks_2samp(reference, current, method="asymp").pvalue


def unit_of(reference, current):
    """What distances are divided by, as a float; columns for which that overflows are passed over."""
    unit = float(reference.std(ddof=1)) if len(reference) > 1 else 0.0
    unit = unit or float(abs(reference.mean())) or 1.0
    largest = float(max(abs(current).max(), abs(reference).max()))
    assume(unit >= 1 or largest < 1e300 * unit)
    return unit


@given(pairs(), st.sampled_from([2, 10, 50]))
def test_wasserstein_holds_the_raw_rows_distance(columns, bins):
    reference, current = columns
    found = wasserstein(*pair(reference, current, bins=bins))
    scale = unit_of(reference, current)
    assume(isfinite(found.high))
    raw = scipy_stats.wasserstein_distance(reference, current) / scale
    slack = 1e-6 * max(1e-9, raw, abs(reference).max() / scale, abs(current).max() / scale)
    assert found.low - slack <= raw <= found.high + slack
    assert found.low - slack <= found.value <= found.high + slack
    assert 0 <= found.p_value <= 1


def test_wasserstein_is_close_for_smooth_columns():
    rng = np.random.default_rng(1)
    reference, current = rng.normal(size=5000), rng.normal(0.5, 1, 5000)
    found = wasserstein(*pair(reference, current))
    raw = scipy_stats.wasserstein_distance(reference, current) / reference.std(ddof=1)
    assert found.low <= raw + 1e-12 <= found.high
    assert found.high - found.low < 0.1 * raw
    assert found.value == pytest.approx(raw, rel=0.02)


def test_wasserstein_bounds_survive_one_enormous_value():
    rng = np.random.default_rng(1)
    reference = rng.normal(size=5000)
    current = np.append(rng.normal(size=4999), 1e6)
    found = wasserstein(*pair(reference, current))
    raw = scipy_stats.wasserstein_distance(reference, current) / reference.std(ddof=1)
    assert found.low <= raw <= found.high
    assert found.high - found.low < 0.2
    assert found.p_value > 0.01


@st.composite
def category_pairs(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    k = draw(st.integers(1, 60))
    n, m = (draw(st.sampled_from([1, 9, 80, 700])) for _ in range(2))
    shares = rng.dirichlet(np.full(k, draw(st.sampled_from([0.1, 1.0, 10.0]))))
    other = shares if draw(st.booleans()) else rng.dirichlet(np.ones(k))
    return (
        [f"c{i}" for i in rng.choice(k, n, p=shares)],
        [f"c{i}" for i in rng.choice(k, m, p=other)],
    )


def category_pair(reference, current):
    frozen = Reference.from_columns({"x": reference}, kinds={"x": "categorical"})
    return frozen["x"], Profile.from_rows({"x": current}, frozen)["x"]


@given(category_pairs())
def test_chi_square_is_scipys_on_the_pooled_table(columns):
    feature, current = category_pair(*columns)
    found = chisquare(feature, current)
    table = np.array(coarse_cells(feature, current)).T
    assert table.sum(axis=1).tolist() == [feature.tally.n, current.n]
    if table.shape[1] > 1:
        raw = scipy_stats.chi2_contingency(table, correction=False)
        assert found.value == pytest.approx(raw.statistic, abs=1e-9)
        assert found.p_value == pytest.approx(raw.pvalue, rel=1e-6)
        assert raw.expected_freq.min() >= 5 - 1e-9
    else:
        assert (found.value, found.p_value) == (0, 1)
    assert 0 <= found.effect <= 1 + 1e-12


def test_a_full_vocabularys_last_ones_are_not_told_from_the_others():
    reference = [f"c{i}" for i in range(100) for _ in range(10)] + ["big"] * 1000
    frozen = Reference.from_columns({"x": reference}, max_categories=30)
    current = frozen["x"].count([f"c{i}" for i in range(100)] * 10 + ["big"] * 1000)
    assert coarse_cells(frozen["x"], current) == [(1000, 1000), (1000, 1000)]


@given(category_pairs())
def test_jensen_shannon_is_scipys_distance(columns):
    feature, current = category_pair(*columns)
    p, q = np.array(cells(feature, current), float).T
    found = jensenshannon(feature, current)
    assert found.value == pytest.approx(distance.jensenshannon(p, q, base=2), abs=1e-7)
    assert 0 <= found.value <= 1 + 1e-12
    assert 0 <= found.p_value <= 1


@given(category_pairs())
def test_psi_is_the_sum_of_both_kullback_leibler_divergences(columns):
    feature, current = category_pair(*columns)
    found = psi(feature, current)
    table = [cell for cell in cells(feature, current) if sum(cell)]
    assume(all(r and c for r, c in table))
    p, q = (np.array(column) / sum(column) for column in zip(*table, strict=True))
    expected = scipy_stats.entropy(p, q) + scipy_stats.entropy(q, p)
    assert found.value == pytest.approx(expected, abs=1e-12)


@given(category_pairs())
def test_other_divergences(columns):
    feature, current = category_pair(*columns)
    table = np.array(cells(feature, current), float)
    p, q = (table / table.sum(axis=0)).T
    assert tvd(feature, current).value == pytest.approx(abs(p - q).sum() / 2)
    expected = np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / np.sqrt(2)
    assert hellinger(feature, current).value == pytest.approx(expected)
    used = table.sum(axis=1) > 0
    if (table[used] > 0).all():
        found = kl_div(feature, current).value
        assert found == pytest.approx(scipy_stats.entropy(p[used], q[used]), abs=1e-12)


@given(category_pairs())
def test_g_is_scipys_log_likelihood(columns):
    feature, current = category_pair(*columns)
    found, table = g_test(feature, current), np.array(coarse_cells(feature, current)).T
    if table.shape[1] > 1:
        raw = scipy_stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
        assert found.value == pytest.approx(raw.statistic, abs=1e-7)
        assert found.p_value == pytest.approx(raw.pvalue, rel=1e-5, abs=1e-12)


@given(pairs())
def test_t_is_scipys_on_the_raw_rows(columns):
    reference, current = columns
    found = t_test(*pair(reference, current))
    assume(min(len(reference), len(current)) > 1)
    spread = reference.std() + current.std()
    assume(spread > 1e-200)
    # SciPy's own rounding: it must not have to find a small spread far from 0.
    shift = reference[0] if abs(reference).min() > 1e6 and abs(current).min() > 1e6 else 0.0
    reference, current = reference - shift, current - shift
    assume(spread > 1e-6 * (abs(reference).max() + abs(current).max()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constant columns
        raw = scipy_stats.ttest_ind(current, reference, equal_var=False)
    assert found.value == pytest.approx(raw.statistic, rel=1e-5, abs=1e-6)
    assert found.p_value >= raw.pvalue * (1 - 1e-4) - 1e-9
    # Where no row lies more than 0.4·√n standard deviations away it is Welch's own.
    columns = [column for column in (reference, current) if column.std()]
    reach = max(abs(x - x.mean()).max() / x.std(ddof=1) / np.sqrt(len(x)) for x in columns)
    if reach < 0.399:
        assert found.p_value == pytest.approx(raw.pvalue, rel=1e-4, abs=1e-9)


def test_t_does_not_alarm_where_one_row_makes_the_mean():
    rng = np.random.default_rng(4)
    alarms = {"ours": 0, "Welch's": 0}
    for _ in range(200):
        heavy = [np.where(rng.random(n) < 0.5, 0.0, rng.lognormal(0, 2, n)) for n in (1000, 50)]
        alarms["ours"] += t_test(*pair(*heavy)).p_value <= 0.05
        alarms["Welch's"] += scipy_stats.ttest_ind(*heavy, equal_var=False).pvalue <= 0.05
    assert alarms["ours"] <= 10 < 30 < alarms["Welch's"]


@pytest.mark.parametrize(
    ("reference", "current", "value", "p_value"),
    [
        ([1.0, 1.0], [1.0, 1.0], 0, 1),
        ([1.0, 1.0], [2.0, 2.0], float("inf"), 1 / 3),  # of the 6 ways to halve four rows 2 do so
        ([1.0], [2.0], float("inf"), 1),
    ],
)
def test_t_without_spread(reference, current, value, p_value):
    found = t_test(*pair(reference, current))
    assert found.value == value
    assert found.p_value == pytest.approx(p_value)


@given(pairs(), st.sampled_from([2, 10, 50]))
def test_mann_whitney_holds_the_raw_rows_statistic(columns, bins):
    reference, current = columns
    found = mannw(*pair(reference, current, bins=bins))
    above = np.sign(current[:, None] - reference[None, :])
    raw = (above.mean() + 1) / 2
    assert found.low - 1e-12 <= raw <= found.high + 1e-12
    assert found.effect <= abs(2 * raw - 1) + 1e-9
    assert found.effect_high >= abs(2 * raw - 1) - 1e-9


def test_mann_whitney_p_value_is_scipys_when_values_have_their_own_bins():
    rng = np.random.default_rng(0)
    reference, current = rng.integers(0, 20, 300) * 1.0, rng.integers(0, 22, 200) * 1.0
    found = mannw(*pair(reference, np.minimum(current, 19)))
    raw = scipy_stats.mannwhitneyu(
        np.minimum(current, 19), reference, method="asymptotic", use_continuity=False
    )
    assert found.value == pytest.approx(raw.statistic / (300 * 200))
    assert found.p_value == pytest.approx(raw.pvalue)


@given(pairs(), st.sampled_from([2, 10, 50]))
def test_energy_distance_holds_the_raw_rows_distance(columns, bins):
    reference, current = columns
    found = ed(*pair(reference, current, bins=bins))
    scale = unit_of(reference, current)
    assume(isfinite(found.high))
    raw = scipy_stats.energy_distance(reference / scale, current / scale)
    slack = 1e-5 * max(1.0, raw, abs(reference).max() / scale)
    assert found.low - slack <= raw <= found.high + slack
    assert found.low - slack <= found.value <= found.high + slack


def test_energy_distance_is_close_for_smooth_columns():
    rng = np.random.default_rng(1)
    reference, current = rng.normal(size=5000), rng.normal(0.5, 1, 5000)
    found = ed(*pair(reference, current))
    scale = reference.std(ddof=1)
    raw = scipy_stats.energy_distance(reference / scale, current / scale)
    assert found.value == pytest.approx(raw, rel=0.01)
    assert found.high - found.low < 0.35 * raw


def test_z_is_the_fourfold_test():
    found = z(*category_pair(["no"] * 60 + ["yes"] * 40, ["yes"] * 110 + ["no"] * 90))
    raw = scipy_stats.chi2_contingency([[60, 40], [90, 110]], correction=False)
    assert found.value == pytest.approx(np.sqrt(raw.statistic))
    assert found.p_value == pytest.approx(raw.pvalue)
    assert found.effect == pytest.approx(0.15)


def test_psi_of_a_worked_example():
    reference = ["a"] * 50 + ["b"] * 50
    current = ["a"] * 60 + ["b"] * 40
    found = psi(*category_pair(reference, current))
    assert found.value == pytest.approx(0.1 * log(1.2) - 0.1 * log(0.8))


def test_psi_is_not_blinded_by_one_enormous_value():
    rng = np.random.default_rng(2)
    reference, current = rng.normal(size=5000), rng.normal(1, 1, 5000)
    without = psi(*pair(reference, current)).value
    spoilt = psi(*pair(np.append(reference, 1e6), np.append(current, 1e6))).value
    assert without > 0.9
    assert spoilt == pytest.approx(without, rel=0.01)


def test_numeric_cells_are_tenths_of_the_reference():
    rng = np.random.default_rng(3)
    feature, current = pair(rng.normal(size=10_000), rng.normal(5, 1, 100))
    table = cells(feature, current)
    assert len(table) == 10
    assert min(r for r, _ in table) >= 900
    assert sum(c for _, c in table) == 100


@given(st.integers(1, 500), st.integers(1, 500), st.data())
def test_missing_is_a_fourfold_test(n, m, data):
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    frozen = Reference.from_columns({"x": [None] * a + [1.5] * (n - a)})
    current = Profile.from_rows({"x": [None] * b + [1.5] * (m - b)}, frozen)["x"]
    assume(0 < a + b < n + m)
    found = missing(frozen["x"], current)
    table = [[a, n - a], [b, m - b]]
    assert found.value == pytest.approx(b / m - a / n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exact = scipy_stats.fisher_exact(table).pvalue
        limit = scipy_stats.chi2_contingency(table, correction=False).pvalue
    assert found.p_value == pytest.approx(exact, rel=1e-6) or found.p_value == pytest.approx(
        limit, rel=1e-6
    )


@given(pairs())
def test_a_column_does_not_differ_from_itself(columns):
    for method in METHODS.values():
        if "numeric" in method.kinds:
            found = method(*pair(columns[0], columns[0]))
            assert found.effect == pytest.approx(0, abs=1e-9)
            assert found.effect_ci_low == 0
            assert found.p_value == pytest.approx(1, abs=1e-4)
            assert found.judged(0.05).verdict == "no drift" or found.effect_high > 0


def test_methods_say_what_they_are_not_for():
    feature, current = category_pair(["a"], ["b"])
    with pytest.raises(ValueError, match="ks is not for categorical features such as 'x'"):
        ks(feature, current)
    with pytest.raises(ValueError, match="'x' has no values to compare"):
        psi(feature, feature.empty())
