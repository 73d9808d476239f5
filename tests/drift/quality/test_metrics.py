"""Metrics against scikit-learn on the raw rows."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from strandline.drift.quality import Quality
from tests.drift.quality.strategies import binary_rows, class_rows, number_rows


def close(metric, value, tolerance=1e-9):
    assert metric.value == pytest.approx(value, rel=tolerance, abs=tolerance)
    assert metric.low <= metric.value <= metric.high
    assert metric.ci_low <= metric.low and metric.high <= metric.ci_high


@settings(max_examples=50)
@given(binary_rows())
def test_binary_labels(rows):
    labels, predicted, _ = rows
    found = Quality.from_columns("binary", labels, predicted).metrics()
    close(found["accuracy"], oracle.accuracy_score(labels, predicted))
    close(found["recall"], oracle.recall_score(labels, predicted))
    close(found["specificity"], oracle.recall_score(labels, predicted, pos_label=0))
    if any(predicted):
        close(found["precision"], oracle.precision_score(labels, predicted))
    else:
        assert found["precision"].value is None
    close(found["f1"], oracle.f1_score(labels, predicted))


@given(binary_rows(), st.integers(2, 8))
def test_binary_scores_lie_in_their_bounds(rows, bins):
    """However coarse the bins, the raw rows' AUC is inside; with a bin for every score it is exact."""
    labels, _, scores = rows
    raw = oracle.roc_auc_score(labels, scores)
    auc = Quality.from_columns("binary", labels, scores=scores, score_bins=bins).metrics()[
        "roc_auc"
    ]
    assert auc.low - 1e-12 <= raw <= auc.high + 1e-12
    assert auc.ci_low <= auc.low <= auc.value <= auc.high <= auc.ci_high
    fine = Quality.from_columns("binary", labels, scores=scores).metrics()["roc_auc"]
    assert fine.low == fine.high == pytest.approx(raw, abs=1e-12)


@given(binary_rows(), binary_rows(), st.integers(2, 8))
def test_bounds_hold_for_rows_that_did_not_make_the_bins(frozen, rows, bins):
    task = Quality.from_columns("binary", frozen[0], scores=frozen[2], score_bins=bins).task
    labels, _, scores = rows
    auc = Quality.count(task, labels, scores=scores).metrics()["roc_auc"]
    assert auc.low - 1e-12 <= oracle.roc_auc_score(labels, scores) <= auc.high + 1e-12


@given(binary_rows())
def test_log_loss_and_brier(rows):
    labels, _, scores = rows
    found = Quality.from_columns("binary", labels, scores=scores).metrics()
    close(found["log_loss"], oracle.log_loss(labels, scores))
    close(found["brier"], oracle.brier_score_loss(labels, scores))


@settings(max_examples=40)
@given(class_rows())
def test_averages(rows):
    labels, predicted = rows
    assume(len({*labels, *predicted}) > 1)
    found = Quality.from_columns("multiclass", labels, predicted).metrics()
    functions = {
        "precision": oracle.precision_score,
        "recall": oracle.recall_score,
        "f1": oracle.f1_score,
    }
    for name, function in functions.items():
        for average in ("macro", "micro", "weighted"):
            value = function(labels, predicted, average=average, zero_division=0)
            close(found[f"{name}_{average}"], value)
        classes = sorted({*labels, *predicted})
        by_class = function(labels, predicted, average=None, labels=classes, zero_division=np.nan)
        for klass, value in zip(classes, by_class, strict=True):
            metric = found[f"{name}:{klass}"]
            if np.isnan(value):
                assert metric.value is None
            else:
                close(metric, value)


@given(st.integers(0, 2**32 - 1), st.integers(6, 60))
def test_multiclass_scores(seed, n):
    rng = np.random.default_rng(seed)
    labels = [0, 1, 2, *rng.integers(0, 3, n - 3).tolist()]
    scores = rng.dirichlet(np.ones(3), n)
    found = Quality.from_columns(
        "multiclass", labels, scores=dict(zip("012", scores.T, strict=True))
    ).metrics()
    close(found["accuracy"], oracle.accuracy_score(labels, scores.argmax(axis=1)))
    close(found["log_loss"], oracle.log_loss(labels, scores))
    close(found["brier"], oracle.brier_score_loss(labels, scores))
    close(found["roc_auc_macro"], oracle.roc_auc_score(labels, scores, multi_class="ovr"))
    for klass in range(3):
        value = oracle.roc_auc_score(np.equal(labels, klass), scores[:, klass])
        close(found[f"roc_auc:{klass}"], value)


@given(number_rows())
def test_regression(rows):
    labels, predicted = rows
    quality = Quality.from_columns("regression", labels, predicted)
    found = quality.metrics()
    assume(found["mae"].n == len(labels))  # none out of all proportion to the labels
    half = 0.5 * 2.0**quality.task.unit  # what rounding moves an error by, and so their means
    for name, value in {
        "mae": oracle.mean_absolute_error(labels, predicted),
        "rmse": oracle.root_mean_squared_error(labels, predicted),
        "mean_error": np.subtract(predicted, labels).mean(),
    }.items():
        assert found[name].value == pytest.approx(value, rel=1e-12, abs=half)
        assert found[name].ci_low <= found[name].value <= found[name].ci_high
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one row has no R²
        r2 = oracle.r2_score(labels, predicted, force_finite=False)
    if np.isfinite(r2) and np.ptp(labels) > 1e-6:
        assert found["r2"].value == pytest.approx(r2, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("dtype", [bool, "int8", "float32", "float64", object, str])
def test_labels_of_any_make(dtype):
    labels, scores = np.array([0, 1, 1, 0, 1]), np.array([0.2, 0.9, 0.4, 0.6, 0.8])
    column = labels.astype(dtype) if dtype is not object else list(map(float, labels))
    found = Quality.from_columns("binary", column, scores=scores.astype("float32")).metrics()
    assert found["accuracy"].value == 0.6
    assert found["roc_auc"].value == pytest.approx(oracle.roc_auc_score(labels, scores))


def test_a_model_may_say_1_where_the_table_says_true():
    quality = Quality.from_columns("binary", ["True", "False", "true"], [1, 0, 0])
    assert quality.metrics()["accuracy"].value == pytest.approx(2 / 3)


def test_missing_labels_are_left_out_and_unknown_ones_count_as_wrong():
    task = Quality.from_columns("multiclass", ["a", "b"], ["a", "b"]).task
    quality = Quality.count(task, ["a", None, "", "z"], ["a", "a", "b", "b"])
    assert quality.n == 2 and quality.metrics()["accuracy"].value == 0.5


def test_margins_have_an_auc_but_no_log_loss():
    labels, margins = [0, 1, 0, 1], [-3.0, 2.5, 0.5, 0.25]
    found = Quality.from_columns("binary", labels, scores=margins).metrics()
    assert found["roc_auc"].value == 0.75 and found["accuracy"].value == 0.75
    assert "log_loss" not in found


@pytest.mark.parametrize(
    ("task", "columns", "message"),
    [
        ("ranking", ([1], [1]), "a task is binary, multiclass or regression"),
        ("binary", (["a", "b", "c"], ["a", "b", "c"]), "two classes, found 3: a, b, c"),
        ("binary", ([0, 1],), "needs predictions or scores"),
        ("multiclass", (["a"], ["a"]), "2 to 100 classes"),
        ("regression", ([1.0],), "needs predictions"),
        ("regression", ([1.0], [1.0, 2.0]), "columns differ in length: 1 and 2 cells"),
        ("multiclass", (["a", "b"], None, {"a": [0.1, 0.2]}), "2 to 100 classes"),
    ],
)
def test_refusals(task, columns, message):
    with pytest.raises(ValueError, match=message):
        Quality.from_columns(task, *columns)


def test_no_rows_have_no_metrics():
    for task in (
        Quality.from_columns("binary", [0, 1], scores=[0.1, 0.9]).task,
        Quality.from_columns("regression", [1.0, 2.0], [1.0, 2.0]).task,
    ):
        found = Quality.empty(task).metrics()
        assert found and all(metric.value is None and metric.n == 0 for metric in found.values())
