from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.drift import exact

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.integers(-(2**4000), 2**4000))
def test_text_says_the_integer(units):
    text = exact.to_text(units, exact.SQUARES_SCALE)
    assert exact.from_text(text, exact.SQUARES_SCALE) == units


@given(finite)
def test_text_is_a_hexadecimal_float(value):
    mantissa, exponent = exact.to_text(exact.double_units(value), exact.SUM_SCALE).split("p")
    assert int(mantissa, 16) * Fraction(2) ** int(exponent) == Fraction(value)


@pytest.mark.parametrize(
    "text",
    ["", "p", "1", "1p", "p1", "0x1p0", "1.5p0", "+1p0", "1p-1075", "1p99999", "f" * 1200 + "p0"],
)
def test_refuses_other_texts(text):
    with pytest.raises(ValueError, match="exact sum"):
        exact.from_text(text, exact.SUM_SCALE)


def test_a_text_can_not_ask_for_a_huge_integer():
    with pytest.raises(ValueError, match="larger than any sum"):
        exact.from_text("f" * 1100 + "p3000", exact.SUM_SCALE)


@given(st.lists(st.floats(-1e100, 1e100), min_size=2, max_size=30))
def test_mean_and_variance_are_the_exact_ones_rounded_once(values):
    rows = [Fraction(v) for v in values]
    total = sum(map(exact.double_units, values))
    squares = int(sum(v * v for v in rows) * 2**exact.SQUARES_SCALE)
    n = len(rows)
    mean = sum(rows) / n
    assert exact.mean(total, n) == float(mean)
    expected = sum((v - mean) ** 2 for v in rows) / (n - 1)
    assert exact.variance(total, squares, n) == float(expected)


def test_variance_of_almost_nothing():
    assert exact.variance(exact.double_units(3.0), 9 << exact.SQUARES_SCALE, 1) == 0.0
    big = np.finfo(float).max
    squares = 2 * int(Fraction(big) ** 2) << exact.SQUARES_SCALE
    assert exact.variance(0, squares, 2) == float("inf")
