"""Estimates without labels: against the expectation over rows, and against the labels that come."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn import metrics as oracle

from strandline.drift.quality import Quality, estimate
from tests.drift.quality.test_coverage import binary, multiclass

CASES = 120


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_estimates_are_expectations_over_the_rows(seed, n):
    """Every row twice, as a positive and as a negative, weighted by its calibrated score."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 300)
    scores = np.clip(np.round(rng.beta(2, 2, 300) * 0.6 + 0.3 * labels, 2), 0, 1)
    reference = Quality.from_columns("binary", labels, scores=scores, score_bins=400)
    drawn = rng.choice(scores, n)
    found = estimate(reference, Quality.unlabelled(reference.task, scores=drawn))

    from sklearn.isotonic import IsotonicRegression

    likely = IsotonicRegression().fit(scores, labels).predict(drawn)
    truth = np.repeat([1, 0], n)
    weights = np.concatenate([likely, 1 - likely])
    ranks, predicted = np.tile(likely, 2), np.tile(drawn >= 0.5, 2)
    for name, function in {
        "accuracy": oracle.accuracy_score,
        "precision": oracle.precision_score,
        "recall": oracle.recall_score,
        "f1": oracle.f1_score,
    }.items():
        if found[name].value is not None:
            assert found[name].value == pytest.approx(
                function(truth, predicted, sample_weight=weights), abs=1e-9
            )
    if found["roc_auc"].value is not None:
        area = oracle.roc_auc_score(truth, ranks, sample_weight=weights)
        assert found["roc_auc"].value == pytest.approx(area, abs=1e-9)


@pytest.mark.parametrize(("source", "kind"), [(binary, "binary"), (multiclass, "multiclass")])
def test_the_band_holds_the_realised_metric(source, kind):
    """Inputs shift (the rows are drawn unevenly), the concept does not: then the labels' metric lies in
    the band as often as it says; averages over classes claim more, never less.
    """
    rng = np.random.default_rng(7)
    hits, cases = Counter(), Counter()
    for _ in range(CASES):
        reference = Quality.from_columns(kind, *source(rng, 1500), score_bins=25)
        labels, _, scores = source(rng, 1200)
        chance = 0.2 + scores[0]
        rows = rng.choice(1200, 400, replace=False, p=chance / chance.sum())
        now = [score[rows] for score in scores]
        estimated = estimate(reference, Quality.unlabelled(reference.task, scores=now))
        realised = Quality.count(reference.task, labels[rows], scores=now).metrics()
        for name in estimated.keys() & realised.keys():
            cases[name] += 1
            hits[name] += estimated[name].ci_low <= realised[name].value <= estimated[name].ci_high
    least = binom(CASES, 0.93).ppf(1e-5)
    assert set(cases) >= {"accuracy", "roc_auc" if kind == "binary" else "roc_auc_macro"}
    assert {name: n for name, n in hits.items() if n < least} == {}
    assert hits["accuracy"] <= binom(CASES, 0.95).ppf(1 - 1e-5)


def test_there_is_no_estimate_without_scores_or_for_numbers():
    labels = Quality.from_columns("binary", [0, 1], [0, 1])
    numbers = Quality.from_columns("regression", [0.0, 1.0], [0.0, 1.0])
    assert estimate(labels, labels) == {} == estimate(numbers, numbers)
    with pytest.raises(ValueError, match="another task"):
        estimate(labels, numbers)
