"""Nodes that change nothing: Identity, Dropout outside training."""

from __future__ import annotations

from dataclasses import replace

from strandline.compiler.passes.rewrite import Uses, number
from strandline.onnx.graph import Graph, Node
from strandline.onnx.names import used


def remove_identities(graph: Graph) -> Graph:
    """Let users of an Identity's (or idle Dropout's) output take its input instead.

    Kept: those whose output is a name that the graph must give, unless their input can be renamed
    to it, and those that a subgraph looks at by name.
    """
    uses = Uses(graph)
    fixed = {name for node in graph.nodes for name in used(node)[len(node.inputs) :]}
    results = {info.name for info in graph.outputs}
    forward: dict[str, str] = {}
    backward: dict[str, str] = {}
    kept: list[Node] = []
    for node in graph.nodes:
        source = node.inputs[0] if node.inputs else ""
        source = forward.get(source, source)
        made = node.outputs[0] if node.outputs else ""
        if not _changes_nothing(node, graph, uses) or made in fixed:
            kept.append(node)
        elif made not in results:
            forward[made] = source
        elif _renamable(source, uses, results, fixed) and source not in backward:
            backward[source] = made
        else:
            kept.append(node)
    if len(kept) == len(graph.nodes):
        return graph

    def name_of(name: str) -> str:
        name = forward.get(name, name)
        return backward.get(name, name)

    nodes = tuple(
        replace(
            node,
            inputs=tuple(map(name_of, node.inputs)),
            outputs=tuple(backward.get(name, name) for name in node.outputs),
        )
        for node in kept
    )
    return replace(graph, nodes=nodes)


def _changes_nothing(node: Node, graph: Graph, uses: Uses) -> bool:
    if node.domain:
        return False
    if node.op == "Identity":
        return True
    if node.op != "Dropout" or graph.opsets.get("", 1) < 7:
        return False
    if any(uses.count[mask] for mask in node.outputs[1:] if mask):
        return False
    training = node.inputs[2] if len(node.inputs) > 2 else ""
    return not training or number(graph.constants.get(training)) == 0.0


def _renamable(source: str, uses: Uses, results: set[str], fixed: set[str]) -> bool:
    return source in uses.maker and source not in results and source not in fixed
