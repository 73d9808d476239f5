"""LayerNorm and attention are recognised from what exporters make of them, and from nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strandline.compiler import passes
from strandline.compiler.store import Store
from strandline.onnx.graph import Graph, Node
from tests.compiler.graphs import assert_same, graph, normal, ops
from tests.compiler.test_passes import apply

X = normal(2, 5, 12)
NUMBERS: dict[str, Any] = {
    "eps": np.float32(1e-5),
    "two": np.float32(2),
    "half": np.float32(0.5),
    "one": np.float32(1),
    "scale": normal(12),
    "shift": normal(12),
}


def last(op: str, source: str, target: str) -> Node:
    return Node(op, (source,), (target,), {"axes": [-1]})


def steps(*lines: str) -> list[Node]:
    """`target = Op operands`, with the mean over the last axis as Mean."""
    nodes = []
    for line in lines:
        target, _, op, *names = line.split()
        if op == "Mean":
            nodes.append(last("ReduceMean", names[0], target))
        else:
            nodes.append(Node(op, tuple(names), (target,)))
    return nodes


CENTRE = ("m = Mean x", "d = Sub x m")
DEVIATION = ("var = Mean s", "e = Add var eps", "r = Sqrt e")


class TestComposeNorm:
    @pytest.mark.parametrize(
        "lines",
        [
            (*CENTRE, "s = Pow d two", *DEVIATION, "n = Div d r"),
            (*CENTRE, "s = Mul d d", *DEVIATION, "n = Div d r"),
            (*CENTRE, "s = Mul d d", *DEVIATION, "i = Reciprocal r", "n = Mul i d"),
            (*CENTRE, "s = Mul d d", *DEVIATION, "i = Div one r", "n = Mul d i"),
            (*CENTRE, "c = Sub x m", "s = Pow c two", *DEVIATION, "n = Div d r"),
            ("s = Pow x two", *DEVIATION, "i = Reciprocal r", "n = Mul x i"),
            ("s = Mul x x", "v = Mean s", "e = Add eps v", "r = Pow e half", "n = Div x r"),
        ],
    )
    @pytest.mark.parametrize(
        "tail",
        [("y = Identity n",), ("y = Mul n scale",), ("y = Add shift n",),
         ("t = Mul scale n", "y = Add t shift")],
    )  # fmt: skip
    def test_known_spellings(self, lines: tuple[str, ...], tail: tuple[str, ...]) -> None:
        g = passes.remove_identities(graph(steps(*lines, *tail), ["x"], ["y"], NUMBERS, opset=13))
        after = passes.remove_dead(apply(passes.compose_norm, g))
        assert ops(after) == ["FusedLayerNorm"]
        assert_same(g, after, X)

    @pytest.mark.parametrize(
        "lines",
        [
            ("m = Mean x", "d = Add x m", "s = Mul d d", "v = Mean d", "e = Add v eps",
             "r = Sqrt e", "y = Div d r"),
            (*CENTRE, "s = Mul d x", *DEVIATION, "y = Div d r"),
            (*CENTRE, "s = Mul d d", "v = Mean s", "e = Add v x", "r = Sqrt e", "y = Div d r"),
            (*CENTRE, "s = Mul d d", *DEVIATION, "y = Div x r"),
            (*CENTRE, "s = Mul d d", *DEVIATION, "y = Div r d"),
        ],
    )  # fmt: skip
    def test_what_only_looks_like_one(self, lines: tuple[str, ...]) -> None:
        g = graph(steps(*lines), ["x"], ["y"], NUMBERS, opset=13)
        assert apply(passes.compose_norm, g) is g

    def test_another_axis_is_none(self) -> None:
        nodes = steps(*CENTRE, "s = Mul d d", *DEVIATION, "y = Div d r")
        nodes = [
            Node(n.op, n.inputs, n.outputs, {"axes": [1]}) if n.op == "ReduceMean" else n
            for n in nodes
        ]
        g = graph(nodes, ["x"], ["y"], NUMBERS, opset=13)
        assert apply(passes.compose_norm, g) is g

    def test_doubles_keep_their_precision(self) -> None:
        numbers = {k: np.asarray(v, np.float64) for k, v in NUMBERS.items()}
        g = graph(steps(*CENTRE, "s = Mul d d", *DEVIATION, "y = Div d r"), ["x"], ["y"], numbers)
        assert apply(passes.compose_norm, g) is g


class TestFuseSumNorm:
    NORM = Node("LayerNormalization", ("t", "scale", "shift"), ("n",), {"epsilon": 1e-3})

    @pytest.mark.parametrize("shared", [False, True])
    def test_the_sum_is_taken_along(self, shared: bool) -> None:
        nodes = [Node("Add", ("x", "z"), ("t",))]
        nodes += [Node("Relu", ("t",), ("u",))] if shared else []
        nodes += [self.NORM, Node("Add", ("n", "u" if shared else "x"), ("y",))]
        g = graph(nodes, ["x", "z"], ["y"], NUMBERS)
        after = apply(passes.fuse_sum_norm, g)
        assert ops(after)[0] == "FusedLayerNorm" and len(after.nodes) == len(nodes) - 1
        assert_same(g, after, X, normal(2, 5, 12))
        assert_same(g, after, X, normal(12))

    def test_weights_that_are_computed_stay_where_they_are(self) -> None:
        nodes = [Node("Add", ("x", "z"), ("t",)), Node("Relu", ("shift",), ("w",))]
        nodes += [Node("LayerNormalization", ("t", "w"), ("y",))]
        g = graph(nodes, ["x", "z"], ["y"], NUMBERS)
        assert apply(passes.fuse_sum_norm, g) is g


def attention(
    *,
    scale: str = "product",
    mask: bool = False,
    zero: bool = False,
    heads: bool = True,
    axis: int = -1,
) -> list[Node]:
    """[2, 5, 3, 4] -> attention, spelled out as PyTorch's exporters do."""
    turn = {"perm": [0, 2, 1, 3]}
    nodes = [
        Node("Transpose", ("q",), ("qt",), turn),
        Node("Transpose", ("k",), ("kt",), {"perm": [0, 2, 3, 1]}),
        Node("Transpose", ("v",), ("vt",), turn),
    ]
    q, k = "qt", "kt"
    if scale == "operands":
        nodes += [Node("Mul", ("qt", "c"), ("qs",)), Node("Mul", ("c", "kt"), ("ks",))]
        q, k = "qs", "ks"
    nodes += [Node("MatMul", (q, k), ("p",))]
    name = "p"
    if scale == "product":
        nodes += [Node("Div", ("p", "root"), ("ps",))]
        name = "ps"
    if mask:
        nodes += [Node("Add", ("mask", name), ("pm",))]
        name = "pm"
    nodes += [Node("Softmax", (name,), ("w",), {"axis": axis})]
    name = "w"
    if zero:
        nodes += [Node("IsNaN", ("w",), ("bad",)), Node("Where", ("bad", "nothing", "w"), ("wz",))]
        name = "wz"
    nodes += [Node("MatMul", (name, "vt"), ("a" if heads else "y",))]
    if heads:
        nodes += [Node("Transpose", ("a",), ("y",), turn)]
    return nodes


ATTENTION = {"c": np.float32(0.7), "root": np.float32(2), "nothing": np.float32(0)}
QKV = (normal(2, 5, 3, 4), normal(2, 6, 3, 4), normal(2, 6, 3, 4))
MASK = np.where(np.arange(6) < 4, 0, -np.inf).astype(np.float32)


def attention_graph(nodes: list[Node], outputs: tuple[str, ...] = ("y",)) -> Graph:
    shapes = [(2, 5, 3, 4), (2, 6, 3, 4), (2, 6, 3, 4), (6,)]
    return graph(nodes, ["q", "k", "v", "mask"], list(outputs), ATTENTION, shapes=shapes)


class TestFuseAttention:
    @pytest.mark.parametrize("scale", ["", "product", "operands"])
    @pytest.mark.parametrize("mask", [False, True])
    @pytest.mark.parametrize("zero", [False, True])
    @pytest.mark.parametrize("heads", [False, True])
    def test_known_spellings(self, scale: str, mask: bool, zero: bool, heads: bool) -> None:
        g = attention_graph(attention(scale=scale, mask=mask, zero=zero, heads=heads))
        after = passes.remove_dead(apply(passes.fuse_attention, g))
        assert ops(after) == ["Attention"]
        assert_same(g, after, *QKV, MASK)

    def test_no_key_at_all(self) -> None:
        g = attention_graph(attention(mask=True, zero=True))
        after = passes.remove_dead(apply(passes.fuse_attention, g))
        assert ops(after) == ["Attention"]
        assert_same(g, after, *QKV, np.full(6, -np.inf, np.float32))

    def test_another_axis_is_none(self) -> None:
        g = attention_graph(attention(axis=1))
        assert apply(passes.fuse_attention, g) is g

    def test_weights_that_others_use_stay(self) -> None:
        g = attention_graph(attention(), outputs=("y", "w"))
        assert apply(passes.fuse_attention, g) is g

    def test_a_transpose_that_others_use_stays(self) -> None:
        g = attention_graph(attention(), outputs=("y", "a", "kt"))
        after = passes.remove_dead(apply(passes.fuse_attention, g))
        assert sorted(ops(after)) == ["Attention", "Transpose", "Transpose"]
        assert_same(g, after, *QKV, MASK)


def test_a_block_becomes_products_attention_and_norms() -> None:
    """The pre-norm block of a transformer, its heads split by Reshape."""
    shape = np.array([0, 0, 3, 4])
    weights = {name: normal(12, 12) * 0.3 for name in ("wq", "wk", "wv", "wo")}
    nodes = steps(*CENTRE, "s = Mul d d", *DEVIATION, "i = Div d r", "j = Mul i scale",
                  "n = Add j shift")  # fmt: skip
    for name in "qkv":
        nodes += [Node("MatMul", ("n", f"w{name}"), (f"{name}0",))]
        nodes += [Node("Add", (f"{name}0", "shift"), (f"{name}1",))]
        nodes += [Node("Reshape", (f"{name}1", "heads"), (name,))]
    nodes += [Node(n.op, n.inputs, n.outputs if n.outputs != ("y",) else ("at",), n.attrs)
              for n in attention()]  # fmt: skip
    nodes += [
        Node("Reshape", ("at", "flat"), ("af",)),
        Node("MatMul", ("af", "wo"), ("o",)),
        Node("Add", ("o", "x"), ("res",)),
        Node("LayerNormalization", ("res", "scale", "shift"), ("ln",)),
        Node("Add", ("ln", "res"), ("y2",)),
    ]
    constants = {**NUMBERS, **ATTENTION, **weights, "heads": shape, "flat": np.array([0, 0, 12])}
    g = graph(nodes, ["x"], ["y2"], constants)
    after = passes.optimise(g, Store())
    assert ops(after) == [
        "FusedLayerNorm", "FusedGemm", "Reshape", "FusedGemm", "Reshape", "FusedGemm", "Reshape",
        "Attention", "Reshape", "MatMul", "FusedLayerNorm", "Add",
    ]  # fmt: skip
    assert_same(g, after, X)
