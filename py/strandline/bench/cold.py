"""Cold start: two bare pages, one per runtime, from navigation to first prediction."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strandline.bench.results import ColdStart

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_OURS = """<!doctype html><script type="module">
import {{ load }} from "/site/strandline.js";
const model = await load("/site/");
const rows = await model.predict({rows});
if (rows.length !== 1) throw new Error("expected one prediction");
window.firstPrediction = performance.now();
</script>"""

_PEER = """<!doctype html><script type="module">
import * as ort from "/ort/ort.wasm.min.mjs";
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create("/site/model/model.onnx");
const feed = new ort.Tensor("float32", Float32Array.from({values}), [1, {width}]);
const results = await session.run({{ [session.inputNames[0]]: feed }});
if (!Object.keys(results).length) throw new Error("expected outputs");
window.firstPrediction = performance.now();
</script>"""


def write_pages(folder: Path, row: Mapping[str, float]) -> None:
    """Write `ours.html` and `peer.html`, which predict the same row."""
    values = list(row.values())
    (folder / "ours.html").write_text(_OURS.format(rows=json.dumps([dict(row)])))
    (folder / "peer.html").write_text(_PEER.format(values=json.dumps(values), width=len(values)))


def visit(browser: Browser, url: str, sent: list[str]) -> tuple[float, Sequence[Path]]:
    """One visit in a fresh context: seconds to the first prediction, files fetched until then."""
    context = browser.new_context(service_workers="block")
    try:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        before = len(sent)
        page.goto(url, wait_until="commit")
        milliseconds: Any = page.wait_for_function(
            "window.firstPrediction", timeout=60_000
        ).json_value()
        if errors:
            raise RuntimeError(f"{url}: {errors[0]}")
        return float(milliseconds) / 1000, [Path(p) for p in sent[before:]]
    finally:
        context.close()


def sizes(files: Sequence[Path]) -> dict[str, int]:
    """Bytes on the wire of these files: raw, gzip 9, brotli 11."""
    import brotli  # type: ignore[import-untyped]

    contents = [f.read_bytes() for f in files if f.is_file()]
    return {
        "files": len(contents),
        "raw": sum(map(len, contents)),
        "gzip": sum(len(gzip.compress(c, 9)) for c in contents),
        "brotli": sum(len(brotli.compress(c, quality=11)) for c in contents),
    }


def measure(browser: Browser, origin: str, sent: list[str], visits: int) -> list[ColdStart]:
    """Visit both pages in turn, `visits` times over."""
    pages = {"strandline": "ours.html", "onnxruntime-web": "peer.html"}
    seconds: dict[str, list[float]] = {name: [] for name in pages}
    files: dict[str, Sequence[Path]] = {}
    for _ in range(visits):
        for name, page in pages.items():
            elapsed, files[name] = visit(browser, origin + page, sent)
            seconds[name].append(elapsed)
    return [ColdStart(name, tuple(seconds[name]), **sizes(files[name])) for name in pages]
