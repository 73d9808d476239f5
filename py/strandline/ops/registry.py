"""The table of operators: one function per operator holds its NumPy reference, its decorator names
the shape rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from strandline._lazy import np
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.types import TensorType, float32
from strandline.ops.narrow import dtype_of, is_narrow, narrow, widen


class Info(NamedTuple):
    """What is known of a node's input before it runs: its type, and its value when that is
    constant."""

    type: TensorType
    value: Constant | None = None


Array = Any
"""A NumPy array. Its element type is known only when the model is, so there is nothing to check
statically."""

Attrs = Mapping[str, Any]
ShapeRule = Callable[[Sequence[Info | None], Attrs, int], Sequence[TensorType] | None]
"""(inputs, attributes with defaults filled in, number of outputs) -> output types, or None: known
only by running.

The sequence of inputs may be shorter than the operator's list when trailing ones are absent."""

Reference = Callable[..., Any]

CallGraph = Callable[[Graph, Sequence[Any]], tuple[Any, ...]]
"""How If, Loop and Scan run a body: (subgraph, values of its inputs) -> values of its outputs.
Whoever runs the node provides it, and with it the values of the outer scope that the body names."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operator from one opset version on."""

    name: str
    domain: str
    since: int
    reference: Reference
    shape: ShapeRule | None
    defaults: Mapping[str, Any]
    known: frozenset[str]
    takes: frozenset[str]
    """Which of `n_outputs` and `call` the reference asks for."""
    any_type: bool
    """The reference copes itself with types that NumPy lacks; else they are widened for it."""

    def attrs(self, node: Node) -> Attrs:
        """The node's attributes over the defaults of the reference's keyword arguments; integers for
        each axis as a tuple.

        Raises UnsupportedOperator when the node carries an attribute that this version does not
        have, or lacks one that it must have.
        """
        known: tuple[int, Attrs] | None = node.memo.get("attrs")
        if known is None or known[0] != self.since:
            known = node.memo["attrs"] = self.since, self._attrs(node)
        return known[1]

    def _attrs(self, node: Node) -> Attrs:
        unknown = node.attrs.keys() - self.known
        if unknown:
            raise UnsupportedOperator(
                f"{node}: {self.name} since opset {self.since} has no attribute "
                f"{', '.join(sorted(unknown))}"
            )
        missing = self.known - self.defaults.keys() - node.attrs.keys()
        if missing:
            raise UnsupportedOperator(f"{node}: attribute {', '.join(sorted(missing))} is required")
        given = {name: _per_axis(value) for name, value in node.attrs.items()}
        return {**self.defaults, **given}

    def types(self, node: Node, inputs: Sequence[Info | None]) -> Sequence[TensorType] | None:
        """Output types from the inputs' (None where only a run can tell)."""
        if self.shape is None:
            return None
        return self.shape(inputs, self.attrs(node), len(node.outputs))

    def run(
        self, node: Node, arrays: Sequence[Any], call: CallGraph | None = None
    ) -> tuple[Any, ...]:
        """Call the NumPy reference: arrays (None for an absent input) in, a tuple of arrays out.

        Sequences are lists of arrays, an empty optional is None, maps are dicts. `call` is needed
        by the operators that hold graphs.
        """
        extra: dict[str, Any] = {}
        if "n_outputs" in self.takes:
            extra["n_outputs"] = len(node.outputs)
        if "call" in self.takes:
            extra["call"] = call
        attrs = self.attrs(node)
        given = arrays if self.any_type else [widen(a) if is_narrow(a) else a for a in arrays]
        with np.errstate(all="ignore"):  # ONNX's arithmetic is IEEE's: no warnings
            result = self.reference(*given, **attrs, **extra)
        results = result if isinstance(result, tuple) else (result,)
        results = tuple(np.asarray(r) if isinstance(r, np.generic) else r for r in results)
        if self.any_type or not any(map(is_narrow, arrays)):
            return results
        return self._narrowed(attrs, arrays, results)

    def _narrowed(
        self, attrs: Attrs, arrays: Sequence[Any], results: Sequence[Any]
    ) -> tuple[Any, ...]:
        """Results of widened inputs, back in the types that the shape rule gives them; where it
        can't tell, in that of the first input that was widened."""
        infos = [None if a is None else Info(TensorType(dtype_of(a), a.shape)) for a in arrays]
        types = self.shape(infos, attrs, len(results)) if self.shape else None
        first = next(dtype_of(a) for a in arrays if is_narrow(a))
        wanted = [t.dtype for t in types] if types else [first] * len(results)
        return tuple(
            narrow(r, d) if is_narrow(d) and dtype_of(r) is float32 else r
            for r, d in zip(results, wanted, strict=False)
        )


def _per_axis(value: Any) -> Any:
    """A list of integers as rules want it, when it is so short that it is one for each axis."""
    short = isinstance(value, memoryview) and value.format == "q" and len(value) <= _MOST_PER_AXIS
    return tuple(value.tolist()) if short else value


_MOST_PER_AXIS = 16
_TABLE: dict[tuple[str, str], list[Op]] = {}
_FROM_RUNNER = frozenset({"n_outputs", "call"})


class UnsupportedOperator(ValueError):  # noqa: N818 - it names what is wrong
    """The model uses an operator, or a version or attribute of it, that is not in the table."""


def op(
    *names: str,
    domain: str = "",
    since: int = 1,
    shape: ShapeRule | None = None,
    any_type: bool = False,
) -> Callable[[Reference], Reference]:
    """Register the decorated NumPy reference under ONNX operator `names` from opset `since` on.

    The function takes the node's inputs positionally (None where absent), its attributes as
    keyword-only arguments whose defaults are ONNX's, and, if it names them, `n_outputs` and `call`.
    It returns one array or a tuple of them. Types that NumPy lacks reach it as float32 unless
    `any_type`.
    """

    def register(reference: Reference) -> Reference:
        for name in names:
            versions = _TABLE.setdefault((domain, name), [])
            versions.append(described(reference, name, domain, since, shape, any_type))
            versions.sort(key=lambda o: -o.since)
        return reference

    return register


def described(
    reference: Reference,
    name: str,
    domain: str,
    since: int = 1,
    shape: ShapeRule | None = None,
    any_type: bool = False,
) -> Op:
    """A function's keyword-only arguments as the attributes of an operator."""
    # Straight from the code object: `inspect.signature` for every operator would be half the
    # time that the package takes to import.
    code = reference.__code__
    keywords = frozenset(
        code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    )
    defaults = reference.__kwdefaults__ or {}
    return Op(
        name=name,
        domain=domain,
        since=since,
        reference=reference,
        shape=shape,
        defaults={k: v for k, v in defaults.items() if k not in _FROM_RUNNER},
        known=keywords - _FROM_RUNNER,
        takes=keywords & _FROM_RUNNER,
        any_type=any_type,
    )


def find(node: Node, opsets: Mapping[str, int]) -> Op:
    """The operator that `node` means under the model's `opsets`.

    Raises UnsupportedOperator with the operator, its domain and version when there is none.
    """
    known: tuple[Mapping[str, int], Op] | None = node.memo.get("operator")
    if known is not None and known[0] is opsets:
        return known[1]
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = opsets.get(domain, opsets.get("ai.onnx", 1) if domain == "" else 1)
    for candidate in _TABLE.get((domain, node.op), ()):
        if candidate.since <= version:
            node.memo["operator"] = opsets, candidate
            return candidate
    raise UnsupportedOperator(
        f"operator {domain or 'ai.onnx'}.{node.op} (opset {version}) of node {node} is not "
        f"supported: export the model without it, or add it in strandline/ops (see CONTRIBUTING.md)"
    )


def supported() -> Mapping[tuple[str, str], Sequence[Op]]:
    """All registered operators by (domain, name)."""
    return _TABLE
