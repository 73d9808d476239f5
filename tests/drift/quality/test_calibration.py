"""Isotonic calibration against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from strandline.drift.quality.calibration import pooled

bins = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda t: (min(t), max(t))),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60)
@given(bins)
def test_pooled_is_the_isotonic_regression(cells):
    positive, rows = zip(*cells, strict=True)
    found = pooled(positive, rows)
    if not any(rows):
        assert found is None
        return
    full = [i for i, n in enumerate(rows) if n]
    rates = np.array(positive, float)[full] / np.array(rows)[full]
    oracle = IsotonicRegression().fit(full, rates, np.array(rows)[full]).predict(full)
    assert np.array(found.rates)[full] == pytest.approx(oracle, abs=1e-12)
    assert found.rates == sorted(found.rates) and len(found.rates) == len(rows)


def test_bins_without_rows_follow_their_neighbours():
    assert pooled([0, 1, 0, 3, 0], [0, 4, 0, 4, 0]).rates == [0.25, 0.25, 0.25, 0.75, 0.75]
