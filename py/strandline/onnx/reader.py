"""`.onnx` bytes -> `Graph`: all of ModelProto that inference needs.

Source of the field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.in.proto
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from strandline.onnx import wire
from strandline.onnx.functions import Function, Inliner, Reference
from strandline.onnx.graph import Constant, Dim, Graph, Node, ValueInfo
from strandline.onnx.names import subgraphs
from strandline.onnx.source import Source, fetch, hollow
from strandline.onnx.tensors import ExternalFiles, dtype_of, join, read_pair, read_tensor
from strandline.onnx.wire import ModelError

MAX_NESTING = 32
"""Subgraphs in subgraphs, and types in types."""

_FLOAT, _INT, _STRING, _TENSOR, _GRAPH, _FLOATS, _INTS, _STRINGS, _TENSORS, _GRAPHS = range(1, 11)
_SPARSE, _SPARSES, _TYPE = 11, 12, 13
_NUMBERS, _TEXTS = wire.mask(7, 8), wire.mask(9)
"""Fields of an AttributeProto that are lists."""


def read(data: bytes | memoryview | Source, *, base_dir: Path | None = None) -> Graph:
    """Read a model. Weights stay views into `data`, large ones of a `Source` stay there until they are
    asked for; tensors in files of their own are sought in `base_dir`.

    Raises ModelError, with the byte or the node where it went wrong, for anything that is not a
    sound model.
    """
    if isinstance(data, Source):
        try:
            return _Reader(hollow(data), ExternalFiles(base_dir, data)).model()
        except ModelError:
            data = fetch(data, 0, len(data))  # of which an error can name the byte
    view = memoryview(data).cast("B").toreadonly()
    return _Reader(view, ExternalFiles(base_dir)).model()


_ABOUT = {2: "producer_name", 3: "producer_version", 4: "domain", 6: "doc_string"}
"""Fields of a ModelProto that are texts."""


class _Reader:
    def __init__(self, data: memoryview, files: ExternalFiles) -> None:
        self.data = data
        self.files = files
        self.opsets: dict[str, int] = {}

    def model(self) -> Graph:
        body: list[tuple[int, int]] = []
        functions: list[tuple[int, int]] = []
        metadata: dict[str, str] = {}
        about: dict[str, str | int] = {}
        for number, kind, a, b in wire.fields(self.data, 0, len(self.data)):
            if number in _ABOUT:
                about[_ABOUT[number]] = wire.text(self.data, kind, a, b)
            elif number == 5:
                wire.expect(kind, wire.VARINT, a, "the model's version")
                about["model_version"] = wire.signed(a)
            elif number == 7:
                wire.expect(kind, wire.BYTES, a, "the graph")
                body.append((a, b))
            elif number == 8:
                wire.expect(kind, wire.BYTES, a, "an opset import")
                domain, version = self.opset(a, b)
                self.opsets[domain] = version
            elif number == 14:
                wire.expect(kind, wire.BYTES, a, "a metadata entry")
                key, value = read_pair(self.data, a, b)
                metadata[key] = value
            elif number == 25:
                wire.expect(kind, wire.BYTES, a, "a function")
                functions.append((a, b))
        if len(body) != 1 or not self.opsets:
            raise ModelError(
                "byte 0: no graph or no opset import in these bytes; this is not an ONNX model"
            )
        inliner = Inliner([self.function(a, b) for a, b in functions])
        whole = self.graph(*body[0], 0)
        graph = inliner.graph(replace(whole, metadata=metadata, about={**about, **whole.about}))
        _check_names(graph, ())
        return graph

    def opset(self, start: int, end: int) -> tuple[str, int]:
        domain, version = "", 0
        for number, kind, a, b in wire.fields(self.data, start, end):
            if number == 1:
                domain = wire.text(self.data, kind, a, b)
            elif number == 2:
                wire.expect(kind, wire.VARINT, a, "an opset version")
                version = wire.signed(a)
        return _domain(domain), version

    def function(self, start: int, end: int) -> Function:
        texts: dict[int, list[str]] = {1: [], 4: [], 5: [], 6: [], 10: [], 13: []}
        nodes: list[Node] = []
        opsets: dict[str, int] = {}
        defaults: dict[str, Any] = {}
        for number, kind, a, b in wire.fields(self.data, start, end):
            if number in texts:
                texts[number].append(wire.text(self.data, kind, a, b))
            elif number == 7:
                wire.expect(kind, wire.BYTES, a, "a node")
                nodes.append(self.node(a, b, 1))
            elif number == 9:
                wire.expect(kind, wire.BYTES, a, "an opset import")
                domain, version = self.opset(a, b)
                opsets[domain] = version
            elif number == 11:
                wire.expect(kind, wire.BYTES, a, "an attribute")
                name, value = self.attribute(a, b, 1)
                defaults[name] = value
        for domain, version in opsets.items():
            # The standard lets both import one domain at different versions only where they mean
            # the same.
            self.opsets.setdefault(domain, version)
        name = "".join(texts[1])
        overload = "".join(texts[13])
        return Function(
            key=(_domain("".join(texts[10])), f"{name}:{overload}" if overload else name),
            inputs=tuple(texts[4]),
            outputs=tuple(texts[5]),
            nodes=tuple(nodes),
            opsets=opsets,
            attributes=tuple(texts[6]),
            defaults=defaults,
        )

    def graph(self, start: int, end: int, depth: int) -> Graph:
        if depth > MAX_NESTING:
            raise ModelError(f"byte {start}: graphs are nested more than {MAX_NESTING} deep")
        data = self.data
        nodes: list[Node] = []
        inputs: list[ValueInfo] = []
        outputs: list[ValueInfo] = []
        constants: dict[str, Constant] = {}
        title, doc = "", ""
        for number, kind, a, b in wire.fields(data, start, end):
            if number == 2:
                title = wire.text(data, kind, a, b)
            elif number == 10:
                doc = wire.text(data, kind, a, b)
            elif number in (1, 5, 11, 12, 15):
                wire.expect(kind, wire.BYTES, a, f"field {number} of a graph")
                if number == 1:
                    nodes.append(self.node(a, b, depth))
                elif number == 5:
                    name, constant = read_tensor(data, a, b, self.files)
                    constants[name] = constant
                elif number == 11:
                    inputs.append(self.value_info(a, b))
                elif number == 12:
                    outputs.append(self.value_info(a, b))
                else:
                    raise ModelError(
                        f"byte {a}: a sparse initializer; export the model with dense tensors"
                    )
        return Graph(
            nodes=tuple(nodes),
            inputs=tuple(i for i in inputs if i.name not in constants),
            outputs=tuple(outputs),
            constants=constants,
            opsets=self.opsets,
            name=title,
            about={"graph_doc_string": doc} if doc else {},
        )

    def node(self, start: int, end: int, depth: int) -> Node:
        data = self.data
        inputs: list[str] = []
        outputs: list[str] = []
        attrs: dict[str, Any] = {}
        name = op = domain = overload = ""
        for number, kind, a, b in wire.fields(data, start, end):
            if number == 1:
                inputs.append(wire.text(data, kind, a, b))
            elif number == 2:
                outputs.append(wire.text(data, kind, a, b))
            elif number == 3:
                name = wire.text(data, kind, a, b)
            elif number == 4:
                op = wire.text(data, kind, a, b)
            elif number == 5:
                wire.expect(kind, wire.BYTES, a, "an attribute")
                key, value = self.attribute(a, b, depth)
                attrs[key] = value
            elif number == 7:
                domain = wire.text(data, kind, a, b)
            elif number == 8:
                overload = wire.text(data, kind, a, b)
        if not op:
            raise ModelError(f"byte {start}: node '{name}' has no operator")
        return Node(
            op=f"{op}:{overload}" if overload else op,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            attrs=attrs,
            domain=_domain(domain),
            name=name,
        )

    def attribute(self, start: int, end: int, depth: int) -> tuple[str, Any]:
        """The attribute's name and value; number lists as memoryviews of format `f` or `q`."""
        data = self.data
        name, declared, found, reference = "", 0, 0, ""
        value: Any = None
        lists: dict[int, list[Any]] = {}
        for number, kind, a, b in wire.fields(data, start, end, _NUMBERS, _TEXTS):
            if number == 1:
                name = wire.text(data, kind, a, b)
            elif number == 2:
                wire.expect(kind, wire.FIXED32, a, "a float attribute")
                value, found = wire.real32(data, a), _FLOAT
            elif number == 3:
                wire.expect(kind, wire.VARINT, a, "an integer attribute")
                value, found = wire.signed(a), _INT
            elif number == 4:
                wire.expect(kind, wire.BYTES, a, "a text attribute")
                value, found = _text_or_bytes(data[a:b]), _STRING
            elif number == 5:
                wire.expect(kind, wire.BYTES, a, "a tensor attribute")
                value, found = read_tensor(data, a, b, self.files)[1], _TENSOR
            elif number == 6:
                wire.expect(kind, wire.BYTES, a, "a graph attribute")
                value, found = self.graph(a, b, depth + 1), _GRAPH
            elif number == 7:
                lists.setdefault(_FLOATS, []).append(wire.reals(data, kind, a, b, "f"))
            elif number == 8:
                lists.setdefault(_INTS, []).append(wire.integers(data, kind, a, b))
            elif number == 9:
                wire.expect(kind, wire.TEXTS, b, "a list of texts")
                lists.setdefault(_STRINGS, []).extend(a)
            elif number == 10:
                wire.expect(kind, wire.BYTES, a, "a tensor attribute")
                lists.setdefault(_TENSORS, []).append(read_tensor(data, a, b, self.files)[1])
            elif number == 11:
                wire.expect(kind, wire.BYTES, a, "a graph attribute")
                lists.setdefault(_GRAPHS, []).append(self.graph(a, b, depth + 1))
            elif number == 14:
                wire.expect(kind, wire.BYTES, a, "a type attribute")
                value, found = self.value_type("", a, b, 0), _TYPE
            elif number == 20:
                wire.expect(kind, wire.VARINT, a, "an attribute's type")
                declared = a
            elif number == 21:
                reference = wire.text(data, kind, a, b)
            elif number in (22, 23):
                raise ModelError(
                    f"byte {a}: attribute '{name}' is a sparse tensor; "
                    f"export the model with dense tensors"
                )
        if reference:
            return name, Reference(reference)
        if _FLOATS <= declared <= _GRAPHS or (not declared and lists):
            return name, _list_value(declared or next(iter(lists)), lists)
        if declared and declared != found:
            # proto3 writers leave out a zero.
            value = {_FLOAT: 0.0, _INT: 0, _STRING: ""}.get(declared)
        if value is None:
            raise ModelError(
                f"byte {start}: attribute '{name}' has no value of its type {declared}"
            )
        return name, value

    def value_info(self, start: int, end: int) -> ValueInfo:
        name, info = "", ValueInfo("", None, None)
        for number, kind, a, b in wire.fields(self.data, start, end):
            if number == 1:
                name = wire.text(self.data, kind, a, b)
            elif number == 2:
                wire.expect(kind, wire.BYTES, a, "a type")
                info = self.value_type("", a, b, 0)
        return replace(info, name=name)

    def value_type(self, name: str, start: int, end: int, depth: int) -> ValueInfo:
        """A TypeProto. Sequences, maps and optionals carry the element type of their innermost
        tensor."""
        if depth > MAX_NESTING:
            raise ModelError(f"byte {start}: types are nested more than {MAX_NESTING} deep")
        for number, kind, a, b in wire.fields(self.data, start, end):
            if number not in (1, 4, 5, 8, 9):
                continue
            wire.expect(kind, wire.BYTES, a, "a type")
            if number == 1:
                return self.tensor_type(name, a, b)
            if number == 8:
                raise ModelError(f"byte {a}: a value is a sparse tensor; export a dense one")
            inner = ValueInfo(name, None, None)
            for field, wire_type, c, d in wire.fields(self.data, a, b):
                if field == (2 if number == 5 else 1) and wire_type == wire.BYTES:
                    inner = self.value_type(name, c, d, depth + 1)
            outer, spelled = {
                4: ("sequence", f"seq({inner.spelled})"),
                5: ("map", f"map({self.map_key(a, b)},{inner.spelled})"),
                9: ("optional", f"optional({inner.spelled})"),
            }[number]
            return ValueInfo(name, inner.dtype, None, outer, spelled)
        return ValueInfo(name, None, None)

    def map_key(self, start: int, end: int) -> str:
        for number, kind, a, _ in wire.fields(self.data, start, end):
            if number == 1 and kind == wire.VARINT:
                return dtype_of(a, f"map type at byte {start}").spelled
        return ""

    def tensor_type(self, name: str, start: int, end: int) -> ValueInfo:
        code, shape = 0, None
        for number, kind, a, b in wire.fields(self.data, start, end):
            if number == 1:
                wire.expect(kind, wire.VARINT, a, "an element type")
                code = a
            elif number == 2:
                wire.expect(kind, wire.BYTES, a, "a shape")
                shape = tuple(
                    self.dim(c, d)
                    for field, wire_type, c, d in wire.fields(self.data, a, b)
                    if field == 1 and wire_type == wire.BYTES
                )
        dtype = dtype_of(code, f"value type at byte {start}") if code else None
        return ValueInfo(name, dtype, shape, spelled=f"tensor({dtype.spelled})" if dtype else "")

    def dim(self, start: int, end: int) -> Dim:
        size: Dim = None
        for number, kind, a, b in wire.fields(self.data, start, end):
            if number == 1:
                wire.expect(kind, wire.VARINT, a, "a size")
                size = wire.signed(a)
                if size < 0:
                    return None
            elif number == 2:
                size = wire.text(self.data, kind, a, b) or None
        return size


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _text_or_bytes(value: memoryview) -> str | bytes:
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        return bytes(value)


def _list_value(declared: int, lists: Mapping[int, Sequence[Any]]) -> Any:
    parts = lists.get(declared, ())
    if declared in (_FLOATS, _INTS):
        return join(parts).cast("f" if declared == _FLOATS else "q")
    return tuple(parts)


def _check_names(graph: Graph, outer: tuple[set[str], ...]) -> None:
    """Every name is made once, and before it is used."""
    known = {info.name for info in graph.inputs} | set(graph.constants)
    scopes = (known, *outer)

    def need(name: str, user: str) -> None:
        if name and not any(name in scope for scope in scopes):
            raise ModelError(f"{user} uses '{name}', which nothing before it makes")

    for node in graph.nodes:
        for name in node.inputs:
            need(name, f"node {node}")
        for sub in subgraphs(node):
            _check_names(sub, scopes)
        for value in node.attrs.values():
            if isinstance(value, Reference):
                raise ModelError(f"node {node} refers to attribute '{value.name}' of no function")
        for name in node.outputs:
            if name in known:
                raise ModelError(f"node {node} makes '{name}', which exists already")
            if name:
                known.add(name)
    for info in graph.outputs:
        need(info.name, f"the output list of graph '{graph.name}'")
