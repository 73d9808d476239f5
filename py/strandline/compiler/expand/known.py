"""What a graph says of its values before any shape is known: constants, element types, ranks."""

from __future__ import annotations

from dataclasses import dataclass, field

from strandline.compiler.dtypes import result_dtypes
from strandline.compiler.passes.rewrite import rank_of
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.types import DType


@dataclass(slots=True)
class Known:
    """By name, as far as it is known; names of outer graphs included."""

    constants: dict[str, Constant] = field(default_factory=dict)
    dtypes: dict[str, DType] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)

    def inside(self, graph: Graph) -> Known:
        """What is known at the beginning of `graph`, which lies within this one."""
        known = Known(self.constants | dict(graph.constants), dict(self.dtypes), dict(self.ranks))
        for name, constant in graph.constants.items():
            known.dtypes[name], known.ranks[name] = constant.dtype, len(constant.shape)
        for info in graph.inputs:
            if info.dtype is not None:
                known.dtypes[info.name] = info.dtype
            if info.shape is not None:
                known.ranks[info.name] = len(info.shape)
        return known

    def note(self, node: Node) -> None:
        """Take in what follows for the outputs of a node."""
        value = node.attrs.get("value")
        if node.op == "Constant" and not node.domain and isinstance(value, Constant):
            (name,) = node.outputs
            self.constants[name] = value
            self.dtypes[name], self.ranks[name] = value.dtype, len(value.shape)
            return
        given = [self.dtypes.get(name) for name in node.inputs]
        rank = rank_of(node, self.ranks, self.constants)
        for name, dtype in zip(node.outputs, result_dtypes(node, given), strict=False):
            if name and dtype is not None:
                self.dtypes[name] = dtype
        if rank is not None:
            self.ranks.update((name, rank) for name in node.outputs if name)

    def same(self, name: str, source: str) -> None:
        """`name` is `source`."""
        for table in (self.constants, self.dtypes, self.ranks):
            if name and source in table:
                table[name] = table[source]  # type: ignore[assignment]
