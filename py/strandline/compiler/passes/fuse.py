"""Bias, residual and activation taken along by the matrix product or convolution before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from strandline.compiler import fused
from strandline.compiler.lower import rule_for
from strandline.compiler.passes.rewrite import Uses, number
from strandline.onnx.graph import Constant, Graph, Node

Activation = tuple[str, float, float]
"""Name, a, b as `fused` explains them."""

Merged = tuple[Node, Node]
"""A node that goes, and the one that stands for both."""


def fuse_bias(graph: Graph) -> Graph:
    """MatMul by a constant matrix, then Add of a constant -> FusedGemm."""

    def merge(add: Node, uses: Uses) -> Merged | None:
        if add.op != "Add" or add.domain or graph.opsets.get("", 1) < 7:
            return None
        for product, bias in (add.inputs, add.inputs[::-1]):
            made = uses.only(product)
            matrix = graph.constants.get(made.inputs[1]) if made and made.op == "MatMul" else None
            offset = graph.constants.get(bias)
            if made is None or made.domain or matrix is None or offset is None:
                continue
            if len(matrix.shape) == 2 and offset.type.size == matrix.shape[1]:
                return _fused("FusedGemm", made, (*made.inputs, bias), add.outputs, {})
        return None

    return _merge_pairs(graph, merge)


def fuse_residual(graph: Graph) -> Graph:
    """Conv, then Add (Sum) of another value -> one FusedConv that adds it on the way out.

    Of two convolutions the later one adds: the other's result is there by then.
    """
    if graph.opsets.get("", 1) < 7:
        return graph
    places = {name: i for i, node in enumerate(graph.nodes) for name in node.outputs}

    def merge(add: Node, uses: Uses) -> Merged | None:
        if add.op not in ("Add", "Sum") or add.domain or len(add.inputs) != 2:
            return None
        for i in sorted((0, 1), key=lambda i: -places.get(add.inputs[i], -1)):
            made = uses.only(add.inputs[i])
            if made is not None and made.op == "Conv" and not made.domain:
                bias = made.inputs[2] if len(made.inputs) > 2 else ""
                inputs = (*made.inputs[:2], bias, add.inputs[1 - i])
                return _fused("FusedConv", made, inputs, add.outputs, made.attrs)
        return None

    return _merge_pairs(graph, merge)


def fuse_activation(graph: Graph) -> Graph:
    """Conv, Gemm, FusedGemm or ScaleShift, then an activation -> one node that applies it."""

    def merge(node: Node, uses: Uses) -> Merged | None:
        found = activation_of(node, graph.constants, graph.opsets)
        made = uses.only(node.inputs[0]) if found else None
        if found is None or made is None:
            return None
        name, a, b = found
        attrs = {"activation": name, "a": a, "b": b}
        if made.domain == "" and made.op == "Conv":
            return _fused("FusedConv", made, made.inputs, node.outputs, {**made.attrs, **attrs})
        if made.domain == "" and made.op == "Gemm" and graph.opsets.get("", 1) >= 7:
            given = {k: v for k, v in made.attrs.items() if k != "transA"}
            if not made.attrs.get("transA", 0):
                return _fused("FusedGemm", made, made.inputs, node.outputs, {**given, **attrs})
        is_fused = made.domain == fused.DOMAIN and made.op in (
            "FusedConv",
            "FusedGemm",
            "ScaleShift",
        )
        if is_fused and made.attrs.get("activation", "none") == "none":
            return _fused(made.op, made, made.inputs, node.outputs, {**made.attrs, **attrs})
        return None

    return _merge_pairs(graph, merge)


def activation_of(
    node: Node, constants: Mapping[str, Constant], opsets: Mapping[str, int]
) -> Activation | None:
    """The activation that `node` computes of its first input, if it is one."""
    if node.domain == fused.DOMAIN and node.op == "Activation":
        return node.attrs["activation"], node.attrs.get("a", 0.0), node.attrs.get("b", 0.0)
    if node.domain:
        return None
    if node.op in _PLAIN and len(node.inputs) == 1:
        name, (a, a_default), (b, b_default) = _PLAIN[node.op]
        return name, node.attrs.get(a, a_default), node.attrs.get(b, b_default)
    if node.op == "Gelu":
        tanh = node.attrs.get("approximate", "none") == "tanh"
        return "gelu_tanh" if tanh else "gelu", 0.0, 0.0
    if node.op == "Clip":
        return _clip(node, constants, opsets)
    return None


_NONE = ("", 0.0)
_PLAIN: dict[str, tuple[str, tuple[str, float], tuple[str, float]]] = {
    "Relu": ("relu", _NONE, _NONE),
    "LeakyRelu": ("leaky_relu", ("alpha", 0.01), _NONE),
    "Sigmoid": ("sigmoid", _NONE, _NONE),
    "Tanh": ("tanh", _NONE, _NONE),
    "HardSigmoid": ("hard_sigmoid", ("alpha", 0.2), ("beta", 0.5)),
    "HardSwish": ("hard_swish", _NONE, _NONE),
    "Swish": ("swish", ("alpha", 1.0), _NONE),
    "Softplus": ("softplus", _NONE, _NONE),
}


def _clip(
    node: Node, constants: Mapping[str, Constant], opsets: Mapping[str, int]
) -> Activation | None:
    infinity = float("inf")
    if opsets.get("", 1) < 11:
        return "clip", node.attrs.get("min", -infinity), node.attrs.get("max", infinity)
    bounds = [-infinity, infinity]
    for i, name in enumerate(node.inputs[1:3]):
        value = number(constants.get(name)) if name else bounds[i]
        if value is None:
            return None
        bounds[i] = value
    return "clip", bounds[0], bounds[1]


def _fused(
    op: str,
    made: Node,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    attrs: Mapping[str, Any],
) -> Merged | None:
    node = Node(op, inputs, outputs, attrs, fused.DOMAIN, made.name)
    # Fusing pays only where a kernel serves the whole.
    return (made, node) if rule_for(node) else None


def _merge_pairs(graph: Graph, merge: Callable[[Node, Uses], Merged | None]) -> Graph:
    """Replace each node that `merge` unites with one before it."""
    uses = Uses(graph)
    gone: set[int] = set()
    nodes: list[Node] = []
    for node in graph.nodes:
        merged = merge(node, uses)
        if merged is None:
            nodes.append(node)
        else:
            gone.add(id(merged[0]))
            nodes.append(merged[1])
    if not gone:
        return graph
    return replace(graph, nodes=tuple(node for node in nodes if id(node) not in gone))
