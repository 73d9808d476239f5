"""Work grows with the model, not faster: counted in function calls, so that no clock decides."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import helper

from strandline import Session
from tests.runtime.models import model, tensor

node = helper.make_node
X = np.ones((2, 16), np.float32)


def deep(n: int) -> bytes:
    """A chain, each step with a constant of its own, some of them folded before."""
    names = ["x", *(f"v{i}" for i in range(n - 1)), "y"]
    nodes = []
    for i in range(n):
        nodes.append(node("Identity", [f"k{i}"], [f"c{i}"]))
        nodes.append(node(("Add", "Mul")[i % 2], [names[i], f"c{i}"], [names[i + 1]]))
    constants = {f"k{i}": np.float32([i % 3]) for i in range(n)}
    return model(nodes, [tensor("x", shape=["N", 16])], [tensor("y")], constants)


def wide(n: int) -> bytes:
    """Many branches, all alive until the end, then one node that takes them all."""
    nodes = [node("Mul", ["x", f"k{i}"], [f"v{i}"]) for i in range(n)]
    nodes += [node("Shape", [f"v{i}"], [f"s{i}"]) for i in range(n)]
    nodes += [node("Expand", [f"v{i}", f"s{i}"], [f"e{i}"]) for i in range(n)]
    nodes.append(node("Concat", [f"e{i}" for i in range(n)], ["y"], axis=0))
    constants = {f"k{i}": np.float32([i]) for i in range(n)}
    return model(nodes, [tensor("x", shape=["N", 16])], [tensor("y")], constants)


def hosted(n: int) -> bytes:
    """Steps out of the core, side by side."""
    nodes = [node("Mul", ["x", f"k{i}"], [f"v{i}"]) for i in range(n)]
    nodes += [node("Det", [f"v{i}"], [f"d{i}"]) for i in range(n)]
    nodes.append(node("Sum", [f"d{i}" for i in range(n)], ["y"]))
    constants = {f"k{i}": np.float32([i % 3]) for i in range(n)}
    return model(nodes, [tensor("x", shape=[2, 2])], [tensor("y")], constants)


def forest(n: int) -> bytes:
    """One node with long lists."""
    trees = range(n)
    attributes: dict[str, Any] = {
        "nodes_treeids": [t for t in trees for _ in range(3)],
        "nodes_nodeids": [0, 1, 2] * n,
        "nodes_featureids": [t % 16 for t in trees for _ in range(3)],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"] * n,
        "nodes_values": [0.5, 0.0, 0.0] * n,
        "nodes_truenodeids": [1, 0, 0] * n,
        "nodes_falsenodeids": [2, 0, 0] * n,
        "target_treeids": [t for t in trees for _ in range(2)],
        "target_nodeids": [1, 2] * n,
        "target_ids": [0, 0] * n,
        "target_weights": [1.0, 2.0] * n,
        "n_targets": 1,
    }
    regressor = node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **attributes)
    return model([regressor], [tensor("x", shape=["N", 16])], [tensor("y")])


def calls(work: Callable[[], object]) -> int:
    """How many functions, of Python and of C, `work` calls."""
    count = 0

    def tally(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(tally)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("build", [deep, wide, hosted, forest])
def test_a_model_of_twice_the_size_takes_twice_the_work(
    build: Callable[[int], bytes],
) -> None:
    counts = []
    for n in (100, 200, 400):
        data = build(n)
        x = X if build is not hosted else X[:, :2]
        Session(data).run({"x": x})
        counts.append(calls(lambda data=data, x=x: Session(data).run({"x": x})))  # type: ignore[misc]
    # Equal where the core does it all: a forest of any size takes the same calls.
    assert counts[2] - counts[1] <= 2.2 * (counts[1] - counts[0])
