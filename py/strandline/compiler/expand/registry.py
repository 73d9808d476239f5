"""The table of expansions: one function per operator writes the nodes that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from strandline.onnx.graph import Node
from strandline.ops.registry import Op, UnsupportedOperator, described

MICROSOFT = "com.microsoft"

Write = Callable[..., str | tuple[str, ...]]
"""(writer, names of the node's inputs, "" where absent, its attributes by keyword) -> names of its
outputs, "" for one that is not made. Defaults of inputs mark those that may be absent."""

W = TypeVar("W", bound=Write)


@dataclass(frozen=True, slots=True)
class Expansion:
    """How one operator is written in others."""

    op: Op
    """Its name, domain and attributes; `reference` is the function that writes."""
    least: int
    most: int | None
    """How many inputs it takes (None: any number)."""
    handed_on: frozenset[str]
    """Attributes that the function gets where the node has them, for an operator that it writes."""

    def write(self, writer: Any, node: Node) -> tuple[str, ...]:
        """The names of its outputs, after writing what makes them.

        Raises UnsupportedOperator when the node has an attribute or an output that is not served,
        ValueError when it lacks an input.
        """
        given = node.inputs
        if self.most is not None and len(given) > self.most:
            raise ValueError(f"node {node} has {len(given)} inputs, {self.op.name} {self.most}")
        for i in range(self.least):
            if i >= len(given) or not given[i]:
                raise ValueError(f"node {node}: input {i} is required")
        passed = {name: node.attrs[name] for name in self.handed_on & node.attrs.keys()}
        own = {name: value for name, value in node.attrs.items() if name not in passed}
        attrs = self.op.attrs(replace(node, attrs=own))
        made = self.op.reference(writer, *given, **attrs, **passed)
        outputs = made if isinstance(made, tuple) else (made,)
        for i, name in enumerate(node.outputs):
            if name and (i >= len(outputs) or not outputs[i]):
                raise UnsupportedOperator(f"{node}: output {i}, '{name}', is not supported")
        return outputs


_TABLE: dict[tuple[str, str], Expansion] = {}


def expands(*names: str, domain: str = MICROSOFT, hands_on: Iterable[str] = ()) -> Callable[[W], W]:
    """Register the decorated function as the expansion of `names`. Attributes that it `hands_on` reach it
    as they are, in its `**` argument, and only where a node has them.
    """

    def register(write: W) -> W:
        code = write.__code__
        required = code.co_argcount - 1 - len(write.__defaults__ or ())
        most = None if code.co_flags & 0x04 else code.co_argcount - 1  # 0x04: it takes *args
        for name in names:
            op = described(write, name, domain)
            _TABLE[domain, name] = Expansion(op, required, most, frozenset(hands_on))
        return write

    return register


def expansions() -> Mapping[tuple[str, str], Expansion]:
    """All expansions by (domain, name)."""
    return _TABLE
