"""What expanding does to a graph, and what it says when it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from strandline import Session
from strandline.compiler.expand import expand, expansions
from strandline.onnx import read
from strandline.ops import UnsupportedOperator
from tests.compiler.expand.node import model
from tests.models.oracle import expected

X = np.ones((2, 3), np.float32)


def test_a_graph_without_such_operators_stays_itself() -> None:
    graph = read(model("Relu", {"x": X}, ("y",), {}, domain=""))
    assert expand(graph) is graph


def test_expanding_twice_changes_nothing() -> None:
    graph = expand(read(model("BiasGelu", {"x": X, "b": X[0]}, ("y",), {})))
    assert {(n.domain, n.op) for n in graph.nodes}.isdisjoint(expansions())
    assert expand(graph) is graph


@pytest.mark.parametrize("backend", ["core", "reference"])
def test_an_unknown_operator_is_named(backend: Any) -> None:
    with pytest.raises(UnsupportedOperator, match=r"com\.microsoft\.BeamSearch .*'node'"):
        Session(model("BeamSearch", {"x": X}, ("y",), {}), backend=backend)


def test_an_unknown_attribute_is_named() -> None:
    with pytest.raises(UnsupportedOperator, match="has no attribute swing"):
        Session(model("QuickGelu", {"x": X}, ("y",), {"swing": 1.0}))


def test_a_missing_attribute_is_named() -> None:
    with pytest.raises(UnsupportedOperator, match="attribute num_heads is required"):
        Session(model("Attention", {"x": X, "w": X}, ("y",), {}))


def test_a_missing_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"'node': input 1 is required"):
        Session(model("BiasGelu", {"x": X}, ("y",), {}))


def test_an_output_that_is_not_made_is_named() -> None:
    inputs = {"x": X, "skip": X, "gamma": X[0]}
    with pytest.raises(UnsupportedOperator, match="output 1, 'mean'"):
        Session(model("SkipLayerNormalization", inputs, ("y", "mean"), {}))


def test_weights_that_are_not_constant_are_named() -> None:
    inputs = {"a": X, "b": np.ones((4, 1, 16), np.uint8), "scales": np.ones(4, np.float32)}
    attrs = {"K": 3, "N": 4, "block_size": 32}
    with pytest.raises(UnsupportedOperator, match="the weights must be constant"):
        Session(model("MatMulNBits", inputs, ("y",), attrs))


def branches() -> bytes:
    """An If whose branches hold a FusedMatMul, of an outer value and an outer constant."""

    def branch(alpha: float) -> onnx.GraphProto:
        node = helper.make_node(
            "FusedMatMul", ["x", "w"], ["y"], domain="com.microsoft", transB=1, alpha=alpha
        )
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        return helper.make_graph([node], f"branch {alpha}", [], [y])

    node = helper.make_node(
        "If", ["condition"], ["z"], then_branch=branch(1.0), else_branch=branch(0.5)
    )
    inputs = [
        helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3]),
    ]
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    weights = onnx.numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
    graph = helper.make_graph([node], "graph", inputs, [z], [weights])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("condition", [True, False])
def test_inside_a_branch(condition: bool, backend: Any) -> None:
    feeds = {"condition": np.array(condition), "x": X}
    built = branches()
    got, want = Session(built, backend=backend).run(feeds), expected(built, feeds)
    np.testing.assert_allclose(got["z"], want["z"], rtol=1e-6)
