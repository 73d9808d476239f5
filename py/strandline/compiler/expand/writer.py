"""What an expansion writes to: nodes with names of their own, and what is known of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from strandline.compiler import fused
from strandline.compiler.expand.known import Known
from strandline.compiler.store import constant_of
from strandline.onnx.graph import Constant, Node
from strandline.onnx.types import DType, float16, float32, int64
from strandline.ops.registry import UnsupportedOperator


class Writer:
    """Nodes that stand for `node`. Values are names; "" is an absent one."""

    def __init__(self, node: Node, opsets: Mapping[str, int], known: Known) -> None:
        self.node = node
        self.opset = opsets.get("", 1)
        self._known = known
        self._nodes: list[Node] = []
        first = next(filter(None, node.outputs), "")
        self._prefix = f"{node.name or first}/{first}/"

    def __call__(
        self, op: str, *inputs: str, outputs: int = 1, domain: str = "", **attrs: Any
    ) -> Any:
        """Write a node: the name of its output, or a tuple of them where there are several."""
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        names = tuple(f"{self._prefix}{op}/{len(self._nodes)}/{i}" for i in range(outputs))
        node = Node(op, inputs, names, attrs, domain, f"{self._prefix}{op}")
        self._nodes.append(node)
        self._known.note(node)
        return names if outputs > 1 else names[0]

    def fused(self, op: str, *inputs: str, outputs: int = 1, **attrs: Any) -> Any:
        """The same for an operator of the compiler's own."""
        return self(op, *inputs, outputs=outputs, domain=fused.DOMAIN, **attrs)

    def finished(self, made: Sequence[str]) -> list[Node]:
        """The nodes, their results `made` under the names that the expanded node's outputs have."""
        names: dict[str, str] = {}
        ends: list[Node] = []
        own = {name for node in self._nodes for name in node.outputs}
        for name, actual in zip(made, self.node.outputs, strict=False):
            if actual and name in own and name not in names:
                names[name] = actual
            elif actual:
                ends.append(Node("Identity", (names.get(name, name),), (actual,)))

        def rename(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(names.get(name, name) for name in values)

        return [
            *(replace(n, inputs=rename(n.inputs), outputs=rename(n.outputs)) for n in self._nodes),
            *ends,
        ]

    # --- what is known ----------------------------------------------------------------

    def refuse(self, why: str) -> UnsupportedOperator:
        """The error to raise where this node cannot be expanded."""
        return UnsupportedOperator(f"{self.node}: {why}")

    def value(self, name: str) -> Constant | None:
        """The value, if it is constant."""
        return self._known.constants.get(name)

    def weights(self, name: str, what: str) -> Constant:
        """The value of an input that must be constant."""
        value = self.value(name)
        if value is None:
            raise self.refuse(f"{what} must be constant")
        return value

    def dtype(self, name: str) -> DType:
        """The element type; float32 where it is not known."""
        return self._known.dtypes.get(name, float32)

    def rank(self, name: str) -> int | None:
        """The number of axes, if it is known."""
        return self._known.ranks.get(name)

    def rank_or(self, name: str, usual: int) -> int:
        """The number of axes; `usual` where it is not known."""
        return self._known.ranks.get(name, usual)

    # --- what is often written --------------------------------------------------------

    def constant(self, dtype: DType, shape: Sequence[int], data: Any) -> str:
        """A constant from a buffer or a flat sequence of numbers."""
        made: str = self("Constant", value=constant_of(dtype, shape, data))
        return made

    def integers(self, *values: int) -> str:
        """A constant vector of int64."""
        return self.constant(int64, (len(values),), values)

    def scalar(self, value: float, like: str) -> str:
        """A number of the type of `like`, held within half floats where it is one."""
        dtype = self.dtype(like)
        if dtype is float16:
            value = max(-65504.0, min(65504.0, value))
        return self.constant(dtype, (), [value if dtype.is_float else int(value)])

    def cast(self, x: str, to: DType) -> str:
        made: str = x if self._known.dtypes.get(x) is to else self("Cast", x, to=to.code)
        return made

    def reshape(self, x: str, *shape: int) -> str:
        """0 keeps a size, -1 is what remains."""
        made: str = self("Reshape", x, self.integers(*shape))
        return made

    def transpose(self, x: str, *perm: int) -> str:
        made: str = self("Transpose", x, perm=perm)
        return made

    def unsqueeze(self, x: str, *axes: int) -> str:
        late = self.opset >= 13
        made: str = (
            self("Unsqueeze", x, self.integers(*axes)) if late else self("Unsqueeze", x, axes=axes)
        )
        return made

    def slice(self, x: str, start: int | str, end: int | str, axis: int) -> str:
        """Part of `axis`; `start` and `end` are numbers or names of vectors of one int64."""
        bounds = (b if isinstance(b, str) else self.integers(b) for b in (start, end))
        made: str = self("Slice", x, *bounds, self.integers(axis))
        return made

    def size(self, x: str, axis: int) -> str:
        """The size of an axis (from the front) as a vector of one int64."""
        shape = self("Shape", x)
        return self.slice(shape, axis, axis + 1 or 1 << 62, 0)

    def sum_over(self, x: str, axis: int) -> str:
        """The sum over an axis, which goes."""
        made: str
        if self.opset >= 13:
            made = self("ReduceSum", x, self.integers(axis), keepdims=0)
        else:
            made = self("ReduceSum", x, axes=(axis,), keepdims=0)
        return made

    def last(self, x: str) -> str:
        """`x` with its channels, axis 1, moved behind all others."""
        rank = self.rank_or(x, 4)
        return self.transpose(x, 0, *range(2, rank), 1)

    def first(self, x: str) -> str:
        """`x` with its channels, the last axis, moved to axis 1."""
        rank = self.rank_or(x, 4)
        return self.transpose(x, 0, rank - 1, *range(1, rank - 1))

    # --- quantized tensors ------------------------------------------------------------

    def real(self, x: str, scale: str, zero: str = "", **attrs: Any) -> str:
        """DequantizeLinear."""
        made: str = self("DequantizeLinear", x, scale, zero, **attrs)
        return made

    def quantized(self, x: str, scale: str, zero: str, like: str) -> str:
        """QuantizeLinear; without a zero point, to the type of `like` around 0."""
        zero = zero or self.scalar(0, like)
        made: str = self("QuantizeLinear", x, scale, zero)
        return made
