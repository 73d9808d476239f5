"""The table of operators: one function per operator holds its NumPy reference, its decorator names the shape rule."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strandline.onnx.graph import Constant, Node
from strandline.onnx.types import TensorType


@dataclass(frozen=True, slots=True)
class Info:
    """What is known of a node's input before it runs: its type, and its value when that is constant."""

    type: TensorType
    value: Constant | None = None


Attrs = Mapping[str, Any]
ShapeRule = Callable[[Sequence[Info | None], Attrs, int], Sequence[TensorType] | None]
"""(inputs, attributes with defaults filled in, number of outputs) -> output types, or None: known only by running."""

Reference = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Op:
    """One operator from one opset version on."""

    name: str
    domain: str
    since: int
    reference: Reference
    shape: ShapeRule | None
    defaults: Mapping[str, Any]
    takes_n_outputs: bool

    def attrs(self, node: Node) -> dict[str, Any]:
        """The node's attributes over the defaults of the reference's keyword arguments."""
        return {**self.defaults, **node.attrs}

    def types(self, node: Node, inputs: Sequence[Info | None]) -> Sequence[TensorType] | None:
        """Output types from the inputs' (None where only a run can tell)."""
        if self.shape is None:
            return None
        return self.shape(inputs, self.attrs(node), len(node.outputs))

    def run(self, node: Node, arrays: Sequence[Any]) -> tuple[Any, ...]:
        """Call the NumPy reference: arrays (None for an absent input) in, a tuple of arrays out."""
        extra = {"n_outputs": len(node.outputs)} if self.takes_n_outputs else {}
        result = self.reference(*arrays, **self.attrs(node), **extra)
        return result if isinstance(result, tuple) else (result,)


_TABLE: dict[tuple[str, str], list[Op]] = {}


class UnsupportedOperator(ValueError):
    """The model uses an operator, or a version of it, that is not in the table."""


def op(
    *names: str, domain: str = "", since: int = 1, shape: ShapeRule | None = None
) -> Callable[[Reference], Reference]:
    """Register the decorated NumPy reference under ONNX operator `names` from opset `since` on.

    The function takes the node's inputs positionally (None where absent), its attributes as keyword-only arguments whose
    defaults are ONNX's, and, if it names it, `n_outputs`. It returns one array or a tuple of them.
    """

    def register(reference: Reference) -> Reference:
        parameters = inspect.signature(reference).parameters.values()
        keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        entry = dict(
            domain=domain,
            since=since,
            reference=reference,
            shape=shape,
            defaults={p.name: p.default for p in keywords if p.name != "n_outputs" and p.default is not p.empty},
            takes_n_outputs=any(p.name == "n_outputs" for p in keywords),
        )
        for name in names:
            versions = _TABLE.setdefault((domain, name), [])
            versions.append(Op(name=name, **entry))  # type: ignore[arg-type]
            versions.sort(key=lambda o: -o.since)
        return reference

    return register


def find(node: Node, opsets: Mapping[str, int]) -> Op:
    """The operator that `node` means under the model's `opsets`.

    Raises UnsupportedOperator with the operator, its domain and version when there is none.
    """
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = opsets.get(domain, opsets.get("ai.onnx", 1) if domain == "" else 1)
    for candidate in _TABLE.get((domain, node.op), ()):
        if candidate.since <= version:
            return candidate
    raise UnsupportedOperator(
        f"operator {domain or 'ai.onnx'}.{node.op} (opset {version}) of node {node} is not supported: "
        f"export the model without it, or add it in strandline/ops (see CONTRIBUTING.md)"
    )


def supported() -> Mapping[tuple[str, str], Sequence[Op]]:
    """All registered operators by (domain, name)."""
    return _TABLE
