"""Random forests (any branch mode, missing values, leaves with several values) against onnxruntime.

Left out is what the standard leaves open and onnxruntime answers with noise: two classes whose leaves speak of
both, or of the second with base values; PROBIT on one score; SOFTMAX_ZERO on rows of zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strandline import Session
from tests.models.oracle import assert_equal, expected
from tests.ops.models import one_node

FEATURES = 4
BRANCHES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "PROBIT")
Rng = np.random.Generator


def random_trees(rng: Rng) -> tuple[dict[str, list[Any]], list[tuple[int, int]]]:
    """The `nodes_*` attributes of a few trees, and (tree, node) of every leaf."""
    nodes: dict[str, list[Any]] = {
        f"nodes_{name}": []
        for name in (
            "treeids", "nodeids", "featureids", "values", "modes",
            "truenodeids", "falsenodeids", "missing_value_tracks_true",
        )
    }  # fmt: skip
    leaves: list[tuple[int, int]] = []
    single = None if rng.random() < 0.5 else rng.choice(BRANCHES)

    def grow(tree: int, size: list[int], depth: int) -> int:
        node, place = size[0], len(nodes["nodes_treeids"])
        size[0] += 1
        is_leaf = depth == 0 or (node > 0 and rng.random() < 0.2)
        mode = "LEAF" if is_leaf else str(single or rng.choice(BRANCHES))
        row = (tree, node, int(rng.integers(FEATURES)), float(rng.integers(-3, 4) / 2), mode, 0, 0)
        for values, value in zip(nodes.values(), (*row, int(rng.random() < 0.5)), strict=True):
            values.append(value)
        if is_leaf:
            leaves.append((tree, node))
        else:
            nodes["nodes_truenodeids"][place] = grow(tree, size, depth - 1)
            nodes["nodes_falsenodeids"][place] = grow(tree, size, depth - 1)
        return node

    for tree in range(int(rng.integers(1, 6))):
        grow(tree, [0], int(rng.integers(1, 5)))
    return nodes, leaves


def leaf_values(
    rng: Rng, kind: str, leaves: list[tuple[int, int]], targets: list[list[int]]
) -> dict[str, list[Any]]:
    """The `class_*` or `target_*` attributes: `targets` are the outputs that each leaf speaks of."""
    rows = [(t, n, k) for (t, n), own in zip(leaves, targets, strict=True) for k in own]
    weights = rng.normal(size=len(rows))
    if rng.random() < 0.5:
        weights = np.abs(weights) / (leaves[-1][0] + 1)
    return {
        f"{kind}_treeids": [t for t, _, _ in rows],
        f"{kind}_nodeids": [n for _, n, _ in rows],
        f"{kind}_ids": [k for _, _, k in rows],
        f"{kind}_weights": weights.astype(np.float32).tolist(),
    }


def rows(rng: Rng, dtype: Any) -> np.ndarray[Any, Any]:
    """Values that meet thresholds exactly, and missing ones."""
    x = (rng.integers(-4, 5, size=(int(rng.choice([1, 5, 40])), FEATURES)) / 2).astype(dtype)
    x[rng.random(x.shape) < 0.15] = np.nan
    return x


def check(model: bytes, x: np.ndarray[Any, Any], backend: str) -> None:
    assert_equal(Session(model, backend=backend).run({"X": x}), expected(model, {"X": x}))


@pytest.mark.parametrize("backend", ["reference", "core"])
@pytest.mark.parametrize("seed", range(60))
def test_classifier(seed: int, backend: str) -> None:
    rng = np.random.default_rng(seed)
    nodes, leaves = random_trees(rng)
    classes = int(rng.choice([2, 2, 3, 4]))
    transform = str(rng.choice(TRANSFORMS[: 3 if classes == 2 else 4]))
    attributes: dict[str, Any] = {}
    if classes == 2:
        spoken = int(rng.random() < 0.2)
        targets = [[spoken]] * len(leaves)
        if not spoken and rng.random() < 0.5:
            attributes["base_values"] = [float(np.float32(rng.normal()))]
    else:
        counts = rng.integers(1, classes + 1, size=len(leaves))
        targets = [sorted(rng.choice(classes, n, replace=False).tolist()) for n in counts]
        if rng.random() < 0.5:
            base = rng.normal(size=classes).astype(np.float32)
            attributes["base_values"] = base.tolist()
    named = rng.random() < 0.5
    if named:
        attributes["classlabels_strings"] = [f"class {k}" for k in range(classes)]
    else:
        attributes["classlabels_int64s"] = [10 * k + 3 for k in range(classes)]
    dtype = rng.choice([np.float32, np.float64])
    model = one_node(
        "TreeEnsembleClassifier",
        {"X": (dtype, [None, FEATURES])},
        {"label": object if named else np.int64, "scores": np.float32},
        domain="ai.onnx.ml",
        post_transform=transform,
        **nodes,
        **leaf_values(rng, "class", leaves, targets),
        **attributes,
    )
    check(model, rows(rng, dtype), backend)


@pytest.mark.parametrize("backend", ["reference", "core"])
@pytest.mark.parametrize("seed", range(40))
def test_regressor(seed: int, backend: str) -> None:
    rng = np.random.default_rng(seed)
    nodes, leaves = random_trees(rng)
    outputs = int(rng.choice([1, 1, 3]))
    attributes: dict[str, Any] = {}
    if rng.random() < 0.5:
        attributes["base_values"] = rng.normal(size=outputs).astype(np.float32).tolist()
    dtype = rng.choice([np.float32, np.float64])
    model = one_node(
        "TreeEnsembleRegressor",
        {"X": (dtype, [None, FEATURES])},
        {"Y": np.float32},
        domain="ai.onnx.ml",
        n_targets=outputs,
        aggregate_function=str(rng.choice(["SUM", "AVERAGE", "MIN", "MAX"])),
        # With one output onnxruntime applies no transform but PROBIT.
        post_transform=str(rng.choice(TRANSFORMS if outputs > 1 else ("NONE", "PROBIT"))),
        **nodes,
        **leaf_values(rng, "target", leaves, [list(range(outputs))] * len(leaves)),
        **attributes,
    )
    check(model, rows(rng, dtype), backend)


@pytest.mark.parametrize("backend", ["reference", "core"])
def test_two_classes_with_scores_of_both_take_the_larger(backend: str) -> None:
    """By the standard; onnxruntime looks at the second score's sign alone."""
    model = one_node(
        "TreeEnsembleClassifier",
        {"X": (np.float32, [None, 1])},
        {"label": np.int64, "scores": np.float32},
        domain="ai.onnx.ml",
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_values=[0.0, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        class_treeids=[0, 0, 0, 0],
        class_nodeids=[1, 1, 2, 2],
        class_ids=[0, 1, 0, 1],
        class_weights=[0.75, 0.25, 0.25, 0.75],
        classlabels_int64s=[7, 9],
    )
    x = np.array([[-1], [1]], np.float32)
    got = Session(model, backend=backend).run({"X": x})
    assert got["label"].tolist() == [7, 9]
    assert got["scores"].tolist() == [[0.75, 0.25], [0.25, 0.75]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"nodes_truenodeids": [5, 0, 0]}, "does not have"),
        ({"nodes_truenodeids": [0, 0, 0]}, "back"),
        ({"nodes_modes": ["BRANCH_LEQ", "LEAF"]}, "modes"),
    ],
)
def test_broken_trees_are_refused(changed: dict[str, Any], message: str) -> None:
    attributes: dict[str, Any] = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_values": [0.0, 0.0, 0.0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_treeids": [0, 0],
        "target_nodeids": [1, 2],
        "target_ids": [0, 0],
        "target_weights": [1.0, 2.0],
    }
    model = one_node(
        "TreeEnsembleRegressor",
        {"X": (np.float32, [None, 1])},
        {"Y": np.float32},
        domain="ai.onnx.ml",
        **(attributes | changed),
    )
    with pytest.raises(ValueError, match=message):
        Session(model, backend="reference").run({"X": np.zeros((1, 1), np.float32)})
