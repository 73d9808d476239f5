"""Nodes on constants become constants."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from strandline.compiler.evaluate import evaluate, foldable
from strandline.compiler.store import Store
from strandline.onnx.graph import Graph, Node
from strandline.ops.registry import find


def fold_constants(graph: Graph, store: Store, keep: Collection[str] = ()) -> Graph:
    """Compute every node whose inputs are all constant, once and for all; not those of the operators
    `keep`."""
    constants = dict(graph.constants)
    kept: list[Node] = []
    for node in graph.nodes:
        made = None
        wanted = node.op not in keep and foldable(node)
        if wanted and all(name in constants or not name for name in node.inputs):
            values = [constants[name] if name else None for name in node.inputs]
            opset = graph.opsets.get(node.domain, 1)
            made = evaluate(node, find(node, graph.opsets), values, opset, store)
        if made is None:
            kept.append(node)
        else:
            constants |= made
    if len(kept) == len(graph.nodes):
        return graph
    return replace(graph, nodes=tuple(kept), constants=constants)
