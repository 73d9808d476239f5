"""Cold start: bare pages, one per runtime and model, from navigation to first prediction."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from strandline.bench.cases import FEATURES, SEED, tabular
from strandline.bench.results import ColdStart

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_FEED = """const bytes = await (await fetch("/{feed}")).arrayBuffer();
const values = new Float32Array(bytes);"""

_OURS = """<!doctype html><script type="module">
import {{ load }} from "/{site}/strandline.js";
window.phases = {{}};
const onProgress = ({{ stage }}) => (phases[stage] ??= performance.now());
const opened = load("/{site}/", {{ onProgress }});
{feed}
const model = await opened;
window.loaded = performance.now();
{predict}
window.firstPrediction = performance.now();
</script>"""

_ROW = """const rows = await model.predict([Object.fromEntries(Array.from(values, (v, i) => [`x${i}`, v]))]);
if (rows.length !== 1) throw new Error("expected one prediction");"""

_TENSOR = """const results = await model.run({{ {name}: {{ data: values, dims: {dims} }} }});
if (Object.keys(results).length === 0) throw new Error("expected outputs");"""

_PEER = """<!doctype html><script type="module">
import * as ort from "/ort/ort.wasm.min.mjs";
ort.env.wasm.numThreads = 1;
const opened = ort.InferenceSession.create("/{site}/model/model.onnx");
{feed}
const session = await opened;
window.loaded = performance.now();
const results = await session.run({{ [session.inputNames[0]]: new ort.Tensor("float32", values, {dims}) }});
if (!Object.keys(results).length) throw new Error("expected outputs");
window.firstPrediction = performance.now();
</script>"""

# A site predicts rows; a network's are made into an image here. The page feeds the model itself.
_IMAGE = """from array import array

def before(columns):
    pixels = array("f", [columns["brightness"][0]]) * {size}
    return {{"{name}": memoryview(pixels).cast("B").cast("f", {dims})}}

def after(outputs, columns):
    scores = outputs["{output}"]
    while len(scores) == 1 or isinstance(scores[0][0], list):
        scores = scores[0] if len(scores) == 1 else [row[0] for row in scores]
    return {{"class": [str(scores.index(max(scores)))]}}
"""


@dataclass(frozen=True, slots=True)
class Page:
    """A model as a packed site below the host's root, and its pages."""

    case: str
    urls: Mapping[str, str]
    """By runtime."""


def write_pages(root: Path) -> list[Page]:
    """The tabular case and SqueezeNet, as sites and pages that predict the same inputs."""
    return [_tabular(root), _network(root)]


def _tabular(root: Path) -> Page:
    from strandline.bundle.pack import pack

    case = next(tabular([1], lambda name: True))
    (root / "tabular.onnx").write_bytes(case.model)
    rows = np.random.default_rng(SEED).standard_normal((500, FEATURES)).astype(np.float32)
    lines = [
        ",".join(f"x{i}" for i in range(FEATURES)),
        *(",".join(map(str, r)) for r in rows.tolist()),
    ]
    (root / "tabular.csv").write_text("\n".join(lines) + "\n")
    pack(root / "tabular.onnx", root / "tabular.csv", root / "tabular", name="tabular", version="1")
    return _pages(root, "tabular", case.name.partition(",")[0], rows[:1], _ROW)


def _network(root: Path) -> Page:
    from strandline.bench.networks import networks
    from strandline.bundle.pack import pack
    from strandline.onnx import read

    model, feeds, _ = networks()["SqueezeNet"]()
    ((name, image),) = feeds.items()
    (root / "network.onnx").write_bytes(_since_ir_4(model))
    (root / "network.csv").write_text("brightness\n0.1\n0.5\n0.9\n")
    output = read(model).outputs[0].name
    code = _IMAGE.format(name=name, size=image.size, dims=image.shape, output=output)
    (root / "network.py").write_text(code)
    pack(
        root / "network.onnx",
        root / "network.csv",
        root / "network",
        name="network",
        version="1",
        preprocess=root / "network.py",
    )
    predict = _TENSOR.format(name=name, dims=list(image.shape))
    return _pages(root, "network", "SqueezeNet", image, predict)


def _since_ir_4(model: bytes) -> bytes:
    """The model in a version of the format in which initializers need not be inputs as well; `pack` checks that."""
    import onnx

    proto = onnx.load_from_string(model)
    proto.ir_version = max(proto.ir_version, 4)
    data: bytes = proto.SerializeToString()
    return data


def _pages(root: Path, site: str, case: str, feed: Any, predict: str) -> Page:
    (root / f"{site}.bin").write_bytes(feed.tobytes())
    known = {"site": site, "feed": _FEED.format(feed=f"{site}.bin"), "dims": list(feed.shape)}
    urls = {"strandline": f"{site}-ours.html", "onnxruntime-web": f"{site}-peer.html"}
    (root / urls["strandline"]).write_text(_OURS.format(**known, predict=predict))
    (root / urls["onnxruntime-web"]).write_text(_PEER.format(**known))
    return Page(case, urls)


@dataclass(frozen=True, slots=True)
class Visit:
    """Seconds to the first prediction; milliseconds at which our phases began; files fetched until then."""

    seconds: float
    phases: Mapping[str, float]
    files: Sequence[Path]


def visit(browser: Browser, url: str, sent: list[str]) -> Visit:
    """One visit in a fresh context."""
    context = browser.new_context(service_workers="block")
    try:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        before = len(sent)
        page.goto(url, wait_until="commit")
        found: Any = page.wait_for_function(
            "window.firstPrediction && { first: firstPrediction, loaded, phases: window.phases ?? {} }",
            timeout=60_000,
        ).json_value()
        if errors:
            raise RuntimeError(f"{url}: {errors[0]}")
        phases = {**found["phases"], "loaded": found["loaded"]}
        return Visit(found["first"] / 1000, phases, [Path(p) for p in sent[before:]])
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


def measure(
    browser: Browser, origin: str, sent: list[str], pages: Sequence[Page], visits: int
) -> list[ColdStart]:
    """Visit the runtimes' pages of each case in turn, `visits` times over."""
    results = []
    for page in pages:
        made: dict[str, list[Visit]] = {name: [] for name in page.urls}
        for _ in range(visits):
            for name, url in page.urls.items():
                made[name].append(visit(browser, origin + url, sent))
        for name, seen in made.items():
            seconds = tuple(v.seconds for v in seen)
            middle = sorted(seen, key=lambda v: v.seconds)[len(seen) // 2]
            about = ColdStart(name, page.case, seconds, middle.phases, **sizes(seen[-1].files))
            results.append(about)
    return results
