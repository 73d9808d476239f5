"""Tree ensembles: classifier, regressor, and the TreeEnsemble that replaces both."""

from __future__ import annotations

from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType, float32
from strandline.ops import ml_forest
from strandline.ops.ml_linear import rows_of
from strandline.ops.ml_scores import ML, class_labels, label_type, logistic, transformed
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, ints, need


def _table(x: Array) -> Array:
    """Rows in double precision where they come so, else single, as onnxruntime compares them."""
    data = x.reshape(rows_of(x.shape))
    return data if data.dtype in (np.float32, np.float64) else data.astype(np.float32)


def _base_values(attrs: Attrs, dtype: Any) -> Array:
    held = attrs["base_values"]
    tensor = attrs.get("base_values_as_tensor")
    if tensor is not None:
        return tensor.array().ravel().astype(dtype)
    return np.asarray(held if held is not None else [], dtype)


def _regressor(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    rows, _ = rows_of(need(inputs, 0).shape)
    return [TensorType(float32, (rows, attrs["n_targets"]))]


@op("TreeEnsembleRegressor", domain=ML, shape=_regressor)
def tree_ensemble_regressor(
    x: Array,
    *,
    aggregate_function: str = "SUM",
    base_values: Any = None,
    base_values_as_tensor: Any = None,
    n_targets: int = 1,
    nodes_falsenodeids: Any,
    nodes_featureids: Any,
    nodes_hitrates: Any = None,
    nodes_hitrates_as_tensor: Any = None,
    nodes_missing_value_tracks_true: Any = None,
    nodes_modes: Any,
    nodes_nodeids: Any,
    nodes_treeids: Any,
    nodes_truenodeids: Any,
    nodes_values: Any = None,
    nodes_values_as_tensor: Any = None,
    post_transform: str = "NONE",
    target_ids: Any,
    target_nodeids: Any,
    target_treeids: Any,
    target_weights: Any = None,
    target_weights_as_tensor: Any = None,
) -> Array:
    attrs = locals()
    data = _table(x)
    forest = ml_forest.from_lists(attrs, "target")
    scores, _ = ml_forest.sums(
        forest, forest.leaves(data), n_targets, data.dtype, aggregate_function
    )
    base = _base_values(attrs, data.dtype)
    return transformed(
        (scores + base if base.size else scores).astype(np.float32), post_transform
    ).astype(np.float32)


def class_count(attrs: Attrs) -> int:
    """Number of classes of a TreeEnsembleClassifier."""
    return len(attrs["classlabels_strings"] or ()) or len(ints(attrs["classlabels_int64s"]))


def _classifier(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    rows, _ = rows_of(need(inputs, 0).shape)
    scores = TensorType(float32, (rows, max(class_count(attrs), 2)))
    return [label_type(attrs["classlabels_strings"], rows), scores][:n]


@op("TreeEnsembleClassifier", domain=ML, shape=_classifier)
def tree_ensemble_classifier(
    x: Array,
    *,
    base_values: Any = None,
    base_values_as_tensor: Any = None,
    class_ids: Any,
    class_nodeids: Any,
    class_treeids: Any,
    class_weights: Any = None,
    class_weights_as_tensor: Any = None,
    classlabels_int64s: Any = None,
    classlabels_strings: Any = None,
    nodes_falsenodeids: Any,
    nodes_featureids: Any,
    nodes_hitrates: Any = None,
    nodes_hitrates_as_tensor: Any = None,
    nodes_missing_value_tracks_true: Any = None,
    nodes_modes: Any,
    nodes_nodeids: Any,
    nodes_treeids: Any,
    nodes_truenodeids: Any,
    nodes_values: Any = None,
    nodes_values_as_tensor: Any = None,
    post_transform: str = "NONE",
) -> tuple[Array, Array]:
    attrs = locals()
    data = _table(x)
    labels = class_labels(classlabels_strings, classlabels_int64s)
    forest = ml_forest.from_lists(attrs, "class")
    scores, touched = ml_forest.sums(
        forest, forest.leaves(data), max(len(labels), 2), data.dtype, "SUM"
    )
    base = _base_values(attrs, data.dtype)
    if len(labels) <= 2:
        place, scores = _two_classes(forest, scores, base, post_transform)
        return labels[place], scores.astype(np.float32)
    if base.size:
        scores, touched = scores + base, np.ones(scores.shape, bool)
    place = np.argmax(np.where(touched, scores, -np.inf), axis=1)
    return labels[place], transformed(scores.astype(np.float32), post_transform)


def _two_classes(
    forest: ml_forest.Forest, scores: Array, base: Array, transform: str
) -> tuple[Array, Array]:
    """The chosen class per row and the scores [N, 2].

    When all leaf values speak of one class only, the standard leaves open what they mean; onnxruntime takes
    that one score for the second class's: a probability when no weight is negative (it wins above 0.5), else
    a margin (above 0).
    """
    spoken = np.unique(forest.target)
    if len(spoken) != 1 or base.size == 2:
        scores = scores + base if base.size else scores
        return np.argmax(scores, axis=1), transformed(scores, transform)
    score = scores[:, spoken[0]] + base[0] if base.size else scores[:, spoken[0]]
    chance = (forest.weight >= 0).all()
    place = (score > (0.5 if chance else 0)).astype(np.int64)
    if spoken[0] == 1:
        return place, transformed(np.stack((np.zeros_like(score), score), axis=1), transform)
    if transform == "LOGISTIC":
        return place, np.stack((logistic(-score), logistic(score)), axis=1)
    other = 1 - score if chance else -score
    return place, np.stack((other, score), axis=1)


AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


def _ensemble(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [TensorType(x.dtype, (rows_of(x.shape)[0], attrs["n_targets"]))]


@op("TreeEnsemble", domain=ML, since=5, shape=_ensemble)
def tree_ensemble(
    x: Array,
    *,
    aggregate_function: int = 1,
    leaf_targetids: Any,
    leaf_weights: Any,
    membership_values: Any = None,
    n_targets: int = 1,
    nodes_falseleafs: Any,
    nodes_falsenodeids: Any,
    nodes_featureids: Any,
    nodes_hitrates: Any = None,
    nodes_missing_value_tracks_true: Any = None,
    nodes_modes: Any,
    nodes_splits: Any,
    nodes_trueleafs: Any,
    nodes_truenodeids: Any,
    post_transform: int = 0,
    tree_roots: Any,
) -> Array:
    attrs = locals()
    data = _table(x)
    forest = ml_forest.from_tensors(attrs)
    how = AGGREGATES[aggregate_function]
    scores, _ = ml_forest.sums(forest, forest.leaves(data), n_targets, data.dtype, how)
    return transformed(scores, TRANSFORMS[post_transform]).astype(x.dtype)
