"""Chains of elementwise nodes in one pass: the same bits as node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import core
from strandline.compiler import planner
from strandline.compiler.lower import chain
from strandline.compiler.lower.registry import Instr
from strandline.compiler.plan import CoreStep, Plan
from strandline.compiler.store import Store
from strandline.onnx.graph import Graph, Node
from strandline.onnx.types import TensorType, float32
from tests.compiler.graphs import graph

pytestmark = pytest.mark.usefixtures("isa")

UNARY = ["Neg", "Abs", "Relu", "Sqrt", "Exp", "Tanh", "Sigmoid", "Softplus", "Erf", "Sin", "Sign"]
PAIRS = ["Add", "Sub", "Mul", "Div", "PRelu"]
SHAPES = [(130,), (3, 70), (2, 3, 33), (5, 1, 7, 9), (1, 1), (4, 130)]
SPECIAL = np.float32([0, -0.0, np.inf, -np.inf, np.nan, 1e-42, 3e38, -1])


def plans(g: Graph, *feeds: Any) -> tuple[Plan, Plan]:
    """Of the graph with chains, however short, and without."""
    types = [TensorType(float32, x.shape) for x in feeds]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain, "walkable", lambda size, row, panel: size > 1)
        patch.setattr(chain, "worthwhile", lambda steps, panel: steps > 1)
        patch.setattr(chain, "callable_within", lambda panel: True)
        made = planner.compile(g, types, Store())
        patch.setattr(planner, "chained", lambda code, root, bases, kept: code)
        return made, planner.compile(g, types, Store())


def kernels(plan: Plan) -> list[str]:
    return [name for step in plan.steps if isinstance(step, CoreStep) for name in step.kernels]


def run(plan: Plan, *feeds: Any) -> list[bytes]:
    """The outputs' bytes of a plan that is one call of the core, with one NaN for all: of two that are
    added, compilers choose."""
    (step,) = plan.steps
    assert isinstance(step, CoreStep)
    outputs = [np.full(type_.shape, 7, np.float32) for type_ in step.types]
    step.program.run([feeds[slot] for slot in step.inputs], outputs)
    return [np.where(np.isnan(x), np.float32(np.nan), x).tobytes() for x in outputs]


def broadcastable(draw: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of something that broadcasts to `shape`."""
    kept = [size if draw(st.booleans()) else 1 for size in shape]
    return tuple(kept[draw(st.integers(0, len(kept))) :])


@st.composite
def webs(draw: Any) -> tuple[Graph, list[Any]]:
    """A few inputs, one of them whole, and nodes that take any value before them."""
    shape = draw(st.sampled_from(SHAPES))
    shapes = [shape, *(broadcastable(draw, shape) for _ in range(draw(st.integers(0, 4))))]
    names = [f"x{i}" for i in range(len(shapes))]
    values, whole, nodes = list(names), ["x0"], []
    for i in range(draw(st.integers(2, 24))):
        op = draw(st.sampled_from(UNARY + PAIRS + ["Clip", "Min", "Max"]))
        first = draw(st.sampled_from(whole[-3:]))
        other = draw(st.sampled_from(values))
        if op in UNARY:
            inputs: tuple[str, ...] = (first,)
        elif op == "Clip":
            inputs = (first, "low", "high")
        else:
            swapped = op != "PRelu" and draw(st.booleans())
            inputs = (other, first) if swapped else (first, other)
        nodes.append(Node(op, inputs, (f"v{i}",)))
        whole.append(f"v{i}")
        values.append(f"v{i}")
    others = draw(st.sets(st.sampled_from(whole[1:]), max_size=2))
    outputs = sorted({whole[-1], *others})
    constants = {"low": np.float32(-0.5), "high": np.float32(1.5)}
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    feeds = []
    for each in shapes:
        x = rng.standard_normal(each).astype(np.float32)
        hit = rng.random(each) < 0.05
        feeds.append(np.where(hit, rng.choice(SPECIAL, each), x))
    return graph(nodes, names, outputs, constants), feeds


@given(web=webs())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_same_bits_as_node_by_node(web: tuple[Graph, list[Any]]) -> None:
    g, feeds = web
    together, apart = plans(g, *feeds)
    assert run(together, *feeds) == run(apart, *feeds)


def nodes(*text: str) -> list[Node]:
    """From lines of the form `y = Op a b`."""
    split = [line.split() for line in text]
    return [Node(op, tuple(inputs), (output,)) for output, _, op, *inputs in split]


X, ROW = np.float32(np.arange(-300, 300).reshape(4, 150)), np.float32(np.linspace(-2, 2, 150))


@pytest.mark.parametrize(
    ("lines", "outputs", "want"),
    [
        (("a = Add x r", "y = Relu a"), ["y"], ["chain_f32"]),
        (("a = Abs x", "b = Neg a", "c = Sqrt a", "y = Add b c"), ["y"], ["chain_f32"]),
        (("a = Mul x x", "y = Sub r a"), ["y"], ["chain_f32"]),
        (("a = Neg r", "y = Add a x"), ["y"], ["neg", "add"]),  # a row is computed once
        (("a = Abs x", "y = Add a r"), ["a", "y"], ["abs", "add"]),
        (("a = Abs x", "s = Softmax a", "y = Add a s"), ["y"], ["abs", "softmax", "add"]),
        (("a = Abs x", "s = Softmax x", "y = Add a s"), ["y"], ["softmax", "chain_f32"]),
        (("a = Abs x", "f = Flatten a", "y = Neg f"), ["y"], ["chain_f32"]),
        (("a = Equal x r", "y = Not a"), ["y"], ["equal", "not"]),
        (("y = Abs x", "z = Neg x"), ["y", "z"], ["abs", "neg"]),
    ],
)
def test_who_comes_along(lines: tuple[str, ...], outputs: list[str], want: list[str]) -> None:
    """Only what one chain alone uses, over as many elements."""
    together, apart = plans(graph(nodes(*lines), ["x", "r"], outputs), X, ROW)
    assert kernels(together) == want
    if "Equal" not in lines[0]:
        assert run(together, X, ROW) == run(apart, X, ROW)


def test_a_long_chain_is_cut() -> None:
    lines = [f"v{i} = Add {f'v{i - 1}' if i else 'x'} r" for i in range(40)]
    together, apart = plans(graph(nodes(*lines), ["x", "r"], ["v39"]), X, ROW)
    assert kernels(together) == ["chain_f32"] * 3
    assert run(together, X, ROW) == run(apart, X, ROW)


def test_parts_of_a_larger_value_are_not_waited_for() -> None:
    """What Split hands out and Concat puts together lies inside another value's memory."""
    split = Node("Split", ("w",), ("p", "q"), {"axis": 0, "num_outputs": 2})
    both = Node("Concat", ("m", "n"), ("y",), {"axis": 0})
    steps = [*nodes("a = Abs x", "w = Neg a"), split]
    steps += [*nodes("b = Exp p", "m = Neg b", "c = Add q m", "n = Relu c"), both]
    feed = np.float32(np.linspace(-3, 3, 4 * 160)).reshape(4, 160)
    together, apart = plans(graph(steps, ["x"], ["y"], opset=18), feed)
    assert kernels(together).count("chain_f32") == 2  # Add reads a part of what Relu writes to
    assert run(together, feed) == run(apart, feed)


class Flat(dict[str, str]):
    """A memory in which every value is its own."""

    def __missing__(self, name: str) -> str:
        return name


F = ord("f")


def test_pure_and_idempotent() -> None:
    code = [
        Instr("abs", ("x",), ("a",), (F, 8192, 0.0, 0.0)),
        Instr("mul", ("a", "k"), ("b",), (F, 1, 8192, 1, 0)),
        Instr("add", ("b", "k"), ("c",), (F, 1, 8192, 1, 0)),
        Instr("relu", ("c",), ("y",), (F, 8192, 0.0, 0.0)),
    ]
    before = list(code)
    once = chain.chained(code, str, Flat(), {"y"})
    assert code == before and [instr.op for instr in once] == ["chain_f32"]
    assert chain.chained(once, str, Flat(), {"y"}) == once


def test_what_changes_later_is_read_in_time() -> None:
    """A kernel call that writes again to an operand keeps a step at its place."""
    code = [
        Instr("abs", ("x",), ("a",), (F, 8192, 0.0, 0.0)),
        Instr("fill", (), ("x",), (4, 8192, 0)),
        Instr("neg", ("a",), ("y",), (F, 8192, 0.0, 0.0)),
    ]
    assert chain.chained(code, str, Flat(), {"y"}) == code


def test_nothing_of_no_rows() -> None:
    """The kernel itself, where no plan calls it."""
    steps = (0, 0, 0, -1, 0.0, 0.0)
    out = np.full(3, 7, np.float32)
    core.call("chain_f32", [np.zeros(0, np.float32)], [out], 2, 0, 5, 1, 5, 1, *steps)
    np.testing.assert_array_equal(out, 7)


def test_when_one_pass_is_quicker() -> None:
    """The policy: measured as ratios of one pass to several, on every vector width."""
    assert [panel for panel in (8, 16, 32) if chain.worthwhile(2, panel)] == [16, 32]
    assert [panel for panel in (8, 16, 32) if chain.worthwhile(4, panel)] == [8, 16, 32]
    assert [panel for panel in (8, 16, 32) if chain.callable_within(panel)] == [32]
    assert not chain.walkable(4095, 4095, 8) and chain.walkable(4096, 4096, 32)
    for panel in (8, 16, 32):
        assert chain.walkable(1 << 20, 16 * panel, panel)
        assert not chain.walkable(1 << 20, 16 * panel - 1, panel)
