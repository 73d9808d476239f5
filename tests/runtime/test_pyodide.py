"""The same files in Pyodide, where NumPy is not installed, against native onnxruntime."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import strandline
from tests.runtime.models import expected, model, tensor

ROOT = Path(__file__).parents[2]
ASSETS = Path(strandline.__file__).parent / "bundle" / "assets"

SCRIPT = """
import base64, importlib.util, json
from strandline import FeedError, Session

def plain(value):
    return value if isinstance(value, list) else value.tolist()

results = []
for data, feeds in json.loads(CASES):
    session = Session(base64.b64decode(data))
    for _ in range(2):  # the second run takes the short way
        got = session.run(feeds)
    values = [plain(value) for value in got.values()]
    dtypes = [getattr(value, "dtype", None) for value in got.values()]
    results.append([values, dtypes, session.needs_numpy()])
try:
    session.run({})
except FeedError as error:
    results.append(str(error))
assert importlib.util.find_spec("numpy") is None
json.dumps(results)
"""


def node(*args: Any, **kwargs: Any) -> Any:
    return helper.make_node(*args, **kwargs)


def network() -> tuple[bytes, dict[str, Any]]:
    """Convolution, normalisation, activation, concatenation, shape arithmetic, a product."""
    rng = np.random.default_rng(3)

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    nodes = [
        node("Conv", ["x", "w1"], ["c"], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"]),
        node("Relu", ["n"], ["r"]),
        node("Sigmoid", ["n"], ["g"]),
        node("Concat", ["r", "g"], ["both"], axis=1),
        node("MaxPool", ["both"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", ["p"], ["shape"]),
        node("Gather", ["shape", "zero"], ["rows"]),
        node("Concat", ["rows", "rest"], ["flat"], axis=0),
        node("Reshape", ["p", "flat"], ["f"]),
        node("MatMul", ["f", "w2"], ["l"]),
        node("Softmax", ["l"], ["y"]),
    ]
    constants = {
        "w1": normal(4, 3, 3, 3), "s": normal(4), "b": normal(4), "m": normal(4),
        "v": normal(4) ** 2 + 0.5, "zero": np.array([0]), "rest": np.array([-1]),
        "w2": normal(8 * 16, 5) / 10,
    }  # fmt: skip
    outputs = [tensor("y"), tensor("shape", "int64")]
    data = model(nodes, [tensor("x", shape=["N", 3, 8, 8])], outputs, constants)
    return data, {"x": normal(2, 3, 8, 8)}


def table() -> tuple[bytes, dict[str, Any]]:
    """Strings and numbers, a linear classifier, a dict per row."""
    ml = {"domain": "ai.onnx.ml"}
    nodes = [
        node("OneHotEncoder", ["city"], ["hot"], cats_strings=["Bern", "Köln", ""], zeros=1, **ml),
        node("Reshape", ["hot", "shape"], ["h"]),
        node("Concat", ["h", "size"], ["f"], axis=1),
        node(
            "LinearClassifier", ["f"], ["label", "raw"], **ml,
            coefficients=[0.5, -1.0, 0.25, 1.0, -0.5, 1.0, -0.25, -1.0], intercepts=[0.1, -0.1],
            classlabels_strings=["no", "yes"], post_transform="SOFTMAX",
        ),
        node("ZipMap", ["raw"], ["scores"], classlabels_strings=["no", "yes"], **ml),
    ]  # fmt: skip
    score = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    row = helper.make_map_type_proto(TensorProto.STRING, score)
    scores = helper.make_value_info("scores", helper.make_sequence_type_proto(row))
    inputs = [tensor("city", "string", ["N", 1]), tensor("size", shape=["N", 1])]
    outputs = [tensor("label", "string"), scores]
    data = model(nodes, inputs, outputs, {"shape": np.array([-1, 3])})
    cities = np.array([["Bern"], ["Paris"], [""]], object)
    return data, {"city": cities, "size": np.array([[0.5], [2], [-1]], np.float32)}


@pytest.fixture(scope="module")
def answers() -> list[Any]:
    """What Pyodide makes of both models."""
    if shutil.which("node") is None or not list((ASSETS / "wheels").glob("strandline-*.whl")):
        pytest.skip("needs Node and the page's assets: run `make assets`")
    cases = [
        [base64.b64encode(data).decode(), {k: v.tolist() for k, v in feeds.items()}]
        for data, feeds in (network(), table())
    ]
    wheel = next((ASSETS / "wheels").glob("strandline-*simd128-*.whl"))
    script = f"CASES = {json.dumps(cases)!r}\n{SCRIPT}"
    runner, runtime = ROOT / "build" / "import_check.mjs", ASSETS / "pyodide"
    command = ["node", str(runner), str(runtime), script, str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_networks(answers: list[Any]) -> None:
    (y, shape), dtypes, needs_numpy = answers[0]
    data, feeds = network()
    want = expected(data, feeds)
    np.testing.assert_allclose(y, want["y"], rtol=1e-4, atol=1e-6)
    assert shape == want["shape"].tolist()
    assert dtypes == ["float32", "int64"] and not needs_numpy


def test_strings_and_maps(answers: list[Any]) -> None:
    (labels, scores), _, needs_numpy = answers[1]
    data, feeds = table()
    want = expected(data, feeds)
    assert labels == want["label"].tolist()
    for got, row in zip(scores, want["scores"], strict=True):
        assert got == pytest.approx(row, rel=1e-4)
    assert not needs_numpy


def test_errors_are_the_same(answers: list[Any]) -> None:
    assert answers[2].startswith("no value was fed for input 'city', 'size'")
