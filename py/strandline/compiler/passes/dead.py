"""What nobody asks for."""

from __future__ import annotations

from dataclasses import replace

from strandline.onnx.graph import Graph, Node
from strandline.onnx.names import used


def remove_dead(graph: Graph) -> Graph:
    """Drop nodes and constants that lead to no output."""
    needed = {info.name for info in graph.outputs}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if any(name in needed for name in node.outputs):
            needed.update(used(node))
            kept.append(node)
    constants = {name: value for name, value in graph.constants.items() if name in needed}
    if len(kept) == len(graph.nodes) and len(constants) == len(graph.constants):
        return graph
    return replace(graph, nodes=tuple(reversed(kept)), constants=constants)
