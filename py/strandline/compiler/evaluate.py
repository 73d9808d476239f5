"""Nodes whose inputs are all constant: computed once, through the core where it has the kernel,
else through NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from strandline import core
from strandline._lazy import np, numpy_loaded
from strandline.compiler.blame import WRONG, named
from strandline.compiler.builder import Builder
from strandline.compiler.store import Store, constant_of
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.types import TensorType, float32, int64
from strandline.onnx.types import string as string_type
from strandline.ops.narrow import dtype_of
from strandline.ops.registry import Info, Op, UnsupportedOperator

RANDOM = frozenset(
    {
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)
"""Operators that give another result every time."""


_RESHAPED = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
"""Operators whose output is their first input under another shape."""

TOO_LARGE = 1 << 48
"""Bytes that no tensor has."""

_MOST_HELD = 1 << 16
"""Bytes that a node keeps for its next evaluation: shape arithmetic needs a few."""


def foldable(node: Node) -> bool:
    """Whether the node's outputs follow from its inputs and attributes alone."""
    known: bool | None = node.memo.get("foldable")
    if known is None:
        varies = node.op in RANDOM or (node.op == "Dropout" and len(node.inputs) > 2)
        has_body = any(isinstance(value, Graph) for value in node.attrs.values())
        known = node.memo["foldable"] = not varies and not has_body
    return known


def evaluate(
    node: Node, operator: Op, inputs: Sequence[Constant | None], opset: int, store: Store
) -> dict[str, Constant] | None:
    """The outputs of a node on constants; None when it takes NumPy, which is not there, or gives no
    tensors."""
    if node.op == "Constant" and not node.domain:
        return {node.outputs[0]: _literal(node)}
    if inputs and inputs[0] is not None and (known := from_type(node, inputs[0].type)):
        return {node.outputs[0]: known}
    infos = [None if c is None else Info(c.type, c) for c in inputs]
    types = infer(node, operator, infos)
    if types is not None:
        source = inputs[0] if node.op in _RESHAPED and not node.domain else None
        if source is not None and source.type.size == types[0].size:
            return {node.outputs[0]: Constant(types[0], source.data, source.strings)}
        call: _Call | None = node.memo.get("call")
        if call is None or not call.serves(inputs, types):
            call = _call(node, operator, inputs, types, opset, store)
        if call is not None:
            return call.run(inputs, store)
    if not _numpy_there():
        return None
    store.folded_by_numpy.append(str(node))
    arrays = run_reference(node, operator, [None if c is None else c.array() for c in inputs])
    if not all(isinstance(array, np.ndarray) for array in arrays):
        return None
    return {
        name: constant_of_array(array)
        for name, array in zip(node.outputs, arrays, strict=False)
        if name
    }


def fold(
    builder: Builder, node: Node, operator: Op, infos: Sequence[Info | None], opset: int
) -> bool:
    """Enter the outputs of a node that follow from what is known at plan time; False: they do not."""
    known = infos[0] and from_type(node, infos[0].type) if infos else None
    if known:
        results = {node.outputs[0]: known}
    elif None not in [info.value for info in infos if info is not None] and foldable(node):
        constants = [None if info is None else info.value for info in infos]
        made = evaluate(node, operator, constants, opset, builder.store)
        if made is None:
            return False
        results = made
    else:
        return False
    for name, constant in results.items():
        builder.know(name, constant)
        builder.folded.add(name)
    return True


def _numpy_there() -> bool:
    if not numpy_loaded():
        try:
            import_module("numpy")
        except ImportError:
            return False
    return True


def _literal(node: Node) -> Constant:
    """The value in a Constant node's one attribute."""
    (kind, value), *_ = node.attrs.items()
    if kind == "value":
        constant: Constant = value
        return constant
    shape = (len(value),) if kind.endswith("s") else ()
    flat = list(value) if shape else [value]
    if kind.startswith("value_string"):
        return Constant(TensorType(string_type, shape), memoryview(b""), tuple(flat))
    return constant_of(float32 if kind.startswith("value_float") else int64, shape, flat)


def infer(node: Node, operator: Op, infos: Sequence[Info | None]) -> Sequence[TensorType] | None:
    """Output types, None where only a run can tell; ValueError names the node and its inputs."""
    try:
        types = operator.types(node, infos)
        for type_ in types or ():
            if type_.nbytes >= TOO_LARGE:
                raise ValueError(f"{type_} is larger than any memory")
        return types
    except UnsupportedOperator:
        raise
    except WRONG as error:
        raise named(error, node, infos) from error


def run_reference(
    node: Node,
    operator: Op,
    arrays: Sequence[Any],
    call: Callable[[Graph, Sequence[Any]], tuple[Any, ...]] | None = None,
) -> tuple[Any, ...]:
    """One operator through its NumPy reference; an error says which node failed on what."""
    try:
        return operator.run(node, arrays, call)
    except UnsupportedOperator:
        raise
    except WRONG as error:
        raise named(error, node, arrays) from error


def from_type(node: Node, type_: TensorType) -> Constant | None:
    """The result of Shape or Size, which needs only its input's type."""
    if node.op not in ("Shape", "Size") or node.domain:
        return None
    if node.op == "Size":
        return constant_of(int64, (), [type_.size])
    rank = len(type_.shape)
    start, end = node.attrs.get("start", 0), node.attrs.get("end", rank)
    dims = type_.shape[slice(start, end)]
    return constant_of(int64, (len(dims),), dims)


def constant_of_array(array: Any) -> Constant:
    """A NumPy array as a constant."""
    dtype = dtype_of(array)
    type_ = TensorType(dtype, tuple(array.shape))
    if dtype is string_type:
        return Constant(type_, memoryview(b""), tuple(map(str, array.reshape(-1).tolist())))
    return Constant(type_, memoryview(np.ascontiguousarray(array).tobytes()))


@dataclass(slots=True)
class _Call:
    """A node as a program that its constants are fed to: another plan of the same ranks has others."""

    inputs: tuple[TensorType | None, ...]
    types: tuple[TensorType, ...]
    seen: dict[int, Constant]
    """Inputs whose elements the lowering looked at."""
    fed: tuple[int, ...]
    """The inputs that the program takes."""
    made: tuple[TensorType, ...]
    """The program's outputs, flat."""
    program: core.Program | None
    """None: nothing to run."""
    results: dict[str, tuple[TensorType, int | Constant]]
    """The outputs' types, and what they are: one of the program's outputs, one of the inputs (for ~index)
    or a constant under another shape."""

    def serves(self, inputs: Sequence[Constant | None], types: Sequence[TensorType]) -> bool:
        """Whether these inputs and types of outputs would make the same program."""
        return (
            self.types == tuple(types)
            and self.inputs == _types(inputs)
            and all(inputs[i] is constant for i, constant in self.seen.items())
        )

    def run(self, inputs: Sequence[Constant | None], store: Store) -> dict[str, Constant]:
        made = [core.Tensor(type_.dtype.format, type_.shape) for type_ in self.made]
        if self.program is not None:
            fed = (inputs[i] for i in self.fed)
            self.program.run([store.bytes_of(c) for c in fed if c is not None], made)
        results = {}
        for name, (type_, which) in self.results.items():
            if isinstance(which, int) and which >= 0:
                results[name] = _constant(type_, memoryview(made[which]).cast("B"), store)
                continue
            source = inputs[~which] if isinstance(which, int) else which
            assert source is not None
            results[name] = Constant(type_, source.data, source.strings)
        return results


class _Watched(Builder):
    """Remembers which values a rule asked for."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.seen: set[str] = set()

    def value(self, name: str) -> Constant | None:
        self.seen.add(name)
        return self.values.get(name)


def _call(
    node: Node,
    operator: Op,
    inputs: Sequence[Constant | None],
    types: Sequence[TensorType],
    opset: int,
    store: Store,
) -> _Call | None:
    """The node keeps it for the next plan, unless it is large. None: the core does not serve the node."""
    builder = _Watched(store)
    given = {name: c for name, c in zip(node.inputs, inputs, strict=True) if c is not None}
    for name, constant in given.items():
        builder.know(name, constant)
        builder.folded.add(name)
    builder.types.update(zip(node.outputs, types, strict=False))
    code = builder.lower(node, operator, opset)
    if code is None:
        return None
    outputs = [name for name in node.outputs if name]
    roots = dict.fromkeys(map(builder.root, outputs))
    made = [root for root in roots if root not in builder.values]
    program, fed, held = None, list[int](), sum(c.type.nbytes for c in given.values())
    if made and code:  # no code: nothing but empty tensors
        read = {builder.base(name)[0] for instr in code for name in instr.reads}
        places = {name: i for i, name in enumerate(node.inputs) if name in given}
        fed = [i for name, i in places.items() if name in read]
        recipe = builder.assemble(code, [node.inputs[i] for i in fed], made, once=True)
        program = recipe.program(store.arena)
        held += sum(memoryview(c).nbytes for c in recipe.constants)
    own = {name: ~i for i, name in enumerate(node.inputs) if name in given}
    results: dict[str, tuple[TensorType, int | Constant]] = {}
    for name in outputs:
        root = builder.root(name)
        where = made.index(root) if root in made else own.get(root, builder.values.get(root, -1))
        results[name] = builder.types[name], where
    call = _Call(
        inputs=_types(inputs),
        types=tuple(types),
        seen={i: c for i, c in enumerate(inputs) if c and node.inputs[i] in builder.seen},
        fed=tuple(fed),
        made=tuple(TensorType(builder.types[r].dtype, (builder.types[r].size,)) for r in made),
        program=program,
        results=results,
    )
    if held <= _MOST_HELD:
        node.memo["call"] = call
    return call


def _types(constants: Sequence[Constant | None]) -> tuple[TensorType | None, ...]:
    return tuple([None if constant is None else constant.type for constant in constants])


def _constant(type_: TensorType, data: memoryview, store: Store) -> Constant:
    if type_.dtype is not string_type:
        return Constant(type_, data)
    texts = store.vocabulary.texts
    return Constant(type_, memoryview(b""), tuple(texts[code] for code in data.cast("i")))
