"""The notebook cell of docs/onnxruntime.md, run in Pyodide in a real Chromium by a real micropip."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import fixtures
import pytest
from playwright.sync_api import Browser

import strandline
from strandline.bench.host import static_host
from tests.onnxruntime.test_api import doubled

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
ASSETS = Path(strandline.__file__).parent / "bundle/assets"

RUN = """async ([archives, cell, model]) => {
  const { loadPyodide } = await import("/pyodide/pyodide.mjs");
  const py = await loadPyodide({ indexURL: "/pyodide/" });
  for (const url of archives) py.unpackArchive(await (await fetch(url)).arrayBuffer(), "zip", { extractDir: SITE });
  py.globals.set("model", py.toPy(new Uint8Array(model)));
  await py.runPythonAsync("model = bytes(model)");
  await py.runPythonAsync(cell);
  return py.runPython("[y.tolist(), str(y.dtype), session.get_outputs()[0].type].__repr__()");
}""".replace("SITE", '"/lib/python3.14/site-packages"')


def cell() -> str:
    """The first block of Python in the page."""
    found = re.search(
        r"```python\n(.*?)```", (ROOT / "docs/onnxruntime.md").read_text("utf-8"), re.DOTALL
    )
    assert found is not None
    return found[1]


def test_cell(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>notebook</title>")
    for name in ("micropip", "packaging"):
        shutil.make_archive(str(tmp_path / name), "zip", fixtures.folder(name))
    numpy = next((ASSETS / "wheels").glob("numpy-*.whl"))
    mounts = {
        "": tmp_path,
        "zips": tmp_path,
        "pyodide": ASSETS / "pyodide",
        "wheels": ASSETS / "wheels",
    }
    with static_host(mounts) as (url, sent):
        page = browser.new_page()
        page.goto(url)
        text = cell()
        host = re.search(r"https://\S+/(?=strandline-)", text)
        assert host is not None
        text = text.replace(host[0], f"{url}wheels/").replace(
            '"numpy"', f'"{url}wheels/{numpy.name}"'
        )
        archives = ["/zips/micropip.zip", "/zips/packaging.zip"]
        answer = page.evaluate(RUN, [archives, text, list(doubled())])
        page.close()
    assert answer == "[[[0.0, 0.0]], 'float32', 'tensor(float)']"
    assert any("strandline-" in name for name in sent)
