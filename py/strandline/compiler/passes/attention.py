"""Attention as exporters spell it out: two products around a softmax, heads transposed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from strandline.compiler import fused
from strandline.compiler.passes.rewrite import Uses, has_double, number, ranks
from strandline.onnx.graph import Constant, Graph, Node
from strandline.ops.rules import ints

_STEPS = 6
"""Scalings and transposes that are followed on each side."""


def fuse_attention(graph: Graph) -> Graph:
    """softmax(scale · Q·K + mask)·V -> one Attention that reads its heads through strides.

    The scale may be a product with a number anywhere before the softmax; a Transpose directly before
    or after becomes a permutation of the Attention. A Where that turns NaN weights into 0 is taken
    along. The products in between must have no other users.
    """
    if graph.opsets.get("", 1) < 7 or has_double(graph):
        return graph
    reader = _Reader(graph.constants, Uses(graph), ranks(graph), graph.opsets.get("", 1))
    found: dict[int, Node] = {}
    gone: set[int] = set()
    for node in graph.nodes:
        attention = reader.attention(node)
        if attention is None:
            continue
        end = reader.after(node)
        if end is not None:
            attention = replace(
                attention,
                outputs=end.outputs,
                attrs={**attention.attrs, "y_perm": ints(end.attrs["perm"])},
            )
            gone.add(id(node))
        found[id(end or node)] = attention
    if not found:
        return graph
    nodes = (found.get(id(node), node) for node in graph.nodes if id(node) not in gone)
    return replace(graph, nodes=tuple(nodes))


@dataclass(slots=True)
class _Side:
    """A product's operand: where it comes from, by which permutation, times which number."""

    name: str
    perm: tuple[int, ...] | None = None
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class _Reader:
    constants: Mapping[str, Constant]
    uses: Uses
    ranks: Mapping[str, int]
    opset: int

    def attention(self, node: Node) -> Node | None:
        """The Attention that ends in this product."""
        if node.domain or node.op != "MatMul":
            return None
        weights, values = node.inputs
        softmax, zero = self.softmax(weights)
        if softmax is None:
            return None
        scale = 1.0
        mask = ""
        name = softmax.inputs[0]
        made = self.only(name, "Add")
        if made is not None:
            for scores, other in (made.inputs, made.inputs[::-1]):
                if self.scaled_product(scores) is not None:
                    name, mask = scores, other
                    break
        found = self.scaled_product(name)
        if found is None:
            return None
        product, scale = found
        q, k = (self.side(operand) for operand in product.inputs)
        v = self.side(values, scaled=False)
        attrs: dict[str, Any] = {"scale": scale * q.factor * k.factor, "zero_nan": int(zero)}
        for letter, side in (("q", q), ("k", k), ("v", v)):
            if side.perm is not None:
                attrs[f"{letter}_perm"] = side.perm
        inputs = (q.name, k.name, v.name, *((mask,) if mask else ()))
        return Node("Attention", inputs, node.outputs, attrs, fused.DOMAIN, node.name)

    def softmax(self, name: str) -> tuple[Node | None, bool]:
        """The Softmax over the last axis that makes the weights, and whether NaN in them becomes 0."""
        node = self.only(name)
        if node is not None and node.op == "Where" and not node.domain:
            condition, then, other = node.inputs
            test = self.only(condition, "IsNaN")
            same = test is not None and test.inputs[0] == other and self.uses.count[other] == 2
            made = self.uses.maker.get(other)
            if same and number(self.constants.get(then)) == 0.0 and self.last_axis(made):
                return made, True
            return None, False
        return (node, False) if self.last_axis(node) else (None, False)

    def last_axis(self, node: Node | None) -> bool:
        if node is None or node.domain or node.op != "Softmax":
            return False
        axis = node.attrs.get("axis", -1 if self.opset >= 13 else 1)
        return bool(axis == -1 or axis == self.ranks.get(node.inputs[0], -1) - 1)

    def scaled_product(self, name: str) -> tuple[Node, float] | None:
        """The MatMul behind `name`, and the number that it is multiplied by on the way."""
        factor = 1.0
        for _ in range(_STEPS):
            node = self.only(name)
            if node is None or node.domain:
                return None
            if node.op == "MatMul":
                return node, factor
            step = self.times(node)
            if step is None:
                return None
            name, by = step
            factor *= by
        return None

    def side(self, name: str, *, scaled: bool = True) -> _Side:
        """The operand behind transposes and, if `scaled`, products with numbers."""
        side = _Side(name)
        for _ in range(_STEPS):
            node = self.only(side.name)
            if node is None or node.domain:
                break
            if node.op == "Transpose" and node.attrs.get("perm") is not None:
                inner = ints(node.attrs["perm"])
                outer = side.perm or tuple(range(len(inner)))
                if len(inner) != len(outer):
                    break
                side.perm = tuple(inner[axis] for axis in outer)
                side.name = node.inputs[0]
                continue
            step = self.times(node) if scaled else None
            if step is None:
                break
            side.name = step[0]
            side.factor *= step[1]
        return side

    def times(self, node: Node) -> tuple[str, float] | None:
        """(x, c) of x · c or x / c."""
        if node.op not in ("Mul", "Div"):
            return None
        for i, name in enumerate(node.inputs):
            constant = self.constants.get(name)
            value = number(constant) if constant is not None else None
            if value is None or len(constant.shape if constant else ()) > 2:
                continue
            if node.op == "Mul":
                return node.inputs[1 - i], value
            if i == 1 and value:
                return node.inputs[0], 1 / value
        return None

    def after(self, node: Node) -> Node | None:
        """The Transpose that alone uses the result."""
        users = self.uses.users.get(node.outputs[0], ())
        if self.uses.count[node.outputs[0]] != 1 or len(users) != 1:
            return None
        user = users[0]
        fits = not user.domain and user.op == "Transpose" and user.attrs.get("perm") is not None
        return user if fits else None

    def only(self, name: str, op: str | None = None) -> Node | None:
        node = self.uses.only(name)
        return node if node is not None and op in (None, node.op) else None
