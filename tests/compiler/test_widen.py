"""float16 and bfloat16 computed in float32: where values are converted, where they are still rounded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx.parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from strandline import Session
from strandline.compiler.passes import widen_halves
from strandline.onnx import read
from strandline.onnx.graph import Graph
from strandline.onnx.types import BY_NAME, TensorType
from tests.compiler.graphs import apply, assert_same, ops
from tests.models.oracle import expected

HALF, SINGLE = np.float16, np.float32
RNG = np.random.default_rng(5)


def model(text: str, opset: int = 18, **constants: Any) -> bytes:
    """A model from the syntax of onnx.parser, its head left out."""
    head = f'<ir_version: 10, opset_import: ["" : {opset}]>\n'
    parsed = onnx.parser.parse_model(head + text)
    for name, value in constants.items():
        parsed.graph.initializer.append(numpy_helper.from_array(value, name))
    onnx.checker.check_model(parsed)
    return bytes(parsed.SerializeToString())


def widened(text: str) -> Graph:
    return apply(widen_halves, read(model(text)))


def in_core(session: Session, feeds: dict[str, Any]) -> bool:
    """Whether a run on these feeds never leaves the core."""
    arrays = [np.asarray(feeds[info.name]) for info in session.inputs]
    return not session.needs_numpy([TensorType(BY_NAME[str(a.dtype)], a.shape) for a in arrays])


def normal(*shape: int, dtype: Any = HALF) -> Any:
    return RNG.standard_normal(shape).astype(dtype)


# --- where conversions go --------------------------------------------------------------


def test_a_chain_is_converted_at_its_ends() -> None:
    g = widened("""
    g (float16[N, 4] x) => (float16[N, 4] y)
      <float16[4] k = {1, 2, 3, 4}> {
      a = Add(x, k)
      b = Tanh(a)
      y = Mul(b, a)
    }""")
    assert ops(g) == ["Cast", "Cast", "Add", "Tanh", "Mul", "Cast"]


def test_float32_alone_is_left_alone() -> None:
    text = "g (float[N] x) => (float[N] y) { a = Relu(x)\ny = Tanh(a) }"
    g = read(model(text))
    assert widen_halves(g) is g


def test_what_only_moves_stays_in_two_bytes() -> None:
    g = widened("""
    g (float16[N, 4] x, int64[M] i) => (float16[K, L] y) {
      a = Transpose(x)
      b = Gather(a, i)
      y = Concat<axis = 0>(b, b)
    }""")
    assert ops(g) == ["Transpose", "Gather", "Concat"]


def test_rows_are_gathered_before_they_are_converted() -> None:
    g = widened("""
    g (int64[M] i, float[M, 2] x) => (float[M, 2] y)
      <float16[3, 2] table = {1, 2, 3, 4, 5, 6}> {
      rows = Gather(table, i)
      there = Cast<to = 1>(rows)
      y = Add(there, x)
    }""")
    assert ops(g) == ["Gather", "Cast", "Add"]


def test_what_moves_between_computations_is_not_converted() -> None:
    g = widened("""
    g (float16[N, 4] x) => (float16[K, L] y) {
      a = Tanh(x)
      b = Concat<axis = 0>(x, a)
      c = Transpose(b)
      y = Exp(c)
    }""")
    assert ops(g) == ["Cast", "Tanh", "Concat", "Transpose", "Exp", "Cast"]


def test_a_cast_to_float32_takes_what_is_there() -> None:
    g = widened("""
    g (float16[N] x) => (float[N] y, float[N] z) {
      a = Tanh(x)
      y = Cast<to = 1>(a)
      z = Cast<to = 1>(x)
    }""")
    assert ops(g) == ["Cast", "Tanh", "Identity", "Identity"]


def test_there_and_back_is_nothing() -> None:
    g = widened("""
    g (float16[N] x) => (float16[N] y) {
      a = Tanh(x)
      b = Cast<to = 1>(a)
      c = Cast<to = 10>(b)
      y = Exp(c)
    }""")
    assert ops(g) == ["Cast", "Tanh", "Identity", "Exp", "Cast"]


def test_new_names_are_new() -> None:
    """A model may have the name that a float32 value would get."""
    names = {"a": "x/float32"}
    g = read(model("g (float16[N] x) => (float16[N] y) { a = Neg(x)\ny = Mul(a, x) }"))
    nodes = tuple(
        replace(
            node,
            inputs=tuple(names.get(n, n) for n in node.inputs),
            outputs=tuple(names.get(n, n) for n in node.outputs),
        )
        for node in g.nodes
    )
    g = apply(widen_halves, replace(g, nodes=nodes))
    made = [name for node in g.nodes for name in node.outputs]
    assert len(set(made)) == len(made)
    assert_same(replace(g, nodes=nodes), g, normal(5))


def test_cast_like_becomes_a_cast() -> None:
    """And asks for no value just to see its type."""
    g = widened("""
    g (float16[N] x, float[N] z) => (float16[N] y, float[N] w) {
      a = Tanh(x)
      b = CastLike(z, a)
      y = Mul(a, b)
      w = CastLike(a, z)
    }""")
    assert ops(g) == ["Cast", "Tanh", "Cast", "Cast", "Mul", "Identity", "Cast"]


def test_the_two_halves_are_not_taken_for_each_other() -> None:
    g = widened("""
    g (float16[N] x) => (bfloat16[N] y) {
      a = Cast<to = 1>(x)
      b = Cast<to = 16>(a)
      y = Neg(b)
    }""")
    assert ops(g) == ["Cast", "Cast", "Cast", "Neg", "Cast"]


def test_precisions_that_a_node_names_are_widened_too() -> None:
    g = widened("""
    g (float16[N, 4] x) => (float16[N, 4] y)
      <float16[4] k = {1, 2, 3, 4}> {
      y, mean = LayerNormalization<stash_type = 10>(x, k)
    }""")
    assert ops(g) == ["Cast", "Cast", "LayerNormalization", "Cast"]
    assert g.nodes[2].attrs["stash_type"] == 1


def test_a_value_of_unknown_type_keeps_its_neighbours_as_they_are() -> None:
    g = widened("""
    g (seq(float16[N]) s, float16[N] x) => (float16[N] y) {
      i = Constant<value_int = 0>()
      a = SequenceAt(s, i)
      b = Exp(x)
      y = Add(a, b)
    }""")
    assert ops(g) == ["Constant", "SequenceAt", "Cast", "Exp", "Cast", "Add"]


LOOP = """
g (float16[N, 4] x, float16[4] k) => (float16[N, 4] y, float16[3, N, 4] rows) {
  z = Add(x, k)
  trips = Constant<value_int = 3>()
  last, rows = Loop<body = b (int64 i, bool c, float16[N, 4] s) => (bool d, float16[N, 4] t, float16[N, 4] r) {
    d = Identity(c)
    m = Mul(s, z)
    t = Tanh(m)
    r = Sub(t, k)
  }>(trips, , x)
  y = Exp(last)
}"""
IF = """
g (float16[N, 4] x, float16[4] k, bool c) => (float16[N, 4] y) {
  z = Add(x, k)
  v = If(c) <
    then_branch = t () => (float16[N, 4] p) { p = Mul(z, k) },
    else_branch = e () => (float16[N, 4] q) { q = Sub(z, x) }>
  y = Tanh(v)
}"""
SCAN = """
g (float16[N, 4] x, float16[4] k) => (float16[4] last, float16[N, 4] rows) {
  z = Mul(k, k)
  last, rows = Scan<num_scan_inputs = 1, body = b (float16[4] s, float16[4] e) => (float16[4] t, float16[4] r) {
    a = Add(s, e)
    t = Tanh(a)
    r = Mul(t, z)
  }>(k, x)
}"""


@pytest.mark.parametrize("text", [LOOP, IF, SCAN])
def test_bodies_take_their_surroundings_in_float32(text: str) -> None:
    """A half value outside that was computed is not rounded for a body; the body's own outputs are."""
    g = widened(text)
    bodies = [v for node in g.nodes for v in node.attrs.values() if isinstance(v, Graph)]
    assert bodies
    for body in bodies:
        computed = [node for node in body.nodes if node.op in ("Mul", "Tanh", "Add", "Sub")]
        assert all(name.endswith("/float32") for n in computed for name in n.inputs)
        assert ops(body)[-1] == "Cast"
    assert "z" not in {name for node in g.nodes for name in node.outputs}


@pytest.mark.parametrize("text", [LOOP, IF, SCAN])
def test_control_flow_is_one_call(text: str) -> None:
    data = model(text)
    feeds = {"x": normal(3, 4), "k": normal(4)}
    if text is IF:
        feeds["c"] = np.array(True)
    session = Session(data)
    assert in_core(session, feeds)
    for name, want in expected(data, feeds).items():
        got = session.run(feeds)[name]
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=4e-3, atol=4e-3)


# --- where values are rounded ----------------------------------------------------------


def run(text: str, **feeds: Any) -> Any:
    session = Session(model(text))
    assert in_core(session, feeds)
    (result,) = session.run(feeds).values()
    return result


def test_a_cast_to_half_rounds() -> None:
    x = normal(1000, dtype=SINGLE) * 1e5
    text = "g (float[N] x) => (float[N] y) { h = Cast<to = 10>(x)\ny = Cast<to = 1>(h) }"
    with np.errstate(over="ignore"):
        want = x.astype(HALF).astype(SINGLE)
    assert np.isinf(want).any()
    np.testing.assert_array_equal(run(text, x=x), want)


def test_a_cast_to_half_rounds_between_computations() -> None:
    x = normal(1000, dtype=SINGLE)
    text = """g (float[N] x) => (float[N] y) {
      a = Mul(x, x)
      h = Cast<to = 10>(a)
      b = Add(h, h)
      y = Cast<to = 1>(b)
    }"""
    np.testing.assert_array_equal(run(text, x=x), 2 * (x * x).astype(HALF).astype(SINGLE))


def test_outputs_are_rounded_and_overflow() -> None:
    x = np.array([1, 300, -300, 0.0001, np.nan, np.inf], HALF)
    text = "g (float16[N] x) => (float16[N] y) { y = Mul(x, x) }"
    with np.errstate(over="ignore"):
        want = (x.astype(SINGLE) ** 2).astype(HALF)
    assert np.isinf(want[1])
    np.testing.assert_array_equal(run(text, x=x), want)


def test_nothing_overflows_on_the_way() -> None:
    x = np.array([300, -300], HALF)
    text = "g (float16[N] x) => (float16[N] y) { a = Mul(x, x)\ny = Div(a, x) }"
    np.testing.assert_array_equal(run(text, x=x), x)


def test_integers_are_made_of_rounded_values() -> None:
    """3 - 2^-12 is 3 in float16."""
    x, step = np.array([3], HALF), np.array([2.0**-12], HALF)
    text = """g (float16[N] x, float16[N] step) => (int64[N] y) {
      a = Sub(x, step)
      y = Cast<to = 7>(a)
    }"""
    assert run(text, x=x, step=step).tolist() == [3]


@pytest.mark.parametrize("code", [10, 16])
def test_moved_bits_are_untouched(code: int) -> None:
    """NaN's other bits too."""
    bits = np.arange(65536, dtype=np.int32).astype(np.uint16).reshape(256, 256)
    name = "float16" if code == 10 else "bfloat16"
    session = Session(
        model(f"g ({name}[256, 256] x) => ({name}[256, 256] y) {{ y = Transpose(x) }}")
    )
    x = bits.view(BY_NAME[name].numpy)
    (y,) = session.run({"x": x}).values()
    np.testing.assert_array_equal(np.ascontiguousarray(y).view(np.uint16), bits.T)


# --- against onnxruntime ---------------------------------------------------------------

STEPS = (
    "{y} = Relu({a})",
    "{y} = Tanh({a})",
    "{y} = Sigmoid({a})",
    "{y} = Neg({a})",
    "{y} = Softmax({a})",
    "{y} = Clip({a}, , k)",
    "{y} = Identity({a})",
    "{y} = Transpose({a})",
    "{y} = Mul({a}, {b})",
    "{y} = Max({a}, {b})",
    "{y} = Where(less, {a}, {b})",
    "{y}p = Add({a}, {b})\n{y} = Mul({y}p, k)",
    "{y}p = MatMul({a}, w)\n{y} = Tanh({y}p)",
    "{y}p = Mul({a}, {a})\n{y}q = Add({y}p, k)\n{y} = Sqrt({y}q)",
    "{y}p = ReduceMax({a})\n{y}q = Sub({b}, {y}p)\n{y} = Mul({y}q, k)",
    "{y}p = Concat<axis = 0>({a}, {b})\n{y}q, {y} = Split<axis = 0>({y}p, sizes)",
    "{y}p = Cast<to = 1>({a})\n{y}q = Mul({y}p, {y}p)\n{y} = Cast<to = 10>({y}q)",
    "{y}p = Cast<to = 1>({a})\n{y} = Cast<to = 10>({y}p)",
    (  # onnxruntime 1.32 loses casts that only a body sees: the bodies get what is computed
        "{y}a = Relu({a})\n{y}b = Neg({b})\n"
        "{y} = If (yes) <then_branch = t () => (float16[4, 4] {y}p) {{ {y}p = Mul({y}a, k) }}, "
        "else_branch = e () => (float16[4, 4] {y}q) {{ {y}q = Identity({y}b) }}>"
    ),
)
"""How `y` is made of earlier values, all of them [4, 4] and about 1."""


@st.composite
def graphs(draw: st.DrawFn) -> str:
    lines = ["less = Less(x, w)"]
    names = ["x", "w"]
    for i in range(draw(st.integers(1, 8))):
        a, b = draw(st.sampled_from(names)), draw(st.sampled_from(names))
        lines.append(draw(st.sampled_from(STEPS)).format(y=f"v{i}", a=a, b=b))
        names.append(f"v{i}")
    outputs = ", ".join(f"float16[4, 4] {name}" for name in names[2:][-2:])
    return f"g (float16[4, 4] x, bool yes) => ({outputs}) {{\n" + "\n".join(lines) + "\n}"


@given(graphs(), st.integers(13, 22), st.booleans())
@settings(max_examples=200, deadline=None)
def test_generated_graphs(text: str, opset: int, yes: bool) -> None:
    """Within what the roundings between operators come to, which others make."""
    w = (np.arange(16).reshape(4, 4) % 5 / 4 - 0.4).astype(HALF)
    data = model(text, opset, w=w, k=np.array(0.5, HALF), sizes=np.array([4, 4]))
    feeds = {"x": (np.arange(16).reshape(4, 4) / 8 - 1).astype(HALF), "yes": np.array(yes)}
    session = Session(data)
    assert in_core(session, feeds)
    plain = Session(data, backend="reference").run(feeds)
    for wanted in (expected(data, feeds), plain):
        for name, got in session.run(feeds).items():
            want = wanted[name]
            assert got.dtype == want.dtype and got.shape == want.shape
            np.testing.assert_allclose(got, want, rtol=0, atol=0.01)
