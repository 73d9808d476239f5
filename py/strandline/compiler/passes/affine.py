"""What is affine per channel: BatchNormalization, and products and sums with constants.

After a convolution or a matrix product it goes into the weights; several in a row become one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from strandline.compiler import fused
from strandline.compiler.lower import rule_for
from strandline.compiler.lower.layout import MAX_RANK
from strandline.compiler.passes.rewrite import LARGE, Arithmetic, Uses, ranks, scalar
from strandline.compiler.store import Store, constant_of
from strandline.onnx.graph import Computed, Constant, Graph, Node
from strandline.onnx.types import int64


@dataclass(slots=True)
class _Chain:
    """x * scale + shift per channel (axis 1), after `first` where there is one."""

    channels: int
    rank: int | None
    first: Node | None
    source: str
    scale: Constant | None = None
    shift: Constant | None = None
    merged: list[Node] = field(default_factory=list)


_Affine = tuple[Constant | None, Constant | None]
"""Scale and shift, [channels] each; None: 1 and 0."""


def fold_affine(graph: Graph, store: Store) -> Graph:
    """Rewrite each chain of per-channel affine nodes as one node.

    Conv or Gemm with constant weights takes the whole chain; a BatchNormalization that has neither
    before it, with what follows, becomes a ScaleShift. Only values of one use are passed over.
    """
    if graph.opsets.get("", 1) < 9:  # older BatchNormalization has a training mode of its own
        return graph
    return _Folding(graph, store).graph()


class _Folding:
    def __init__(self, graph: Graph, store: Store) -> None:
        self.before = graph
        self.arithmetic = Arithmetic(graph.opsets, store)
        self.uses = Uses(graph)
        self.ranks = ranks(graph)
        self.constants: dict[str, Constant] = dict(graph.constants)

    def graph(self) -> Graph:
        chains: dict[str, _Chain] = {}
        for node in self.before.nodes:
            chain = self.start(node) or self.extend(node, chains)
            if chain is not None:
                chains[node.outputs[0]] = chain
        gone: set[int] = set()
        new: dict[int, Node] = {}
        for chain in {id(chain): chain for chain in chains.values()}.values():
            whole = self.whole(chain)
            if whole is not None:
                gone.update(map(id, chain.merged))
                new[id(chain.merged[-1])] = whole
        if not new:
            return self.before
        nodes = (
            new.get(id(node), node)
            for node in self.before.nodes
            if id(node) in new or id(node) not in gone
        )
        return replace(self.before, nodes=tuple(nodes), constants=self.constants)

    # --- growing chains ---------------------------------------------------------------

    def start(self, node: Node) -> _Chain | None:
        """A chain that begins with a convolution or a matrix product."""
        if node.domain or node.op not in ("Conv", "Gemm"):
            return None
        weight = self.constants.get(node.inputs[1])
        bias = self.constants.get(node.inputs[2]) if node.inputs[2:] and node.inputs[2] else None
        if weight is None or (bias is None and any(node.inputs[2:])):
            return None
        last = node.op == "Gemm" and not node.attrs.get("transB", 0)
        channels = weight.shape[-1 if last else 0]
        if bias is not None and bias.shape != (channels,):
            return None
        return _Chain(channels, len(weight.shape), node, node.inputs[0], merged=[node])

    def extend(self, node: Node, chains: dict[str, _Chain]) -> _Chain | None:
        """The chain that `node` continues, or starts as a BatchNormalization of its own."""
        if node.domain or node.op not in ("BatchNormalization", "Mul", "Add"):
            return None
        if node.op == "BatchNormalization":
            affine = self.normalization(node)
            source = node.inputs[0]
            if affine is None or affine[0] is None:
                return None
            chain = self.single(chains, source)
            if chain is None:
                channels = affine[0].type.size
                chain = _Chain(channels, self.ranks.get(source), None, source)
            return self.compose(chain, affine, node)
        for source, other in (node.inputs, node.inputs[::-1]):
            chain = self.single(chains, source)
            value = chain and self.per_channel(other, chain)
            if chain and value:
                affine = (value, None) if node.op == "Mul" else (None, value)
                return self.compose(chain, affine, node)
        return None

    def single(self, chains: dict[str, _Chain], source: str) -> _Chain | None:
        return chains.get(source) if self.uses.only(source) else None

    def compose(self, chain: _Chain, affine: _Affine, node: Node) -> _Chain | None:
        """The chain with one more step; None when the step is not of its size."""
        scale, shift = affine
        weight = self.constants[chain.first.inputs[1]] if chain.first else None
        for constant in filter(None, affine):
            if constant.shape != (chain.channels,):
                return None
            if weight is not None and constant.dtype is not weight.dtype:
                return None
        if scale is not None:
            chain.scale = self.arithmetic("Mul", chain.scale, scale) if chain.scale else scale
            chain.shift = self.arithmetic("Mul", chain.shift, scale)
        if shift is not None:
            chain.shift = self.arithmetic("Add", chain.shift, shift) if chain.shift else shift
        chain.merged.append(node)
        return chain

    def normalization(self, node: Node) -> _Affine | None:
        """(x - mean) / sqrt(variance + epsilon) * scale + offset as one scale and one shift."""
        if node.attrs.get("training_mode", 0) or any(node.outputs[1:]):
            return None
        scale, offset, mean, variance = (self.constants.get(name) for name in node.inputs[1:5])
        if scale is None or variance is None or len({scale.dtype, variance.dtype}) > 1:
            return None
        epsilon = scalar(scale.dtype, node.attrs.get("epsilon", 1e-5))
        calc = self.arithmetic
        factor = calc("Div", scale, calc("Sqrt", calc("Add", variance, epsilon)))
        shift = calc("Sub", offset, calc("Mul", mean, factor))
        return None if factor is None or shift is None else (factor, shift)

    def per_channel(self, name: str, chain: _Chain) -> Constant | None:
        """The constant `name` as one number per channel (a single one for all of them); None when it
        is anything else."""
        value = self.constants.get(name)
        if value is None or chain.rank is None or not value.dtype.is_float:
            return None
        shape = (1,) * (chain.rank - len(value.shape)) + value.shape
        if value.type.size == 1 and len(shape) == chain.rank:
            every = constant_of(int64, (1,), [chain.channels])
            return self.arithmetic("Expand", self.arithmetic.reshape(value, (1,)), every)
        if shape != (1, chain.channels, *(1 for _ in shape[2:])):
            return None
        return self.arithmetic.reshape(value, (chain.channels,))

    # --- out of chains ----------------------------------------------------------------

    def whole(self, chain: _Chain) -> Node | None:
        """The node that stands for a chain; None when there is nothing to gain."""
        last = chain.merged[-1]
        if chain.first is last:
            return None
        if chain.first is not None:
            return self.weighted(chain, chain.first, last)
        node = Node("ScaleShift", (chain.source,), last.outputs, {}, fused.DOMAIN, last.name)
        if rule_for(node) is None or chain.scale is None or chain.shift is None:
            return None
        names = self.enter(last, chain.scale, chain.shift)
        return replace(node, inputs=(chain.source, *names))

    def weighted(self, chain: _Chain, first: Node, last: Node) -> Node | None:
        weight, shift = self.constants[first.inputs[1]], chain.shift
        bias = self.constants[first.inputs[2]] if any(first.inputs[2:]) else None
        attrs = first.attrs
        if first.op == "Gemm":
            if bias is not None and attrs.get("beta", 1.0) != 1.0:
                return None
            across: tuple[int, ...] = (-1, 1) if attrs.get("transB", 0) else (1, -1)
        else:
            across = (-1,) + (1,) * (len(weight.shape) - 1)
        calc = self.arithmetic
        if chain.scale is not None:
            factors = calc.reshape(chain.scale, across)
            bias = calc("Mul", bias, chain.scale)
            scaled = factors and self.scaled(weight, factors)
            if scaled is None:
                return None
            weight = scaled
        if shift is not None:
            bias = calc("Add", bias, shift) if bias else shift
        names = self.enter(last, weight, bias)
        return replace(first, inputs=(first.inputs[0], *names), outputs=last.outputs)

    def scaled(self, weight: Constant, factors: Constant) -> Constant | None:
        """The weights times a factor per channel; when they are large, on demand."""
        calc = self.arithmetic
        if weight.type.nbytes <= LARGE or len(weight.shape) > MAX_RANK:
            return calc("Mul", weight, factors)

        def make() -> memoryview:
            product = calc("Mul", weight, factors)
            assert product is not None, "the core multiplies floats"
            return product.data

        return Computed(weight.type, make)

    def enter(self, node: Node, *constants: Constant | None) -> tuple[str, ...]:
        """New constants under names of their own."""
        names = [f"{node.outputs[0]}/{i}" for i, value in enumerate(constants) if value]
        self.constants.update(zip(names, filter(None, constants), strict=True))
        return tuple(names)
