"""One node through its lowering rule and through its reference, on the same inputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

import strandline.compiler.fused  # noqa: F401 - registers the fused operators
from strandline import core
from strandline.compiler.builder import Builder
from strandline.compiler.evaluate import constant_of_array, infer, run_reference
from strandline.compiler.store import LocalStrings, Store
from strandline.onnx.graph import Node
from strandline.onnx.types import TensorType, string
from strandline.ops.registry import Info, find
from tests.core.arenas import poison


class NoKernel(Exception):  # noqa: N818 - it names what is missing
    """The lowering rule declined the node."""


def make(
    op: str, n_inputs: int | Sequence[bool], attrs: Mapping[str, Any], domain: str, n_outputs: int
) -> Node:
    present = [True] * n_inputs if isinstance(n_inputs, int) else n_inputs
    inputs = tuple(f"in{i}" if there else "" for i, there in enumerate(present))
    return Node(op, inputs, tuple(f"out{i}" for i in range(n_outputs)), attrs, domain)


def both(
    op: str,
    *arrays: Any,
    constant: Collection[int] = (),
    opset: int = 18,
    domain: str = "",
    outputs: int = 1,
    **attrs: Any,
) -> tuple[list[Any], list[Any]]:
    """(results of the kernels, results of the reference); inputs numbered in `constant` are known at plan time.

    Raises NoKernel when the rule declines.
    """
    node = make(op, [a is not None for a in arrays], attrs, domain, outputs)
    operator = find(node, {domain: opset})
    values = [None if a is None else constant_of_array(a) for a in arrays]
    infos = [
        None if v is None else Info(v.type, v if i in constant else None)
        for i, v in enumerate(values)
    ]
    types = infer(node, operator, infos)
    assert types is not None, "the shape rule needs more constants"
    store = Store()
    builder = Builder(store)
    fed: list[str] = []
    strings = LocalStrings(store.vocabulary)
    buffers: list[Any] = []
    for i, (name, value) in enumerate(zip(node.inputs, values, strict=True)):
        if value is None:
            continue
        if i in constant:
            builder.know(name, value)
            continue
        builder.types[name] = value.type
        fed.append(name)
    builder.types.update(zip(node.outputs, types, strict=False))
    code = builder.lower(node, operator, opset)
    if code is None:
        raise NoKernel(op)
    for i, (name, value) in enumerate(zip(node.inputs, values, strict=True)):
        if name in fed:
            assert value is not None
            buffers.append(strings.encode(value.strings) if value.dtype is string else value.data)
            assert i not in constant
    roots = [builder.root(name) for name in node.outputs]
    made = [name for name in dict.fromkeys(roots) if name not in fed and name not in builder.values]
    results = {name: _empty(builder.types[name]) for name in made}
    recipe, arena = builder.assemble(code, fed, made), core.Arena()
    program = recipe.program(arena)
    poison(arena, recipe.arena_bytes)
    program.run(buffers, [results[name] for name in made])
    for name, buffer in zip(fed, buffers, strict=True):
        results[name] = np.frombuffer(buffer, _raw(builder.types[name]))
    for name in roots:
        if name in builder.values:
            results[name] = np.frombuffer(
                store.buffer(builder.values[name]), _raw(builder.types[name])
            )
    ours = []
    for name, root in zip(node.outputs, roots, strict=True):
        type_ = builder.types[name]
        flat = results[root]
        if type_.dtype is string:
            flat = np.asarray(strings.decode(flat.ravel().tolist()), object)
        else:
            flat = flat.view(type_.dtype.numpy) if flat.dtype != type_.dtype.numpy else flat
        ours.append(flat.reshape(type_.shape))
    return ours, list(run_reference(node, operator, list(arrays))[:outputs])


def _raw(type_: TensorType) -> Any:
    return np.int32 if type_.dtype is string else type_.dtype.numpy


def _empty(type_: TensorType) -> Any:
    """An output full of garbage, so that an element left unwritten shows."""
    flat = np.empty(type_.size, _raw(type_))
    flat.view(np.uint8)[:] = 0xA5
    return flat


def check(op: str, *arrays: Any, rtol: float = 1e-5, atol: float = 1e-6, **kwargs: Any) -> None:
    """Assert that kernels and reference agree: floats closely, everything else exactly."""
    ours, theirs = both(op, *arrays, **kwargs)
    for mine, wanted in zip(ours, theirs, strict=True):
        assert mine.dtype == wanted.dtype
        assert mine.shape == wanted.shape
        if wanted.dtype.kind == "f":
            np.testing.assert_allclose(
                mine.astype(np.float64), wanted.astype(np.float64), rtol=rtol, atol=atol
            )
        else:
            np.testing.assert_array_equal(mine, wanted)
