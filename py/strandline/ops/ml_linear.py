"""Linear models and the numeric preparation before them."""

from __future__ import annotations

from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType, float32
from strandline.ops.ml_scores import ML, class_labels, label_type, transformed
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, need, retyped


def rows_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """(rows, columns) of a table; a vector is one row."""
    if not 1 <= len(shape) <= 2:
        raise ValueError(f"expected a table [rows, columns], not {list(shape)}")
    return (1, shape[0]) if len(shape) == 1 else (shape[0], shape[1])


def table(x: Array, dtype: Any = None) -> Array:
    """`x` as [rows, columns]."""
    return x.reshape(rows_of(x.shape)).astype(dtype or x.dtype)


def _linear_classifier(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    rows, columns = rows_of(need(inputs, 0).shape)
    scores = len(attrs["coefficients"]) // columns
    names, numbers = attrs["classlabels_strings"], attrs["classlabels_ints"]
    labels = len(names) if names is not None and len(names) else len(numbers or ())
    width = 2 if scores == 1 and labels == 2 else scores
    return [label_type(names, rows), TensorType(float32, (rows, width))][:n]


@op("LinearClassifier", domain=ML, shape=_linear_classifier)
def linear_classifier(
    x: Array,
    *,
    coefficients: Any,
    intercepts: Any = None,
    classlabels_ints: Any = None,
    classlabels_strings: Any = None,
    multi_class: int = 0,
    post_transform: str = "NONE",
) -> tuple[Array, Array]:
    """One row of coefficients per score.

    One score for two labels: its sign decides, the other is its complement, and of the transforms only the
    logistic one applies, as onnxruntime has it.
    """
    data = table(x, np.float32)
    weights = np.asarray(coefficients, np.float32).reshape(-1, data.shape[1])
    scores = data @ weights.T
    if intercepts is not None and len(intercepts):
        scores = scores + np.asarray(intercepts, np.float32)
    labels = class_labels(classlabels_strings, classlabels_ints)
    if scores.shape[1] > 1:
        return labels[np.argmax(scores, axis=1)], transformed(scores, post_transform)
    if len(labels) != 2:
        labels = np.asarray(["0", "1"] if labels.dtype == object else [0, 1], labels.dtype)
        return labels[(scores[:, 0] > 0).astype(int)], transformed(scores, post_transform)
    chosen = labels[(scores[:, 0] > 0).astype(int)]
    if post_transform == "LOGISTIC":
        return chosen, transformed(np.hstack((-scores, scores)), "LOGISTIC")
    return chosen, np.hstack((1 - scores, scores))


def _linear_regressor(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    rows, _ = rows_of(need(inputs, 0).shape)
    return [TensorType(float32, (rows, attrs["targets"]))]


@op("LinearRegressor", domain=ML, shape=_linear_regressor)
def linear_regressor(
    x: Array,
    *,
    coefficients: Any,
    intercepts: Any = None,
    targets: int = 1,
    post_transform: str = "NONE",
) -> Array:
    data = table(x, np.float32)
    scores = data @ np.asarray(coefficients, np.float32).reshape(targets, -1).T
    if intercepts is not None and len(intercepts):
        scores = scores + np.asarray(intercepts, np.float32)
    return transformed(scores, post_transform)


@op("Scaler", domain=ML, shape=retyped(float32))
def scaler(x: Array, *, offset: Any, scale: Any) -> Array:
    """(x - offset) * scale, per column or with one pair for all."""
    shift, factor = (np.asarray(v, np.float32) for v in (offset, scale))
    return ((x.astype(np.float32) - shift) * factor).astype(np.float32)


@op("Normalizer", domain=ML, shape=retyped(float32))
def normalizer(x: Array, *, norm: str = "MAX") -> Array:
    """Rows divided by their norm; a row whose norm is 0 stays."""
    data = x.astype(np.float32)
    if norm == "MAX":
        size = np.max(data, axis=-1, keepdims=True)
    elif norm == "L1":
        size = np.sum(np.abs(data), axis=-1, keepdims=True)
    else:
        size = np.sqrt(np.sum(data * data, axis=-1, keepdims=True))
    return np.where(size == 0, data, data / size).astype(np.float32)


def _binarizer(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [need(inputs, 0)]


@op("Binarizer", domain=ML, shape=_binarizer)
def binarizer(x: Array, *, threshold: float = 0.0) -> Array:
    return (x > threshold).astype(x.dtype)


def _imputer(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [need(inputs, 0)]


@op("Imputer", domain=ML, shape=_imputer)
def imputer(
    x: Array,
    *,
    imputed_value_floats: Any = None,
    imputed_value_int64s: Any = None,
    replaced_value_float: float = 0.0,
    replaced_value_int64: int = 0,
) -> Array:
    """Every `replaced_value` (NaN included) becomes its column's imputed value, or the only one."""
    if x.dtype.kind == "f":
        new, old = (
            np.asarray(imputed_value_floats, x.dtype),
            np.asarray(replaced_value_float, x.dtype),
        )
        missing = np.isnan(x) if np.isnan(old) else x == old
    else:
        new, missing = np.asarray(imputed_value_int64s, x.dtype), x == replaced_value_int64
    return np.where(missing, new, x)


def _feature_vectorizer(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    shapes = [rows_of(i.type.shape) for i in inputs if i is not None]
    wanted = attrs["inputdimensions"]
    return [TensorType(float32, (shapes[0][0], sum(int(w) for w in wanted)))]


@op("FeatureVectorizer", domain=ML, shape=_feature_vectorizer)
def feature_vectorizer(*columns: Array, inputdimensions: Any) -> Array:
    """The inputs side by side, each cut or filled up with zeros to its dimension."""
    parts = []
    for part, width in zip(columns, inputdimensions, strict=True):
        data = table(part, np.float32)[:, :width]
        parts.append(np.pad(data, ((0, 0), (0, int(width) - data.shape[1]))))
    return np.hstack(parts)


def _extract(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x, picks = need(inputs, 0), need(inputs, 1)
    lead = x.shape[:-1] if len(x.shape) > 1 else (1,)
    return [TensorType(x.dtype, (*lead, picks.size))]


@op("ArrayFeatureExtractor", domain=ML, shape=_extract)
def array_feature_extractor(x: Array, picks: Array) -> Array:
    """Columns by number."""
    return np.atleast_2d(x)[..., picks.ravel()]
