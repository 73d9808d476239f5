"""The suite's cases in a page of a real Chromium: in Pyodide through `Session`, and in onnxruntime-web.

Models and values travel as pickles, outputs come back as pickles and are judged natively by the same
`suite.check` as everywhere.
"""

from __future__ import annotations

import base64
import contextlib
import json
import pickle
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

import strandline
from strandline.bench.host import static_host
from tests.ops import suite

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
ASSETS = Path(strandline.__file__).parent / "bundle/assets"
PEER = ROOT / "web/node_modules/onnxruntime-web/dist"

PYTHON = """
import pickle
from strandline import Session

def outputs(case):
    model, data = case
    session = Session(model)
    names = [info.name for info in session.inputs]
    return [list(session.run(dict(zip(names, inputs))).values()) for inputs in data]

def attempt(case):
    try:
        return outputs(case)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def run(cases):
    return pickle.dumps([attempt(case) for case in pickle.loads(cases.to_bytes())])
"""

BOOT = """async ([wheels, python]) => {
  const { loadPyodide } = await import("/pyodide/pyodide.mjs");
  const py = await loadPyodide({ indexURL: "/pyodide/" });
  for (const url of wheels) py.unpackArchive(await (await fetch(url)).arrayBuffer(), "wheel");
  py.runPython(python);
  globalThis.suite = async (url) => {
    const run = py.globals.get("run");
    const answer = run(new Uint8Array(await (await fetch(url)).arrayBuffer()));
    const view = answer.getBuffer("u8");
    let text = "";
    for (let i = 0; i < view.data.length; i += 32768)
      text += String.fromCharCode(...view.data.subarray(i, i + 32768));
    view.release();
    answer.destroy();
    return btoa(text);
  };
  return py.runPython("from strandline import core; core.isa()");
}"""

PEER_BOOT = """async () => {
  globalThis.ort = await import("/peer/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "fatal";
  const arrays = { float32: Float32Array, float64: Float64Array,
    float16: globalThis.Float16Array ?? Uint16Array, int8: Int8Array,
    uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, int32: Int32Array, uint32: Uint32Array,
    int64: BigInt64Array, uint64: BigUint64Array, bool: Uint8Array };
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const text = (data) => {
    const view = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    let out = "";
    for (let i = 0; i < view.length; i += 32768) out += String.fromCharCode(...view.subarray(i, i + 32768));
    return btoa(out);
  };
  const tensor = ({ type, dims, data }) =>
    new ort.Tensor(type, type === "string" ? data : new arrays[type](bytes(data).buffer), dims);
  const plain = ({ type, dims, data }) => ({ type, dims: [...dims], data: type === "string" ? [...data] : text(data) });
  const one = async ({ model, sets }) => {
    let session;
    try {
      session = await ort.InferenceSession.create(bytes(model), { executionProviders: ["wasm"], logSeverityLevel: 4 });
      const answers = [];
      for (const inputs of sets) {
        const given = inputs.slice(0, session.inputNames.length);
        const feeds = Object.fromEntries(given.map((value, i) => [session.inputNames[i], tensor(value)]));
        const results = await session.run(feeds);
        answers.push(session.outputNames.map((name) => plain(results[name])));
      }
      return answers;
    } catch (error) {
      return String(error);
    } finally {
      await session?.release().catch(() => {});
    }
  };
  globalThis.peer = async (url) => {
    const answers = [];
    for (const item of await (await fetch(url)).json()) answers.push(item === null ? "not a tensor" : await one(item));
    return answers;
  };
}"""

Answer = list[list[Any]] | str
"""Per set of inputs the outputs in order, or what went wrong."""


@contextlib.contextmanager
def page(browser: Browser) -> Iterator[tuple[Page, Path]]:
    """An empty page, and the folder that its host serves as `/cases/`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "index.html").write_text("<!doctype html><title>suite</title>")
        mounts = {"": folder, "cases": folder, "pyodide": ASSETS / "pyodide"}
        with static_host(mounts | {"wheels": ASSETS / "wheels", "peer": PEER}) as (url, _):
            opened = browser.new_page()
            opened.goto(url)
            yield opened, folder
            opened.close()


def ours(
    browser: Browser, cases: Sequence[suite.Case], build: str = "relaxed", batch: int = 100
) -> Iterator[Answer]:
    """What `Session` in Pyodide makes of each case; `build` names the wheel, `simd128` or `relaxed`."""
    wheels = [
        *(ASSETS / "wheels").glob(f"strandline-*-1{build}-*.whl"),
        *(ASSETS / "wheels").glob("numpy-*.whl"),
    ]
    with page(browser) as (opened, folder):
        isa = opened.evaluate(BOOT, [[f"/wheels/{wheel.name}" for wheel in wheels], PYTHON])
        assert isa.startswith(build)
        for start in range(0, len(cases), batch):
            chosen = cases[start : start + batch]
            sent = [
                (case.model, [suite.ours(list(inputs)) for inputs, _ in case.data])
                for case in chosen
            ]
            (folder / "batch").write_bytes(pickle.dumps(sent))
            yield from pickle.loads(base64.b64decode(opened.evaluate("suite('/cases/batch')")))


def peer(browser: Browser, cases: Sequence[suite.Case], batch: int = 100) -> Iterator[Answer]:
    """What onnxruntime-web's WASM provider makes of each case."""
    with page(browser) as (opened, folder):
        opened.evaluate(PEER_BOOT)
        for start in range(0, len(cases), batch):
            sent = [_for_peer(case) for case in cases[start : start + batch]]
            (folder / "batch").write_text(json.dumps(sent))
            for answer in opened.evaluate("peer('/cases/batch')"):
                yield (
                    answer
                    if isinstance(answer, str)
                    else [[_from_peer(value) for value in outputs] for outputs in answer]
                )


def _for_peer(case: suite.Case) -> dict[str, Any] | None:
    """The case as JSON; None when an input is no tensor of a type that JavaScript has."""
    try:
        sets = [[_tensor(value) for value in inputs] for inputs, _ in case.data]
    except TypeError:
        return None
    return {"model": base64.b64encode(case.model).decode(), "sets": sets}


_PEER_TYPES = {
    "bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"
}  # fmt: skip


def _tensor(value: Any) -> dict[str, Any]:
    if isinstance(value, onnx.TensorProto):
        value = onnx.numpy_helper.to_array(value)
    if not isinstance(value, np.ndarray | np.generic):
        raise TypeError
    value = np.asarray(value)
    dims = list(value.shape)
    if value.dtype.kind in "OUST":
        return {"type": "string", "dims": dims, "data": [str(v) for v in value.ravel()]}
    if value.dtype.name not in _PEER_TYPES:
        raise TypeError
    data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
    return {"type": value.dtype.name, "dims": dims, "data": data}


def _from_peer(value: dict[str, Any]) -> Any:
    if value["type"] == "string":
        return np.array(value["data"], dtype=object).reshape(value["dims"])
    if value["type"] not in _PEER_TYPES:
        return None
    return np.frombuffer(base64.b64decode(value["data"]), value["type"]).reshape(value["dims"])


def check(case: suite.Case, answer: Answer, *, values: bool = True) -> None:
    """Judge an answer; AssertionError says what is wrong with it."""
    assert not isinstance(answer, str), answer
    for got, (_, outputs) in zip(answer, case.data, strict=True):
        suite.check(case, got, outputs, values=values)
