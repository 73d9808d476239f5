"""Which names a node or a graph takes from around it, and which are its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

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
    names: tuple[str, ...] | None = node.memo.get("used")
    if names is None:
        outside: dict[str, None] = {}
        for graph in subgraphs(node):
            outside.update(dict.fromkeys(captured(graph)))
        names = node.memo["used"] = (*node.inputs, *outside) if outside else node.inputs
    return names


def with_own_names(graph: Graph, prefix: str) -> Graph:
    """The graph with `prefix` before every name that it makes, so that its nodes fit into another."""
    own = {info.name for info in graph.inputs} | set(graph.constants)
    own.update(name for node in graph.nodes for name in node.outputs)
    own.discard("")
    return _renamed(graph, lambda name: prefix + name if name in own else name)


def _renamed(graph: Graph, rename: Callable[[str], str]) -> Graph:
    nodes = tuple(
        replace(
            node,
            inputs=tuple(map(rename, node.inputs)),
            outputs=tuple(map(rename, node.outputs)),
            attrs={key: _renamed_value(value, rename) for key, value in node.attrs.items()},
        )
        for node in graph.nodes
    )
    return replace(
        graph,
        nodes=nodes,
        inputs=tuple(replace(info, name=rename(info.name)) for info in graph.inputs),
        outputs=tuple(replace(info, name=rename(info.name)) for info in graph.outputs),
        constants={rename(name): constant for name, constant in graph.constants.items()},
    )


def _renamed_value(value: object, rename: Callable[[str], str]) -> object:
    if isinstance(value, Graph):
        return _renamed(value, rename)
    if isinstance(value, tuple) and value and isinstance(value[0], Graph):
        return tuple(_renamed_value(item, rename) for item in value)
    return value
