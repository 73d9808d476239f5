"""What lies between DequantizeLinear and QuantizeLinear is put on bytes, and gives the same ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strandline.compiler import passes
from strandline.compiler.store import Store
from strandline.onnx.graph import Graph, Node
from strandline.runtime.reference import Interpreter
from tests.compiler.graphs import graph, normal, ops

F = np.float32
CONSTANTS: dict[str, Any] = {
    "as": F(0.03), "az": np.uint8(120), "bs": F(0.05), "bz": np.int8(-7), "ys": F(0.08),
    "yz": np.uint8(100), "half": F(0.5), "six": F(6), "zero": F(0), "row": normal(1, 5),
    "shape": np.array([0, -1]), "bad": np.ones((1, 1, 1), F),
}  # fmt: skip


def quantized(x: str, by: str) -> list[Node]:
    parameters = (f"{by}s", f"{by}z")
    return [
        Node("QuantizeLinear", (x, *parameters), (f"{x}q",)),
        Node("DequantizeLinear", (f"{x}q", *parameters), (f"{x}d",)),
    ]


def between(nodes: list[Node], last: str, by: str = "y") -> Graph:
    """`nodes` on the dequantized inputs ad and bd; `last` is quantized again."""
    head = [*quantized("a", "a"), *quantized("b", "b")]
    tail = quantized(last, by)
    tail[-1] = Node("DequantizeLinear", tail[-1].inputs, ("y",))
    whole = graph([*head, *nodes, *tail], ["a", "b"], ["y"], CONSTANTS)
    return passes.remove_dead(whole)


def kept(g: Graph) -> Graph:
    after = passes.keep_integers(g, Store())
    assert passes.keep_integers(after, Store()) is after
    return passes.remove_dead(passes.remove_identities(after))


def assert_alike(a: Graph, b: Graph, *feeds: Any) -> None:
    for x, y in zip(Interpreter(a).run(feeds), Interpreter(b).run(feeds), strict=True):
        np.testing.assert_array_equal(x, y)


IMAGE = normal(2, 3, 6, 5)
CASES: list[tuple[list[Node], str, str, list[str]]] = [
    ([Node("Sigmoid", ("ad",), ("l",))], "l", "y", ["MapBytes"]),
    ([Node("Clip", ("ad", "zero", "six"), ("l",))], "l", "y", ["MapBytes"]),
    ([Node("HardSigmoid", ("ad",), ("h",)), Node("Mul", ("h", "ad"), ("l",))], "l", "y",
     ["MapBytes"]),
    ([Node("Mul", ("half", "ad"), ("h",)), Node("Add", ("h", "six"), ("l",))], "l", "b",
     ["MapBytes"]),
    ([Node("Identity", ("ad",), ("l",))], "l", "a", []),
    ([Node("MaxPool", ("ad",), ("l",), {"kernel_shape": [2, 2]})], "l", "a", ["MaxPool"]),
    ([Node("MaxPool", ("ad",), ("l",), {"kernel_shape": [2, 2]})], "l", "y",
     ["MaxPool", "MapBytes"]),
    ([Node("Reshape", ("ad", "shape"), ("r",)), Node("Transpose", ("r",), ("l",))], "l", "a",
     ["Reshape", "Transpose"]),
    ([Node("Concat", ("ad", "bd", "ad"), ("l",), {"axis": 1})], "l", "a",
     ["MapBytes", "Concat"]),
    ([Node("Add", ("ad", "bd"), ("l",))], "l", "y", ["QuantizedAdd"]),
    ([Node("Sum", ("ad", "bd"), ("s",)), Node("Relu", ("s",), ("l",))], "l", "b",
     ["QuantizedAdd"]),
    ([Node("Mul", ("ad", "row"), ("l",))], "l", "y", ["QuantizedMul"]),
    ([Node("Add", ("ad", "bd"), ("s",)), Node("Relu", ("s",), ("r",)),
      Node("MaxPool", ("r",), ("l",), {"kernel_shape": [2, 2]})], "l", "y",
     ["Add", "Relu", "MaxPool", "QuantizeLinear"]),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CASES)))
def test_between(case: int) -> None:
    nodes, last, by, wanted = CASES[case]
    g = passes.remove_identities(between(nodes, last, by))
    after = kept(g)
    inner = [op for op in ops(after) if op not in ("QuantizeLinear", "DequantizeLinear")]
    assert inner == [op for op in wanted if op != "QuantizeLinear"]
    if "QuantizeLinear" not in wanted:
        assert ops(after).count("DequantizeLinear") == 1
    assert_alike(g, after, IMAGE, normal(2, 3, 6, 5))


def test_what_others_use_stays() -> None:
    """A result between that is an output, or that someone else takes, is still made."""
    chain = [Node("Sigmoid", ("ad",), ("s",)), Node("Neg", ("s",), ("l",))]
    g = between([*chain, Node("Exp", ("s",), ("e",))], "l")
    g = graph(g.nodes, ["a"], ["y", "s"], CONSTANTS)
    assert kept(g).nodes == g.nodes
    shaped = between([Node("Mul", ("ad", "bad"), ("l",))], "l")
    (made,) = [n for n in kept(shaped).nodes if n.domain]
    assert made.op == "QuantizedMul"  # a constant with axes may give the result more of them
