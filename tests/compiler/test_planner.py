from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.compiler.builder import Builder
from strandline.compiler.plan import CopyStep, CoreStep, HostStep, MapStep, Plan
from strandline.compiler.planner import compile as compile_plan
from strandline.compiler.store import Store
from strandline.onnx.graph import Graph, Node
from strandline.onnx.types import TensorType, float32
from strandline.runtime.reference import Interpreter
from tests.compiler.graphs import graph, normal

SQUARE = TensorType(float32, (4, 4))

HOSTED = "Det"
"""An operator of known output type without a kernel: the plan must step out of the core for it."""


def plan(g: Graph, *types: TensorType | None, store: Store | None = None) -> Plan:
    return compile_plan(g, types or [SQUARE] * len(g.inputs), store or Store())


def kinds(p: Plan) -> list[str]:
    return [type(step).__name__ for step in p.steps]


def kernels(p: Plan) -> list[str]:
    return [name for step in p.steps if isinstance(step, CoreStep) for name in step.kernels]


def chain(*names: str) -> list[Node]:
    """Unary nodes one after the other, from x to y."""
    values = ["x", *(f"v{i}" for i in range(len(names) - 1)), "y"]
    return [
        Node(name, (a,), (b,)) for name, a, b in zip(names, values[:-1], values[1:], strict=True)
    ]


def test_one_segment_is_one_call() -> None:
    p = plan(graph(chain("Abs", "Sqrt", "Exp", "Neg"), ["x"], ["y"]))
    assert kinds(p) == ["CoreStep"] and not p.needs_numpy
    assert kernels(p) == ["abs", "sqrt", "exp", "neg"]
    assert p.steps[0].types == (SQUARE,)


def test_a_chain_reuses_its_memory() -> None:
    p = plan(graph(chain(*["Abs", "Neg"] * 20), ["x"], ["y"]))
    assert p.arena_bytes == SQUARE.nbytes


def test_what_the_core_lacks_splits_the_plan_once() -> None:
    # Two branches with a host step each: core, both host steps, core.
    nodes = [
        Node("Abs", ("x",), ("a",)),
        Node(HOSTED, ("a",), ("d1",)),
        Node("Exp", ("d1",), ("e1",)),
        Node("Neg", ("x",), ("b",)),
        Node(HOSTED, ("b",), ("d2",)),
        Node("Exp", ("d2",), ("e2",)),
        Node("Add", ("e1", "e2"), ("y",)),
    ]
    p = plan(graph(nodes, ["x"], ["y"]))
    assert kinds(p) == ["CoreStep", "HostStep", "HostStep", "CoreStep"] and p.needs_numpy
    assert kernels(p) == ["abs", "neg", "exp", "exp", "add"]


def test_shape_arithmetic_leaves_nothing_to_run() -> None:
    nodes = [
        Node("Shape", ("x",), ("s",)),
        Node("Gather", ("s", "one"), ("rows",)),
        Node("Mul", ("rows", "two"), ("n",)),
        Node("Concat", ("minus", "n"), ("target",), {"axis": 0}),
        Node("Reshape", ("x", "target"), ("r",)),
        Node("Neg", ("r",), ("y",)),
    ]
    constants = {"one": np.array([0]), "two": np.array([2]), "minus": np.array([-1])}
    p = plan(graph(nodes, ["x"], ["y"], constants))
    assert kernels(p) == ["neg"]
    assert p.outputs[0] is not None and p.outputs[0].type == TensorType(float32, (2, 8))


TABLE = np.int64([7, 1, 8, 2, 8, 1, 8])


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=4))
def test_each_shape_has_its_own_arithmetic(shapes: list[tuple[int, int]]) -> None:
    """Nodes keep how they are evaluated; where the lowering looked at elements, only for those."""
    nodes = [
        Node("Shape", ("x",), ("shape",)),
        Node("Gather", ("shape", "first"), ("rows",)),
        Node("Gather", ("shape", "second"), ("columns",)),
        Node("Mul", ("rows", "columns"), ("size",)),
        Node("Add", ("rows", "second"), ("next",)),
        Node("Slice", ("table", "rows", "next"), ("picked",)),  # of one type, from elsewhere
        Node("Slice", ("table", "first", "rows"), ("begun",)),
        Node("Concat", ("size", "shape", "picked", "begun"), ("all",), {"axis": 0}),
        Node("Unsqueeze", ("all", "first"), ("line",)),
        Node("Concat", ("rows", "second"), ("repeats",), {"axis": 0}),
        Node("Tile", ("line", "repeats"), ("y",)),
    ]
    constants = {"first": np.int64([0]), "second": np.int64([1]), "table": TABLE}
    g = graph(nodes, ["x"], ["picked", "y"], constants)
    store = Store()
    for shape in shapes:
        steps = plan(g, TensorType(float32, shape), store=store).steps
        expected = Interpreter(g).run([np.zeros(shape, np.float32)])
        for step, array in zip(steps, expected, strict=True):
            assert isinstance(step, CopyStep) and step.input.constant is not None
            np.testing.assert_array_equal(step.input.constant.array(), array, strict=True)


def test_what_only_shapes_needed_is_dropped() -> None:
    nodes = [
        Node("Exp", ("x",), ("heavy",)),
        Node("Shape", ("heavy",), ("s",)),
        Node("Expand", ("k", "s"), ("y",)),
    ]
    p = plan(graph(nodes, ["x"], ["y"], {"k": np.float32([1])}))
    assert "exp" not in kernels(p)


def test_a_plan_leaves_no_garbage_to_collect() -> None:
    """What it was made of goes at once: in the browser memory that has grown stays."""
    g = graph(chain("Abs", "Neg"), ["x"], ["y"])
    store = Store()
    gc.collect()
    gc.disable()
    try:
        plan(g, store=store)
        assert not [thing for thing in gc.get_objects() if isinstance(thing, Builder)]
    finally:
        gc.enable()


def test_aliases_cost_nothing() -> None:
    nodes = [
        Node("Reshape", ("x", "flat"), ("a",)),
        Node("Unsqueeze", ("a", "axis"), ("b",)),
        Node("Exp", ("b",), ("c",)),
        Node("Squeeze", ("c",), ("y",)),
    ]
    p = plan(graph(nodes, ["x"], ["y"], {"flat": np.array([-1]), "axis": np.array([0])}))
    assert kernels(p) == ["exp"] and kinds(p) == ["CoreStep"]
    assert p.steps[0].types == (TensorType(float32, (16,)),)


def test_outputs_that_share_bytes_are_copied() -> None:
    nodes = [
        Node("Identity", ("x",), ("same",)),
        Node("Neg", ("x",), ("n",)),
        Node("Flatten", ("n",), ("m",), {"axis": 0}),
        Node("Identity", ("k",), ("c",)),
    ]
    p = plan(graph(nodes, ["x"], ["same", "n", "m", "c"], {"k": normal(2)}))
    assert kinds(p) == ["CoreStep", "CopyStep", "CopyStep", "CopyStep"]
    assert [s.input.constant is not None for s in p.steps if isinstance(s, CopyStep)] == [
        False, False, True,
    ]  # fmt: skip


def test_unknown_types_end_the_plan_and_the_rest_waits() -> None:
    nodes = [
        Node("NonZero", ("x",), ("nz",)),
        Node("Cast", ("nz",), ("f",), {"to": 1}),
        Node("Exp", ("f",), ("late",)),
        Node("Exp", ("x",), ("early",)),
    ]
    p = plan(graph(nodes, ["x"], ["late", "early"]))
    assert kinds(p) == ["CoreStep", "HostStep"]
    assert p.outputs[0] is None and p.outputs[1] is not None
    assert p.rest is not None and [n.op for n in p.rest.graph.nodes] == ["Cast", "Exp"]
    assert [i.name for i in p.rest.graph.inputs] == ["nz"]


def test_what_is_no_tensor_goes_through_the_host() -> None:
    nodes = [Node("SequenceAt", ("s", "i"), ("a",)), Node("Neg", ("a",), ("y",))]
    p = plan(graph(nodes, ["s"], ["y"], {"i": np.int64(0)}), None)
    assert kinds(p) == ["HostStep"] and p.rest is not None


def test_zip_map_needs_no_numpy() -> None:
    labels = {"classlabels_int64s": [1, 2, 3, 4]}
    nodes = [Node("Exp", ("x",), ("e",)), Node("ZipMap", ("e",), ("y",), labels, "ai.onnx.ml")]
    p = plan(graph(nodes, ["x"], ["y"]))
    assert kinds(p) == ["CoreStep", "MapStep"] and not p.needs_numpy
    assert isinstance(p.steps[1], MapStep) and p.rest is None


def test_subgraphs_get_what_they_take_from_outside() -> None:
    branch = graph([Node("Add", ("a", "k"), ("r",))], [], ["r"])
    nodes = [
        Node("Abs", ("x",), ("a",)),
        Node("If", ("c",), ("y",), {"then_branch": branch, "else_branch": branch}),
    ]
    p = plan(graph(nodes, ["x", "c"], ["y"], {"k": normal(4)}))
    step = p.steps[-1]
    assert isinstance(step, HostStep) and set(step.captured) == {"a", "k"}
    assert step.captured["k"].constant is not None and step.captured["a"].constant is None


def test_a_branch_that_is_known_takes_the_place_of_its_if() -> None:
    # The branches make the same names, one of them a name from outside its own subgraph too.
    inner = graph([Node("Neg", ("t",), ("u",))], [], ["u"])
    nested = Node("If", ("c",), ("r",), {"then_branch": inner, "else_branch": inner})
    then = graph([Node("Add", ("a", "k"), ("t",)), nested], [], ["r"], {"k": normal(4)})
    other = graph([Node("Exp", ("a",), ("t",))], [], ["t"])
    nodes = [
        Node("Abs", ("x",), ("a",)),
        Node("Size", ("x",), ("n",)),
        Node("Equal", ("n", "sixteen"), ("c",)),
        Node("If", ("c",), ("z",), {"then_branch": then, "else_branch": other}),
        Node("Sqrt", ("z",), ("y",)),
    ]
    g = graph(nodes, ["x"], ["y"], {"sixteen": np.int64(16)})
    assert kernels(plan(g)) == ["abs", "add", "neg", "sqrt"]
    assert kernels(plan(g, TensorType(float32, (3, 3)))) == ["abs", "exp", "sqrt"]


def test_shapes_that_do_not_fit_name_the_node() -> None:
    g = graph([Node("Add", ("x", "k"), ("y",), name="sum")], ["x"], ["y"], {"k": normal(3)})
    with pytest.raises(ValueError, match=r"Add 'sum' on \(float32\[4, 4\], float32\[3\]\)"):
        plan(g)


class TestStore:
    def derived(self, store: Store) -> Sequence[Any]:
        return list(store._derived)

    def test_packed_weights_are_shared_by_all_plans(self) -> None:
        g = graph([Node("MatMul", ("x", "w"), ("y",))], ["x"], ["y"], {"w": normal(4, 8)})
        store = Store()
        for rows in (1, 2, 50):
            plan(g, TensorType(float32, (rows, 4)), store=store)
        assert len(self.derived(store)) <= 2

    def test_what_holds_for_one_shape_only_is_not_kept(self) -> None:
        # The right matrix is made of x's shape: another one for each plan under the same name.
        nodes = [
            Node("Shape", ("x",), ("s",)),
            Node("Cast", ("s",), ("f",), {"to": 1}),
            Node("Expand", ("f", "size"), ("w",)),
            Node("MatMul", ("x", "w"), ("y",)),
        ]
        g = graph(nodes, ["x"], ["y"], {"size": np.array([2, 2])})
        store = Store()
        for rows in (3, 5):
            plan(g, TensorType(float32, (rows, 2)), store=store)
        assert not self.derived(store)
