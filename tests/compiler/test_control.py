"""Control flow inside a program: the same results as the references and onnxruntime, without NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.parser
import pytest

from strandline import Session
from tests.models.oracle import assert_equal, expected

HEAD = '<ir_version: 10, opset_import: ["" : 18]>\n'
ONE_STEP = ": 1 steps, "

MODELS = {
    "a sum of rows, and every partial sum": """
    g (float[N, 5] x, float[5] start) => (float[5] total, float[N, 5] partial) {
      total, partial = Scan <num_scan_inputs = 1, body = b (float[5] s, float[5] e) => (float[5] t, float[5] p) {
        t = Add(s, e)
        p = Identity(t)
      }> (start, x)
    }""",
    "backwards in, backwards out": """
    g (float[N, 5] x, float[5] start) => (float[5] last, float[N, 5] seen) {
      last, seen = Scan <num_scan_inputs = 1, scan_input_directions = [1], scan_output_directions = [1],
        body = b (float[5] s, float[5] e) => (float[5] t, float[5] p) {
          t = Sub(e, s)
          p = Mul(t, s)
        }> (start, x)
    }""",
    "states that change places": """
    g (float[N, 5] x, float[5] start) => (float[5] a, float[5] b, float[N, 5] row) {
      zero = Sub(start, start)
      a, b, row = Scan <num_scan_inputs = 1, body = b (float[5] s, float[5] t, float[5] e)
        => (float[5] t2, float[5] s2, float[5] r) {
          t2 = Identity(t)
          s2 = Identity(s)
          r = Add(s, e)
        }> (start, zero, x)
    }""",
    "a recurrent cell with weights from outside": """
    g (float[N, 5] x, float[5] start) => (float[5] last, float[N, 5] states) {
      w = Constant <value_floats = [0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.4, 0.3, 0.2, 0.1, 1.0, 0.0, 0.5, 0.0, 1.0,
                                    0.3, 0.3, 0.3, 0.3, 0.3, 0.9, 0.8, 0.7, 0.6, 0.5]> ()
      five = Constant <value_ints = [5, 5]> ()
      m = Reshape(w, five)
      last, states = Scan <num_scan_inputs = 1, body = b (float[5] s, float[5] e) => (float[5] t, float[5] p) {
        product = MatMul(s, m)
        sum = Add(product, e)
        t = Tanh(sum)
        p = Identity(t)
      }> (start, x)
    }""",
    "a fixed number of trips, and their numbers": """
    g (float[N, 5] x, float[5] start) => (float[5] last, float[4, 5] rows) {
      trips = Constant <value_int = 4> ()
      yes = Cast <to = 9> (trips)
      last, rows = Loop <body = b (int64 i, bool c, float[5] s) => (bool d, float[5] t, float[5] r) {
        d = Identity(c)
        f = Cast <to = 1> (i)
        t = Add(s, f)
        r = Mul(s, f)
      }> (trips, yes, start)
    }""",
    "trips that the input counts": """
    g (float[N, 5] x, float[5] start) => (float[5] last) {
      shape = ReduceSum <keepdims = 0> (x)
      size = Abs(shape)
      seven = Constant <value_float = 7.0> ()
      few = Min(size, seven)
      trips = Cast <to = 7> (few)
      last = Loop <body = b (int64 i, bool c, float[5] s) => (bool d, float[5] t) {
        d = Identity(c)
        t = Add(s, s)
      }> (trips, , start)
    }""",
    "until a condition fails": """
    g (float[N, 5] x, float[5] start) => (float[5] last, int64 count) {
      begin = Constant <value = bool {1}> ()
      zero = Constant <value_int = 0> ()
      last, count = Loop <body = b (int64 i, bool c, float[5] s, int64 n) => (bool d, float[5] t, int64 m) {
        one = Constant <value_int = 1> ()
        two = Constant <value_float = 2.0> ()
        most = Constant <value_float = 100.0> ()
        t = Mul(s, two)
        m = Add(n, one)
        size = ReduceL1 <keepdims = 0> (t)
        d = Less(size, most)
      }> ( , begin, start, zero)
    }""",
    "a condition that is a state": """
    g (float[N, 5] x, float[5] start) => (float[5] last, bool flag) {
      trips = Constant <value_int = 6> ()
      begin = Constant <value = bool {1}> ()
      last, flag = Loop <body = b (int64 i, bool c, float[5] s, bool f) => (bool d, float[5] t, bool h) {
        two = Constant <value_int = 2> ()
        t = Add(s, s)
        h = Less(i, two)
        d = Identity(f)
      }> (trips, begin, start, begin)
    }""",
    "no trip at all": """
    g (float[N, 5] x, float[5] start) => (float[5] last) {
      trips = Constant <value_int = 5> ()
      sum = ReduceSum <keepdims = 0> (x)
      wrong = IsNaN(sum)
      last = Loop <body = b (int64 i, bool c, float[5] s) => (bool d, float[5] t) {
        d = Identity(c)
        t = Add(s, s)
      }> (trips, wrong, start)
    }""",
    "a branch that the data choose": """
    g (float[N, 5] x, float[5] start) => (float[5] y, float[5] z) {
      sum = ReduceSum <keepdims = 0> (x)
      zero = Constant <value_float = 0.0> ()
      positive = Less(zero, sum)
      y, z = If (positive) <then_branch = t () => (float[5] a, float[5] b) {
        a = Add(start, sum)
        b = Identity(start)
      }, else_branch = e () => (float[5] c, float[5] d) {
        c = Neg(start)
        d = Exp(c)
      }>
    }""",
    "loops in loops, and a branch within": """
    g (float[N, 5] x, float[5] start) => (float[5] last, float[N, 5] rows) {
      last, rows = Scan <num_scan_inputs = 1, body = b (float[5] s, float[5] e) => (float[5] t, float[5] r) {
        three = Constant <value_int = 3> ()
        u = Loop <body = c (int64 i, bool g, float[5] v) => (bool h, float[5] w) {
          h = Identity(g)
          v1 = Add(v, e)
          sum = ReduceSum <keepdims = 0> (v1)
          zero = Constant <value_float = 0.0> ()
          positive = Less(zero, sum)
          w = If (positive) <then_branch = t () => (float[5] a) { a = Sub(v1, s) },
                             else_branch = f () => (float[5] n) { n = Neg(v1) }>
        }> (three, , s)
        t = Tanh(u)
        r = Add(t, start)
      }> (start, x)
    }""",
}  # fmt: skip


def model(name: str) -> bytes:
    parsed = onnx.parser.parse_model(HEAD + MODELS[name])
    return bytes(parsed.SerializeToString())


def feeds(rows: int, sign: float = 1.0) -> dict[str, Any]:
    rng = np.random.default_rng(rows)
    x = rng.uniform(0, 0.5, (rows, 5)).astype(np.float32)
    return {"x": np.float32(sign) * x, "start": rng.normal(size=5).astype(np.float32)}


@pytest.mark.parametrize("rows", [1, 2, 9])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("name", MODELS)
def test_as_onnxruntime(name: str, sign: float, rows: int) -> None:
    data, fed = model(name), feeds(rows, sign)
    session = Session(data)
    want = expected(data, fed)
    assert_equal(session.run(fed), want)
    assert_equal(session.run(fed), want)  # a second run finds nothing of the first
    assert not session.needed_numpy
    assert ONE_STEP in session.explain()


@pytest.mark.parametrize("name", MODELS)
def test_as_the_references(name: str) -> None:
    data, fed = model(name), feeds(4)
    assert_equal(Session(data).run(fed), Session(data, backend="reference").run(fed))


def test_nothing_to_scan() -> None:
    data = model("a sum of rows, and every partial sum")
    fed = {"x": np.zeros((0, 5), np.float32), "start": np.arange(5, dtype=np.float32)}
    got = Session(data).run(fed)
    np.testing.assert_array_equal(got["total"], fed["start"])
    assert got["partial"].shape == (0, 5)


STAYS = {
    "a state that grows": """
    g (float[N, 5] x, float[M] start) => (float[K] last) {
      trips = Constant <value_int = 3> ()
      last = Loop <body = b (int64 i, bool c, float[P] s) => (bool d, float[Q] t) {
        d = Identity(c)
        t = Concat <axis = 0> (s, s)
      }> (trips, , start)
    }""",
    "rows of which the run shows how many": """
    g (float[N, 5] x, float[5] start) => (float[5] last, float[M, 5] rows) {
      trips = Constant <value_int = 9> ()
      begin = Constant <value = bool {1}> ()
      last, rows = Loop <body = b (int64 i, bool c, float[5] s) => (bool d, float[5] t, float[5] r) {
        two = Constant <value_int = 2> ()
        d = Less(i, two)
        t = Add(s, s)
        r = Identity(t)
      }> (trips, begin, start)
    }""",
    "branches of different shapes": """
    g (float[N, 5] x, float[5] start) => (float[K] y) {
      sum = ReduceSum <keepdims = 0> (x)
      zero = Constant <value_float = 0.0> ()
      positive = Less(zero, sum)
      y = If (positive) <then_branch = t () => (float[5] a) { a = Neg(start) },
                         else_branch = e () => (float[10] b) { b = Concat <axis = 0> (start, start) }>
    }""",
}  # fmt: skip


@pytest.mark.parametrize("name", STAYS)
def test_what_is_not_served_runs_as_before(name: str) -> None:
    data = bytes(onnx.parser.parse_model(HEAD + STAYS[name]).SerializeToString())
    session, fed = Session(data), feeds(3)
    assert_equal(session.run(fed), expected(data, fed))
    assert session.needed_numpy
