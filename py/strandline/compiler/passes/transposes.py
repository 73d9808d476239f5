"""Transposes moved towards the results, where they meet others and cancel.

Exporters of models that keep channels last put one before and one after each convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from strandline.compiler import fused
from strandline.compiler.passes.rewrite import Arithmetic
from strandline.compiler.store import Store, constant_of
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.names import used
from strandline.onnx.types import int64
from strandline.ops.rules import ints

Perm = tuple[int, ...]
"""Axis i of what a Transpose gives is axis perm[i] of what it takes."""

_UNARY = frozenset(
    {
        "Abs", "Cast", "Ceil", "Celu", "Clip", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid",
        "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu", "Log", "Mish", "Neg", "Not",
        "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Softplus", "Softsign",
        "Sqrt", "Swish", "Tanh", "ThresholdedRelu",
    }
)  # fmt: skip
_SEVERAL = frozenset(
    {
        "Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max",
        "Mean", "Min", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor",
    }
)  # fmt: skip
_REDUCE = frozenset(
    {"ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"}
)


def cancel_transposes(graph: Graph, store: Store) -> Graph:
    """Let elementwise nodes, Concat and reductions work on what a Transpose takes, where fewer Transposes
    remain for it; of several in a row one is left, or none.
    """
    if graph.opsets.get("", 1) < 7:
        return graph
    # What has gone may let others meet; every round leaves fewer.
    while (fewer := _once(graph, store)) is not graph:
        graph = fewer
    return graph


def _once(graph: Graph, store: Store) -> Graph:
    before = _count(graph.nodes)
    if not before:
        return graph
    mover = _Mover(graph, store)
    mover.walk()
    accepted = mover.worthwhile()
    if not accepted:
        return graph
    final = _Mover(graph, store, accepted)
    final.walk()
    if _count(final.nodes) >= before:
        return graph  # regions that only together were worth it
    return replace(graph, nodes=tuple(final.nodes), constants=final.constants)


def _count(nodes: Sequence[Node]) -> int:
    return sum(node.op == "Transpose" and not node.domain for node in nodes)


@dataclass(slots=True)
class _Region:
    """Values that are transposed alike, with the nodes between them: what moving would gain."""

    parent: _Region | None = None
    origins: list[str] = field(default_factory=list)
    """Outputs of the Transposes that it begins with."""
    gain: int = 0

    def root(self) -> _Region:
        region = self
        while region.parent is not None:
            region = region.parent
        if region is not self:
            self.parent = region
        return region

    def join(self, other: _Region) -> None:
        mine, its = self.root(), other.root()
        if mine is not its:
            if len(mine.origins) < len(its.origins):
                mine, its = its, mine
            its.parent = mine
            mine.origins += its.origins
            mine.gain += its.gain


@dataclass(slots=True)
class _Carried:
    """A value as a Transpose that has not been made yet."""

    source: str
    perm: Perm
    region: _Region


class _Mover:
    """One walk over the graph that moves everything that can move, or (`accepted`) only regions that
    begin with these Transposes."""

    def __init__(self, graph: Graph, store: Store, accepted: frozenset[str] | None = None) -> None:
        self.graph = graph
        self.arithmetic = Arithmetic(graph.opsets, store)
        self.accepted = accepted
        self.constants: dict[str, Constant] = dict(graph.constants)
        self.nodes: list[Node] = []
        self.carried: dict[str, _Carried] = {}
        self.same: dict[str, str] = {}
        """What two Transposes that cancel give: the name of what the first one takes."""
        self.turned: dict[tuple[str, Perm], str] = {}
        """What a value is called after a Transpose."""
        self.made: set[str] = set()
        self.regions: list[_Region] = []

    def walk(self) -> None:
        for node in self.graph.nodes:
            for name in used(node)[len(node.inputs) :]:
                self.make(name)  # a subgraph looks at it by name
            inputs = tuple(self.same.get(name, name) for name in node.inputs)
            node = node if inputs == node.inputs else replace(node, inputs=inputs)
            if not (self.start(node) or self.follow(node)):
                for name in node.inputs:
                    self.make(name)
                self.nodes.append(node)
        for info in self.graph.outputs:
            self.make(info.name)

    def worthwhile(self) -> frozenset[str]:
        """The Transposes whose regions leave fewer of them."""
        roots = {id(root): root for root in (region.root() for region in self.regions)}
        return frozenset(name for r in roots.values() if r.gain > 0 for name in r.origins)

    def make(self, name: str) -> None:
        """Give the value this name by which something looks at it."""
        if name in self.made:
            return
        value = self.carried.get(name)
        if value is not None:
            value.region.root().gain -= 1
            self.transpose(value.source, value.perm, name)
        elif name in self.same:
            self.nodes.append(Node("Identity", (self.same[name],), (name,), {}))
        else:
            return
        self.made.add(name)

    def transpose(self, source: str, perm: Perm, result: str) -> None:
        self.nodes.append(Node("Transpose", (source,), (result,), {"perm": perm}))

    # --- where transposes begin and meet ----------------------------------------------

    def start(self, node: Node) -> bool:
        """Whether `node` is a Transpose that need not be made here."""
        if node.domain or node.op != "Transpose" or node.attrs.get("perm") is None:
            return False
        source, result, perm = node.inputs[0], node.outputs[0], ints(node.attrs["perm"])
        before = self.carried.get(source)
        if before is not None:
            source, perm = before.source, tuple(before.perm[axis] for axis in perm)
            if perm == tuple(range(len(perm))):
                before.region.root().gain += 1
                self.same[result] = source
                return True
        self.turned.setdefault((source, perm), result)
        if self.accepted is None or result in self.accepted:
            region = _Region(origins=[result], gain=1)
            self.regions.append(region)
            self.carried[result] = _Carried(source, perm, region)
        elif before is not None:
            self.transpose(source, perm, result)
        else:
            return False
        return True

    # --- what works on other layouts just as well -------------------------------------

    def follow(self, node: Node) -> bool:
        """Whether `node` was made to work on what its inputs are the transposes of."""
        values = [self.carried[name] for name in node.inputs if name in self.carried]
        if not values or len({value.perm for value in values}) > 1 or len(node.outputs) != 1:
            return False
        perm = values[0].perm
        if node.domain == fused.DOMAIN and node.op == "Activation":
            return self.move(node, values)
        if node.domain:
            return False
        if node.op in _UNARY:
            return node.inputs[0] in self.carried and self.move(node, values)
        if node.op in _SEVERAL:
            inputs = [self.beside(name, perm) for name in node.inputs]
            plain = [name for name in inputs if name is not None]
            return len(plain) == len(inputs) and self.move(node, values, tuple(plain))
        if node.op == "Concat" and len(values) == len(node.inputs):
            axis = perm[node.attrs["axis"]]
            return self.move(replace(node, attrs={**node.attrs, "axis": axis}), values)
        if node.op in _REDUCE and node.inputs[0] in self.carried:
            return self.reduce(node, values)
        return False

    def move(self, node: Node, values: Sequence[_Carried], inputs: tuple[str, ...] = ()) -> bool:
        """Write the node over the sources; its result is carried on."""
        (result,) = node.outputs
        source = f"{result}/source"
        given = inputs or tuple(
            self.carried[name].source if name in self.carried else name for name in node.inputs
        )
        self.nodes.append(replace(node, inputs=given, outputs=(source,)))
        for value in values[1:]:
            values[0].region.join(value.region)
        self.carried[result] = _Carried(source, values[0].perm, values[0].region)
        return True

    def beside(self, name: str, perm: Perm) -> str | None:
        """An operand before the Transpose: a source, what there is of it in that order already, or a
        constant whose axes are put in it."""
        value = self.carried.get(name)
        if value is not None:
            return value.source
        back = tuple(perm.index(axis) for axis in range(len(perm)))
        turned = self.turned.get((name, back))
        if turned is not None:
            self.make(turned)
            return turned
        constant = self.constants.get(name)
        if constant is None or len(constant.shape) > len(perm) or constant.strings:
            return None
        if not constant.type.size:
            return None
        if constant.type.size == 1:
            return name
        shape = (1,) * (len(perm) - len(constant.shape)) + constant.shape
        whole = self.arithmetic.reshape(constant, shape)
        moved = self.arithmetic("Transpose", whole, perm=back)
        if moved is None:
            return None
        new = f"{name}/source/{','.join(map(str, perm))}"
        self.constants[new] = moved
        return new

    def reduce(self, node: Node, values: Sequence[_Carried]) -> bool:
        """Over other axes; without those that go, the rest must stay in order."""
        perm, inputs, attrs = values[0].perm, node.inputs, dict(node.attrs)
        listed = len(inputs) > 1 and bool(inputs[1])
        if listed:
            constant = self.constants.get(inputs[1])
            if constant is None:
                return False
            axes = ints(constant)
        else:
            axes = ints(attrs.get("axes"))
        if attrs.get("noop_with_empty_axes", 0) and not axes:
            return False
        moved = tuple(perm[axis] for axis in axes)
        source = self.carried[inputs[0]].source
        if listed:
            name = f"{node.outputs[0]}/axes"
            self.constants[name] = constant_of(int64, (len(moved),), moved)
            inputs = (source, name)
        else:
            inputs = (source,)
            if axes:
                attrs["axes"] = moved
        new = replace(node, inputs=inputs, attrs=attrs)
        if attrs.get("keepdims", 1):
            return self.move(new, values, inputs)
        kept = [axis for axis in perm if axes and axis not in moved]
        if kept != sorted(kept):
            return False
        self.nodes.append(new)
        return True
