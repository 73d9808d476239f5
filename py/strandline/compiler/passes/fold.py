"""Nodes on constants become constants."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from strandline.compiler.evaluate import evaluate, foldable
from strandline.compiler.passes.rewrite import LARGE
from strandline.compiler.store import Store
from strandline.onnx.graph import Computed, Constant, Graph, Node
from strandline.onnx.types import string
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
            continue
        for name, constant in made.items():
            if constant.type.nbytes > LARGE and constant.dtype is not string:
                again = partial(_again, name, node, graph.opsets, values, store)
                constant = Computed(constant.type, again, constant.data)
            constants[name] = constant
    if len(kept) == len(graph.nodes):
        return graph
    return replace(graph, nodes=tuple(kept), constants=constants)


def _again(
    name: str,
    node: Node,
    opsets: Mapping[str, int],
    values: Sequence[Constant | None],
    store: Store,
) -> memoryview:
    made = evaluate(node, find(node, opsets), values, opsets.get(node.domain, 1), store)
    assert made is not None, "what could be computed once can be again"
    return made[name].data


def _bytes(constants: Iterable[Constant]) -> int:
    return sum(constant.type.nbytes for constant in constants)
