"""Quantized tensors stay bytes between the operators that give and take them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from strandline.compiler import fused
from strandline.compiler.passes.rewrite import Arithmetic, Uses
from strandline.compiler.store import Store, constant_of
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.types import DType, float32, int8, uint8

_BYTES = (int8, uint8)
_MOVERS = frozenset(
    {"MaxPool", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Concat"}
)
"""Operators that give some of the elements of their first input (Concat: of all), whatever they are."""
_ELEMENTWISE = frozenset(
    {
        "Abs", "Add", "Clip", "Div", "Elu", "Exp", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu",
        "Log", "Max", "Min", "Mish", "Mul", "Neg", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign",
        "Sqrt", "Sub", "Swish", "Tanh",
    }
)  # fmt: skip
_LONGEST = 16
"""Nodes between DequantizeLinear and QuantizeLinear that a table is looked for behind."""


def keep_integers(graph: Graph, store: Store) -> Graph:
    """What lies between DequantizeLinear and QuantizeLinear, put on the bytes themselves.

    What only moves elements moves bytes; a function of one quantized tensor's
    elements becomes a table of 256 bytes (MapBytes, or nothing where it is the identity); a sum or
    product of two tensors, of which one may be float32, becomes QuantizedAdd or QuantizedMul, a Relu
    taken along.
    """
    while True:
        work = _Integers(graph, store)
        for node in graph.nodes:
            if node.op == "QuantizeLinear" and not node.domain:
                work.visit(node)
        if not work.new:
            return graph
        graph = work.graph()


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor of bytes and the constants that one scale for all is read by."""

    name: str
    scale: str
    zero: str
    dtype: DType


class _Integers:
    def __init__(self, graph: Graph, store: Store) -> None:
        self.before = graph
        self.uses = Uses(graph)
        self.constants = dict(graph.constants)
        self.arithmetic = Arithmetic(graph.opsets, store)
        self.order = {id(node): i for i, node in enumerate(graph.nodes)}
        self.new: dict[int, list[Node]] = {}
        self.gone: set[int] = set()

    def graph(self) -> Graph:
        nodes: list[Node] = []
        for node in self.before.nodes:
            if id(node) in self.new:
                nodes += self.new[id(node)]
            elif id(node) not in self.gone:
                nodes.append(node)
        return replace(self.before, nodes=tuple(nodes), constants=self.constants)

    def visit(self, node: Node) -> None:
        if self.parameters(node) is None or node.inputs[0] not in self.uses.maker:
            return
        _ = self.move(node) or self.tabulate(node) or self.combine(node)

    def parameters(self, node: Node) -> tuple[str, str, DType] | None:
        """Scale, zero point and type of a QuantizeLinear or DequantizeLinear with one for all."""
        if len(node.inputs) < 3 or node.attrs.get("block_size", 0):
            return None
        scale, zero = (self.constants.get(name) for name in node.inputs[1:3])
        if scale is None or zero is None or zero.dtype not in _BYTES:
            return None
        single = scale.type.size == zero.type.size == 1 and scale.dtype is float32
        return (node.inputs[1], node.inputs[2], zero.dtype) if single else None

    def quantized(self, name: str) -> _Tensor | None:
        """The bytes behind `name`."""
        node = self.uses.maker.get(name)
        if node is None or node.domain or node.op != "DequantizeLinear":
            return None
        found = self.parameters(node)
        return found and _Tensor(node.inputs[0], *found)

    # --- moving elements --------------------------------------------------------------

    def move(self, node: Node) -> bool:
        """The first of what moves elements ahead of its DequantizeLinear; where several tensors meet,
        behind QuantizeLinear."""
        mover = self.mover(node.inputs[0])
        if mover is None:
            return False
        if mover.op == "Concat":
            return self.join(node, mover)
        while (x := self.quantized(mover.inputs[0])) is None:
            before = self.mover(mover.inputs[0])
            if before is None or before.op == "Concat":
                return False
            mover = before
        (y,) = mover.outputs
        self.new[id(mover)] = [
            replace(mover, inputs=(x.name, *mover.inputs[1:]), outputs=(f"{y}/bytes",)),
            Node("DequantizeLinear", (f"{y}/bytes", x.scale, x.zero), (y,)),
        ]
        return True

    def mover(self, name: str) -> Node | None:
        """What moves elements to `name` alone, which is used once."""
        node = self.uses.only(name)
        if node is None or node.domain or node.op not in _MOVERS or len(node.outputs) > 1:
            return None
        return None if id(node) in self.gone or id(node) in self.new else node

    def join(self, node: Node, concat: Node) -> bool:
        if not all(map(self.quantized, concat.inputs)):
            return False
        names = [f"{node.outputs[0]}/{i}" for i in range(len(concat.inputs))]
        ahead = [
            replace(node, inputs=(name, *node.inputs[1:]), outputs=(to,))
            for name, to in zip(concat.inputs, names, strict=True)
        ]
        self.new[id(node)] = [*ahead, replace(concat, inputs=tuple(names), outputs=node.outputs)]
        self.gone.add(id(concat))
        return True

    # --- functions of one tensor ------------------------------------------------------

    def tabulate(self, node: Node) -> bool:
        """Elementwise nodes of one quantized tensor and constants as a table."""
        chain: list[Node] = []
        leaves: set[_Tensor] = set()
        open_ = [node.inputs[0]]
        while open_:
            name = open_.pop()
            constant, made = self.constants.get(name), self.uses.maker.get(name)
            x = self.quantized(name)
            if x is not None:
                leaves.add(x)
                continue
            if (constant is not None and not constant.shape) or made in chain:
                continue
            if made is None or made.domain or made.op not in _ELEMENTWISE or id(made) in self.gone:
                return False
            if len(chain) == _LONGEST:
                return False
            chain.append(made)
            open_ += made.inputs
        if len(leaves) != 1:
            return False
        x = leaves.pop()
        inner = {name for made in chain for name in made.outputs}
        users = [user for name in inner for user in self.uses.users.get(name, ())]
        if any(user is not node and user not in chain for user in users):
            return False
        if any(info.name in inner for info in self.before.outputs):
            return False
        table = self.table(node, x, chain)
        if table is None:
            return False
        same = table.dtype is x.dtype and bytes(table.data) == bytes(range(256))
        if same:
            made_ = Node("Identity", (x.name,), node.outputs, {}, "", node.name)
        else:
            name = f"{node.outputs[0]}/table"
            self.constants[name] = table
            made_ = Node("MapBytes", (x.name, name), node.outputs, {}, fused.DOMAIN, node.name)
        self.new[id(node)] = [made_]
        self.gone.update(map(id, chain))
        return True

    def table(self, node: Node, x: _Tensor, chain: list[Node]) -> Constant | None:
        """What becomes of every byte; None when it cannot be computed here."""
        steps = [v - 256 if v > 127 and x.dtype is int8 else v for v in range(256)]
        values: dict[str, Constant | None] = {}
        held = constant_of(x.dtype, (256,), steps)
        parameters = self.constants[x.scale], self.constants[x.zero]
        real = self.arithmetic("DequantizeLinear", held, *parameters)
        for made in sorted(chain, key=lambda n: self.order[id(n)]):
            operands = [
                real if self.quantized(n) else values.get(n, self.constants.get(n))
                for n in made.inputs
            ]
            values[made.outputs[0]] = self.arithmetic(made.op, *operands, **made.attrs)
        last = values.get(node.inputs[0]) if chain else real
        by = [self.constants[name] for name in node.inputs[1:3]]
        return self.arithmetic("QuantizeLinear", last, *by)

    # --- functions of two tensors -----------------------------------------------------

    def combine(self, node: Node) -> bool:
        chain = [node]
        made = self.uses.only(node.inputs[0])
        relu = made is not None and made.op == "Relu" and not made.domain
        if made is not None and relu:
            chain.append(made)
            made = self.uses.only(made.inputs[0])
        if made is None or made.domain or made.op not in ("Add", "Sum", "Mul") or made.attrs:
            return False
        if len(made.inputs) != 2 or any(id(n) in self.gone for n in (*chain, made)):
            return False
        found = [self.quantized(name) for name in made.inputs]
        if found == [None, None]:
            return False
        inputs: list[str] = []
        for name, x in zip(made.inputs, found, strict=True):
            inputs += (x.name, x.scale, x.zero) if x else (name, "", "")
        attrs = {"activation": "relu" if relu else "none"}
        op = "QuantizedMul" if made.op == "Mul" else "QuantizedAdd"
        inputs += node.inputs[1:3]
        self.new[id(node)] = [Node(op, tuple(inputs), node.outputs, attrs, fused.DOMAIN, node.name)]
        self.gone.update(map(id, (*chain[1:], made)))
        return True
