from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from strandline.core import bridge_sf
from strandline.drift.stats.fisher import fisher
from strandline.drift.stats.special import (
    beta_i,
    central_chi2_cdfs,
    chi2_sf,
    gamma_q,
    kolmogorov_sf,
    noncentral_chi2_cdf,
    normal_sf,
    student_sf,
)


@given(st.floats(0, 10))
def test_kolmogorov(x):
    assert kolmogorov_sf(x) == pytest.approx(stats.kstwobign.sf(x), rel=1e-9, abs=1e-12)


@given(st.floats(0.05, 1e4), st.floats(0, 2e4))
def test_upper_incomplete_gamma(a, x):
    assert gamma_q(a, x) == pytest.approx(special.gammaincc(a, x), rel=1e-8, abs=1e-13)


@pytest.mark.parametrize("df", [1, 2, 9, 50, 1000])
def test_chi_square_tails(df):
    for x in np.quantile(stats.chi2(df).rvs(2000, random_state=0), [0.001, 0.5, 0.999]):
        assert chi2_sf(x, df) == pytest.approx(stats.chi2.sf(x, df), rel=1e-10)
    assert chi2_sf(0, df) == 1
    assert chi2_sf(1e6, df) == pytest.approx(0, abs=1e-300)


@given(st.floats(0, 40), st.floats(0.1, 400), st.floats(0, 200))
def test_noncentral_chi_square(x, df, noncentrality):
    found = noncentral_chi2_cdf(central_chi2_cdfs(x, df), noncentrality)
    assert found == pytest.approx(stats.ncx2.cdf(x, df, noncentrality), abs=1e-10)


@given(st.floats(-30, 30))
def test_normal(x):
    assert normal_sf(x) == pytest.approx(stats.norm.sf(x), rel=1e-12)


@given(st.floats(0.1, 1e4), st.floats(0.1, 1e4), st.floats(0, 1))
def test_incomplete_beta(a, b, x):
    assert beta_i(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-7, abs=1e-12)


@given(st.floats(0, 40), st.floats(1, 1e6))
def test_student(t, df):
    assert student_sf(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-7, abs=1e-14)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_fisher(n, m, data):
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    expected = stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue
    assert fisher(a, n, b, m) == pytest.approx(expected, rel=1e-6)


TIMES = {
    "even": np.arange(1, 40) / 40,
    "one": np.array([0.3]),
    "a large atom": np.concatenate([[0.5], 0.5 + np.arange(1, 20) / 40]),
    "close together": np.repeat(np.arange(1, 20) / 20, 2),
}


@pytest.mark.parametrize("name", TIMES)
def test_bridge_at_a_few_times(name):
    times, rng = TIMES[name], np.random.default_rng(0)
    steps = np.diff([0, *times, 1])
    walk = np.cumsum(rng.normal(size=(40_000, len(steps))) * np.sqrt(steps), axis=1)
    largest = np.abs(walk[:, :-1] - walk[:, -1:] * times).max(axis=1)
    for x in (0.4, 0.8, 1.2, 1.6):
        assert bridge_sf(times, x) == pytest.approx((largest > x).mean(), abs=0.01)
        assert bridge_sf(times, x) <= kolmogorov_sf(x)


def test_bridge_at_one_time_is_normal():
    for x in (0.1, 0.5, 1.0, 2.0):
        expected = 2 * stats.norm.sf(x / np.sqrt(0.3 * 0.7))
        assert bridge_sf(array("d", [0.3]), x) == pytest.approx(expected, abs=1e-6)


def test_bridge_with_nothing_to_see():
    assert bridge_sf(array("d"), 1.0) == 0
    assert bridge_sf(array("d", [0.5]), 0.0) == 1
    assert bridge_sf(array("d", [1e-9, 1 - 1e-9]), 1.0) == 0


@pytest.mark.parametrize("time", [1e-6, 0.0005, 0.5, 0.9999])
def test_bridge_close_to_its_ends(time):
    sd = np.sqrt(time * (1 - time))
    for z in (0.5, 1, 2, 3):
        expected = 2 * stats.norm.sf(z)
        assert bridge_sf(array("d", [time]), z * sd) == pytest.approx(expected, abs=1e-4)


def test_bridge_refuses_other_numbers():
    with pytest.raises(ValueError, match="times must hold"):
        bridge_sf(array("f", [0.5]), 1.0)
