"""The reference backend: NumPy, node by node, nothing optimised. The oracle for every other
backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strandline.onnx.graph import Graph, Node
from strandline.ops.registry import Op, UnsupportedOperator, find

Scopes = Sequence[Mapping[str, Any]]
"""Values by name, nearest scope first."""


class Interpreter:
    """Runs a graph, and the subgraphs of its nodes, through the operators' NumPy references.

    Raises UnsupportedOperator at once when a node's operator is not in the table.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._ops: list[Op] = [find(node, graph.opsets) for node in graph.nodes]
        self._bodies: dict[int, Interpreter] = {}
        for node in graph.nodes:
            for value in node.attrs.values():
                if isinstance(value, Graph):
                    self._bodies[id(value)] = Interpreter(value)
        self._constants: dict[str, Any] | None = None

    def run(self, feeds: Sequence[Any], outer: Scopes = ()) -> list[Any]:
        """Outputs in the graph's order, from feeds in its order, inside the scopes `outer`."""
        if self._constants is None:
            self._constants = {n: c.array() for n, c in self.graph.constants.items()}
        values = dict(zip((info.name for info in self.graph.inputs), feeds, strict=True))
        scopes = (values, self._constants, *outer)
        for node, operator in zip(self.graph.nodes, self._ops, strict=True):
            arrays = [lookup(name, scopes) if name else None for name in node.inputs]
            for name, result in zip(
                node.outputs, self._node(node, operator, arrays, scopes), strict=False
            ):
                if name:
                    values[name] = result
        return [lookup(info.name, scopes) for info in self.graph.outputs]

    def _node(
        self, node: Node, operator: Op, arrays: Sequence[Any], scopes: Scopes
    ) -> tuple[Any, ...]:
        def call(body: Graph, feeds: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(self._bodies[id(body)].run(feeds, scopes))

        return run_node(node, operator, arrays, call)


def run_node(node: Node, operator: Op, arrays: Sequence[Any], call: Any = None) -> tuple[Any, ...]:
    """One operator through its reference; an error says which node failed on what."""
    try:
        return operator.run(node, arrays, call)
    except UnsupportedOperator:
        raise
    except (ValueError, IndexError, TypeError) as error:
        given = ", ".join(map(_describe, arrays))
        raise type(error)(f"node {node} on ({given}): {error}") from error


def lookup(name: str, scopes: Scopes) -> Any:
    """The value of `name` in the nearest scope that has it."""
    for scope in scopes:
        if name in scope:
            return scope[name]
    raise KeyError(name)


def _describe(value: Any) -> str:
    dtype = getattr(value, "dtype", None)
    return f"{dtype}{list(value.shape)}" if dtype is not None else type(value).__name__
