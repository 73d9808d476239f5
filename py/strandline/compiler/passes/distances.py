"""Distances that exporters spell out as a Scan over rows, put together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import strandline.compiler.distances  # noqa: F401 - registers the operator
from strandline.compiler.fused import DOMAIN
from strandline.compiler.passes.rewrite import Uses, has_double, ranks
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.types import float32
from strandline.ops.rules import ints

_OF_DIFFERENCE = {
    "ReduceSumSquare": "sqeuclidean",
    "ReduceL2": "euclidean",
    "ReduceL1": "cityblock",
}


def compose_distances(graph: Graph) -> Graph:
    """Rewrite each Scan that gives the distances of one row after another to all rows of its state.

    Nearest neighbours and Gaussian processes are exported so. What follows is mostly a Transpose,
    which then has nothing to do.
    """
    scans = [node for node in graph.nodes if node.op == "Scan" and not node.domain]
    if not scans or graph.opsets.get("", 1) < 9 or has_double(graph):
        return graph
    known = ranks(graph)
    uses = Uses(graph)
    replaced: dict[int, list[Node]] = {}
    for node in scans:
        metric = _metric(node, known, graph.constants)
        if metric is None:
            continue
        state, rows = node.inputs
        kept, scanned = node.outputs
        across = f"{scanned}/transposed"
        made = [Node("PairwiseDistances", (state, rows), (across,), {"metric": metric}, DOMAIN)]
        if scanned:
            made.append(Node("Transpose", (across,), (scanned,), {"perm": (1, 0)}))
        if kept:
            made.append(Node("Identity", (state,), (kept,)))
        replaced[id(node)] = made
        for user in uses.users.get(scanned, ()):
            if user.op == "Transpose" and not user.domain:
                replaced[id(user)] = [Node("Identity", (across,), user.outputs, {}, "", user.name)]
    if not replaced:
        return graph
    nodes = [new for node in graph.nodes for new in replaced.get(id(node), (node,))]
    return replace(graph, nodes=tuple(nodes))


def _metric(node: Node, known: Mapping[str, int], constants: Mapping[str, Constant]) -> str | None:
    """The distance that a Scan computes; None: something else."""
    body = node.attrs.get("body")
    if not isinstance(body, Graph) or node.attrs.get("num_scan_inputs") != 1:
        return None
    if not len(node.inputs) == len(node.outputs) == len(body.inputs) == len(body.outputs) == 2:
        return None
    moved = (
        "scan_input_axes",
        "scan_input_directions",
        "scan_output_axes",
        "scan_output_directions",
    )
    if any(any(ints(node.attrs.get(name))) for name in moved):
        return None
    if any(known.get(name) != 2 for name in node.inputs):
        return None
    if not any(name in constants and constants[name].dtype is float32 for name in node.inputs):
        return None
    return _Body(body, Uses(body).maker).metric()


@dataclass(frozen=True, slots=True)
class _Body:
    graph: Graph
    maker: Mapping[str, Node]

    def metric(self) -> str | None:
        state, row = (info.name for info in self.graph.inputs)
        kept, scanned = (self.source(info.name) for info in self.graph.outputs)
        if kept != state:
            return None
        node = self.made(scanned, "Sqrt")
        root = node is not None
        total = self.maker.get(self.source(node.inputs[0]) if node else scanned)
        if total is None or total.domain or not self.over_last_axis(total):
            return None
        name, metric = self.source(total.inputs[0]), _OF_DIFFERENCE.get(total.op)
        size = self.made(name, "Abs")
        if total.op == "ReduceSum" and size is not None:
            name, metric = self.source(size.inputs[0]), "cityblock"
        difference = self.made(name, "Sub")
        if difference is None or set(map(self.source, difference.inputs)) != {state, row}:
            return None
        if not root:
            return metric
        return "euclidean" if metric == "sqeuclidean" else None

    def source(self, name: str) -> str:
        """The value behind Identities."""
        node = self.made(name, "Identity")
        return self.source(node.inputs[0]) if node else name

    def made(self, name: str, op: str) -> Node | None:
        node = self.maker.get(name)
        return node if node is not None and node.op == op and not node.domain else None

    def over_last_axis(self, node: Node) -> bool:
        """Whether a reduction is over the second of two axes, which goes."""
        axes = node.attrs.get("axes")
        if len(node.inputs) > 1:
            axes = self.graph.constants.get(node.inputs[1])
        return ints(axes) in ((1,), (-1,)) and node.attrs.get("keepdims", 1) == 0
