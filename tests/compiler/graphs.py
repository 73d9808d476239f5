"""Small graphs, and the check that two graphs compute the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from strandline.compiler import passes
from strandline.compiler.evaluate import constant_of_array
from strandline.compiler.store import Store
from strandline.onnx.graph import Graph, Node, ValueInfo
from strandline.onnx.types import float32
from strandline.runtime.reference import Interpreter

RNG = np.random.default_rng(7)


def graph(
    nodes: Sequence[Node],
    inputs: Sequence[str],
    outputs: Sequence[str],
    constants: dict[str, Any] | None = None,
    opset: int = 17,
    shapes: Sequence[tuple[int, ...] | None] = (),
) -> Graph:
    """A graph of float32 inputs (of these shapes, where given); constants are NumPy arrays."""
    declared = dict(zip(inputs, shapes, strict=False))
    return Graph(
        nodes=tuple(nodes),
        inputs=tuple(ValueInfo(name, float32, declared.get(name)) for name in inputs),
        outputs=tuple(ValueInfo(name, float32, None) for name in outputs),
        constants={n: constant_of_array(np.asarray(v)) for n, v in (constants or {}).items()},
        opsets={"": opset},
    )


def normal(*shape: int) -> Any:
    """float32 numbers."""
    return RNG.standard_normal(shape).astype(np.float32)


def ops(g: Graph) -> list[str]:
    return [node.op for node in g.nodes]


def assert_same(a: Graph, b: Graph, *feeds: Any) -> None:
    """Both graphs give the same outputs, names and numbers, through the references."""
    assert [info.name for info in a.outputs] == [info.name for info in b.outputs]
    for x, y in zip(Interpreter(a).run(feeds), Interpreter(b).run(feeds), strict=True):
        assert x.shape == y.shape and x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def apply(step: Callable[..., Graph], g: Graph) -> Graph:
    """Run a pass and hold what every pass owes: idempotent, and the argument untouched."""
    arguments = (Store(),) if step in (passes.fold_constants, passes.fold_affine) else ()
    nodes, constants = g.nodes, dict(g.constants)
    once = step(g, *arguments)
    assert (g.nodes, dict(g.constants)) == (nodes, constants)
    assert step(once, *arguments) is once
    return once
