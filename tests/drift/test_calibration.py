"""A small part of the calibration: without drift, alarms at 5 % come in 5 % of the cases, and no
test may do worse.

The reference is drawn and frozen anew in every case, bins, vocabulary and all: a test that took it
for the truth would fail here.
"""

from __future__ import annotations

import calibration_cases as suite
import calibration_page as page
import numpy as np
import pytest
from scipy.stats import binom, ks_2samp

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


FEW = [
    ("numeric", "normal", 1_000_000, 1_000_000),
    ("numeric", "normal", 100_000, 1000),
    ("numeric", "13 values", 100_000, 100_000),
    ("categorical", "50 uneven", 1_000_000, 1_000_000),
    ("categorical", "3 even", 1000, 1_000_000),
    ("missing", "1 %", 1000, 100_000),
    ("sessions", "numeric, 100 sessions of 10 rows, 20% between", 5000, 1000),
    ("sessions", "vector, 100 sessions of 10 rows, 20% between", 500, 1000),
]


@pytest.mark.parametrize("cell", FEW, ids=str)
def test_a_part_of_the_suite(cell):
    one = suite.Cell(*cell, cases=40, seed=3)
    assert page.over([{**vars(one), "alarms": suite.run(one)}]) == []


def test_the_suite_has_every_statistic():
    for kind in ("numeric", "categorical"):
        listed = {*page.COLUMNS[kind], *page.SHARED}
        assert listed == {n for n, m in METHODS.items() if kind in m.kinds}


def test_counts_drawn_at_once_are_those_of_rows(monkeypatch):
    values = []
    for limit in (suite.MOST_ROWS_DRAWN, 100):
        monkeypatch.setattr(suite, "MOST_ROWS_DRAWN", limit)
        rng = np.random.default_rng(21)
        drawn = [suite.numeric(rng, "normal", 2000, 1500) for _ in range(150)]
        values.append(
            [
                [METHODS[name](*pair).value for pair in drawn]
                for name in ("ks", "mannw", "t_test", "psi")
            ]
        )
    for rows, counts in zip(*values, strict=True):
        assert ks_2samp(rows, counts).pvalue > 1e-3


def test_the_page_says_what_alarms_too_often(tmp_path):
    cell = suite.Cell("missing", "30 %", 1000, 1000, cases=100)
    ours = [{**vars(cell), "alarms": {"missing": 30}}]
    power = [{"shift": s, "alarms": suite.power(s, 2, 0)} for s in (0.0, 1.0)]
    found = {"cases": 100, "seconds": 60, "ours": ours, "power": power, "peers": {"cells": []}}
    assert page.write(found, tmp_path) == ["missing in 30.0 % of 30 %, 1000 and 1000 rows"]
    text = (tmp_path / "calibration.md").read_text()
    assert "| 1,000 / 1,000 | 30.0 **△** |" in text
    assert "**Too many alarms:** missing in 30.0 %" in text
    assert (tmp_path / "img/calibration.svg").read_text().startswith("<svg")
