"""Activations that exporters spell out in several nodes, put together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isclose, pi, sqrt

from strandline.compiler import fused
from strandline.compiler.passes.fuse import Activation, activation_of
from strandline.compiler.passes.rewrite import Uses, number
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.types import float32

_DEPTH = 4
"""Products of products are followed so far."""


def compose_activations(graph: Graph) -> Graph:
    """Rewrite the products that mean hard_sigmoid, hard_swish, swish and gelu as one Activation each.

    x·σ(αx), x·clip(x+3, 0, 6)/6, x·(1+erf(x/√2))/2, x·(1+tanh(√(2/π)·(x+0.044715x³)))/2, in any order of
    factors, with multiplication by a reciprocal for division. What the product was made of stays for
    its other users, if it has any.
    """
    if graph.opsets.get("", 1) < 7:
        return graph
    reader = _Reader(graph.constants, graph.opsets, Uses(graph).maker)
    nodes = tuple(reader.composed(node) or node for node in graph.nodes)
    if all(new is old for new, old in zip(nodes, graph.nodes, strict=True)):
        return graph
    return replace(graph, nodes=nodes)


@dataclass(frozen=True, slots=True)
class _Product:
    number: float
    factors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reader:
    constants: Mapping[str, Constant]
    opsets: Mapping[str, int]
    maker: Mapping[str, Node]

    def composed(self, node: Node) -> Node | None:
        """The Activation that says the same as a product."""
        if node.domain or node.op not in ("Mul", "Div"):
            return None
        product = self.product(node.outputs[0], _DEPTH)
        found = None
        if len(product.factors) == 1:
            found = self.one(product.number, product.factors[0])
        elif len(product.factors) == 2:
            x, y = product.factors
            found = self.two(product.number, x, y) or self.two(product.number, y, x)
        if found is None:
            return None
        (name, a, b), x = found
        attrs = {"activation": name, "a": a, "b": b}
        return Node("Activation", (x,), node.outputs, attrs, fused.DOMAIN, node.name)

    def product(self, name: str, depth: int) -> _Product:
        """`name` as a number times values that are no products themselves."""
        node = self.maker.get(name)
        if node is None or node.domain or node.op not in ("Mul", "Div", "Pow") or not depth:
            return _Product(1.0, (name,))
        if node.op == "Pow":
            exponent = self.number(node.inputs[1])
            times = int(exponent) if exponent in (2.0, 3.0) else 1
            return _Product(1.0, node.inputs[:1] * times if times > 1 else (name,))
        number_ = 1.0
        factors: list[str] = []
        for i, operand in enumerate(node.inputs):
            value = self.number(operand)
            if value is None:
                if i and node.op == "Div":
                    return _Product(1.0, (name,))
                inner = self.product(operand, depth - 1)
                number_ *= inner.number
                factors += inner.factors
            elif node.op == "Div" and i:
                if value == 0.0:
                    return _Product(1.0, (name,))
                number_ /= value
            else:
                number_ *= value
        return _Product(number_, tuple(factors))

    def number(self, name: str) -> float | None:
        constant = self.constants.get(name)
        return number(constant) if constant is not None and constant.dtype is float32 else None

    def one(self, times: float, t: str) -> tuple[Activation, str] | None:
        """clip(x+3, 0, 6)/6."""
        x = self.ramp(t)
        return (("hard_sigmoid", 1 / 6, 0.5), x) if x and _near(times, 1 / 6) else None

    def two(self, times: float, x: str, t: str) -> tuple[Activation, str] | None:
        """x times something of x."""
        node = self.maker.get(t)
        if node is None:
            return None
        if self.ramp(t) == x and _near(times, 1 / 6):
            return ("hard_swish", 0.0, 0.0), x
        if self.error_function(t) == x and _near(times, 0.5):
            return ("gelu", 0.0, 0.0), x
        if self.tanh_function(t) == x and _near(times, 0.5):
            return ("gelu_tanh", 0.0, 0.0), x
        if node.op == "Sigmoid" and not node.domain and _near(times, 1.0):
            inside = self.product(node.inputs[0], _DEPTH)
            if inside.factors == (x,) and inside.number != 1.0:
                return ("swish", inside.number, 0.0), x
        if node.inputs[:1] != (x,) or not _near(times, 1.0):
            return None
        name, a, b = activation_of(node, self.constants, self.opsets) or ("none", 0.0, 0.0)
        if name == "sigmoid":
            return ("swish", 1.0, 0.0), x
        if name == "hard_sigmoid" and _near(a, 1 / 6) and _near(b, 0.5):
            return ("hard_swish", 0.0, 0.0), x
        return None

    def ramp(self, t: str) -> str | None:
        """x where t is clip(x + 3, 0, 6)."""
        clip = self.maker.get(t)
        if clip is None or clip.op != "Clip":
            return None
        if activation_of(clip, self.constants, self.opsets) != ("clip", 0.0, 6.0):
            return None
        return self.plus(clip.inputs[0], 3.0)

    def error_function(self, t: str) -> str | None:
        """x where t is 1 + erf(x / √2)."""
        inner = self.plus(t, 1.0)
        erf = self.maker.get(inner) if inner else None
        if erf is None or erf.domain or erf.op != "Erf":
            return None
        product = self.product(erf.inputs[0], _DEPTH)
        alone = len(product.factors) == 1 and _near(product.number, 1 / sqrt(2))
        return product.factors[0] if alone else None

    def tanh_function(self, t: str) -> str | None:
        """x where t is 1 + tanh(√(2/π) · (x + 0.044715 x³))."""
        inner = self.plus(t, 1.0)
        tanh = self.maker.get(inner) if inner else None
        if tanh is None or tanh.domain or tanh.op != "Tanh":
            return None
        outer = self.product(tanh.inputs[0], _DEPTH)
        total = self.maker.get(outer.factors[0]) if len(outer.factors) == 1 else None
        if total is None or total.domain or total.op != "Add":
            return None
        if not _near(outer.number, sqrt(2 / pi)):
            return None
        for x, cube in (total.inputs, total.inputs[::-1]):
            product = self.product(cube, _DEPTH)
            if product.factors == (x, x, x) and _near(product.number, 0.044715):
                return x
        return None

    def plus(self, name: str, addend: float) -> str | None:
        """x where `name` is x + addend."""
        node = self.maker.get(name)
        if node is None or node.domain or node.op != "Add":
            return None
        for x, other in (node.inputs, node.inputs[::-1]):
            value = self.number(other)
            if value is not None and _near(value, addend):
                return x
        return None


def _near(a: float, b: float) -> bool:
    """Equal as far as float32 constants tell."""
    return isclose(a, b, rel_tol=1e-6)
