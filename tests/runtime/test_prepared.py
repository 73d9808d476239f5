"""Prepared calls and JavaScript's door, against ordinary runs and native onnxruntime."""

from __future__ import annotations

import ctypes
import json
from typing import Any

import numpy as np
import pytest
from onnx import helper

from strandline.onnx.types import TensorType, float32, float64
from strandline.runtime import Session, door
from strandline.runtime.feeds import FeedError
from strandline.runtime.prepared import NotPreparedError, Prepared
from tests.runtime.models import assert_close, expected, model, network, table, tensor


def two_layers() -> bytes:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "v"], ["y"]),
    ]
    weights = {"w": rng.random((3, 5), np.float32) - 0.5, "v": rng.random((5, 2), np.float32)}
    return model(nodes, [tensor("x", shape=["N", 3])], [tensor("y", shape=["N", 2])], weights)


def rows(n: int) -> Any:
    return np.random.default_rng(n).standard_normal((n, 3)).astype(np.float32)


def fill(prepared: Prepared, name: str, array: Any) -> None:
    memoryview(prepared.inputs[name]).cast("B")[:] = array.tobytes()


@pytest.mark.parametrize("n", [1, 7])
def test_equals_a_run_every_time(n: int) -> None:
    data = two_layers()
    prepared = Session(data).prepare([TensorType(float32, (n, 3))])
    for shift in (0, 1):
        feeds = {"x": rows(n) + shift}
        fill(prepared, "x", feeds["x"])
        prepared.run()
        got = {name: np.array(value) for name, value in prepared.results().items()}
        assert_close(got, expected(data, feeds))


def test_a_session_outlives_and_is_outlived() -> None:
    prepared = Session(two_layers()).prepare()
    fill(prepared, "x", rows(1))
    prepared.run()
    want = expected(two_layers(), {"x": rows(1)})
    np.testing.assert_allclose(np.array(prepared.results()["y"]), want["y"], rtol=1e-4)


def test_what_cannot_be_prepared() -> None:
    session = Session(two_layers())
    with pytest.raises(FeedError, match=r"shape \[N, 3\], but got \[2, 4\]"):
        session.prepare([TensorType(float32, (2, 4))])
    with pytest.raises(FeedError, match="expects float32, but got float64"):
        session.prepare([TensorType(float64, (2, 3))])
    with pytest.raises(NotPreparedError, match="more than one call"):
        Session(two_layers(), backend="reference").prepare()
    assert door.prepare(Session(unique()), json.dumps([{"dtype": "int64", "shape": [4]}])) is None


def unique() -> bytes:
    """An output whose shape only a run shows."""
    nodes = [helper.make_node("Unique", ["x"], ["y"])]
    return model(nodes, [tensor("x", "int64", ["N"])], [tensor("y", "int64", ["M"])])


def test_the_door_describes_where_everything_is() -> None:
    data = two_layers()
    session = Session(data)
    assert json.loads(door.inputs(session)) == [
        {"name": "x", "dtype": "float32", "shape": [None, 3]}
    ]
    prepared = door.prepare(session, json.dumps([{"dtype": "float32", "shape": [2, 3]}]))
    assert prepared is not None
    call = json.loads(door.addresses(prepared))
    assert call["inputs"] == [{"name": "x", "dtype": "float32", "shape": [2, 3]}]
    assert call["results"] == [{"name": "y", "from": 0, "labels": None}]
    assert call["texts"] is None
    feed = rows(2)
    ctypes.memmove(call["places"]["inputs"][0], feed.tobytes(), feed.nbytes)
    entry = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(call["entry"])
    assert entry(call["address"]) == 1
    made = np.frombuffer(ctypes.string_at(call["places"]["outputs"][0], 16), np.float32)
    np.testing.assert_allclose(made.reshape(2, 2), expected(data, {"x": feed})["y"], rtol=1e-4)


def test_strings_are_codes_and_maps_have_labels() -> None:
    data, feeds = table()
    prepared = Session(data).prepare()
    call = prepared.describe()
    codes = {text: code for code, text in enumerate(call["texts"])}
    assert [r["labels"] for r in call["results"]] == [None, ["no", "yes"]]
    want = expected(data, feeds)
    for i, (city, size) in enumerate(zip(feeds["city"], feeds["size"], strict=True)):
        fill(prepared, "city", np.array([codes.get(city[0], -1)], np.int32))
        fill(prepared, "size", size)
        prepared.run()
        label, scores = prepared.results().values()
        assert label == [want["label"][i]]
        assert scores[0] == pytest.approx(want["scores"][i], rel=1e-4)


def test_the_door_runs_any_plan() -> None:
    (name, dtype, shape, data), *others = door.run(
        Session(unique()), json.dumps([{"dtype": "int64", "shape": [4]}]), [np.array([3, 1, 3, 2])]
    )
    assert (name, dtype, shape) == ("y", "int64", [3]) and not others
    assert np.frombuffer(data, np.int64).tolist() == [1, 2, 3]
    model_, feeds = table()
    types = [{"dtype": "string", "shape": [3, 1]}, {"dtype": "float32", "shape": [3, 1]}]
    cities = json.dumps(feeds["city"].ravel().tolist())
    label, scores = door.run(Session(model_), json.dumps(types), [cities, feeds["size"]])
    want = expected(model_, feeds)
    assert label[:3] == ("label", None, None) and json.loads(label[3]) == want["label"].tolist()
    for got, row in zip(json.loads(scores[3]), want["scores"], strict=True):
        assert got == pytest.approx(row, rel=1e-4)


def test_a_constant_output_is_there_too() -> None:
    data, feeds = network()
    session = Session(data)
    answers = door.run(
        session, json.dumps([{"dtype": "float32", "shape": [2, 3, 8, 8]}]), [feeds["x"]]
    )
    want = expected(data, feeds)
    got = {n: np.frombuffer(b, d).reshape(s) for n, d, s, b in answers}
    assert_close(got, want)
