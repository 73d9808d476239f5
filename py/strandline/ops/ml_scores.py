"""From raw class scores to labels and probabilities: what the classifiers of `ai.onnx.ml` share."""

from __future__ import annotations

from typing import Any

from strandline._lazy import np
from strandline.onnx.types import DType, TensorType, int64, string
from strandline.ops.registry import Array
from strandline.ops.rules import strings

ML = "ai.onnx.ml"


def class_labels(names: Any, numbers: Any) -> Array:
    """The labels as an array: strings, else integers."""
    if names is not None and len(names):
        return np.asarray(strings(names), dtype=object)
    return np.asarray(numbers if numbers is not None else [], np.int64)


def label_type(names: Any, count: int) -> TensorType:
    """Type of `count` labels: strings when the classifier has names."""
    dtype: DType = string if names is not None and len(names) else int64
    return TensorType(dtype, (count,))


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)), from the half that does not overflow."""
    v = 1 / (1 + np.exp(-np.abs(x)))
    return np.where(x < 0, 1 - v, v).astype(x.dtype)


def _inverse_erf(x: Array) -> Array:
    """Winitzki's approximation with a = 0.147, which onnxruntime uses as well (relative error
    2e-3).

    S. Winitzki, "A handy approximation for the error function and its inverse", 2008.
    """
    log = np.log((1 - x) * (1 + x))
    v = 2 / (np.pi * 0.147) + 0.5 * log
    return np.sign(x) * np.sqrt(-v + np.sqrt(v * v - log / 0.147))


def softmax_rows(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def softmax_zero_rows(x: Array) -> Array:
    """Softmax over the scores that are not zero; zeros stay (almost) zero."""
    top = x.max(axis=1, keepdims=True)
    powers = np.where(np.abs(x) > 1e-7, np.exp(x - top), x * np.exp(-top))
    total = powers.sum(axis=1, keepdims=True)
    return np.where(total == 0, x, powers / total)


def transformed(scores: Array, kind: str) -> Array:
    """`scores` [N, C] under one of ONNX-ML's transforms."""
    if kind == "NONE":
        return scores
    if kind == "LOGISTIC":
        return logistic(scores)
    if kind == "SOFTMAX":
        return softmax_rows(scores).astype(scores.dtype)
    if kind == "SOFTMAX_ZERO":
        return softmax_zero_rows(scores).astype(scores.dtype)
    if kind == "PROBIT":
        return (np.sqrt(2) * _inverse_erf(2 * scores - 1)).astype(scores.dtype)
    raise ValueError(f"post_transform {kind!r} is not one of ONNX-ML's")
