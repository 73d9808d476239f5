/**
 * Benchmark runner: a Session in Pyodide, called in the worker that holds the runtime: from Python, or (`from: "js"`) by
 * prepared calls from JavaScript.
 */

import type { PyodideInterface } from "pyodide";
import type { PyProxy } from "pyodide/ffi";
import { PythonModel } from "../engine/python";
import type { Feeds } from "../engine/tensor";
import { fetchBytes, plain, serve, typedFeed, type CaseSpec, type OutputData } from "./protocol";

const PYTHON = `
import json
from time import perf_counter
from strandline.core import Tensor, call
from strandline.onnx.types import BY_NAME
from strandline.runtime import Session

def _tensor(spec, data):
    if spec["dtype"] == "string":
        flat = json.loads(bytes(data))
        rows, columns = spec["shape"]
        return [flat[r * columns:(r + 1) * columns] for r in range(rows)]
    tensor = Tensor(BY_NAME[spec["dtype"]].format, spec["shape"])
    memoryview(tensor).cast("B")[:] = data
    return tensor

class Case:
    def __init__(self, model, specs, buffers):
        started = perf_counter()
        self.session = Session(model)
        self.created = perf_counter() - started
        self.feeds = {s["name"]: _tensor(s, b) for s, b in zip(json.loads(specs), buffers, strict=True)}

    def time(self, calls):
        run, feeds = self.session.run, self.feeds
        started = perf_counter()
        for _ in range(calls):
            run(feeds)
        return perf_counter() - started

    def outputs(self):
        def plain(value):
            if isinstance(value, list):
                return [plain(v) for v in value]
            if isinstance(value, dict):
                return {str(k): plain(v) for k, v in value.items()}
            if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
                return str(value)
            return value
        def flat(value):
            for item in value:
                if isinstance(item, list):
                    yield from flat(item)
                elif isinstance(item, dict):
                    yield from item.values()
                else:
                    yield item
        result = []
        for name, value in self.session.run(self.feeds).items():
            values = value.tolist() if hasattr(value, "tolist") else value
            values = plain(values)
            items = list(flat(values)) if isinstance(values, list) else [values]
            result.append({"name": name, "shape": list(getattr(value, "shape", [len(items)])), "values": items})
        return json.dumps(result)

class Loop:
    def __init__(self, rounds):
        self.rounds, self.sums = rounds, Tensor("f", (16,))

    def time(self, calls):
        started = perf_counter()
        call("fma_peak_f32", (), (self.sums,), self.rounds * calls)
        return perf_counter() - started

class MatMul:
    def __init__(self, m, n, k):
        import numpy as np
        rng = np.random.default_rng(0)
        self.a, self.b = (rng.standard_normal(shape, np.float32) for shape in ((m, k), (k, n)))

    def time(self, calls):
        started = perf_counter()
        for _ in range(calls):
            self.a @ self.b
        return perf_counter() - started

case = None
def open_special(loop, matmul):
    global case
    case = MatMul(*matmul) if matmul else Loop(loop)
    return 0.0

def open_case(model, specs, buffers):
    global case
    case = Case(bytes(model.to_py()), specs, [memoryview(b.to_py()).cast("B") for b in buffers])
    return case.created
`;

let pyodide: PyodideInterface;
let fromJs = false;
let model: PythonModel | undefined;
let feeds: Feeds = {};
const call = (name: string): PyProxy & ((...args: unknown[]) => unknown) => pyodide.globals.get(name);

serve({
  async boot({ pyodide: indexURL = "", wheel = "", numpy = "", from = "python" }) {
    fromJs = from === "js";
    const { loadPyodide } = (await import(/* @vite-ignore */ `${indexURL}pyodide.mjs`)) as {
      loadPyodide: (options: object) => Promise<PyodideInterface>;
    };
    pyodide = await loadPyodide({ indexURL });
    for (const url of [wheel, numpy]) {
      if (url) pyodide.unpackArchive(await fetchBytes(url), "wheel");
    }
    pyodide.runPython(PYTHON);
    return pyodide.runPython("from strandline import core; core.isa()");
  },
  async open(spec: CaseSpec) {
    if (spec.loop !== undefined || spec.matmul) {
      return call("open_special")(spec.loop ?? 0, spec.matmul ?? []) as number;
    }
    const bytes = new Uint8Array(await fetchBytes(spec.model));
    const buffers = await Promise.all(spec.feeds.map(async (f) => new Uint8Array(await fetchBytes(f.url))));
    const created = call("open_case")(bytes, JSON.stringify(spec.feeds), buffers) as number;
    if (fromJs) {
      model = new PythonModel(pyodide, pyodide.runPython("case.session") as PyProxy);
      feeds = Object.fromEntries(spec.feeds.map((f, i) => [f.name, typedFeed(f, (buffers[i] as Uint8Array<ArrayBuffer>).buffer)]));
    }
    return created;
  },
  time(calls) {
    if (model === undefined) return pyodide.runPython(`case.time(${calls})`) as number;
    const started = performance.now();
    for (let i = 0; i < calls; i++) model.run(feeds);
    return (performance.now() - started) / 1000;
  },
  outputs() {
    if (model === undefined) return JSON.parse(pyodide.runPython("case.outputs()") as string) as OutputData[];
    const results = model.run(feeds);
    return model.outputs.map((name): OutputData => {
      const value = results[name];
      if (value === undefined) throw new Error(`no output ${name}`);
      if (!Array.isArray(value)) return { name, shape: [...value.dims], values: plain(value.data) };
      const scores = value.flatMap((row) => Object.values(row as Record<string, number>));
      return { name, shape: [scores.length], values: plain(scores) };
    });
  },
  memory: () => ({
    bytes: (pyodide as unknown as { _module: { memory: WebAssembly.Memory } })._module.memory.buffer.byteLength,
    blocks: pyodide.runPython("import gc, sys; gc.collect(); sys.getallocatedblocks()") as number,
  }),
  close() {
    model?.close();
    model = undefined;
    pyodide.runPython("case = None");
  },
});
