from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from strandline.drift import Reference
from strandline.drift.tally import WireError
from strandline.drift.watch import SequentialTest, e_benjamini_hochberg
from strandline.drift.watch.cells import Cells
from strandline.drift.watch.region import best_fit, radius
from strandline.drift.watch.sequential import _Martingale

ZIPF = 1 / np.arange(1, 101)
ZIPF /= ZIPF.sum()

DRAWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "rounded": lambda rng, n: np.round(rng.lognormal(3, 1, n), 1),
    "counts": lambda rng, n: rng.poisson(3, n),
    "half zero": lambda rng, n: np.where(rng.random(n) < 0.5, 0.0, rng.lognormal(0, 2, n)),
    "gaps": lambda rng, n: np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
    "10 even": lambda rng, n: [f"c{i}" for i in rng.integers(0, 10, n)],
    "100 uneven": lambda rng, n: [f"c{i}" for i in rng.choice(100, n, p=ZIPF)],
}


def feature(draw, rng, n):
    column = draw(rng, n)
    kind = "categorical" if isinstance(column, list) else "numeric"
    return Reference.from_columns({"x": column}, kinds={"x": kind})["x"]


def count_alarms(draw, rng, *, n, streams, windows, rows=80):
    alarms = 0
    for _ in range(streams):
        one = feature(draw, rng, n)
        test = SequentialTest(one)
        for _ in range(windows):
            test.update(one.count(draw(rng, rows)))
        alarms += test.drift_detected
    return alarms


def check(alarms, streams):
    assert alarms <= stats.binom(streams, 0.05).ppf(0.9999)


@pytest.mark.parametrize("name", DRAWS)
def test_false_alarms_of_many_streams(name):
    rng = np.random.default_rng(5)
    check(count_alarms(DRAWS[name], rng, n=150, streams=30, windows=25), 30)


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 1000])
@pytest.mark.parametrize("name", DRAWS)
def test_false_alarms_of_long_streams(name, n):
    rng = np.random.default_rng(6)
    check(count_alarms(DRAWS[name], rng, n=n, streams=60, windows=120), 60)


def test_sessions_of_equal_rows_count_once():
    """Every session sends its one value ten times: taken as independent rows it is an alarm."""
    rng = np.random.default_rng(7)
    alarms = {0.1: 0, 1.0: 0}
    for _ in range(25):
        one = feature(DRAWS["normal"], rng, 300)
        tests = {weight: SequentialTest(one) for weight in alarms}
        for _ in range(25):
            tally = one.count(np.repeat(rng.normal(size=20), 10))
            for weight, test in tests.items():
                test.update(tally, weight)
        for weight, test in tests.items():
            alarms[weight] += test.drift_detected
    check(alarms[0.1], 25)
    assert alarms[1.0] > 12


@pytest.mark.parametrize("shift", [0.5, 1.0])
def test_finds_a_change_after_a_long_time_without(shift):
    rng = np.random.default_rng(8)
    one = feature(DRAWS["normal"], rng, 2000)
    test = SequentialTest(one)
    for _ in range(100):
        test.update(one.count(rng.normal(size=100)))
    assert not test.drift_detected
    for _ in range(10):
        test.update(one.count(rng.normal(shift, 1, 100)))
    assert test.crossed is not None
    assert 100 < test.crossed <= 110
    assert test.p_value < 0.05
    assert len(test._starts) < 60


@pytest.mark.parametrize(
    ("name", "cell"), [("normal", None), ("normal", 50.0), ("half zero", -1.0), ("10 even", "new")]
)
def test_few_rows_where_the_reference_has_none_are_enough(name, cell):
    rng = np.random.default_rng(9)
    one = feature(DRAWS[name], rng, 5000)
    test = SequentialTest(one)
    for _ in range(20):
        column = list(DRAWS[name](rng, 100))
        column[:3] = [cell] * 3
        test.update(one.count(column))
    assert test.drift_detected


@settings(max_examples=100)
@given(
    st.lists(st.integers(1, 200), min_size=2, max_size=6).flatmap(
        lambda gaps: st.tuples(
            st.just(gaps), st.lists(st.integers(0, 50), min_size=len(gaps), max_size=len(gaps))
        )
    )
)
def test_of_continuous_values_it_is_a_martingale(case):
    """The next row of a Pólya urn: the mean of what the bet becomes is what it is."""
    gaps, counts = case
    bet = _Martingale(gaps, True, 0.01)
    total = sum(gaps) + sum(counts)
    after = 0.0
    for i in range(len(gaps)):
        following = [c + (i == j) for j, c in enumerate(counts)]
        after += (gaps[i] + counts[i]) / total * math.exp(bet.log_e(following))
    assert after == pytest.approx(math.exp(bet.log_e(counts)), rel=1e-6)


def _share_and_likelihood(pairs):
    r, c = (np.array(side, float) for side in zip(*pairs, strict=True))
    r[0] += 1
    c[-1] += 1
    return r, c


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=2, max_size=2),
    st.floats(0.5, 30),
)
def test_best_fit_of_two_cells_is_the_best_of_all(pairs, x):
    r, c = _share_and_likelihood(pairs)
    p = np.linspace(1e-6, 1 - 1e-6, 400_001)
    away = special.rel_entr(r[0], r.sum() * p) + special.rel_entr(r[1], r.sum() * (1 - p))
    likelihood = special.xlogy(c[0], p) + special.xlogy(c[1], 1 - p)
    best = likelihood[away <= x].max()
    assert best_fit(r.tolist(), c.tolist(), x) == pytest.approx(best, rel=1e-3, abs=1e-2)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=3, max_size=8),
    st.floats(0.5, 30),
    st.integers(0, 1000),
)
def test_best_fit_is_better_than_any_point_of_the_region(pairs, x, seed):
    r, c = _share_and_likelihood(pairs)
    found = best_fit(r.tolist(), c.tolist(), x)
    near = np.random.default_rng(seed).dirichlet(r + 0.5, 400)
    near = np.concatenate([near, 0.5 * near + 0.5 * (c + 0.01) / (c + 0.01).sum()])
    away = special.rel_entr(r, r.sum() * near).sum(1)
    likelihood = special.xlogy(c, near).sum(1)
    assert found >= likelihood[away <= x].max(initial=-np.inf) - 1e-9 * abs(found)


@pytest.mark.parametrize("n", [5, 40, 300])
@pytest.mark.parametrize("delta", [0.1, 0.01, 1e-4])
def test_the_region_holds_a_share_as_often_as_it_says(n, delta):
    x = radius(2, delta)
    k = np.arange(n + 1)
    for p in (0.001, 0.02, 0.3, 0.5):
        away = special.rel_entr(k, n * p) + special.rel_entr(n - k, n * (1 - p))
        assert stats.binom.pmf(k, n, p)[away >= x].sum() <= delta


@pytest.mark.parametrize("counts", [(50, 50), (10, 20, 400), (1,) * 12, (3, 1000, 3, 1000)])
def test_the_region_holds_for_cells_cut_at_the_references_quantiles(counts):
    """Chernoff's bound with the exact moments of Dirichlet masses is below the region's."""
    r = np.array(counts, float)
    n, k = r.sum(), len(r)
    for delta in (0.1, 0.01, 1e-4):
        x = radius(k, delta)
        bounds = []
        for s in np.linspace(0.05, 0.95, 19):
            log_mean = (
                special.xlogy(s * r, r / n).sum()
                + (special.gammaln(r * (1 - s)) - special.gammaln(r)).sum()
                + special.gammaln(n)
                - special.gammaln(n * (1 - s))
            )
            bounds.append(log_mean - s * x)
        assert min(bounds) <= math.log(delta)


@pytest.mark.parametrize("name", DRAWS)
def test_every_row_has_a_cell(name):
    rng = np.random.default_rng(3)
    one = feature(DRAWS[name], rng, 500)
    cells = Cells.of(one)
    assert sorted(i for cell in cells.bins for i in cell) == list(range(one.bins))
    assert sum(cells.values) == one.tally.n + cells.continuous
    tally = one.count(DRAWS[name](rng, 300))
    values, lacking = cells.count(tally)
    assert sum(values) == tally.n
    assert sum(lacking) == tally.rows
    assert cells.continuous == (name in {"normal", "rounded", "gaps"})


def test_the_state_goes_through_json():
    rng = np.random.default_rng(4)
    one = feature(DRAWS["normal"], rng, 300)
    through, straight = SequentialTest(one, tests=3), SequentialTest(one, tests=3)
    for i in range(40):
        tally = one.count(rng.normal(0.02 * i, 1, 50))
        through = SequentialTest.from_json(json.loads(json.dumps(through.to_json())), one)
        through.update(tally, 0.5)
        straight.update(tally, 0.5)
    assert through.to_json() == straight.to_json()
    assert straight.drift_detected
    other = feature(DRAWS["half zero"], rng, 300)
    with pytest.raises(WireError, match="another reference"):
        SequentialTest.from_json(straight.to_json(), other)
    with pytest.raises(WireError, match="no state"):
        SequentialTest.from_json({}, one)


def test_two_streams_add_up():
    rng = np.random.default_rng(10)
    one = feature(DRAWS["normal"], rng, 300)
    both, left, right = SequentialTest(one), SequentialTest(one), SequentialTest(one)
    for i in range(30):
        a, b = one.count(rng.normal(0.3, 1, 40)), one.count(rng.normal(0.3, 1, 20))
        left.update(a)
        if i < 25:
            right.update(b)
        both.update(a + b if i < 25 else a)
    for total in (left + right, right + left):
        assert total.log_e == pytest.approx(both.log_e)
        assert total.rows == both.rows
        assert total.looks == 30
    left.update(one.count(rng.normal(size=40)))
    assert (left + right).looks == 31
    with pytest.raises(ValueError, match="different"):
        left + SequentialTest(one, alpha=0.01)


def test_e_values_of_many_features():
    assert e_benjamini_hochberg([0.0] * 5, 0.05) == [False] * 5
    level = math.log(1 / 0.045)
    assert e_benjamini_hochberg([level + 0.01], 0.05) == [True]
    assert e_benjamini_hochberg([level + 0.01, 0.0], 0.05) == [False, False]
    assert e_benjamini_hochberg([level + 0.01, level + 0.01], 0.05) == [True, True]
    assert e_benjamini_hochberg([], 0.05) == []


def test_a_window_without_rows_is_no_look():
    one = feature(DRAWS["normal"], np.random.default_rng(1), 100)
    test = SequentialTest(one)
    test.update(one.empty())
    assert (test.looks, test.rows, test.p_value) == (0, 0.0, 1.0)


def test_a_feature_without_reference_never_alarms():
    latency = Reference.from_columns({"x": [1.0, 2.0]})["latency_ms"]
    test = SequentialTest(latency)
    for _ in range(5):
        test.update(latency.count([1.0] * 500))
    assert test.peak < 1e-9


@pytest.mark.parametrize("options", [{"alpha": 0}, {"tests": 0}])
def test_refuses_levels_that_mean_nothing(options):
    one = feature(DRAWS["normal"], np.random.default_rng(1), 100)
    with pytest.raises(ValueError, match="must"):
        SequentialTest(one, **options)
    with pytest.raises(ValueError, match="weight"):
        SequentialTest(one).update(one.tally, 2)
