"""Labelled rows that come in sessions: intervals hold the population's value where rows are alike."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from strandline.drift.quality import Quality
from strandline.drift.quality.ab import differences, rate, rates
from strandline.drift.quality.products import SessionProducts
from strandline.drift.quality.sessions import metrics, of_session, sums_of

CASES = 200
LEAST = binom(CASES, 0.90).ppf(1e-5)
"""few sessions of unequal sizes cost linearised variances that much: of 40, on average 15 rows each"""


def binary(rng, session):
    own = rng.normal(size=session.max() + 1)[session]
    margin = 1.5 * (np.sqrt(0.5) * own + np.sqrt(0.5) * rng.normal(size=len(session))) - 1
    labels = rng.random(len(session)) < 1 / (1 + np.exp(-margin))
    return labels.astype(int), None, [1 / (1 + np.exp(-(0.8 * margin + 0.3)))]


def multiclass(rng, session):
    own = rng.normal(size=(session.max() + 1, 3))[session]
    logits = [0.7, 0.0, -0.5] + 1.5 * (own + rng.normal(size=own.shape)) / np.sqrt(2)
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (truth.cumsum(axis=1) > rng.random((len(session), 1))).argmax(axis=1)
    scores = np.exp(0.7 * logits) / np.exp(0.7 * logits).sum(axis=1, keepdims=True)
    return labels, None, list(scores.T)


def regression(rng, session):
    own = rng.normal(size=(2, session.max() + 1))[:, session]
    x = 1.4 * own[0] + rng.normal(0, 1.4, len(session))
    return x + 0.7 * own[1] + rng.standard_t(12, len(session)), 0.9 * x + 0.1, None


SOURCES = {"binary": binary, "multiclass": multiclass, "regression": regression}


def drawn(rng, kind, task, sessions, rows):
    """The quality of each session, of geometric sizes."""
    session = np.repeat(np.arange(sessions), rng.geometric(1 / rows, sessions))
    target, prediction, scores = SOURCES[kind](rng, session)
    found = []
    for part in np.split(np.arange(len(session)), np.flatnonzero(np.diff(session)) + 1):
        predicted = None if prediction is None else prediction[part]
        scored = None if scores is None else [column[part] for column in scores]
        found.append(Quality.count(task, target[part], predicted, scored))
    return found


def task_of(kind, rng):
    first = SOURCES[kind](rng, np.arange(3000))
    classes = None if kind == "regression" else sorted(set(first[0].tolist()))
    return Quality.from_columns(kind, *first, classes=classes, score_bins=30).task


def together(parts):
    return reduce(add, parts), reduce(add, map(of_session, parts))


@pytest.mark.parametrize("kind", SOURCES)
def test_coverage_where_rows_of_a_session_are_alike(kind):
    rng = np.random.default_rng(31)
    task = task_of(kind, rng)
    truth = Quality.count(task, *SOURCES[kind](rng, np.repeat(np.arange(40_000), 2))).metrics()
    hits, plain = Counter(), Counter()
    for _ in range(CASES):
        quality, moments = together(drawn(rng, kind, task, 40, 15))
        for name, metric in metrics(quality, moments).items():
            hits[name] += metric.ci_low <= truth[name].value <= metric.ci_high
        for name, metric in quality.metrics().items():
            plain[name] += metric.ci_low <= truth[name].value <= metric.ci_high
    assert {name: h for name, h in hits.items() if h < LEAST} == {}
    assert min(plain.values()) < 0.75 * CASES  # what ignoring the sessions costs
    first = "accuracy" if kind != "regression" else "mae"
    assert hits[first] <= binom(CASES, 0.97).ppf(1 - 1e-5)


def test_versions_that_are_alike_are_not_told_apart():
    rng = np.random.default_rng(32)
    task = task_of("binary", rng)
    alarms, plain, counted, naive = Counter(), Counter(), 0, 0
    for _ in range(CASES):
        (a, of_a), (b, of_b) = (together(drawn(rng, "binary", task, 50, 15)) for _ in "ab")
        alarms.update(d.name for d in differences(a, b, sessions=(of_a, of_b)) if d.p_value <= 0.05)
        plain.update(d.name for d in differences(a, b) if d.p_value <= 0.05)
        sides, sessions = [], []
        for _ in "ab":
            rows = rng.geometric(1 / 15, 50)
            events = rng.binomial(rows, rng.beta(0.5, 4.5, 50))
            sides.append((int(events.sum()), int(rows.sum())))
            pairs = zip(rows.tolist(), events.tolist(), strict=True)
            sessions.append(reduce(add, map(SessionProducts.of, pairs)))
        counted += rates("bought", *sides, sessions=tuple(sessions)).p_value <= 0.05
        naive += rates("bought", *sides).p_value <= 0.05
    most = binom(CASES, 0.05).ppf(1 - 1e-5)
    assert {name: n for name, n in alarms.items() if n > most} == {}
    assert max(plain.values()) > most
    assert counted <= most < naive


def test_the_variance_is_that_of_session_means_of_equal_sessions():
    rng = np.random.default_rng(33)
    task = task_of("regression", rng)
    parts = []
    errors = rng.normal(0.2, 1, (25, 1)) + rng.normal(0, 0.5, (25, 8))
    for error in errors:
        target = rng.normal(size=8)
        parts.append(Quality.count(task, target, target + error))
    quality, moments = together(parts)
    found = metrics(quality, moments)["mean_error"]
    means = errors.mean(axis=1)
    half = 2.0638985616280205 * means.std(ddof=1) / 5  # Student's t of 24 degrees of freedom
    assert found.ci_high - found.value == pytest.approx(half, rel=1e-6)
    assert found.value == pytest.approx(means.mean(), rel=1e-6)


@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1), min_size=1))
def test_products_add_up_and_one_session_tells_nothing(rows):
    task = Quality.from_columns("multiclass", [0, 1, 2], prediction=[0, 1, 2]).task
    parts = [Quality.count(task, *map(list, zip(*one, strict=True))) for one in rows]
    quality, moments = together(parts)
    table = np.array([sums_of(one) for one in parts], dtype=object)
    size = len(moments.matrix)
    assert [[moments.matrix[i][j] for j in range(size)] for i in range(size)] == (
        table.T @ table
    ).tolist()
    assert moments - of_session(parts[-1]) + of_session(parts[-1]) == moments
    for name, metric in metrics(quality, moments).items():
        if metric.value is not None:
            assert metric.ci_low <= quality.metrics()[name].ci_low
            assert metric.ci_high >= quality.metrics()[name].ci_high
            assert 0 <= metric.ci_low <= metric.value <= metric.ci_high <= 1
            if len(rows) == 1:
                assert (metric.ci_low, metric.ci_high) == (0, 1)


def test_many_classes_are_corrected_as_their_accuracy_is():
    rng = np.random.default_rng(34)
    classes = list(range(20))
    labels = rng.integers(0, 20, 600)
    guesses = np.where(np.repeat(rng.random(30) < 0.5, 20), labels, rng.integers(0, 20, 600))
    task = Quality.from_columns("multiclass", labels, prediction=guesses, classes=classes).task
    quality, moments = together(
        [Quality.count(task, labels[i : i + 20], guesses[i : i + 20]) for i in range(0, 600, 20)]
    )
    assert len(moments.matrix) == 5
    wide, plain = metrics(quality, moments), quality.metrics()
    width = {
        n: (m.ci_high - m.ci_low) / (plain[n].ci_high - plain[n].ci_low) for n, m in wide.items()
    }
    assert width["accuracy"] > 2
    assert width["recall:3"] > 1.5


def test_a_rate_of_one_session_may_be_anything():
    found = rate("bought", 3, 10, sessions=SessionProducts.of((10, 3)))
    assert (found.value, found.ci_low, found.ci_high) == (0.3, 0.0, float("inf"))
