"""LayerNorm and RMSNorm: recognised from their decomposition, and joined with the sum before them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from strandline.compiler import fused
from strandline.compiler.passes.rewrite import Uses, has_double, number, ranks
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.types import float32
from strandline.ops.rules import ints


def compose_norm(graph: Graph) -> Graph:
    """(x - mean) / sqrt(variance + ε) · scale + shift over the last axis -> one FusedLayerNorm; without
    the mean, RMSNorm, likewise.

    Scale and shift are constants of one axis, or absent.
    """
    if graph.opsets.get("", 1) < 7 or has_double(graph):
        return graph
    reader = _Reader(graph.constants, Uses(graph), ranks(graph))
    nodes = list(graph.nodes)
    places = {id(node): i for i, node in enumerate(nodes)}
    gone: set[int] = set()
    for node in graph.nodes:
        found = reader.norm(node)
        if found is not None:
            chain, norm = reader.affine(node, found)
            nodes[places[id(chain[-1])]] = norm
            gone.update(map(id, chain))
    if not gone:
        return graph
    return replace(graph, nodes=tuple(node for node in nodes if id(node) not in gone))


def fuse_sum_norm(graph: Graph) -> Graph:
    """Add, then LayerNormalization (or a FusedLayerNorm) -> one FusedLayerNorm of the sum.

    The sum stays as a second output when others use it, too.
    """
    if has_double(graph):
        return graph
    uses = Uses(graph)
    new: dict[int, Node] = {}
    gone: set[int] = set()
    for node in graph.nodes:
        norm = _as_fused(node)
        add = uses.maker.get(node.inputs[0]) if norm else None
        if norm is None or add is None or add.domain or add.op != "Add" or id(add) in new:
            continue
        if any(name not in graph.constants for name in norm.inputs[2:] if name):
            continue  # the norm moves to the place of the sum: its weights must be there
        if graph.opsets.get("", 1) < 7 or graph.constants.keys() & set(add.inputs):
            continue
        total = add.outputs[0] if uses.count[add.outputs[0]] > 1 else ""
        outputs = (norm.outputs[0], total) if total else norm.outputs
        inputs = (*add.inputs, *norm.inputs[2:])
        new[id(add)] = replace(norm, inputs=inputs, outputs=outputs)
        gone.add(id(node))
    if not new:
        return graph
    nodes = (new.get(id(node), node) for node in graph.nodes if id(node) not in gone)
    return replace(graph, nodes=tuple(nodes))


def _as_fused(node: Node) -> Node | None:
    """The node as a FusedLayerNorm without an addend; None when it is none or gives more than Y."""
    if any(node.outputs[1:]):
        return None
    if node.op == "FusedLayerNorm" and node.domain == fused.DOMAIN and not node.inputs[1]:
        return node
    if node.domain or node.op not in ("LayerNormalization", "RMSNormalization"):
        return None
    x, *rest = node.inputs
    attrs = {**node.attrs, "centred": int(node.op == "LayerNormalization")}
    if attrs.pop("stash_type", 1) != 1:
        return None
    return Node("FusedLayerNorm", (x, "", *rest), node.outputs[:1], attrs, fused.DOMAIN, node.name)


@dataclass(frozen=True, slots=True)
class _Reader:
    constants: Mapping[str, Constant]
    uses: Uses
    ranks: Mapping[str, int]

    def norm(self, node: Node) -> Node | None:
        """The norm, without scale and shift, that a quotient (or product with a reciprocal) is."""
        if node.domain or node.op not in ("Div", "Mul") or not self.uses.count[node.outputs[0]]:
            return None
        pairs = (node.inputs, node.inputs[::-1]) if node.op == "Mul" else (node.inputs,)
        for numerator, other in pairs:
            deviation = other if node.op == "Div" else self.reciprocal(other)
            variance = self.root_of(deviation) if deviation else None
            if variance is None:
                continue
            square, epsilon = variance
            base = self.squared(square)
            if base is None or not self.same(base, numerator):
                continue
            x = self.centred(base)
            source, centred = (base, 0) if x is None else (x, 1)
            attrs: dict[str, Any] = {"axis": -1, "epsilon": epsilon, "centred": centred}
            return Node("FusedLayerNorm", (source, "", "", ""), node.outputs, attrs, fused.DOMAIN)
        return None

    def affine(self, node: Node, norm: Node) -> tuple[list[Node], Node]:
        """The chain that begins at `node`, and the norm with the chain's scale and shift."""
        names = {"Mul": "", "Add": ""}
        chain, last = [node], node
        for op in ("Mul", "Add"):
            users = self.uses.users.get(last.outputs[0], ())
            if self.uses.count[last.outputs[0]] != 1 or len(users) != 1:
                break
            user = users[0]
            if user.domain or user.op != op or len(user.inputs) != 2:
                continue
            other = user.inputs[1 if user.inputs[0] == last.outputs[0] else 0]
            constant = self.constants.get(other)
            if constant is None or constant.dtype is not float32 or len(constant.shape) != 1:
                continue
            names[op], last = other, user
            chain.append(user)
        inputs = (norm.inputs[0], "", names["Mul"], names["Add"])
        return chain, replace(norm, inputs=inputs, outputs=last.outputs, name=last.name)

    def reciprocal(self, name: str) -> str | None:
        """s where `name` is 1 / s."""
        node = self.plain(name)
        if node is None:
            return None
        if node.op == "Reciprocal":
            return node.inputs[0]
        if node.op == "Div" and number(self.constants.get(node.inputs[0])) == 1.0:
            return node.inputs[1]
        return None

    def root_of(self, name: str) -> tuple[str, float] | None:
        """(squares, ε) where `name` is sqrt(mean(squares) + ε)."""
        node = self.plain(name)
        if node is None or not (node.op == "Sqrt" or self.power(node) == 0.5):
            return None
        add = self.plain(node.inputs[0])
        if add is None or add.op != "Add":
            return None
        for value, other in (add.inputs, add.inputs[::-1]):
            epsilon = number(self.constants.get(other))
            mean = self.mean_of(value)
            if epsilon is not None and mean is not None:
                return mean, epsilon
        return None

    def mean_of(self, name: str) -> str | None:
        """x where `name` is its mean over the last axis, which stays."""
        node = self.plain(name)
        if node is None or node.op != "ReduceMean" or not node.attrs.get("keepdims", 1):
            return None
        if len(node.inputs) > 1 and node.inputs[1]:
            constant = self.constants.get(node.inputs[1])
            axes = ints(constant) if constant is not None else ()
        else:
            axes = ints(node.attrs.get("axes"))
        last = self.ranks.get(node.inputs[0], 0) - 1
        return node.inputs[0] if axes in ((-1,), (last,)) else None

    def squared(self, name: str) -> str | None:
        """d where `name` is d²."""
        node = self.plain(name)
        if node is None:
            return None
        if node.op == "Mul" and node.inputs[0] == node.inputs[1]:
            return node.inputs[0]
        return node.inputs[0] if self.power(node) == 2.0 else None

    def power(self, node: Node) -> float | None:
        return number(self.constants.get(node.inputs[1])) if node.op == "Pow" else None

    def centred(self, name: str) -> str | None:
        """x where `name` is x - mean(x)."""
        node = self.plain(name)
        if node is None or node.op != "Sub":
            return None
        x, mean = node.inputs
        return x if self.mean_of(mean) == x else None

    def same(self, a: str, b: str) -> bool:
        """Whether two names are one value, or two differences from the same mean."""
        if a == b:
            return True
        left, right = self.centred(a), self.centred(b)
        return left is not None and left == right

    def plain(self, name: str) -> Node | None:
        node = self.uses.maker.get(name)
        return node if node is not None and not node.domain else None
