"""Two versions beside each other: against the published formula, and by simulation."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

from strandline.drift.quality import Quality
from strandline.drift.quality.ab import differences, rates
from tests.drift.quality.test_coverage import SOURCES

CASES = 300


@given(st.integers(1, 500), st.integers(1, 500), st.data())
def test_shares_have_newcombes_interval(n, m, data):
    """Newcombe's (1998) published example is among the cases; the formula here is his."""
    x, y = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    _check_newcombe(x, n, y, m)


def test_newcombes_own_example():
    low, high = _check_newcombe(48, 80, 56, 70)
    assert (round(-high, 4), round(-low, 4)) == (-0.3339, -0.0524)


def _check_newcombe(x, n, y, m):
    truth = [1] * n, [1] * m
    a = Quality.from_columns("binary", truth[0], [1] * x + [0] * (n - x), classes=(0, 1))
    b = Quality.from_columns("binary", truth[1], [1] * y + [0] * (m - y), classes=(0, 1))
    found = next(d for d in differences(a, b) if d.name == "accuracy")
    (la, ua), (lb, ub) = (_wilson(k, t) for k, t in ((x, n), (y, m)))
    p, q = x / n, y / m
    low = q - p - np.hypot(q - lb, ua - p)
    high = q - p + np.hypot(ub - q, p - la)
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=1e-12)
    assert (found.p_value <= 0.05) == (found.ci_low >= 0 or found.ci_high <= 0)
    return low, high


def _wilson(k, n):
    z = norm.ppf(0.975)
    middle, half = k + z * z / 2, z * np.sqrt(k * (n - k) / n + z * z / 4)
    return (middle - half) / (n + z * z), (middle + half) / (n + z * z)


@pytest.mark.parametrize("kind", SOURCES)
def test_without_a_difference_alarms_come_as_often_as_they_may(kind):
    rng = np.random.default_rng(11)
    first = SOURCES[kind](rng, 3000)
    classes = None if kind == "regression" else sorted(set(first[0].tolist()))
    task = Quality.from_columns(kind, *first, classes=classes).task
    alarms = Counter()
    for _ in range(CASES):
        a, b = (Quality.count(task, *SOURCES[kind](rng, n)) for n in (150, 400))
        for one in differences(a, b):
            alarms[one.name] += one.p_value is not None and one.p_value <= 0.05
    most = binom(CASES, 0.07).ppf(1 - 1e-5)
    assert {name: n for name, n in alarms.items() if n > most} == {}
    assert alarms["accuracy" if kind != "regression" else "mae"] >= binom(CASES, 0.05).ppf(1e-5)


def test_a_better_version_is_found():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 4000)
    worse = np.where(rng.random(4000) < 0.75, labels, 1 - labels)
    better = np.where(rng.random(4000) < 0.8, labels, 1 - labels)
    a = Quality.from_columns("binary", labels[:2000], worse[:2000])
    b = Quality.from_columns("binary", labels[2000:], better[2000:])
    found = {one.name: one for one in differences(a, b)}["accuracy"]
    assert found.p_value < 0.001 and 0 < found.ci_low < found.value < found.ci_high


def test_rates_of_counters():
    rng = np.random.default_rng(4)
    alarms = sum(
        rates("sold", (rng.poisson(40), 900), (rng.poisson(80), 1800)).p_value <= 0.05
        for _ in range(1000)
    )
    assert binom(1000, 0.05).ppf(1e-5) <= alarms <= binom(1000, 0.05).ppf(1 - 1e-5)
    found = rates("sold", (30, 1000), (60, 1000))
    assert found.value == 0.03 and found.p_value < 0.01 and found.ci_low > 0
    assert rates("sold", (0, 0), (5, 10)).p_value is None


def test_other_questions_are_not_compared():
    a = Quality.from_columns("binary", [0, 1], [0, 1])
    b = Quality.from_columns("binary", ["no", "yes"], ["no", "yes"])
    with pytest.raises(ValueError, match="same question"):
        differences(a, b)
