"""All plans of a session take turns in one arena: nothing of a run shows in another."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from strandline import Session
from strandline.onnx.types import TensorType, float32
from strandline.runtime.engine import Engine
from tests.core.arenas import poison
from tests.runtime.models import assert_close, expected, model, tensor

node = helper.make_node


def engine_of(session: Session) -> Engine:
    assert session._engine is not None
    return session._engine


def dirty(session: Session) -> None:
    arena = engine_of(session).store.arena
    poison(arena, arena.nbytes)


def network() -> bytes:
    """Convolutions of several kinds, a softmax over space and products: one call of the core."""
    rng = np.random.default_rng(3)
    shapes = {"w1": (8, 3, 3, 3), "w2": (8, 1, 3, 3), "w3": (4, 8, 1, 1), "w4": (64, 5)}
    nodes = [
        node("Conv", ["x", "w1"], ["a"], pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "w2"], ["c"], pads=[1, 1, 1, 1], group=8),
        node("Add", ["b", "c"], ["d"]),
        node("Conv", ["d", "w3"], ["e"]),
        node("AveragePool", ["e"], ["f"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Softmax", ["f"], ["g"]),
        node("Transpose", ["g"], ["h"], perm=[0, 2, 3, 1]),
        node("Flatten", ["h"], ["i"]),
        node("MatMul", ["i", "w4"], ["j"]),
        node("Sigmoid", ["j"], ["y"]),
    ]
    weights = {name: rng.standard_normal(s).astype(np.float32) for name, s in shapes.items()}
    return model(nodes, [tensor("x", shape=["N", 3, 8, 8])], [tensor("y")], weights)


def image(n: int) -> Any:
    return np.random.default_rng(n).standard_normal((n, 3, 8, 8)).astype(np.float32)


@cache
def alone(n: int) -> dict[str, bytes]:
    """What a session makes of `image(n)` that never saw another shape."""
    got = Session(network()).run({"x": image(n)})
    return {name: value.tobytes() for name, value in got.items()}


def test_alone_is_what_onnxruntime_says() -> None:
    for n in (1, 6):
        feeds = {"x": image(n)}
        assert_close(Session(network()).run(feeds), expected(network(), feeds))


def assert_as_alone(n: int, got: Any) -> None:
    assert {name: memoryview(value).tobytes() for name, value in got.items()} == alone(n)


ACTIONS = st.tuples(
    st.sampled_from(["run", "prepare", "run prepared", "profile", "dirty"]), st.integers(1, 9)
)


@given(st.lists(ACTIONS, max_size=12))
@settings(max_examples=30)
def test_shapes_in_any_order_give_the_bits_of_each_alone(actions: list[tuple[str, int]]) -> None:
    session = Session(network())
    prepared: dict[int, Any] = {}
    for action, n in actions:
        if action == "run":
            assert_as_alone(n, session.run({"x": image(n)}))
        elif action == "prepare":
            call = prepared[n] = session.prepare([TensorType(float32, (n, 3, 8, 8))])
            memoryview(call.inputs["x"]).cast("B")[:] = image(n).tobytes()
        elif action == "profile":
            assert session.profile({"x": image(n)}, runs=1)
        elif action == "dirty":
            dirty(session)
        elif n in prepared:
            prepared[n].run()
            assert_as_alone(n, prepared[n].results())


def test_a_session_holds_its_largest_arena_once() -> None:
    session = Session(network())
    engine = engine_of(session)
    sizes = []
    for n in (3, 8, 1, 5):
        session.run({"x": image(n)})
        types = (TensorType(float32, (n, 3, 8, 8)),)
        sizes.append(engine.plan(types).arena_bytes)
        assert engine.store.arena.nbytes == max(sizes)
    assert len(set(sizes)) == 4


def test_plans_that_come_again_after_they_had_to_go() -> None:
    session = Session(network())
    for n in [*range(1, 67), 2, 66, 1, 40]:
        got = session.run({"x": image(n)})
        if n in (1, 2, 40, 66):
            assert_as_alone(n, got)
    assert engine_of(session).plans.dropped == 4


def loop() -> bytes:
    """A state that grows from trip to trip, which the planner leaves to an engine of the body's own,
    between calls of the core that have much in the arena."""
    body = helper.make_graph(
        [
            node("Concat", ["state", "x"], ["both"], axis=0),
            node("Exp", ["both"], ["e"]),
            node("ReduceSum", ["e"], ["total"]),
            node("Div", ["e", "total"], ["share"]),
            node("Add", ["share", "both"], ["next"]),
            node("Identity", ["going"], ["go"]),
        ],
        "body",
        [tensor("i", "int64", []), tensor("going", "bool", []), tensor("state")],
        [tensor("go", "bool", []), tensor("next")],
    )
    return model(
        [
            node("MatMul", ["x", "w"], ["h"]),
            node("Softmax", ["h"], ["start"]),
            node("Loop", ["trips", "", "start"], ["grown"], body=body),
            node("Softmax", ["grown"], ["s"]),
            node("MatMul", ["s", "w"], ["y"]),
        ],
        [tensor("x", shape=["N", 5])],
        [tensor("y"), tensor("start")],
        {"w": np.random.default_rng(1).random((5, 5), np.float32), "trips": np.array(3)},
    )


@pytest.mark.parametrize("order", [(1, 4, 2), (6, 1, 6)])
def test_bodies_run_in_the_same_arena(order: tuple[int, ...]) -> None:
    data = loop()
    session = Session(data)
    for n in order:
        feeds = {"x": np.random.default_rng(n).standard_normal((n, 5)).astype(np.float32)}
        for _ in range(2):
            assert_close(session.run(feeds), expected(data, feeds))
            dirty(session)
    engine = engine_of(session)
    (body,) = engine._bodies.values()
    inner = body._engine
    assert inner.store.arena is engine.store.arena
    assert len(inner.plans) >= 3 and any(plan.arena_bytes for plan in inner.plans._plans.values())
