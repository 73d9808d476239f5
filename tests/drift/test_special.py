from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from strandline.drift.stats.missing import fisher
from strandline.drift.stats.special import chi2_sf, gamma_q, kolmogorov_sf, normal_sf


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


@given(st.floats(-30, 30))
def test_normal(x):
    assert normal_sf(x) == pytest.approx(stats.norm.sf(x), rel=1e-12)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_fisher(n, m, data):
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    expected = stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue
    assert fisher(a, n, b, m) == pytest.approx(expected, rel=1e-6)
