from __future__ import annotations

from itertools import pairwise
from math import inf, isfinite, nextafter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.drift import bins

columns = st.lists(
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False),
        st.integers(-5, 5).map(float),
    ).map(lambda v: v + 0.0),
    min_size=1,
    max_size=300,
).map(sorted)


def shares(values, cuts):
    return np.histogram(values, [-inf, *cuts, inf])[0] / len(values)


@given(columns, st.integers(2, 30))
def test_cuts_ascend_and_cover_the_reference(values, most):
    cuts = bins.quantile_cuts(values, most)
    assert all(a < b for a, b in pairwise(cuts))
    assert all(map(isfinite, cuts))
    inside = [cut for cut in cuts if values[0] <= cut <= nextafter(values[-1], inf)]
    assert inside[0] == values[0]
    if values[-1] < np.finfo(float).max:
        assert inside[-1] == nextafter(values[-1], inf)


@given(columns, st.integers(2, 30))
def test_no_bin_but_an_atom_holds_much_more_than_its_share(values, most):
    cuts = bins.quantile_cuts(values, most)
    for low, high in pairwise(cuts):
        inside = [v for v in values if low <= v < high]
        if not bins.is_atom(low, high) and len(set(inside)) > 1:
            # A piece of 1.5 shares, and a run of equal values that began in the piece before.
            assert len(inside) <= 2.5 * len(values) / most + 1


def test_quantiles_of_a_smooth_column():
    values = np.sort(np.random.default_rng(0).normal(size=10_000))
    cuts = bins.quantile_cuts(values.tolist(), 50)
    inner = shares(values, cuts)[6:-6]
    assert len(cuts) == 51 + 10 + 6
    np.testing.assert_allclose(inner[4:-4], 0.02, atol=0.0002)
    outer = [0.002, 0.003, 0.005, 0.01]
    np.testing.assert_allclose(inner[:4], outer, atol=0.0002)
    np.testing.assert_allclose(inner[-4:], outer[::-1], atol=0.0002)


def test_few_values_are_all_atoms():
    cuts = bins.quantile_cuts([0.0, 0.0, 1.0, 7.0], 50)
    for value in (0.0, 1.0, 7.0):
        assert value in cuts and nextafter(value, inf) in cuts


def test_a_heavy_value_is_an_atom():
    values = sorted([0.0] * 300 + np.linspace(1, 2, 700).tolist())
    cuts = bins.quantile_cuts(values, 20)
    assert 0.0 in cuts and nextafter(0.0, inf) in cuts
    np.testing.assert_allclose(max(shares(values, cuts)[2:][shares(values, cuts)[2:] < 0.2]), 0.05)


def test_tails_run_off_in_powers_of_ten():
    cuts = np.array(bins.quantile_cuts([0.0, 1.0, 2.0, 3.0, 4.0], 3))
    np.testing.assert_allclose(cuts[cuts > 4.001], [4.4, 8, 44, 404, 4004])
    np.testing.assert_allclose(cuts[cuts < 0], [-4000, -400, -40, -4, -0.4])


@pytest.mark.parametrize("value", [0.0, -3.5, 1e308, 5e-324])
def test_a_constant(value):
    cuts = bins.quantile_cuts([value] * 5, 50)
    assert shares([value] * 5, cuts).max() == 1
    assert value in cuts


def test_nothing_has_no_cuts():
    assert bins.quantile_cuts([], 50) == ()


def test_log_cuts():
    assert bins.log_cuts(1.0, 100.0, 2) == (1.0, 3.16, 10.0, 31.6, 100.0)
