"""Nodes whose inputs are all constant: computed once, through the core where it has the kernel,
else through NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


TOO_LARGE = 1 << 48
"""Bytes that no tensor has."""


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
        results = _in_core(node, operator, inputs, types, opset, store)
        if results is not None:
            return results
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
    elif foldable(node) and all(info is None or info.value is not None for info in infos):
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
    if node.domain or node.op not in ("Shape", "Size"):
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


def _in_core(
    node: Node,
    operator: Op,
    inputs: Sequence[Constant | None],
    types: Sequence[TensorType],
    opset: int,
    store: Store,
) -> dict[str, Constant] | None:
    builder = Builder(store)
    for name, constant in zip(node.inputs, inputs, strict=True):
        if constant is not None:
            builder.know(name, constant)
            builder.folded.add(name)
    builder.types.update(zip(node.outputs, types, strict=False))
    code = builder.lower(node, operator, opset)
    if code is None:
        return None
    outputs = [name for name in node.outputs if name]
    # An output that is its input under another shape has nothing to run.
    roots = dict.fromkeys(map(builder.root, outputs))
    made = {
        root: core.Tensor(builder.types[root].dtype.format, (builder.types[root].size,))
        for root in roots
        if root not in builder.values
    }
    if made and code:  # no code: nothing but empty tensors
        recipe = builder.assemble(code, (), tuple(made), once=True)
        recipe.program().run((), tuple(made.values()))
    results = {}
    for name in outputs:
        type_, root = builder.types[name], builder.root(name)
        if root in made:
            results[name] = _constant(type_, memoryview(made[root]).cast("B"), store)
        else:
            source = builder.values[root]
            results[name] = Constant(type_, source.data, source.strings)
    return results


def _constant(type_: TensorType, data: memoryview, store: Store) -> Constant:
    if type_.dtype is not string_type:
        return Constant(type_, data)
    texts = store.vocabulary.texts
    return Constant(type_, memoryview(b""), tuple(texts[code] for code in data.cast("i")))
