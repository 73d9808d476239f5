"""What onnxruntime's quantizer writes, static and dynamic, runs on integers and gives what the model gives."""

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
    "xs": F(0.03), "xz": np.uint8(120), "ys": F(0.05), "yz": np.uint8(100), "bs": F(0.03 * 0.01),
    "ws": F(0.01), "wz": np.int8(0), "wn": np.linspace(0.01, 0.02, 6).astype(F),
    "z6": np.zeros(6, np.int8), "bias": normal(6), "whole": np.arange(6, dtype=np.int32) * 40,
    "cbias": normal(6, 1, 1),
}  # fmt: skip
MATRIX = np.random.default_rng(0).integers(-127, 128, (8, 6)).astype(np.int8)
KERNEL = np.random.default_rng(0).integers(-127, 128, (6, 3, 3, 3)).astype(np.int8)


def quantizing(source: str) -> list[Node]:
    return [
        Node("QuantizeLinear", (source, "xs", "xz"), ("xq",)),
        Node("DequantizeLinear", ("xq", "xs", "xz"), ("xd",)),
    ]


def weights(each: bool, axis: int) -> Node:
    scale = ("wn", "z6") if each else ("ws", "wz")
    return Node("DequantizeLinear", ("w", *scale), ("wd",), {"axis": axis} if each else {})


END = [
    Node("QuantizeLinear", ("last", "ys", "yz"), ("yq",)),
    Node("DequantizeLinear", ("yq", "ys", "yz"), ("y",)),
]


def fused(g: Graph) -> Graph:
    after = passes.fuse_quantized(g, Store())
    assert passes.fuse_quantized(after, Store()) is after
    return passes.remove_dead(passes.remove_identities(after))


def assert_near(a: Graph, b: Graph, step: float, *feeds: Any) -> None:
    """Equal up to one step of the output, where a sum lies next to the middle between two."""
    for x, y in zip(Interpreter(a).run(feeds), Interpreter(b).run(feeds), strict=True):
        assert x.shape == y.shape and x.dtype == y.dtype
        assert np.abs(x - y).max() <= step * 1.001
        assert (np.abs(x - y) > step / 2).mean() < 0.02


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("bias", ["", "bias", "whole"])
@pytest.mark.parametrize("activation", ["", "Relu", "Sigmoid"])
@pytest.mark.parametrize("end", [False, True])
def test_matmul(each: bool, bias: str, activation: str, end: bool) -> None:
    nodes = [*quantizing("x"), weights(each, 1)]
    nodes += [Node("MatMul", ("xd", "wd"), ("p",))]
    name = "p"
    if bias == "whole":
        nodes += [Node("DequantizeLinear", ("whole", "bs"), ("bd",))]
    if bias:
        nodes += [Node("Add", ("bd" if bias == "whole" else "bias", "p"), ("pb",))]
        name = "pb"
    if activation:
        nodes += [Node(activation, (name,), ("act",))]
        name = "act"
    nodes += [Node("Identity", (name,), ("last" if end else "y",))]
    g = passes.remove_identities(
        graph(nodes + (END if end else []), ["x"], ["y"], {**CONSTANTS, "w": MATRIX})
    )
    after = fused(g)
    tail = ["DequantizeLinear"] if end else []
    if end and activation == "Sigmoid":
        tail = ["Sigmoid", "QuantizeLinear", *tail]
    assert ops(after) == ["QuantizeLinear", "QuantizedGemm", *tail]
    assert_near(g, after, 0.05 if end else 1e-4, normal(4, 5, 8))


@pytest.mark.parametrize("trans", [0, 1])
def test_gemm(trans: int) -> None:
    node = Node("Gemm", ("xd", "wd", "bias"), ("last",), {"transB": trans})
    w = np.ascontiguousarray(MATRIX.T) if trans else MATRIX
    nodes = [*quantizing("x"), weights(True, 0 if trans else 1), node, *END]
    g = graph(nodes, ["x"], ["y"], {**CONSTANTS, "w": w})
    after = fused(g)
    assert ops(after) == ["QuantizeLinear", "QuantizedGemm", "DequantizeLinear"]
    assert_near(g, after, 0.05, normal(50, 8))


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("relu", [False, True])
def test_conv(each: bool, relu: bool) -> None:
    conv = Node("Conv", ("xd", "wd", "bd"), ("p" if relu else "last",), {"pads": [1, 1, 1, 1]})
    bias = Node("DequantizeLinear", ("whole", "bs"), ("bd",))
    nodes = [*quantizing("x"), weights(each, 0), bias, conv]
    nodes += [Node("Relu", ("p",), ("last",))] if relu else []
    g = graph([*nodes, *END], ["x"], ["y"], {**CONSTANTS, "w": KERNEL})
    after = fused(g)
    assert ops(after) == ["QuantizeLinear", "QuantizedConv", "DequantizeLinear"]
    assert_near(g, after, 0.05, normal(2, 3, 6, 5))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("relu", [False, True])
def test_dynamic(bias: bool, relu: bool) -> None:
    nodes = [
        Node("DynamicQuantizeLinear", ("x",), ("xq", "s", "z")),
        Node("MatMulInteger", ("xq", "w", "z", "wz"), ("i",)),
        Node("Cast", ("i",), ("f",), {"to": 1}),
        Node("Mul", ("s", "ws"), ("sw",)),
        Node("Mul", ("f", "sw"), ("p",)),
    ]
    nodes += [Node("Add", ("bias", "p"), ("b",))] if bias else []
    nodes += [Node("Relu", ("b" if bias else "p",), ("r",))] if relu else []
    nodes += [Node("Neg", (nodes[-1].outputs[0],), ("y",))]
    g = graph(nodes, ["x"], ["y"], {**CONSTANTS, "w": MATRIX})
    after = fused(g)
    assert ops(after) == ["DynamicQuantizeLinear", "QuantizedGemm", "Neg"]
    assert_near(g, after, 1e-4, normal(4, 5, 8))


def test_what_is_not_served_stays() -> None:
    depthwise = Node("Conv", ("xd", "wd"), ("y",), {"group": 3})
    w = KERNEL[:, :1]
    for nodes, constants in (
        ([*quantizing("x"), weights(False, 0), depthwise], {**CONSTANTS, "w": w}),
        ([*quantizing("x"), weights(True, 0), Node("MatMul", ("xd", "wd"), ("y",))],
         {**CONSTANTS, "w": MATRIX[:6]}),
        ([Node("DequantizeLinear", ("w", "ws"), ("wd",)), Node("MatMul", ("x", "wd"), ("y",))],
         {**CONSTANTS, "w": MATRIX}),
    ):  # fmt: skip
        g = graph(nodes, ["x"], ["y"], constants)
        assert passes.fuse_quantized(g, Store()) is g


def test_quantizing_what_was_quantized_alike_is_nothing() -> None:
    nodes = [*quantizing("x"), Node("QuantizeLinear", ("xd", "xs", "xz"), ("again",)),
             Node("DequantizeLinear", ("again", "xs", "xz"), ("y",))]  # fmt: skip
    g = graph(nodes, ["x"], ["y"], CONSTANTS)
    after = fused(g)
    assert ops(after) == ["QuantizeLinear", "DequantizeLinear"]
    assert_near(g, after, 1e-6, normal(7))
