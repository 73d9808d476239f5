"""What bins say of order statistics, against NumPy on the raw rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.drift import Profile, Reference
from strandline.drift.quantiles import different, quantile, within

NUMBERS = st.lists(
    st.one_of(
        st.integers(-3, 3).map(float),
        st.floats(-1e6, 1e6, allow_subnormal=False),
        st.sampled_from([0.0, 1e300, -1e300, 5e-324]),
    ),
    min_size=1,
    max_size=60,
)


def profiled(before, after):
    kinds = {"x": "numeric"}
    reference = Reference.from_columns({"x": before}, kinds=kinds, bins=8, latency=False)
    return reference["x"], Profile.from_rows({"x": after}, reference)["x"]


@given(NUMBERS, NUMBERS, st.floats(0, 1))
def test_the_interval_holds_every_usual_quantile(before, after, share):
    feature, tally = profiled(before, after)
    found = quantile(feature, tally, share)
    assert found.low <= found.value <= found.high
    for method in ("linear", "lower", "higher", "nearest"):
        with np.errstate(over="ignore"):
            raw = np.quantile(np.array(after), share, method=method)
        if np.isfinite(raw):
            slack = 1e-9 * (abs(raw) + 1e-300)
            assert found.low - slack <= raw <= found.high + slack


@given(NUMBERS, NUMBERS, st.floats(-10, 10), st.floats(-10, 10))
def test_counts_within_a_range_hold_the_raw_count(before, after, a, b):
    left, right = sorted((a, b))
    feature, tally = profiled(before, after)
    least, most = within(feature, tally, left, right)
    assert least <= sum(left <= x <= right for x in after) <= most
    assert within(feature, tally, right + 1, left - 1) == (0, 0)


@given(NUMBERS, NUMBERS)
def test_how_many_are_different(before, after):
    feature, tally = profiled(before, after)
    least, most = different(feature, tally)
    assert least <= len(set(after)) <= most


@given(NUMBERS, NUMBERS)
def test_the_references_own_range_is_exact(before, after):
    feature, tally = profiled(before, after)
    low, high = min(before), max(before)
    exact = sum(low <= x <= high for x in after)
    assert within(feature, tally, low, high) == (exact, exact)


def test_extremes_and_atoms_are_exact():
    feature, tally = profiled([1.0, 2.0, 3.0] * 10, [1.0, 1.0, 2.0, 3.0, 9.0])
    ends = [quantile(feature, tally, share) for share in (0.0, 0.5, 1.0)]
    assert [(q.low, q.high) for q in ends] == [(1.0, 1.0), (2.0, 2.0), (9.0, 9.0)]
    with pytest.raises(ValueError, match="'x' has no values"):
        quantile(feature, feature.empty(), 0.5)
