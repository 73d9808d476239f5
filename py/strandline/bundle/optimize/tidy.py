"""The compiler's passes, as far as standard operators can say what they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from strandline.compiler import passes
from strandline.compiler.store import Store, constant_of
from strandline.onnx.graph import Constant, Graph, Node


def tidy(graph: Graph) -> Graph:
    """Dead and idle nodes dropped, constants folded where that takes no more bytes, BatchNormalization
    in the weights before it, LayerNormalization and activations as one operator where the opset has it."""
    store = Store()
    graph = passes.remove_identities(passes.remove_dead(graph))
    graph = passes.fold_constants(graph, store, keep=("DequantizeLinear",), larger=False)
    graph = passes.remove_dead(passes.fold_affine(graph, store))
    norms = passes.compose_norm(graph)
    opset = graph.opsets.get("", 1)
    if all(_norm(node, opset) for node in norms.nodes if node.op == "FusedLayerNorm"):
        graph = norms
    composed = passes.compose_activations(graph)
    spelled = {node.outputs[0]: node for node in graph.nodes if node.outputs}
    constants = dict(graph.constants)
    nodes = tuple(_standard(node, spelled, constants, opset) for node in composed.nodes)
    return passes.remove_dead(replace(composed, nodes=nodes, constants=constants))


def _standard(
    node: Node, spelled: Mapping[str, Node], constants: dict[str, Constant], opset: int
) -> Node:
    """The node in the standard's words; an activation without a name there as it was spelled out."""
    if node.domain != "strandline":
        return node
    if node.op == "Activation":
        return _activation(node, opset) or spelled[node.outputs[0]]
    if node.op == "FusedLayerNorm":
        return _norm(node, opset) or node
    if node.op == "ScaleShift":
        return _scale_shift(node, constants)
    return node


def _activation(node: Node, opset: int) -> Node | None:
    name, a, b = (node.attrs.get(key, 0.0) for key in ("activation", "a", "b"))
    known: dict[str, tuple[int, str, dict[str, object]]] = {
        "hard_sigmoid": (6, "HardSigmoid", {"alpha": a, "beta": b}),
        "hard_swish": (14, "HardSwish", {}),
        "gelu": (20, "Gelu", {}),
        "gelu_tanh": (20, "Gelu", {"approximate": "tanh"}),
        "swish": (24, "Swish", {"alpha": a}),
    }
    since, op, attrs = known.get(name, (opset + 1, "", {}))
    return Node(op, node.inputs, node.outputs, attrs, "", node.name) if opset >= since else None


def _norm(node: Node, opset: int) -> Node | None:
    x, _, scale, shift = (*node.inputs, "", "", "")[:4]
    attrs = {key: node.attrs[key] for key in ("axis", "epsilon")}
    if not scale:
        return None
    if node.attrs["centred"] and opset >= 17:
        inputs = (x, scale, shift) if shift else (x, scale)
        return Node("LayerNormalization", inputs, node.outputs[:1], attrs, "", node.name)
    if not node.attrs["centred"] and not shift and opset >= 23:
        return Node("RMSNormalization", (x, scale), node.outputs[:1], attrs, "", node.name)
    return None


def _scale_shift(node: Node, constants: dict[str, Constant]) -> Node:
    """What is affine per channel as a BatchNormalization of mean 0 and variance 1."""
    x, scale, shift = node.inputs
    size = constants[scale].type.size
    dtype = constants[scale].dtype
    mean, variance = f"{node.outputs[0]}/mean", f"{node.outputs[0]}/variance"
    constants[mean] = constant_of(dtype, (size,), [0.0] * size)
    constants[variance] = constant_of(dtype, (size,), [1.0] * size)
    inputs = (x, scale, shift, mean, variance)
    return Node("BatchNormalization", inputs, node.outputs, {"epsilon": 0.0}, "", node.name)
