"""Dynamic quantization: 8-bit weights; the ranges of what they are multiplied with are found in every run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from strandline.bundle.optimize.weights import SMALLEST, channel_axis, quantized_weights, weight_of
from strandline.compiler.evaluate import constant_of_array
from strandline.compiler.passes import remove_dead
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.types import float32


def quantize_dynamic(graph: Graph) -> tuple[Graph, int]:
    """MatMul and Gemm by weights as MatMulInteger of what DynamicQuantizeLinear gives; tables of Gather
    and weights of Conv in int8, read back as float32. The graph and how many nodes were changed.

    Weights have a scale for each column, row of a table or output channel.
    """
    work = _Dynamic(graph)
    for node in graph.nodes:
        work.visit(node)
    nodes, constants = tuple(work.nodes), work.constants
    return remove_dead(replace(graph, nodes=nodes, constants=constants)), work.changed


def quantize_tables(graph: Graph) -> tuple[Graph, int]:
    """Only the tables of Gather, in int8."""
    work = _Dynamic(graph)
    for node in graph.nodes:
        if node.op == "Gather" and not node.domain:
            work.gather(node)
        else:
            work.nodes.append(node)
    nodes, constants = tuple(work.nodes), work.constants
    return remove_dead(replace(graph, nodes=nodes, constants=constants)), work.changed


class _Dynamic:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.constants: dict[str, Constant] = dict(graph.constants)
        self.nodes: list[Node] = []
        self.quantized: set[str] = set()
        self.changed = 0

    def visit(self, node: Node) -> None:
        weight = weight_of(node, self.graph)
        if node.op == "Gather" and not node.domain:
            self.gather(node)
        elif weight is None:
            self.nodes.append(node)
        elif node.op == "Conv":
            self.conv(node, weight)
        else:
            self.product(node, weight)

    def enter(self, name: str, array: Any) -> str:
        self.constants[name] = constant_of_array(np.ascontiguousarray(array))
        return name

    def product(self, node: Node, weight: Constant) -> None:
        """y = (A quantized · B in int8) · scale of A · scales of B, plus the bias of a Gemm."""
        a, b = node.inputs[:2]
        values = weight.array()
        if channel_axis(node) == 0:
            values = values.T
        whole, scales = quantized_weights(values, 1)
        y = node.outputs[0]
        weights = self.enter(f"{b}/int8{'/t' if channel_axis(node) == 0 else ''}", whole)
        steps = self.enter(f"{weights}/scale", scales)
        bytes_, scale, zero = (f"{a}/{part}" for part in ("bytes", "scale", "zero"))
        if a not in self.quantized:
            self.quantized.add(a)
            self.nodes.append(Node("DynamicQuantizeLinear", (a,), (bytes_, scale, zero)))
        bias = node.inputs[2] if len(node.inputs) > 2 else ""
        product = f"{y}/product" if bias else y
        self.nodes += [
            Node("MatMulInteger", (bytes_, weights, zero), (f"{y}/sums",), {}, "", node.name),
            Node("Cast", (f"{y}/sums",), (f"{y}/float",), {"to": float32.code}),
            Node("Mul", (scale, steps), (f"{y}/scale",)),
            Node("Mul", (f"{y}/float", f"{y}/scale"), (product,)),
        ]
        if bias:
            self.nodes.append(Node("Add", (product, bias), (y,)))
        self.changed += 1

    def conv(self, node: Node, weight: Constant) -> None:
        if self.graph.opsets.get("", 1) < 13:
            self.nodes.append(node)
            return
        w = node.inputs[1]
        whole, scales = quantized_weights(weight.array(), 0)
        names = (self.enter(f"{w}/int8", whole), self.enter(f"{w}/scale", scales))
        if f"{w}/float" not in self.quantized:
            self.quantized.add(f"{w}/float")
            self.nodes.append(Node("DequantizeLinear", names, (f"{w}/float",), {"axis": 0}))
        self.nodes.append(replace(node, inputs=(node.inputs[0], f"{w}/float", *node.inputs[2:])))
        self.changed += 1

    def gather(self, node: Node) -> None:
        """Rows of a table: gather bytes and scales, then multiply."""
        table, index = node.inputs
        weight = self.graph.constants.get(table)
        fits = weight is not None and weight.dtype is float32 and len(weight.shape) == 2
        if (
            weight is None
            or not fits
            or node.attrs.get("axis", 0)
            or weight.type.size < SMALLEST * 16
        ):
            self.nodes.append(node)
            return
        values = weight.array()
        if not np.isfinite(values).all():
            self.nodes.append(node)
            return
        whole, scales = quantized_weights(values, 0)
        rows = self.enter(f"{table}/int8", whole)
        steps = self.enter(f"{table}/scale", scales[:, None])
        y = node.outputs[0]
        self.nodes += [
            Node("Gather", (rows, index), (f"{y}/bytes",), node.attrs, "", node.name),
            Node("Cast", (f"{y}/bytes",), (f"{y}/float",), {"to": float32.code}),
            Node("Gather", (steps, index), (f"{y}/scale",), node.attrs),
            Node("Mul", (f"{y}/float", f"{y}/scale"), (y,)),
        ]
        self.changed += 1
