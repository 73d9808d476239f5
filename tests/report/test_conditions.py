"""What conditions say of values that are known exactly, and of intervals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.report import (
    ReferenceValue,
    eq,
    gt,
    gte,
    in_range,
    is_in,
    lt,
    lte,
    no_drift,
    not_eq,
    not_in,
)
from strandline.report.conditions import of_confidence, of_share
from strandline.report.measure import Measure, count

NUMBERS = st.integers(-20, 20).map(float)
MAKERS = [eq, not_eq, gt, gte, lt, lte]
PLAIN = {
    eq: lambda x, y: x == y,
    not_eq: lambda x, y: x != y,
    gt: lambda x, y: x > y,
    gte: lambda x, y: x >= y,
    lt: lambda x, y: x < y,
    lte: lambda x, y: x <= y,
}


@given(st.sampled_from(MAKERS), NUMBERS, NUMBERS)
def test_an_exact_value_is_compared_as_numbers_are(maker, value, bound):
    status = maker(bound).status(Measure(value), None)
    assert status == ("SUCCESS" if PLAIN[maker](value, bound) else "FAIL")


@given(st.data(), NUMBERS, st.integers(0, 10))
def test_an_interval_passes_or_fails_only_when_each_of_its_values_does(data, low, width):
    values = [low + k for k in range(width + 1)]
    condition = data.draw(
        st.one_of(
            st.builds(lambda maker, bound: maker(bound), st.sampled_from(MAKERS), NUMBERS),
            st.builds(lambda a, b: in_range(min(a, b), max(a, b)), NUMBERS, NUMBERS),
            st.builds(is_in, st.lists(NUMBERS, min_size=1, max_size=3)),
            st.builds(not_in, st.lists(NUMBERS, min_size=1, max_size=3)),
        )
    )
    status = condition.status(Measure(values[-1], values[0], values[-1]), None)
    single = {condition.status(Measure(value), None) for value in values}
    if status in ("SUCCESS", "FAIL"):
        assert single == {status}
    elif width == 0:
        pytest.fail(f"{condition} of one value is {status}")


def test_undecided_is_a_warning_and_so_is_what_is_not_critical():
    assert lt(5).status(Measure(4.0, 3.0, 6.0), None) == "WARNING"
    assert lt(5, is_critical=False).status(Measure(7.0), None) == "WARNING"
    assert lt(5, is_critical=False).status(Measure(4.0), None) == "SUCCESS"


def test_without_a_value_there_is_an_error_without_a_reference_nothing():
    assert lt(5).status(None, None) == "ERROR"
    assert lt(5).status(Measure(None), None) == "ERROR"
    assert lt(ReferenceValue()).status(Measure(1.0), None) == "SKIPPED"


def test_slack_around_the_reference():
    then = Measure(100.0)
    near = ReferenceValue(relative=0.1)
    for value, wanted in ((89, "FAIL"), (90, "SUCCESS"), (110, "SUCCESS"), (111, "FAIL")):
        assert eq(near).status(Measure(value), then) == wanted
    assert gte(near).status(Measure(90.0), then) == "SUCCESS"
    assert gte(near).status(Measure(89.9), then) == "FAIL"
    assert lte(near).status(Measure(110.0), then) == "SUCCESS"
    assert lte(ReferenceValue(absolute=2, relative=0.001)).status(Measure(102.1), then) == "FAIL"
    assert str(gte(near)) == "≥ reference − 10 %"
    assert str(lte(ReferenceValue(absolute=0.5))) == "≤ reference + 0.5"
    assert str(eq(ReferenceValue())) == "= reference"


def test_shares_and_confidence_intervals():
    assert of_share(lt(0.1)).status(count(5, 100), None) == "SUCCESS"
    assert of_share(lt(0.1)).status(count(5, 100, 15), None) == "WARNING"
    assert of_share(lt(0.1)).status(count(0, 0), None) == "ERROR"
    assert str(of_share(lt(0.1))) == "< 10 %"
    sure = of_confidence(gte(0.7))
    assert sure.status(Measure(0.8, confidence=(0.75, 0.85)), None) == "SUCCESS"
    assert sure.status(Measure(0.8, confidence=(0.65, 0.85)), None) == "WARNING"
    assert sure.status(Measure(0.6, confidence=(0.55, 0.65)), None) == "FAIL"


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        ("drift", "FAIL"),
        ("no drift", "SUCCESS"),
        ("bins cannot tell", "WARNING"),
        ("no data", "SKIPPED"),
    ],
)
def test_verdicts(verdict, status):
    assert no_drift().status(Measure(1.0, verdict=verdict), None) == status


def test_words():
    found = [in_range(1, 2000), is_in([1, 2]), not_in([0.5]), no_drift()]
    assert [str(one) for one in found] == ["1 to 2,000", "one of 1, 2", "none of 0.5", "no drift"]
    with pytest.raises(TypeError, match="compares with a number or a ReferenceValue, not 'x'"):
        lt("x")
