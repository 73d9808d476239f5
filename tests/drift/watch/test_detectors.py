"""Online detectors beside river 0.26.1: the positions of its alarms on series that anyone can draw
again. river begins anew after an alarm of ADWIN, so a fresh detector takes over here too.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.drift.watch import ADWIN, PageHinkley


def step(i, r):
    return r.gauss(0 if i < 1200 else 0.8, 1)


def coin(i, r):
    return float(r.random() < (0.2 if i < 1000 else 0.4 if i < 2200 else 0.1))


def ramp(i, r):
    return r.gauss(min(1, max(0, (i - 800) / 1000)), 0.5)


def still(i, r):
    return r.gauss(5, 2)


LENGTHS = {step: 3000, coin: 3500, ramp: 3000, still: 5000}
DETECTORS = {
    "adwin": ADWIN,
    "adwin1": lambda: ADWIN(0.01, clock=8, max_buckets=3),
    "adwin2": lambda: ADWIN(0.05, clock=1, min_window_length=10, grace_period=50),
    "ph": PageHinkley,
    "phup": lambda: PageHinkley(threshold=20, mode="up", delta=0.05),
    "phdown": lambda: PageHinkley(threshold=20, mode="down", delta=0.05),
}
RIVER = {
    (step, 1): {"adwin": [1247], "adwin1": [1231], "adwin2": [1230],
                "ph": [573, 1235, 2168], "phup": [270, 1205, 2366], "phdown": [529]},
    (coin, 2): {"adwin": [1119, 2303], "adwin1": [1095, 2295], "adwin2": [1054, 2263],
                "ph": [1220, 2318], "phup": [1083], "phdown": [2309]},
    (ramp, 3): {"adwin": [1055, 1471, 2463], "adwin1": [975, 1407, 1991], "adwin2": [969, 1353, 1747],
                "ph": [1008, 1417, 1977], "phup": [977, 1297, 1549, 1993], "phdown": []},
    (still, 1): {"adwin": [], "adwin1": [], "adwin2": [572]},
}  # fmt: skip


@pytest.mark.parametrize("case", RIVER, ids=lambda case: case[0].__name__)
def test_alarms_where_river_does(case):
    draw, seed = case
    r = random.Random(seed)
    values = [draw(i, r) for i in range(LENGTHS[draw])]
    for name, expected in RIVER[case].items():
        detector, alarms = DETECTORS[name](), []
        for i, value in enumerate(values):
            detector.update(value)
            if detector.drift_detected:
                alarms.append(i)
                if isinstance(detector, ADWIN):
                    detector = DETECTORS[name]()
        assert (name, alarms) == (name, expected)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=300))
def test_adwin_keeps_mean_and_variance_of_its_window(values):
    detector = ADWIN(clock=1, grace_period=5, delta=0.3)
    for value in values:
        detector.update(value)
    kept = values[len(values) - detector.width :]
    mean = sum(kept) / len(kept)
    assert detector.estimation == pytest.approx(mean, abs=1e-9)
    variance = sum((v - mean) ** 2 for v in kept) / len(kept)
    assert detector.variance == pytest.approx(variance, rel=1e-6, abs=1e-6)


def test_after_a_change_only_the_new_part_stays():
    detector = ADWIN()
    for i in range(3000):
        detector.update(float(i >= 1500))
    assert 1400 <= detector.width <= 1600
    assert detector.estimation == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (ADWIN, {"delta": 0}),
        (ADWIN, {"clock": 0}),
        (PageHinkley, {"threshold": 0}),
        (PageHinkley, {"alpha": 0}),
        (PageHinkley, {"mode": "sideways"}),
    ],
)
def test_refuses_settings_that_mean_nothing(make, options):
    with pytest.raises(ValueError, match="must"):
        make(**options)
