"""Graph -> Graph: every node that has an expansion replaced by it, in subgraphs too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from strandline.compiler.expand.known import Known
from strandline.compiler.expand.registry import expansions
from strandline.compiler.expand.writer import Writer
from strandline.onnx.graph import Graph, Node
from strandline.onnx.names import subgraphs


def expand(graph: Graph) -> Graph:
    """The graph in ONNX's operators and our fused ones; the same graph where nothing is to expand.

    Raises UnsupportedOperator and ValueError, with the node, for one that cannot be expanded.
    """
    return _expand(graph, Known()) if _has_any(graph) else graph


def _has_any(graph: Graph) -> bool:
    table = expansions()
    return any(
        (node.domain, node.op) in table or any(map(_has_any, subgraphs(node)))
        for node in graph.nodes
    )


def _expand(graph: Graph, outer: Known) -> Graph:
    known = outer.inside(graph)
    table = expansions()
    nodes: list[Node] = []
    for node in graph.nodes:
        expansion = table.get((node.domain, node.op))
        if expansion is None:
            attrs = {name: _attribute(value, known) for name, value in node.attrs.items()}
            nodes.append(replace(node, attrs=attrs))
            known.note(nodes[-1])
            continue
        writer = Writer(node, graph.opsets, known)
        made = expansion.write(writer, node)
        nodes += writer.finished(made)
        for name, actual in zip(made, node.outputs, strict=False):
            known.same(actual, name)
    return replace(graph, nodes=tuple(nodes))


def _attribute(value: Any, known: Known) -> Any:
    if isinstance(value, Graph):
        return _expand(value, known)
    if isinstance(value, tuple) and value and isinstance(value[0], Graph):
        return tuple(_expand(item, known) for item in value)
    return value
