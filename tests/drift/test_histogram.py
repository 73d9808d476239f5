from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from strandline.drift import Reference
from strandline.drift.histogram import histogram

from .strategies import number_columns


def bars(reference, current, **options):
    feature = Reference.from_columns({"x": reference}, **options)["x"]
    return histogram(feature, feature.count(current))


def test_categories_are_their_own_bars():
    found = bars(["a", "b", "a", "a"], ["a", "z"])
    assert found.labels == ("a", "b", "other")
    assert found.reference == (0.75, 0.25, 0)
    assert found.current == (0.5, 0, 0.5)


def test_few_values_are_bars_and_the_rest_are_others():
    found = bars([0.5, 1.5, 1.5, 3], [1.5, 2, 99])
    assert found.labels == ("0.5", "1.5", "3", "other")
    assert found.reference == (0.25, 0.5, 0.25, 0)
    assert found.current == pytest.approx((0, 1 / 3, 0, 2 / 3))


def test_numbers_come_in_round_widths_with_open_ends():
    rng = np.random.default_rng(0)
    reference, current = rng.random(5000) * 100, rng.random(5000) * 100 + 20
    found = bars(reference, current)
    assert found.labels[:2] == ("< 0", "0 – 5")
    assert found.labels[-2:] == ("95 – 100", "≥ 100")
    edges = [-np.inf, *range(0, 101, 5), np.inf]
    for shares, values in ((found.reference, reference), (found.current, current)):
        np.testing.assert_allclose(shares, np.histogram(values, edges)[0] / 5000, atol=0.011)


@given(number_columns.filter(len), number_columns)
def test_shares_add_up(reference, current):
    found = bars(reference, current, kinds={"x": "numeric"})
    assert len(found.labels) == len(found.reference) == len(found.current) <= 60
    for shares in (found.reference, found.current):
        assert all(0 <= share <= 1 + 1e-12 for share in shares)
        assert not any(shares) or sum(shares) == pytest.approx(1)


def test_latency_is_drawn_though_there_is_no_reference():
    feature = Reference.from_columns({"x": [1.0]})["latency_ms"]
    found = histogram(feature, feature.count(np.random.default_rng(0).lognormal(size=500)))
    assert not any(found.reference)
    assert sum(found.current) == pytest.approx(1)
    assert len(found.labels) > 10
