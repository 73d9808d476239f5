"""What the passes share: who uses a value, who makes it, and arithmetic on constants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from strandline.compiler import fused
from strandline.compiler.evaluate import evaluate
from strandline.compiler.store import Store, constant_of
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.names import used
from strandline.onnx.types import DType, float64, int64
from strandline.ops.registry import find

LARGE = 1 << 16
"""Bytes of a constant that is rather made again than kept."""


class Uses:
    """For each value how often it is used, and which node makes it."""

    def __init__(self, graph: Graph) -> None:
        self.count = Counter(name for node in graph.nodes for name in used(node))
        self.count.update(info.name for info in graph.outputs)
        self.maker = {name: node for node in graph.nodes for name in node.outputs if name}
        self._nodes = graph.nodes
        self._users: dict[str, list[Node]] | None = None

    @property
    def users(self) -> Mapping[str, Sequence[Node]]:
        """For each value the nodes that take it as an input, once for each time."""
        if self._users is None:
            self._users = {}
            for node in self._nodes:
                for name in filter(None, node.inputs):
                    self._users.setdefault(name, []).append(node)
        return self._users

    def only(self, name: str) -> Node | None:
        """The node that makes `name` if it is used just once, else None."""
        return self.maker.get(name) if self.count[name] == 1 else None


_SAME_RANK = frozenset(
    {
        "Abs", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "CumSum", "DequantizeLinear",
        "Dropout", "Elu", "Erf", "Exp", "Gelu", "GlobalAveragePool", "GlobalMaxPool", "HardSigmoid",
        "HardSwish", "Identity", "LRN", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "MaxPool", "Neg",
        "Not", "PRelu", "Pad", "QuantizeLinear", "Reciprocal", "Relu", "Resize", "Sigmoid", "Slice", "Softmax",
        "Split", "Sqrt", "Swish", "Tanh", "Transpose",
    }
)  # fmt: skip
_LARGER_RANK = frozenset(
    {"Add", "And", "Div", "Equal", "Greater", "Less", "Mul", "Or", "Pow", "Sub", "Where"}
)
_FUSED_SAME_RANK = frozenset({"Activation", "FusedLayerNorm", "ScaleShift"})


def ranks(graph: Graph) -> dict[str, int]:
    """The number of axes of each value for which it follows from declarations and weights alone."""
    known = {name: len(constant.shape) for name, constant in graph.constants.items()}
    known |= {info.name: len(info.shape) for info in graph.inputs if info.shape is not None}
    for node in graph.nodes:
        rank = rank_of(node, known, graph.constants)
        if rank is not None:
            known.update((name, rank) for name in node.outputs if name)
    return known


def rank_of(node: Node, known: Mapping[str, int], constants: Mapping[str, Constant]) -> int | None:
    """The number of axes of a node's outputs; None where it does not follow."""
    if node.domain:
        same = node.domain == fused.DOMAIN and node.op in _FUSED_SAME_RANK
        return known.get(node.inputs[0]) if same else None
    given = [known.get(name) for name in node.inputs]
    if node.op in _SAME_RANK:
        if node.op == "Transpose" and node.attrs.get("perm") is not None:
            return len(node.attrs["perm"])
        return given[0] if given else None
    if node.op in ("Conv", "ConvTranspose"):
        return given[1]
    if node.op in _LARGER_RANK and all(rank is not None for rank in given):
        return max(rank for rank in given if rank is not None)
    if node.op == "Gemm":
        return 2
    if node.op in ("Range", "Shape"):
        return 1
    first, second = (*given, None, None)[:2]
    if node.op == "Reshape" and len(node.inputs) > 1 and node.inputs[1] in constants:
        return constants[node.inputs[1]].type.size
    if node.op in ("ReduceSum", "Squeeze", "Unsqueeze") and first is not None:
        if node.attrs.get("keepdims", 1) and node.op == "ReduceSum":
            return first
        held = constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
        axes = held.type.size if held else len(node.attrs.get("axes") or ())
        return first + (axes if node.op == "Unsqueeze" else -axes) if axes else None
    if first is None or second is None:
        return None
    if node.op in ("MatMul", "MatMulInteger") and min(first, second) >= 2:
        return max(first, second)
    return first + second - 1 if node.op == "Gather" else None


class Arithmetic:
    """ONNX operators on constants; every method gives None when one of its operands is None."""

    def __init__(self, opsets: Mapping[str, int], store: Store) -> None:
        self._opsets = opsets
        self._store = store

    def __call__(self, op: str, *operands: Constant | None, **attrs: Any) -> Constant | None:
        """The result of `op` on constants; None when it cannot be computed here."""
        if any(operand is None for operand in operands):
            return None
        names = tuple(f"operand/{i}" for i in range(len(operands)))
        node = Node(op, names, ("result",), attrs)
        made = evaluate(
            node, find(node, self._opsets), operands, self._opsets.get("", 1), self._store
        )
        return None if made is None else made["result"]

    def reshape(self, value: Constant | None, shape: Sequence[int]) -> Constant | None:
        """The same elements in another shape."""
        if value is None:
            return None
        return self("Reshape", value, constant_of(int64, (len(shape),), list(shape)))


def has_double(graph: Graph) -> bool:
    """Whether float64 occurs among inputs and constants: what is fused for float32 must not meet it."""
    declared = (info.dtype for info in graph.inputs)
    return float64 in declared or any(c.dtype is float64 for c in graph.constants.values())


def scalar(dtype: DType, value: float) -> Constant:
    """A constant of one element."""
    return constant_of(dtype, (), [value])


def number(constant: Constant | None) -> float | None:
    """The element of a constant that has just one; None for all others."""
    if constant is None or constant.type.size != 1 or constant.strings:
        return None
    value: Any = constant.flat()[0]
    return float(value)
