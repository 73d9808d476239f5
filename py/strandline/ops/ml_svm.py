"""Support vector machines, as libsvm scores them."""

from __future__ import annotations

from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType, float32
from strandline.ops.ml_linear import rows_of, table
from strandline.ops.ml_scores import ML, class_labels, label_type, transformed
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, ints, need


def _kernel(x: Array, vectors: Array, kind: str, params: Any) -> Array:
    """Kernel values [N, vectors] for kernel parameters (gamma, coef0, degree)."""
    gamma, coef0, degree = (
        float(v) for v in (params if params is not None and len(params) else (0, 0, 0))
    )
    if kind == "RBF":
        squares = ((x[:, None, :] - vectors[None, :, :]) ** 2).sum(axis=-1)
        return np.exp(-gamma * squares)
    dot = x @ vectors.T
    if kind == "POLY":
        return (gamma * dot + coef0) ** degree
    if kind == "SIGMOID":
        return np.tanh(gamma * dot + coef0)
    return dot


def _svm_regressor(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [TensorType(float32, (rows_of(need(inputs, 0).shape)[0], 1))]


@op("SVMRegressor", domain=ML, shape=_svm_regressor)
def svm_regressor(
    x: Array,
    *,
    coefficients: Any,
    kernel_params: Any = None,
    kernel_type: str = "LINEAR",
    n_supports: int = 0,
    one_class: int = 0,
    post_transform: str = "NONE",
    rho: Any,
    support_vectors: Any = None,
) -> Array:
    """Without support vectors the coefficients are those of a linear model. `one_class` gives +1
    and -1."""
    data = table(x, np.float32)
    weights, shift = np.asarray(coefficients, np.float32), float(rho[0])
    if n_supports:
        vectors = np.asarray(support_vectors, np.float32).reshape(n_supports, -1)
        scores = _kernel(data, vectors, kernel_type, kernel_params) @ weights + shift
    else:
        scores = _kernel(data, weights[None], kernel_type, kernel_params)[:, 0] + shift
    if one_class:
        scores = np.where(scores > 0, 1, -1)
    return scores.reshape(-1, 1).astype(np.float32)


def _svm_classifier(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    rows, _ = rows_of(need(inputs, 0).shape)
    names = attrs["classlabels_strings"]
    classes = len(names or ()) or len(ints(attrs["classlabels_ints"]))
    probabilities = attrs["prob_a"] is not None and len(attrs["prob_a"])
    linear = attrs["vectors_per_class"] is None or not len(attrs["vectors_per_class"])
    pairs = classes * (classes - 1) // 2
    width = classes if probabilities or linear or classes == 2 else pairs
    return [label_type(names, rows), TensorType(float32, (rows, width))][:n]


def _couple(pairwise: Array) -> Array:
    """Class probabilities from those of every pair [C, C] (one row's).

    T.-F. Wu, C.-J. Lin, R. C. Weng, "Probability estimates for multi-class classification by
    pairwise coupling", JMLR 2004, second method, solved by its fixed-point iteration.
    """
    classes = len(pairwise)
    q = -pairwise.T * pairwise
    np.fill_diagonal(q, (pairwise.T**2).sum(axis=1) - np.diag(pairwise) ** 2)
    p = np.full(classes, 1 / classes)
    for _ in range(max(100, classes)):
        qp = q @ p
        level = p @ qp
        if np.abs(qp - level).max() < 0.005 / classes:
            break
        for t in range(classes):
            step = (level - qp[t]) / q[t, t]
            p[t] += step
            level = (level + step * (step * q[t, t] + 2 * qp[t])) / (1 + step) ** 2
            qp = (qp + step * q[t]) / (1 + step)
            p /= 1 + step
    return p


@op("SVMClassifier", domain=ML, shape=_svm_classifier)
def svm_classifier(
    x: Array,
    *,
    classlabels_ints: Any = None,
    classlabels_strings: Any = None,
    coefficients: Any,
    kernel_params: Any = None,
    kernel_type: str = "LINEAR",
    post_transform: str = "NONE",
    prob_a: Any = None,
    prob_b: Any = None,
    rho: Any,
    support_vectors: Any = None,
    vectors_per_class: Any = None,
) -> tuple[Array, Array]:
    """One-against-one: every pair of classes votes; with Platt's parameters the votes become
    probabilities."""
    data = table(x, np.float64)
    labels = class_labels(classlabels_strings, classlabels_ints)
    shifts = np.asarray(rho, np.float64)
    counts = ints(vectors_per_class)
    scores: Array
    if not counts:
        weights = np.asarray(coefficients, np.float64).reshape(len(labels), -1)
        scores = _kernel(data, weights, kernel_type, kernel_params) + shifts[0]
        chosen = labels[np.argmax(scores, axis=1)]
        return chosen, transformed(scores, post_transform).astype(np.float32)
    classes, total = len(counts), sum(counts)
    vectors = np.asarray(support_vectors, np.float64).reshape(total, -1)
    weights = np.asarray(coefficients, np.float64).reshape(classes - 1, total)
    kernel = _kernel(data, vectors, kernel_type, kernel_params)
    begin = np.concatenate(([0], np.cumsum(counts)))
    pairs = [(i, j) for i in range(classes) for j in range(i + 1, classes)]
    margins = np.empty((len(data), len(pairs)))
    votes = np.zeros((len(data), classes), np.int64)
    for p, (i, j) in enumerate(pairs):
        a, b = slice(begin[i], begin[i + 1]), slice(begin[j], begin[j + 1])
        margins[:, p] = kernel[:, a] @ weights[j - 1, a] + kernel[:, b] @ weights[i, b] + shifts[p]
        wins = margins[:, p] > 0
        votes[:, i] += wins
        votes[:, j] += ~wins
    if prob_a is not None and len(prob_a):
        slope, shift = (np.asarray(v, np.float64) for v in (prob_a, prob_b))
        fitted = np.clip(1 / (1 + np.exp(margins * slope + shift)), 1e-7, 1 - 1e-7)
        scores = np.empty((len(data), classes))
        for row, values in enumerate(fitted):
            pairwise = np.zeros((classes, classes))
            for p, (i, j) in enumerate(pairs):
                pairwise[i, j], pairwise[j, i] = values[p], 1 - values[p]
            scores[row] = _couple(pairwise)
    elif classes == 2:
        scores = np.hstack((-margins, margins))
    else:
        scores = margins
    chosen = labels[np.argmax(votes, axis=1)]
    return chosen, transformed(scores, post_transform).astype(np.float32)
