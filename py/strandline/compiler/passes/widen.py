"""float16 and bfloat16 computed in float32: converted where values come in and where somebody looks at
their type, not around each node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from strandline.compiler.dtypes import HALVES, computes, moves, result_dtypes
from strandline.onnx.graph import Graph, Node
from strandline.onnx.names import subgraphs
from strandline.onnx.types import BY_CODE, DType, bool_, float32, int64

_PRECISIONS = ("output_dtype", "precision", "softmax_precision", "stash_type")
"""Attributes that say what to compute in."""

DTypes = Sequence[DType | None]


def widen_halves(graph: Graph) -> Graph:
    """Let all operators that compute on float16 or bfloat16 do so in float32, and convert only at the
    edges: constants (once, when they are folded), inputs, outputs, and what takes values by their type.

    A value is rounded to its half type where the model casts to it, before it becomes an integer, and
    where it leaves the graph or the body of a control-flow node; not between operators, so that what
    passes 65504 on the way need not be infinite. Elements that are moved before anything is computed
    from them are moved in two bytes. A CastLike whose type is known becomes a Cast, as which it folds.
    """
    scope = _Scope(graph, None)
    return scope.result if scope.changed else graph


class _Scope:
    """A graph, or a body within one: which values exist in half precision, and which in float32."""

    def __init__(self, graph: Graph, outer: _Scope | None, carried: DTypes = ()) -> None:
        self.outer = outer
        self.changed = False
        self._nodes: list[Node] = []
        self._taken = {info.name for info in graph.inputs} | set(graph.constants)
        self._taken.update(name for node in graph.nodes for name in node.outputs)
        self._dtypes: dict[str, DType | None] = {n: c.dtype for n, c in graph.constants.items()}
        """Of all values, by their names in the model; None: not known."""
        self._narrow = set(graph.constants)
        """Values that exist as the model has them."""
        self._wide: dict[str, str] = {}
        """By half value, the same in float32."""
        self._halves: dict[str, str] = {}
        """By float32 value, the half one that it is."""
        for i, info in enumerate(graph.inputs):
            from_outside = carried[i] if i < len(carried) else None
            self._know(info.name, (info.dtype if info.kind == "tensor" else None) or from_outside)
        for node in graph.nodes:
            self._add(node)
        self.results = [self._dtype(info.name) for info in graph.outputs]
        """The types of the outputs."""
        for info in graph.outputs:
            self._as_it_is(info.name)
        self.result = replace(graph, nodes=tuple(self._nodes))

    # --- values ------------------------------------------------------------------------

    def _owner(self, name: str) -> _Scope:
        """The scope that made the value; this one if none did."""
        scope: _Scope | None = self
        while scope is not None and name not in scope._dtypes:
            scope = scope.outer
        return scope or self

    def _dtype(self, name: str) -> DType | None:
        return self._owner(name)._dtypes.get(name)

    def _know(self, name: str, dtype: DType | None) -> None:
        self._dtypes[name] = dtype
        self._narrow.add(name)

    def _is_half(self, name: str) -> bool:
        return self._dtype(name) in HALVES

    def _as_it_is(self, name: str) -> None:
        """Make the value exist as the model has it."""
        scope = self._owner(name)
        if name in scope._wide and name not in scope._narrow:
            dtype = scope._dtypes[name]
            assert dtype is not None
            scope._narrow.add(name)
            scope._put(Node("Cast", (scope._wide[name],), (name,), {"to": dtype.code}))

    def _in_float32(self, name: str) -> str:
        """The name of a half value's float32."""
        scope = self._owner(name)
        if name not in scope._wide:
            scope._widen(name, scope._new(name))
            scope._put(Node("Cast", (name,), (scope._wide[name],), {"to": float32.code}))
        return scope._wide[name]

    def _widen(self, half: str, wide: str) -> None:
        self._wide[half] = wide
        self._halves[wide] = half

    def _new(self, half: str) -> str:
        """A name for a half value's float32."""
        name = f"{half}/float32"
        while name in self._taken:
            name += "'"
        return name

    def _put(self, node: Node) -> None:
        """Append a node that the model does not have."""
        self._nodes.append(node)
        self.changed = True

    # --- nodes -------------------------------------------------------------------------

    def _add(self, node: Node) -> None:
        given = [self._dtype(name) if name else None for name in node.inputs]
        types: DTypes = result_dtypes(node, given)
        if node.op == "CastLike" and not node.domain and types[0] is not None:
            attrs = {**node.attrs, "to": types[0].code}
            node = replace(node, op="Cast", inputs=node.inputs[:1], attrs=attrs)
            self.changed = True
        if node.op == "Cast" and not node.domain and self._converted(node, types[0]):
            return
        if self._computes(node, given, types):
            self._compute(node, types)
            return
        if next(subgraphs(node), None) is not None:
            node, types = self._with_bodies(node, given)
        for name in filter(None, node.inputs):
            self._as_it_is(name)
        self._nodes.append(node)
        for name, dtype in zip(node.outputs, types, strict=False):
            if name:
                self._know(name, dtype)

    def _converted(self, node: Node, to: DType | None) -> bool:
        """Whether a Cast is from or to a half value's float32: done here then, by what is there already."""
        source, made = node.inputs[0], node.outputs[0]
        if to is float32 and self._is_half(source):
            scope = self._owner(source)
            wide = scope._wide.get(source)
            if wide is not None:
                self._put(Node("Identity", (wide,), (made,)))
            else:
                self._nodes.append(node)
            self._know(made, float32)
            if wide is None and scope is self:
                self._widen(source, made)
            else:
                self._halves[made] = source
            return True
        half = self._halves.get(source)
        if half is None or to is None or self._dtype(half) is not to:
            return False
        self._dtypes[made] = to
        self._widen(made, source)
        self.changed = True
        return True

    def _computes(self, node: Node, given: DTypes, types: DTypes) -> bool:
        """Whether the node is to see float32 in place of half values."""
        if not computes(node):
            return False
        there = [name for name in node.inputs if name]
        if any(dtype is None for name, dtype in zip(node.inputs, given, strict=True) if name):
            return False
        if None in types or len(types) < len(node.outputs):
            return False
        if not any(dtype in HALVES for dtype in (*given, *types)):
            return False
        if moves(node):
            return any(name not in self._owner(name)._narrow for name in there)
        return True

    def _compute(self, node: Node, types: DTypes) -> None:
        inputs = tuple(self._in_float32(n) if self._is_half(n) else n for n in node.inputs)
        outputs = []
        for name, dtype in zip(node.outputs, types, strict=True):
            made = name
            if name and dtype in HALVES:
                made = self._new(name)
                self._dtypes[name] = dtype
                self._widen(name, made)
            elif name:
                self._know(name, dtype)
            outputs.append(made)
        attrs = dict(node.attrs)
        for name in _PRECISIONS:
            if isinstance(code := attrs.get(name), int) and BY_CODE.get(code) in HALVES:
                attrs[name] = float32.code
        self._put(replace(node, inputs=inputs, outputs=tuple(outputs), attrs=attrs))

    def _with_bodies(self, node: Node, given: DTypes) -> tuple[Node, DTypes]:
        """The node with its bodies done, and its outputs' types."""
        carried = {"Loop": [int64, bool_, *given[2:]], "Scan": given}.get(node.op, ())
        scopes = {
            name: _Scope(body, self, carried if len(carried) == len(body.inputs) else ())
            for name, body in node.attrs.items()
            if isinstance(body, Graph)
        }
        results = [scope.results for scope in scopes.values()]
        if node.op == "Loop":
            results = [each[1:] for each in results]
        types = [
            each[0] if node.op in ("If", "Loop", "Scan") and len(set(each)) == 1 else None
            for each in zip(*results, strict=False)
        ]
        if any(scope.changed for scope in scopes.values()):
            bodies = {name: scope.result for name, scope in scopes.items()}
            node = replace(node, attrs={**node.attrs, **bodies})
            self.changed = True
        return node, [*types, *[None] * len(node.outputs)][: len(node.outputs)]
