"""A session in Chromium that runs a thousand times holds no more memory than before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from strandline.bench.browser import InBrowser, chromium, write_case
from strandline.bench.host import static_host
from strandline.bundle.site import ASSETS
from tests.runtime.models import model, tensor

pytestmark = pytest.mark.browser

SLACK = 50
"""Blocks of the interpreter's own that come and go."""


@pytest.mark.parametrize("language", ["python", "js"])
def test_the_heap_stays_flat(language: str, tmp_path: Path) -> None:
    if not (ASSETS / "web").is_dir():
        pytest.skip("needs the page's assets: run `make assets`")
    rng = np.random.default_rng(0)
    weights = {"w": rng.random((64, 256), np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Softmax", ["h"], ["y"]),
    ]
    data = model(nodes, [tensor("x", shape=["N", 64])], [tensor("y", shape=["N", 256])], weights)
    (tmp_path / "cases").mkdir()
    mounts = {
        "": tmp_path,
        "bench": ASSETS / "web",
        "cases": tmp_path / "cases",
        "pyodide": ASSETS / "pyodide",
        "wheels": ASSETS / "wheels",
    }
    (wheel,) = (ASSETS / "wheels").glob("strandline-*simd128-*.whl")
    with static_host(mounts) as (origin, _), chromium() as browser:
        page = browser.new_page()
        page.goto(f"{origin}bench/bench.html")
        page.wait_for_function("window.bench")
        runner = InBrowser("flat", page)
        urls = {"pyodide": f"{origin}pyodide/", "wheel": f"{origin}wheels/{wheel.name}"}
        runner.boot("strandline", {**urls, "from": language})
        x = rng.random((100, 64), np.float32)
        runner.open(write_case(tmp_path / "cases" / "flat", data, {"x": x}))
        runner.time(100)
        before = runner.memory()
        runner.time(1000)
        after = runner.memory()
        assert after["bytes"] == before["bytes"]
        assert abs(after["blocks"] - before["blocks"]) <= SLACK
