"""How an ONNX node becomes kernel calls: the `@lower` table and the context its functions write to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from strandline.onnx.graph import Constant, Node
from strandline.onnx.types import DType, TensorType

W = TypeVar("W")


class Instr(NamedTuple):
    """One kernel call. Operands are value names ("" = absent); params go to the kernel as 64-bit words, floats as
    the bits of a double."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: tuple[int | float, ...] = ()
    body: tuple[Instr, ...] = ()
    """The calls that a `loop` runs. Their number goes before the params."""

    @property
    def reads(self) -> tuple[str, ...]:
        """All operands that it or its body reads."""
        if not self.body:
            return self.inputs
        return (*self.inputs, *(name for instr in self.body for name in instr.reads))

    @property
    def writes(self) -> tuple[str, ...]:
        """All operands that it or its body writes."""
        if not self.body:
            return self.outputs
        return (*self.outputs, *(name for instr in self.body for name in instr.writes))


class Lowering(Protocol):
    """What a lowering function sees and writes to; the plan builder implements it."""

    attrs: Mapping[str, Any]
    """The node's attributes with the operator's defaults filled in."""
    opset: int
    """The version of the node's domain."""

    def type(self, name: str) -> TensorType:
        """Type of an input, output, temporary or constant."""

    def value(self, name: str) -> Constant | None:
        """The value, when it is known at plan time."""

    def temp(self, dtype: DType, shape: Sequence[int]) -> str:
        """A scratch tensor that lives in the arena during this node only."""

    def constant(self, dtype: DType, shape: Sequence[int], data: Any) -> str:
        """A new constant from a buffer or a flat sequence of scalars."""

    def derived(
        self, key: tuple[Any, ...], make: Callable[[], tuple[DType, Sequence[int], Any]]
    ) -> str:
        """A constant computed from others (packed weights, a flattened forest), made once per session under `key`
        and shared by all its plans."""

    def codes(self, strings: Sequence[str]) -> list[int]:
        """The int32 codes by which the session knows these strings (interned once per session)."""

    def emit(
        self, op: str, inputs: Sequence[str], outputs: Sequence[str], *params: int | float
    ) -> None:
        """Append one kernel call."""

    def choose(
        self,
        key: Callable[[], str],
        ways: Iterable[W],
        name: Callable[[W], str],
        emit: Callable[[W], None],
    ) -> None:
        """Emit by one of `ways` to the same values: the first, which is the policy's, unless the session
        measures which is fastest and remembers its name under `key()` (operator and shape)."""

    def alias(self, output: str, source: str) -> None:
        """Say that `output` is `source`'s bytes under another shape: nothing to run."""

    def view(self, output: str, source: str, offset: int) -> bool:
        """Ask that `output` be `source`'s bytes from `offset` on. False: not possible, copy them instead."""

    def place(self, part: str, whole: str, offset: int) -> bool:
        """Ask that `part`, an input, be written right into the output `whole` at a byte. False: copy it."""


LoweringRule = Callable[[Node, Lowering], bool]
"""Emit the node's kernel calls and return True, or return False before emitting anything: no kernel serves it."""

_RULES: dict[tuple[str, str], LoweringRule] = {}


def lower(*names: str, domain: str = "") -> Callable[[LoweringRule], LoweringRule]:
    """Register the decorated rule for ONNX operators `names`; it is asked after the rules that they
    have already."""

    def register(rule: LoweringRule) -> LoweringRule:
        for key in ((domain, name) for name in names):
            _RULES[key] = _first_of(_RULES[key], rule) if key in _RULES else rule
        return rule

    return register


def _first_of(one: LoweringRule, other: LoweringRule) -> LoweringRule:
    return lambda node, low: one(node, low) or other(node, low)


def rule_for(node: Node) -> LoweringRule | None:
    """The rule for this operator, if the core serves it at all."""
    return _RULES.get(("" if node.domain == "ai.onnx" else node.domain, node.op))
