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

import strandline
from tests.models.halves import halved, to_half
from tests.runtime.models import expected, network, table

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


def half_network() -> tuple[bytes, dict[str, Any]]:
    data, feeds = network()
    return to_half(data), halved(feeds)


@pytest.fixture(scope="module")
def answers() -> list[Any]:
    """What Pyodide makes of the models."""
    if shutil.which("node") is None or not list((ASSETS / "wheels").glob("strandline-*.whl")):
        pytest.skip("needs Node and the page's assets: run `make assets`")
    cases = [
        [base64.b64encode(data).decode(), {k: v.tolist() for k, v in feeds.items()}]
        for data, feeds in (network(), half_network(), table())
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


def test_half_precision(answers: list[Any]) -> None:
    (y, shape), dtypes, needs_numpy = answers[1]
    data, feeds = half_network()
    want = expected(data, feeds)
    np.testing.assert_allclose(y, want["y"], rtol=0, atol=2e-3)
    assert shape == want["shape"].tolist()
    assert dtypes == ["float16", "int64"] and not needs_numpy


def test_strings_and_maps(answers: list[Any]) -> None:
    (labels, scores), _, needs_numpy = answers[2]
    data, feeds = table()
    want = expected(data, feeds)
    assert labels == want["label"].tolist()
    for got, row in zip(scores, want["scores"], strict=True):
        assert got == pytest.approx(row, rel=1e-4)
    assert not needs_numpy


def test_errors_are_the_same(answers: list[Any]) -> None:
    assert answers[-1].startswith("no value was fed for input 'city', 'size'")
