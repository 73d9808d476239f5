"""Static quantization: tensors between products carry 8-bit integers of ranges found beforehand (QDQ form)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from strandline.bundle.optimize.weights import channel_axis, quantized_weights, weight_of
from strandline.compiler.evaluate import constant_of_array
from strandline.compiler.passes import remove_dead
from strandline.compiler.passes.rewrite import Uses
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.types import float32

Ranges = Mapping[str, tuple[float, float]]

_CLAMPS = ("Relu", "Clip")
"""Activations that the integers' own bounds stand for, or that integer kernels take along."""
_MOST_STEPS = 2**30
"""Steps of a bias in either direction."""
_MOVERS = ("MaxPool", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice")
"""Operators whose results are elements of their first input: they keep its scale, so bytes pass through."""


def observed(graph: Graph) -> list[str]:
    """The tensors whose ranges `quantize_static` asks for: what its products take and give."""
    uses = Uses(graph)
    names: dict[str, None] = {}
    for node in graph.nodes:
        if weight_of(node, graph) is not None:
            names[node.inputs[0]] = None
            names[_end(node, graph, uses)] = None
    return [name for name in names if name not in graph.constants]


def _end(node: Node, graph: Graph, uses: Uses) -> str:
    """The value after a product, its constant bias and a clamp, if nobody else uses what is between."""
    name = node.outputs[0]
    for kinds in (("Add",), _CLAMPS):
        users = uses.users.get(name, ())
        if uses.count[name] != 1 or len(users) != 1 or users[0].domain or users[0].op not in kinds:
            continue
        rest = [n for n in users[0].inputs if n != name]
        constant = all(n in graph.constants or not n for n in rest)
        if constant and (node.op == "MatMul" or users[0].op in _CLAMPS):
            name = users[0].outputs[0]
    return name


def _between(node: Node, quantized: Container[str], uses: Uses) -> bool:
    """Whether a node's result, after a clamp, is quantized, and integers can compute it."""
    if node.domain or node.op not in (*_MOVERS, "Add", "Sum", "Mul", "Concat"):
        return False
    name = node.outputs[0]
    after = uses.users.get(name, ())
    if name not in quantized and uses.count[name] == len(after) == 1 and after[0].op in _CLAMPS:
        name = after[0].outputs[0]
    return name in quantized


def quantize_static(graph: Graph, ranges: Ranges) -> tuple[Graph, int]:
    """QuantizeLinear and DequantizeLinear around every Conv, MatMul and Gemm by weights.

    Sums, products and moves of such tensors whose results are quantized again read the quantized
    ones, so that they are computed on bytes. Tensors are uint8 with one scale and zero point; weights
    int8 with a scale for each output channel; biases of Conv and Gemm int32. The graph's outputs stay
    float32. The graph and how many products were changed.
    """
    work = _Static(graph, ranges)
    return work.graph(), work.changed


class _Static:
    def __init__(self, graph: Graph, ranges: Ranges) -> None:
        self.before = graph
        self.ranges = ranges
        self.constants: dict[str, Constant] = dict(graph.constants)
        self.weights: dict[str, Any] = {}
        self.changed = 0
        self.makers = Uses(graph).maker

    def graph(self) -> Graph:
        uses = Uses(self.before)
        results = {info.name for info in self.before.outputs}
        products = {id(n) for n in self.before.nodes if weight_of(n, self.before) is not None}
        taken = {n.inputs[0] for n in self.before.nodes if id(n) in products}
        given = {
            _end(n, self.before, uses) for n in self.before.nodes if id(n) in products
        } - results
        bytes_ = {name for name in taken | given if name in self.ranges} - results
        nodes: list[Node] = []
        for info in self.before.inputs:
            if info.name in taken:
                nodes += self.pair(info.name)
        for node in self.before.nodes:
            read = bytes_ if _between(node, bytes_, uses) else given
            inputs = tuple(f"{n}/quantized" if n in read else n for n in node.inputs)
            if id(node) in products and node.inputs[0] in self.ranges:
                before, node_ = self.product(node)
                nodes += [*before, node_]
            else:
                nodes.append(replace(node, inputs=inputs))
            for name in node.outputs:
                if name in taken or name in given:
                    nodes += self.pair(name)
        whole = replace(self.before, nodes=tuple(nodes), constants=self.constants)
        return remove_dead(whole)

    def enter(self, name: str, array: Any) -> str:
        self.constants[name] = constant_of_array(np.asarray(array))
        return name

    def parameters(self, name: str) -> tuple[Any, Any]:
        """(scale, zero point) by which uint8 covers the range, 0 being one of its numbers."""
        maker = self.makers.get(name)
        while maker is not None and maker.op in _MOVERS and maker.inputs[0] in self.ranges:
            name = maker.inputs[0]
            maker = self.makers.get(name)
        low, high = self.ranges[name]
        low, high = min(low, 0.0), max(high, 0.0)
        scale = np.float32((high - low) / 255) or np.float32(1)
        return scale, np.uint8(np.clip(np.rint(-low / scale), 0, 255))

    def pair(self, name: str) -> list[Node]:
        if name not in self.ranges:
            return []
        scale, zero = self.parameters(name)
        by = (self.enter(f"{name}/scale", scale), self.enter(f"{name}/zero", zero))
        return [
            Node("QuantizeLinear", (name, *by), (f"{name}/bytes",)),
            Node("DequantizeLinear", (f"{name}/bytes", *by), (f"{name}/quantized",)),
        ]

    def product(self, node: Node) -> tuple[list[Node], Node]:
        """The node between quantized tensors, and what reads its weights and bias."""
        x, w, *rest = node.inputs
        axis = channel_axis(node)
        bias = self.before.constants.get(rest[0]) if rest and rest[0] else None
        values, step = self.before.constants[w].array(), self.parameters(x)[0]
        before: list[Node] = []
        if w not in self.weights:
            fits = (
                bias is not None
                and bias.dtype is float32
                and bias.shape == values.shape[axis : axis + 1]
            )
            # The bias of a channel whose weights are next to nothing must fit its steps, too.
            least = np.abs(bias.array()) / step / _MOST_STEPS if bias and fits else 0
            quantized, scales = quantized_weights(values, axis, least)
            self.weights[w] = scales
            names = (
                self.enter(f"{w}/int8", quantized),
                self.enter(f"{w}/scale", scales),
                self.enter(f"{w}/zero", np.zeros(scales.shape, np.int8)),
            )
            before.append(Node("DequantizeLinear", names, (f"{w}/quantized",), {"axis": axis}))
        scales = self.weights[w]
        if bias is not None and bias.dtype is float32 and bias.shape == scales.shape:
            steps = scales * step
            units = np.clip(np.rint(bias.array() / steps), -_MOST_STEPS, _MOST_STEPS).astype(
                np.int32
            )
            name = f"{node.outputs[0]}/bias"
            by = (self.enter(f"{name}/int32", units), self.enter(f"{name}/scale", steps))
            zero = self.enter(f"{name}/zero", np.zeros(steps.shape, np.int32))
            before.append(Node("DequantizeLinear", (*by, zero), (name,), {"axis": 0}))
            rest = [name]
        self.changed += 1
        return before, replace(node, inputs=(f"{x}/quantized", f"{w}/quantized", *rest))
