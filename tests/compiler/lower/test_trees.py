"""Tree ensembles grown at random, against the NumPy reference and against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from strandline import core
from tests.compiler.lower.node import NoKernel, both, check, constant_of_array
from tests.models.oracle import expected

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

ML = "ai.onnx.ml"
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
FEATURES = 5


def grown(
    seed: int,
    kind: str,
    targets: int,
    *,
    trees: int = 9,
    depth: int = 5,
    modes: tuple[str, ...] = MODES,
    sparse: bool = False,
    signed: bool = True,
    missing: bool = True,
) -> dict[str, Any]:
    """The attributes of a random forest; with `sparse`, leaves speak of some targets only."""
    rng = np.random.default_rng(seed)
    nodes: dict[str, list[Any]] = {
        name: []
        for name in (
            "treeids",
            "nodeids",
            "modes",
            "featureids",
            "values",
            "truenodeids",
            "falsenodeids",
        )
    }
    leaves: dict[str, list[Any]] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(trees):
        # A node's id, its depth; children are numbered as they come, in no tidy order.
        waiting, count = [(0, 0)], 1
        while waiting:
            node, level = waiting.pop(int(rng.integers(len(waiting))))
            leaf = level == depth or (level > 0 and rng.random() < 0.25)
            nodes["treeids"].append(tree)
            nodes["nodeids"].append(node)
            nodes["modes"].append("LEAF" if leaf else str(rng.choice(modes)))
            nodes["featureids"].append(0 if leaf else int(rng.integers(FEATURES)))
            nodes["values"].append(0.0 if leaf else float(rng.integers(-4, 5)) / 2)
            nodes["truenodeids"].append(0 if leaf else count)
            nodes["falsenodeids"].append(0 if leaf else count + 1)
            if not leaf:
                waiting += [(count, level + 1), (count + 1, level + 1)]
                count += 2
                continue
            picked = (
                rng.permutation(targets)[: int(rng.integers(1, targets + 1))]
                if sparse
                else range(targets)
            )
            for target in picked:
                leaves["treeids"].append(tree)
                leaves["nodeids"].append(node)
                leaves["ids"].append(int(target))
                leaves["weights"].append(
                    float(np.float32(rng.normal() if signed else rng.random())) / trees
                )
    attrs = {f"nodes_{name}": held for name, held in nodes.items()}
    attrs |= {f"{kind}_{name}": held for name, held in leaves.items()}
    if missing:
        attrs["nodes_missing_value_tracks_true"] = rng.integers(0, 2, len(nodes["modes"])).tolist()
    return attrs


def rows(n: int, dtype: str = "float32", seed: int = 5) -> Any:
    """Values on and between the thresholds, a few of them missing."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-6, 7, (n, FEATURES)) / 2
    if np.dtype(dtype).kind == "f":
        x[rng.random(x.shape) < 0.1] = np.nan
    return x.astype(dtype)


BATCHES = (0, 1, 2, 3, 4, 7, 8, 9, 130, 300)


@given(
    seed=st.integers(0, 10**6),
    targets=st.integers(1, 4),
    modes=st.sampled_from([MODES, MODES[:1], MODES[1:2], MODES[2:4]]),
)
@generated
def test_regressor(seed: int, targets: int, modes: tuple[str, ...]) -> None:
    attrs = grown(seed, "target", targets, modes=modes)
    for n in (1, 5, 130):
        check(
            "TreeEnsembleRegressor",
            rows(n),
            domain=ML,
            opset=3,
            n_targets=targets,
            rtol=1e-6,
            **attrs,
        )


@pytest.mark.parametrize("n", BATCHES)
@pytest.mark.parametrize("depth", [0, 1, 3, 4, 5, 9, 13])
def test_batches_and_depths(n: int, depth: int) -> None:
    """Rows walk alone and side by side, on trees lower and higher than one stride of the walk."""
    for missing in (False, True):
        attrs = grown(depth, "target", 1, depth=depth, trees=11, modes=MODES[:1], missing=missing)
        check("TreeEnsembleRegressor", rows(n), domain=ML, opset=3, rtol=1e-6, **attrs)


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("targets", [1, 3])
def test_aggregates(aggregate: str, sparse: bool, targets: int) -> None:
    attrs = grown(3, "target", targets, sparse=sparse)
    attrs |= {"aggregate_function": aggregate, "n_targets": targets}
    for n in (1, 70):
        check("TreeEnsembleRegressor", rows(n), domain=ML, opset=3, rtol=1e-6, **attrs)


@pytest.mark.parametrize("post", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"])
@pytest.mark.parametrize("targets", [1, 3])
def test_regressor_transforms(post: str, targets: int) -> None:
    attrs = grown(4, "target", targets, signed=post != "PROBIT")
    base = [0.05] * targets
    check(
        "TreeEnsembleRegressor",
        rows(40),
        domain=ML,
        opset=3,
        n_targets=targets,
        rtol=1e-4,
        base_values=base,
        post_transform=post,
        **attrs,
    )


@pytest.mark.parametrize("dtype", ["float64", "int64", "int32", "float16"])
def test_element_types(dtype: str) -> None:
    attrs = grown(6, "target", 2)
    check(
        "TreeEnsembleRegressor",
        rows(30, dtype),
        domain=ML,
        opset=3,
        n_targets=2,
        rtol=1e-6,
        **attrs,
    )


def test_double_thresholds_are_compared_as_doubles() -> None:
    attrs = grown(7, "target", 1, modes=MODES[:1])
    fine = np.array(attrs.pop("nodes_values")) + 1e-12
    attrs["nodes_values_as_tensor"] = constant_of_array(fine)
    attrs["target_weights_as_tensor"] = constant_of_array(np.array(attrs.pop("target_weights")))
    x = rows(200, "float64") + 0.5e-12
    check("TreeEnsembleRegressor", x, domain=ML, opset=3, rtol=1e-6, **attrs)


CLASSES: list[dict[str, Any]] = [
    {"classlabels_int64s": [7, 3, 5]},
    {"classlabels_strings": ["no", "yes", "perhaps"]},
    {"classlabels_int64s": [7, 3, 5, 1], "post_transform": "SOFTMAX"},
    {
        "classlabels_int64s": [7, 3, 5],
        "post_transform": "LOGISTIC",
        "base_values": [0.1, -0.2, 0.3],
    },
    {"classlabels_int64s": [1, 0]},
    {"classlabels_strings": ["no", "yes"], "post_transform": "LOGISTIC"},
]


def _count(labels: dict[str, Any]) -> int:
    return len(labels.get("classlabels_int64s") or labels["classlabels_strings"])


def ort(op: str, x: Any, opset: int, n_outputs: int, **attrs: Any) -> list[Any]:
    """onnxruntime's outputs for a model of this one node."""
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    label = TensorProto.STRING if attrs.get("classlabels_strings") else TensorProto.INT64
    kinds = [label, TensorProto.FLOAT] if n_outputs == 2 else [TensorProto.FLOAT]
    names = ["label", "scores"][-n_outputs:]
    node = helper.make_node(op, ["x"], names, domain=ML, **attrs)
    graph = helper.make_graph(
        [node],
        "forest",
        [helper.make_tensor_value_info("x", kind, [None, FEATURES])],
        [helper.make_tensor_value_info(n, k, None) for n, k in zip(names, kinds, strict=True)],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid(ML, opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    return list(expected(model.SerializeToString(), {"x": x}).values())


@pytest.mark.parametrize("labels", CLASSES)
@pytest.mark.parametrize("sparse", [False, True])
def test_classifier_of_several_classes(labels: dict[str, Any], sparse: bool) -> None:
    attrs = grown(8, "class", _count(labels), sparse=sparse) | labels
    for n in (1, 60):
        check("TreeEnsembleClassifier", rows(n), domain=ML, opset=3, outputs=2, rtol=1e-5, **attrs)


@pytest.mark.parametrize("labels", CLASSES[:4])
def test_classifier_is_onnxruntimes(labels: dict[str, Any]) -> None:
    attrs = grown(9, "class", _count(labels)) | labels
    x = rows(300)
    (chosen, scores), _ = both("TreeEnsembleClassifier", x, domain=ML, opset=3, outputs=2, **attrs)
    wanted = ort("TreeEnsembleClassifier", x, 3, 2, **attrs)
    np.testing.assert_array_equal(chosen, wanted[0])
    np.testing.assert_allclose(scores, wanted[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("post", ["NONE", "LOGISTIC"])
@pytest.mark.parametrize("base", [None, [0.25]])
def test_two_classes_by_one_score_are_onnxruntimes(
    signed: bool, post: str, base: list[float] | None
) -> None:
    """All leaves speak of class 0: a probability when no weight is negative, else a margin."""
    attrs = grown(10, "class", 1, signed=signed)
    attrs |= {"classlabels_int64s": [4, 9], "post_transform": post}
    if base is not None:
        attrs["base_values"] = base
    x = rows(300)
    (chosen, scores), _ = both("TreeEnsembleClassifier", x, domain=ML, opset=3, outputs=2, **attrs)
    wanted = ort("TreeEnsembleClassifier", x, 3, 2, **attrs)
    np.testing.assert_array_equal(chosen, wanted[0])
    np.testing.assert_allclose(scores, wanted[1], rtol=1e-4, atol=1e-6)


def test_regressor_is_onnxruntimes() -> None:
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        attrs = grown(11, "target", 2) | {"aggregate_function": aggregate, "n_targets": 2}
        x = rows(300)
        ((scores,), _) = both("TreeEnsembleRegressor", x, domain=ML, opset=3, **attrs)
        np.testing.assert_allclose(
            scores, ort("TreeEnsembleRegressor", x, 3, 1, **attrs)[0], rtol=1e-4, atol=1e-6
        )


def ensemble(seed: int, targets: int) -> dict[str, Any]:
    """A TreeEnsemble of opset 5, with tests of membership: two roots over shared numbering."""
    rng = np.random.default_rng(seed)
    # Branches 0..4 in two trees (0 -> 1, 2; 3 -> 4), leaves 0..6.
    names = {
        "nodes_featureids": rng.integers(0, FEATURES, 5).tolist(),
        "nodes_truenodeids": [1, 0, 2, 4, 5],
        "nodes_trueleafs": [0, 1, 1, 0, 1],
        "nodes_falsenodeids": [2, 1, 3, 4, 6],
        "nodes_falseleafs": [0, 1, 1, 1, 1],
        "tree_roots": [0, 3],
        "leaf_targetids": rng.integers(0, targets, 7).tolist(),
    }
    modes = np.array([0, 6, 4, 6, 3], np.uint8)
    sets = np.array([-1, 0.5, 2, np.nan, 1, np.nan], np.float32)
    held = {
        "nodes_modes": modes,
        "nodes_splits": np.array([0.5, 0, 1, 0, -0.5], np.float32),
        "leaf_weights": rng.normal(size=7).astype(np.float32),
        "membership_values": sets,
    }
    return names | {name: constant_of_array(value) for name, value in held.items()}


@pytest.mark.parametrize("aggregate", [0, 1, 2, 3])
@pytest.mark.parametrize("post", [0, 1, 2])
@pytest.mark.parametrize("targets", [1, 3])
def test_tree_ensemble_with_sets(aggregate: int, post: int, targets: int) -> None:
    for seed in range(4):
        attrs = ensemble(seed, targets)
        attrs |= {"aggregate_function": aggregate, "post_transform": post, "n_targets": targets}
        check("TreeEnsemble", rows(150), domain=ML, opset=5, rtol=1e-5, **attrs)


def test_what_no_kernel_serves() -> None:
    attrs = grown(1, "target", 1)
    with pytest.raises(NoKernel):
        both("TreeEnsembleRegressor", rows(3)[:, :1].copy(), domain=ML, opset=3, **attrs)
    with pytest.raises(NoKernel):
        both("TreeEnsembleRegressor", np.array([["a"]], object), domain=ML, opset=3, **attrs)


def _q(*values: int) -> Any:
    return np.array(values, np.int64)


def flatten(**changed: Any) -> Any:
    """One stump, with some of its lists replaced."""
    lists: dict[str, Any] = {
        "tree": _q(0, 0, 0),
        "id": _q(0, 1, 2),
        "mode": bytes((0, 7, 7)),
        "feature": _q(0, 0, 0),
        "value": np.zeros(3, np.float32),
        "yes": _q(1, 0, 0),
        "no": _q(2, 0, 0),
        "missing": _q(),
        "members": None,
        "roots": None,
        "weight_tree": _q(0, 0),
        "weight_id": _q(1, 2),
        "target": _q(0, 0),
        "weight": np.ones(2, np.float32),
    }
    return core.flatten_forest(wide=False, n_targets=1, **lists | changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"yes": _q(9, 0, 0)}, "names a node that its tree does not have"),
        ({"yes": _q(0, 0, 0)}, "leads back to itself"),
        ({"id": _q(0, 1, 1)}, "the same id"),
        ({"mode": bytes((9, 7, 7))}, "unknown mode"),
        ({"feature": _q(-1, 0, 0)}, "a feature is negative"),
        ({"feature": _q(1 << 24, 0, 0)}, "a feature is negative or beyond"),
        ({"weight_id": _q(1, 5)}, "a weight names a node"),
        ({"target": _q(0, 1)}, "target is out of range"),
        ({"value": np.zeros(2, np.float32)}, "have 3 and 2 elements"),
        ({"weight": np.ones(3, np.float32)}, "have 2 and 3 elements"),
        ({"roots": _q(3)}, "a root is not there"),
        ({"tree": np.zeros(3, np.int8)}, "not made of aligned items of 8 bytes"),
        (
            {"mode": bytes((0, 0, 7)), "yes": _q(1, 0, 0), "no": _q(2, 2, 0), "roots": _q(0)},
            "lead back to themselves",
        ),
        (
            {"mode": bytes((0, 0, 0)), "yes": _q(1, 2, 0), "no": _q(2, 0, 1)},
            "lead back to themselves",
        ),
    ],
)
def test_lists_that_make_no_forest(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        flatten(**changed)


def test_a_chain_as_deep_as_it_is_long_is_flattened() -> None:
    """No recursion: a tree of 200,000 levels."""
    n = 200_000
    own = np.arange(n)
    inner = own < n - 1
    # Every branch's `yes` is the next node, its `no` the one leaf at the end (shared by all).
    nodes, roots, *_ = flatten(
        tree=np.zeros(n, np.int64),
        id=own,
        mode=np.where(inner, 0, 7).astype(np.uint8).tobytes(),
        feature=np.zeros(n, np.int64),
        value=np.zeros(n, np.float32),
        yes=np.where(inner, own + 1, 0),
        no=np.where(inner, n - 1, 0),
        weight_tree=_q(0),
        weight_id=_q(n - 1),
        target=_q(0),
        weight=np.ones(1, np.float32),
    )
    assert np.asarray(nodes).size == 4 * n
    assert np.asarray(roots).tolist() == [0, n - 1]
