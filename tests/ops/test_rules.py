"""Shape rules say what the references make, and need no NumPy to say it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import pytest

from strandline import _lazy
from strandline.compiler.evaluate import constant_of_array
from strandline.onnx import read
from strandline.onnx.types import TensorType
from strandline.ops import Info, Op, find, supported
from strandline.ops.narrow import dtype_of
from tests.ops import suite

OPS = [op for versions in supported().values() for op in versions]


def names_in(code: CodeType) -> Iterator[str]:
    """Global names that a function's code, and the functions in it, look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)


def reached(function: Callable[..., Any]) -> set[FunctionType]:
    """A function of this package and those that it may call."""
    found: set[FunctionType] = set()
    queue: list[Any] = [function]
    while queue:
        current = queue.pop()
        if not isinstance(current, FunctionType) or current in found:
            continue
        if not current.__module__.startswith("strandline.ops"):
            continue
        found.add(current)
        queue += [current.__globals__.get(name) for name in names_in(current.__code__)]
        queue += [cell.cell_contents for cell in current.__closure__ or ()]
    return found


@pytest.mark.parametrize("op", OPS, ids=lambda op: f"{op.name}-{op.since}")
def test_rule_needs_no_numpy(op: Op) -> None:
    if op.shape is None:
        return
    users = [
        function.__qualname__
        for function in reached(op.shape)
        if any(function.__globals__.get(n) is _lazy.np for n in names_in(function.__code__))
    ]
    assert not users


SINGLE = [c for c in suite.cases() if c.kind == "node" and not c.name.endswith("expanded")]


def info(value: Any, known: bool) -> Info | None:
    if value is None:
        return None
    return Info(
        TensorType(dtype_of(value), value.shape), constant_of_array(value) if known else None
    )


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.name)
def test_rule_agrees_with_the_expected_output(case: suite.Case) -> None:
    """With all values known a rule knows the types; with none it knows the same, or nothing."""
    graph = read(case.model)
    if len(graph.nodes) != 1 or suite.exclusion(case.name, "reference") is not None:
        return
    (node,) = graph.nodes
    op = find(node, graph.opsets)
    inputs, outputs = (
        {i.name: suite.ours(v) for i, v in zip(infos, values, strict=False)}
        for infos, values in zip((graph.inputs, graph.outputs), case.data[0], strict=True)
    )
    fed = [inputs.get(name) for name in node.inputs]
    if op.shape is None or not all(v is None or isinstance(v, np.ndarray) for v in fed):
        return
    wanted = {n: TensorType(dtype_of(v), v.shape) for n, v in outputs.items()}
    for known in (True, False):
        types = op.types(node, [info(v, known) for v in fed])
        if types is None:
            assert not known
            continue
        said = dict(zip(node.outputs, types, strict=False))
        assert {n: said[n] for n in wanted} == wanted
