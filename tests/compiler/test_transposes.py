"""Transposes that move until they cancel: fewer of them, and the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from strandline import Session
from strandline.compiler.passes import cancel_transposes, optimise
from strandline.compiler.store import Store
from strandline.onnx.graph import Graph, Node
from tests.compiler.graphs import assert_same, graph, ops
from tests.models.oracle import expected

LAST, FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
RNG = np.random.default_rng(11)


def normal(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


X = normal(2, 3, 5, 4)


def turn(source: str, result: str, perm: tuple[int, ...]) -> Node:
    return Node("Transpose", (source,), (result,), {"perm": perm})


def moved(g: Graph) -> Graph:
    """The pass's result, with what every pass owes."""
    nodes, constants = g.nodes, dict(g.constants)
    once = cancel_transposes(g, Store())
    assert (g.nodes, dict(g.constants)) == (nodes, constants)
    assert cancel_transposes(once, Store()) is once
    return once


def between(*nodes: Node, opset: int = 17, **constants: Any) -> Graph:
    """From `a` to `b`, channels last between two Transposes; `x` and `y` have them first."""
    return graph(
        [turn("x", "a", LAST), *nodes, turn("b", "y", FIRST)],
        ["x"], ["y"], constants, opset,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([Node("Relu", ("a",), ("b",))], {}),
        ([Node("Clip", ("a", "k"), ("b",))], {"k": np.float32(0.1)}),
        ([Node("Add", ("a", "k"), ("b",))], {"k": normal(3)}),
        ([Node("Mul", ("k", "a"), ("b",))], {"k": normal(4, 3)}),
        ([Node("Sub", ("a", "k"), ("b",))], {"k": normal(2, 5, 4, 3)}),
        ([Node("Div", ("a", "k"), ("b",))], {"k": normal(1, 1, 4, 1)}),
        ([Node("PRelu", ("a", "k"), ("b",))], {"k": normal(3)}),
        ([Node("Add", ("a", "k"), ("b",))], {"k": np.float32([[1.5]])}),
        ([Node("Neg", ("a",), ("n",)), Node("Mul", ("n", "a"), ("b",))], {}),
        ([Node("Cast", ("a",), ("d",), {"to": 11}), Node("Cast", ("d",), ("b",), {"to": 1})], {}),
        (
            [Node("Less", ("a", "k"), ("t",)), Node("Where", ("t", "a", "k"), ("b",))],
            {"k": normal(3)},
        ),
        ([Node("Neg", ("a",), ("n",)), Node("Concat", ("a", "n"), ("b",), {"axis": 3})], {}),
        ([Node("Neg", ("a",), ("n",)), Node("Concat", ("n", "a"), ("b",), {"axis": -2})], {}),
        ([Node("ReduceMean", ("a",), ("b",), {"axes": [1, -2]})], {}),
        ([Node("ReduceMax", ("a",), ("b",))], {}),
        ([Node("ReduceSum", ("a", "k"), ("b",))], {"k": np.int64([3])}),
    ],
)
def test_a_sandwich_is_gone(nodes: list[Node], constants: dict[str, Any]) -> None:
    g = between(*nodes, **constants)
    after = moved(g)
    assert ops(after) == [node.op for node in nodes] + ["Identity"]
    assert_same(g, after, X)


def test_a_mean_over_the_pixels_needs_none() -> None:
    """What a network with channels last ends in."""
    nodes = [
        turn("x", "a", LAST),
        Node("ReduceMean", ("a",), ("y",), {"axes": [1, 2], "keepdims": 0}),
    ]
    g = graph(nodes, ["x"], ["y"])
    after = moved(g)
    assert ops(after) == ["ReduceMean"] and list(after.nodes[0].attrs["axes"]) == [2, 3]
    assert_same(g, after, X)


def test_several_in_a_row_are_one() -> None:
    g = graph(
        [turn("x", "a", LAST), Node("Exp", ("a",), ("b",)), turn("b", "y", (1, 0, 2, 3))],
        ["x"], ["y"],
    )  # fmt: skip
    after = moved(g)
    assert sorted(ops(after)) == ["Exp", "Transpose"]
    assert_same(g, after, X)


def test_two_operands_transposed_alike() -> None:
    g = graph(
        [turn("x", "a", LAST), turn("z", "b", LAST), Node("Add", ("a", "b"), ("y",))],
        ["x", "z"], ["y"],
    )  # fmt: skip
    after = moved(g)
    assert ops(after) == ["Add", "Transpose"]
    assert_same(g, after, X, normal(2, 3, 5, 4))


@pytest.mark.parametrize(
    "nodes",
    [
        [turn("x", "a", LAST), Node("Relu", ("a",), ("y",))],
        [
            turn("x", "a", LAST),
            Node("Softmax", ("a",), ("b",), {"axis": -1}),
            turn("b", "y", FIRST),
        ],
        [turn("x", "a", LAST), turn("z", "b", FIRST), Node("MatMul", ("a", "b"), ("y",))],
        [Node("Transpose", ("x",), ("a",)), Node("Relu", ("a",), ("y",))],
        [
            turn("x", "a", LAST),
            Node("ReduceMean", ("a",), ("y",), {"axes": [3], "keepdims": 0}),
            turn("z", "u", LAST),
        ],
    ],
)
def test_where_nothing_is_gained_nothing_moves(nodes: list[Node]) -> None:
    g = graph(nodes, ["x", "z"], ["y"])
    if len(nodes) == 3 and nodes[1].op == "ReduceMean":
        assert ops(moved(g)) == ["ReduceMean"]  # both images' axes are still in order
        return
    assert moved(g) is g


def test_others_that_look_get_theirs() -> None:
    """A result on the way, and what a subgraph names."""
    branch = graph([Node("Neg", ("r",), ("n",))], [], ["n"])
    nodes = [
        turn("x", "a", LAST),
        Node("Relu", ("a",), ("r",)),
        Node("Exp", ("r",), ("e",)),
        turn("e", "y", FIRST),
        turn("r", "z", FIRST),
        Node("If", ("t",), ("w",), {"then_branch": branch, "else_branch": branch}),
    ]
    g = graph(nodes, ["x"], ["y", "z", "w", "r"], {"t": np.bool_(True)})
    after = moved(g)
    assert ops(after).count("Transpose") == 1
    assert_same(g, after, X)


PERMS = [LAST, FIRST, (0, 1, 3, 2), (1, 0, 2, 3)]
SIZES = [(2, 3, 5, 4), (1, 1, 7, 3), (2, 2, 2, 2), (3, 0, 2, 2)]


@st.composite
def webs(draw: Any) -> tuple[Graph, Any]:
    """Transposes among nodes that let them pass and others that do not."""
    size = draw(st.sampled_from(SIZES))
    shapes = {"x": size}
    nodes: list[Node] = []
    constants: dict[str, Any] = {}
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    for i in range(draw(st.integers(2, 14))):
        source = draw(st.sampled_from(list(shapes)))
        shape, name = shapes[source], f"v{i}"
        kind = draw(
            st.sampled_from(["turn", "turn", "one", "two", "constant", "concat", "reduce", "block"])
        )
        alike = [n for n, s in shapes.items() if s == shape]
        if kind == "turn":
            perm = draw(st.sampled_from(PERMS))
            nodes.append(turn(source, name, perm))
            shape = tuple(shape[axis] for axis in perm)
        elif kind == "one":
            nodes.append(Node(draw(st.sampled_from(["Neg", "Relu", "Abs"])), (source,), (name,)))
        elif kind == "two":
            nodes.append(Node("Sub", (source, draw(st.sampled_from(alike))), (name,)))
        elif kind == "constant":
            kept = [s if draw(st.booleans()) else 1 for s in shape][draw(st.integers(0, 4)) :]
            constants[f"k{i}"] = rng.standard_normal(kept).astype(np.float32)
            pair = (source, f"k{i}")
            nodes.append(Node("Add", pair if draw(st.booleans()) else pair[::-1], (name,)))
        elif kind == "concat":
            axis = draw(st.integers(-4, 3))
            nodes.append(
                Node("Concat", (source, draw(st.sampled_from(alike))), (name,), {"axis": axis})
            )
            axis %= 4
            shape = (*shape[:axis], 2 * shape[axis], *shape[axis + 1 :])
        elif kind == "reduce":
            axes = sorted(draw(st.sets(st.integers(0, 3), min_size=1, max_size=2)))
            nodes.append(Node("ReduceSum", (source, f"k{i}"), (name,)))
            constants[f"k{i}"] = np.int64(axes)
            shape = tuple(1 if axis in axes else s for axis, s in enumerate(shape))
        else:
            nodes.append(Node("CumSum", (source, f"k{i}"), (name,)))
            constants[f"k{i}"] = np.int64(2)
        shapes[name] = shape
    made = list(shapes)[1:]
    outputs = sorted({made[-1], *draw(st.sets(st.sampled_from(made), max_size=2))})
    feed = rng.standard_normal(size).astype(np.float32)
    return graph(nodes, ["x"], outputs, constants), feed


@given(web=webs())
@settings(max_examples=300, deadline=None)
def test_any_web_computes_the_same(web: tuple[Graph, Any]) -> None:
    g, feed = web
    after = moved(g)
    if after is not g:
        assert ops(after).count("Transpose") < ops(g).count("Transpose")
    assert_same(g, after, feed)


def channels_last(rng: Any) -> onnx.ModelProto:
    """Two residual blocks as exporters of TensorFlow's models write them."""
    nodes: list[Any] = []
    weights: list[Any] = []

    def constant(name: str, value: Any) -> str:
        weights.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(op: str, inputs: list[str], result: str, **attrs: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [result], **attrs))
        return result

    def conv(x: str, name: str, channels: int) -> str:
        kernel = constant(f"{name}/w", rng.standard_normal((channels, 8, 3, 3)) / 8)
        first = node("Transpose", [x], f"{name}/first", perm=FIRST)
        y = node("Conv", [first, kernel], f"{name}/conv", pads=[1, 1, 1, 1])
        last = node("Transpose", [y], f"{name}/last", perm=LAST)
        bias = constant(f"{name}/b", rng.standard_normal(channels))
        return node("Add", [last, bias], f"{name}/add")

    x = "x"
    for i in range(2):
        y = node("Relu", [conv(x, f"{i}a", 8)], f"{i}/relu")
        y = conv(y, f"{i}b", 8)
        x = node("Relu", [node("Add", [x, y], f"{i}/sum")], f"{i}/out")
    mean = node("ReduceMean", [x], "mean", axes=[1, 2], keepdims=0)
    node("MatMul", [mean, constant("dense", rng.standard_normal((8, 5)))], "y")
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes, "g", [value("x", TensorProto.FLOAT, ["n", 12, 11, 8])],
        [value("y", TensorProto.FLOAT, ["n", 5])], weights,
    )  # fmt: skip
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_a_network_with_channels_last() -> None:
    """One Transpose is left, of the image; biases, sums and activations go into the convolutions."""
    rng = np.random.default_rng(3)
    model = channels_last(rng).SerializeToString()
    session = Session(model)
    after = optimise(session.graph, Store())
    assert ops(after) == ["Transpose", *["FusedConv"] * 4, "ReduceMean", "MatMul"]
    for n in (1, 3):
        feeds = {"x": rng.standard_normal((n, 12, 11, 8)).astype(np.float32)}
        got, want = session.run(feeds)["y"], expected(model, feeds)["y"]
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
