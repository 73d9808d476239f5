"""Nodes on constants become constants."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from strandline.compiler.evaluate import evaluate, foldable
from strandline.compiler.store import Store
from strandline.onnx.graph import Constant, Graph, Node
from strandline.ops.registry import find


def fold_constants(
    graph: Graph, store: Store, keep: Collection[str] = (), *, larger: bool = True
) -> Graph:
    """Compute every node whose inputs are all constant, once and for all; not those of the operators
    `keep`, nor, unless `larger`, what takes more bytes than it is made of."""
    constants = dict(graph.constants)
    kept: list[Node] = []
    for node in graph.nodes:
        made = None
        wanted = node.op not in keep and foldable(node)
        if wanted and all(name in constants or not name for name in node.inputs):
            values = [constants[name] if name else None for name in node.inputs]
            opset = graph.opsets.get(node.domain, 1)
            made = evaluate(node, find(node, graph.opsets), values, opset, store)
        if made is not None and not larger and _bytes(made.values()) > 64:
            given = _bytes(constants[name] for name in node.inputs if name)
            made = made if _bytes(made.values()) <= given or node.op == "Constant" else None
        if made is None:
            kept.append(node)
        else:
            constants |= made
    if len(kept) == len(graph.nodes):
        return graph
    return replace(graph, nodes=tuple(kept), constants=constants)


def _bytes(constants: Iterable[Constant]) -> int:
    return sum(constant.type.nbytes for constant in constants)
