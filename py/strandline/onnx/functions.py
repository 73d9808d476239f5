"""Model-local functions: each call is replaced by the function's body, so that later stages see
operators only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from strandline.onnx.graph import Graph, Node, ValueInfo
from strandline.onnx.wire import ModelError

MAX_NODES = 1_000_000
MAX_DEPTH = 64

Key = tuple[str, str]
"""Domain and name; the name of an overload is `name:overload`."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An attribute inside a function's body that stands for the call's attribute `name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Function:
    """A FunctionProto. `attributes` are the declared names, `defaults` the values of those that
    have one."""

    key: Key
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    opsets: Mapping[str, int]
    attributes: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)


class Inliner:
    """Expands calls of `functions`; keeps count, so that nested calls cannot grow without bound."""

    def __init__(self, functions: Iterable[Function]) -> None:
        self._functions = {f.key: f for f in functions}
        self._calls = 0
        self._nodes = 0

    def graph(self, graph: Graph, depth: int = 0) -> Graph:
        """The graph without calls, its subgraphs likewise."""
        if not self._functions:
            return graph
        return replace(graph, nodes=tuple(self._expand(graph.nodes, depth)))

    def _expand(self, nodes: Iterable[Node], depth: int) -> list[Node]:
        if depth > MAX_DEPTH:
            raise ModelError(f"functions call each other more than {MAX_DEPTH} deep")
        result: list[Node] = []
        for node in nodes:
            function = self._functions.get((node.domain, node.op))
            if function is not None:
                result += self._expand(self._body(function, node), depth + 1)
                continue
            self._nodes += 1
            if self._nodes > MAX_NODES:
                raise ModelError(f"the model's functions expand to more than {MAX_NODES} nodes")
            attrs = {
                name: self.graph(value, depth + 1) if isinstance(value, Graph) else value
                for name, value in node.attrs.items()
            }
            result.append(replace(node, attrs=attrs))
        return result

    def _body(self, function: Function, call: Node) -> list[Node]:
        if len(call.inputs) > len(function.inputs) or len(call.outputs) > len(function.outputs):
            raise ModelError(
                f"node {call} gives {len(call.inputs)} inputs and {len(call.outputs)} outputs "
                f"to a function of {len(function.inputs)} and {len(function.outputs)}"
            )
        self._calls += 1
        prefix = f"{call.name or call.op}/{self._calls}/"
        names = dict.fromkeys(function.inputs, "")
        names.update(zip(function.inputs, call.inputs, strict=False))
        for formal, actual in zip(function.outputs, call.outputs, strict=False):
            if actual and formal not in names:
                names[formal] = actual
        attributes = {**function.defaults, **call.attrs}
        body = [_rename(node, names, prefix, attributes) for node in function.nodes]
        # A function may hand an input straight through: its output then needs a node of its own.
        for formal, actual in zip(function.outputs, call.outputs, strict=False):
            if actual and formal in function.inputs:
                body.append(Node("Identity", (names[formal],), (actual,)))
        return body


def _rename(
    node: Node, names: Mapping[str, str], prefix: str, attributes: Mapping[str, Any]
) -> Node:
    def rename(name: str) -> str:
        return names[name] if name in names else prefix + name if name else ""

    attrs: dict[str, Any] = {}
    for key, value in node.attrs.items():
        if isinstance(value, Reference):
            if value.name in attributes:
                attrs[key] = attributes[value.name]
        elif isinstance(value, Graph):
            attrs[key] = _rename_graph(value, names, prefix, attributes)
        else:
            attrs[key] = value
    return Node(
        op=node.op,
        inputs=tuple(map(rename, node.inputs)),
        outputs=tuple(map(rename, node.outputs)),
        attrs=attrs,
        domain=node.domain,
        name=prefix + node.name,
    )


def _rename_graph(
    graph: Graph, names: Mapping[str, str], prefix: str, attributes: Mapping[str, Any]
) -> Graph:
    def value(info: ValueInfo) -> ValueInfo:
        return replace(info, name=names.get(info.name, prefix + info.name))

    return replace(
        graph,
        nodes=tuple(_rename(node, names, prefix, attributes) for node in graph.nodes),
        inputs=tuple(map(value, graph.inputs)),
        outputs=tuple(map(value, graph.outputs)),
        constants={prefix + name: constant for name, constant in graph.constants.items()},
    )
