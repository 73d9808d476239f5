"""Networks as converters write them in float16: wholly in the core, and what native onnxruntime gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from strandline import Session
from strandline.bench.networks import networks
from strandline.bundle.optimize import optimize
from strandline.onnx.types import BY_NAME, TensorType
from tests.models.halves import halved, to_half

RNG = np.random.default_rng(3)


def expected(model: bytes, feeds: dict[str, Any]) -> list[Any]:
    """onnxruntime's outputs as the file says, since what its optimiser folds is rounded to float16."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))


def check(model: bytes, feeds: dict[str, Any]) -> None:
    """Types and shapes are the same, numbers within a few roundings of the largest, and NumPy is not
    needed."""
    session = Session(model)
    arrays = [np.asarray(feeds[info.name]) for info in session.inputs]
    assert not session.needs_numpy([TensorType(BY_NAME[str(a.dtype)], a.shape) for a in arrays])
    for got, want in zip(session.run(feeds).values(), expected(model, feeds), strict=True):
        assert got.dtype == want.dtype and got.shape == want.shape
        if want.dtype.kind == "f":
            scale = float(np.abs(want).max(initial=0))
            np.testing.assert_allclose(got, want, rtol=0, atol=4e-3 * scale)
        else:
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("kept", [True, False], ids=["io float32", "io float16"])
@pytest.mark.parametrize(
    "name",
    [
        "SqueezeNet",
        "ShuffleNet",
        "PP-OCR direction, 192x48",
        "PP-OCR recognition, 320x48",
        "MiniLM-L3, 128 tokens",
    ],
)
def test_networks(name: str, kept: bool) -> None:
    model, feeds, _ = networks()[name]()
    check(to_half(model, keep_io_types=kept), dict(feeds) if kept else halved(feeds))


def test_what_optimize_writes() -> None:
    model, feeds, _ = networks()["PP-OCR direction, 192x48"]()
    check(optimize(model, "fp16").data, dict(feeds))


@pytest.mark.parametrize("op", ["GRU", "LSTM", "RNN"])
def test_recurrent_layers(op: str) -> None:
    gates = {"GRU": 3, "LSTM": 4, "RNN": 1}[op]
    shapes = {"W": (1, gates * 6, 5), "R": (1, gates * 6, 6), "B": (1, gates * 12)}
    outputs = {"y": ["T", 1, 2, 6], "h": [1, 2, 6]} | ({"c": [1, 2, 6]} if op == "LSTM" else {})
    node = helper.make_node(op, ["x", "W", "R", "B"], list(outputs), hidden_size=6)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", 2, 5])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [
            numpy_helper.from_array(RNG.normal(0, 0.3, shape).astype(np.float32), name)
            for name, shape in shapes.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    feeds = {"x": RNG.standard_normal((7, 2, 5)).astype(np.float32)}
    check(to_half(model.SerializeToString()), halved(feeds))
