"""Which names a node or a graph takes from around it."""

from __future__ import annotations

from collections.abc import Iterator

from strandline.onnx.graph import Graph, Node


def subgraphs(node: Node) -> Iterator[Graph]:
    """The graphs among the node's attributes."""
    for value in node.attrs.values():
        if isinstance(value, Graph):
            yield value
        elif isinstance(value, tuple) and value and isinstance(value[0], Graph):
            yield from value  # a list attribute is of one kind; most are a forest's many strings


def captured(graph: Graph) -> tuple[str, ...]:
    """Names that the graph uses and does not make, in the order of their first use."""
    made = {info.name for info in graph.inputs} | set(graph.constants)
    outside: dict[str, None] = {}
    for node in graph.nodes:
        outside.update((name, None) for name in used(node) if name and name not in made)
        made.update(node.outputs)
    outside.update((info.name, None) for info in graph.outputs if info.name not in made)
    return tuple(outside)


def used(node: Node) -> tuple[str, ...]:
    """The node's inputs in order (absent ones empty), then what its subgraphs take from outside."""
    outside: dict[str, None] = {}
    for graph in subgraphs(node):
        outside.update(dict.fromkeys(captured(graph)))
    return (*node.inputs, *outside) if outside else node.inputs
