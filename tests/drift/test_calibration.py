"""A small part of the calibration: without drift, alarms at 5 % come in 5 % of the cases, and no
test may do worse.

The reference is drawn and frozen anew in every case, bins, vocabulary and all: a test that took it
for the truth would fail here.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from strandline.drift import METHODS, Reference
from strandline.drift.stats import missing

CASES = 300
ALPHA = 0.05

NUMBERS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "half zero": lambda rng, n: np.where(rng.random(n) < 0.5, 0.0, rng.lognormal(0, 2, n)),
    "few values": lambda rng, n: rng.binomial(12, 0.4, n),
}
CATEGORIES = {
    "2 even": [0.5, 0.5],
    "10 even": [0.1] * 10,
    "50 uneven": (np.arange(1, 51) / 1275).tolist(),
}
SIZES = [(60, 60), (1000, 200), (500, 5000)]


def alarms(names, kind, draw, n, m):
    counts = dict.fromkeys(names, 0)
    for _ in range(CASES):
        feature = Reference.from_columns({"x": draw(n)}, kinds={"x": kind})["x"]
        current = feature.count(draw(m))
        for name in names:
            counts[name] += METHODS[name](feature, current).p_value <= ALPHA
    return counts


def check(counts):
    most = binom(CASES, ALPHA).ppf(0.9999)
    assert {name: count for name, count in counts.items() if count > most} == {}


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("shape", NUMBERS)
def test_numeric(shape, sizes):
    rng = np.random.default_rng(11)
    names = [name for name, method in METHODS.items() if "numeric" in method.kinds]
    if shape == "half zero":
        names.remove("t_test")  # a few hundred values with such a tail have no mean near normal
    check(alarms(names, "numeric", lambda k: NUMBERS[shape](rng, k), *sizes))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("shape", CATEGORIES)
def test_categorical(shape, sizes):
    rng = np.random.default_rng(12)
    shares = CATEGORIES[shape]
    labels = [f"c{i}" for i in range(len(shares))]
    names = [name for name, method in METHODS.items() if "categorical" in method.kinds]
    check(alarms(names, "categorical", lambda k: rng.choice(labels, k, p=shares).tolist(), *sizes))


@pytest.mark.parametrize("share", [0.01, 0.3])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_missing(share, sizes):
    rng = np.random.default_rng(13)

    def draw(n):
        return np.where(rng.random(n) < share, np.nan, 1.5)

    count = 0
    for _ in range(CASES):
        feature = Reference.from_columns({"x": draw(sizes[0])})["x"]
        current = feature.count(draw(sizes[1]))
        if feature.tally.missing + current.missing:
            count += missing(feature, current).p_value <= ALPHA
    check({"missing": count})


def test_the_alarms_are_not_bought_with_blindness():
    rng = np.random.default_rng(14)
    numeric = {name: method for name, method in METHODS.items() if "numeric" in method.kinds}
    seen = dict.fromkeys(numeric, 0)
    for _ in range(50):
        feature = Reference.from_columns({"x": rng.normal(size=1000)})["x"]
        current = feature.count(rng.normal(0.3, 1, 1000))
        for name, method in numeric.items():
            seen[name] += method(feature, current).p_value <= ALPHA
    assert min(seen.values()) >= 45
