from __future__ import annotations

import random
from array import array
from fractions import Fraction
from math import inf, isfinite, isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline import core
from strandline.drift import exact

doubles = st.lists(st.floats(), max_size=50)


def tally(values, cuts=()):
    counts = array("q", bytes(8 * (len(cuts) + 1)))
    return core.tally(values, array("d", cuts), counts), counts.tolist()


@given(doubles)
def test_sums_are_exact(values):
    seen, _ = tally(array("d", values))
    finite = [Fraction(v) for v in values if isfinite(v)]
    total, squares = exact.from_bytes(seen.sum), exact.from_bytes(seen.squares)
    assert Fraction(total, 2**exact.SUM_SCALE) == sum(finite)
    assert Fraction(squares, 2**exact.SQUARES_SCALE) == sum(v * v for v in finite)


@given(doubles)
def test_counts_what_is_not_finite_and_finds_extremes(values):
    seen, _ = tally(array("d", values))
    finite = [v for v in values if isfinite(v)]
    assert seen.nan == sum(map(isnan, values))
    assert seen.infinite == sum(abs(v) == inf for v in values)
    assert seen.finite == len(finite)
    assert (seen.minimum, seen.maximum) == (min(finite, default=inf), max(finite, default=-inf))


@given(doubles, st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=70))
def test_bins_are_half_open(values, cuts):
    cuts = sorted(set(cuts))
    _, counts = tally(array("d", values), cuts)
    finite = np.array([v for v in values if isfinite(v)])
    expected = np.bincount(np.searchsorted(cuts, finite, side="right"), minlength=len(cuts) + 1)
    assert counts == expected.tolist()


@given(doubles, st.randoms())
def test_order_does_not_matter(values, rng: random.Random):
    shuffled = values.copy()
    rng.shuffle(shuffled)
    assert repr(tally(array("d", values), [0.0, 1.0])) == repr(
        tally(array("d", shuffled), [0.0, 1.0])
    )


def test_negative_zero_is_zero():
    seen, counts = tally(array("d", [-0.0]), [0.0])
    assert str(seen.minimum) == str(seen.maximum) == "0.0"
    assert counts == [0, 1]


def test_a_long_column_equals_its_pieces():
    values = np.random.default_rng(5).standard_cauchy(10_007)
    cuts = np.linspace(-3, 3, 40)
    seen, counts = tally(values, cuts)
    np.testing.assert_array_equal(counts, np.histogram(values, [-inf, *cuts, inf])[0])
    assert exact.from_bytes(seen.sum) == sum(map(exact.double_units, values.tolist()))
    assert seen.finite == 10_007


@pytest.mark.parametrize("code", list("dfbBhHiIlLqQ?"))
def test_formats_and_strides(code):
    base = array("b" if code == "?" else code, [1, 0, 1, 1, 0, 0, 1, 1])
    view = memoryview(base)
    if code == "?":
        view = view.cast("B").cast("?")
    seen, counts = tally(view[::-2], [0.5])
    picked = [float(v) for v in view.tolist()[::-2]]
    assert counts == [picked.count(0.0), picked.count(1.0)]
    assert exact.from_bytes(seen.sum) == exact.double_units(sum(picked))


def test_big_integers_round_to_the_nearest_double():
    seen, _ = tally(array("q", [2**62 + 1]))
    assert seen.maximum == 2.0**62


@pytest.mark.parametrize(
    ("values", "cuts", "counts", "message"),
    [
        (np.zeros((2, 2)), array("d"), array("q", [0]), "one dimension"),
        (np.zeros(2, "c8"), array("d"), array("q", [0]), "format"),
        (np.zeros(2, ">f8"), array("d"), array("q", [0]), "format"),
        (array("d"), array("f"), array("q", [0]), "cuts"),
        (array("d"), array("d"), array("d", [0]), "counts"),
        (array("d"), array("d", [1.0]), array("q", [0]), "counts must have 2 items for 1 cuts"),
    ],
)
def test_refuses_buffers_it_can_not_read(values, cuts, counts, message):
    with pytest.raises(ValueError, match=message):
        core.tally(values, cuts, counts)


def test_refuses_counts_it_can_not_write():
    with pytest.raises((BufferError, TypeError, ValueError)):
        core.tally(array("d"), array("d"), bytes(8))


@given(doubles)
def test_sorts_what_is_finite(values):
    found = core.sorted_finite(array("d", values)).tolist()
    assert found == sorted(v for v in values if isfinite(v))
    assert "-0.0" not in map(str, found)


def test_sorts_other_formats_and_nothing():
    assert core.sorted_finite(array("f", [3, nan, -1.5])).tolist() == [-1.5, 3.0]
    assert core.sorted_finite(np.arange(6)[::-2]).tolist() == [1.0, 3.0, 5.0]
    assert core.sorted_finite(array("d")).tolist() == []
