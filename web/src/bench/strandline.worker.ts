/**
 * Benchmark runner: a Session in Pyodide, called in the worker that holds the runtime: from Python, or (`from: "js"`) by
 * prepared calls from JavaScript.
 */

import type { PyodideInterface } from "pyodide";
import type { PyProxy } from "pyodide/ffi";
import { PythonModel } from "../engine/python";
import type { Feeds } from "../engine/tensor";
import { watchMemory } from "./memory";
import { fetchBytes, plain, serve, typedFeed, type CaseSpec, type OutputData, type TensorSpec } from "./protocol";

const PYTHON = `
import json
from time import perf_counter
from strandline.core import Tensor, call
from strandline.onnx.types import BY_NAME, TensorType
from strandline.runtime import Session
from strandline.runtime.door import Held

def _tensor(spec, data):
    if spec["dtype"] == "string":
        flat = json.loads(bytes(data))
        rows, columns = spec["shape"]
        return [flat[r * columns:(r + 1) * columns] for r in range(rows)]
    tensor = Tensor(BY_NAME[spec["dtype"]].format, spec["shape"])
    memoryview(tensor).cast("B")[:] = data
    return tensor

class Case:
    def __init__(self, model):
        started = perf_counter()
        self.session = Session(Held(model))
        self.created = perf_counter() - started

    def feed(self, specs, buffers):
        self.specs = {s["name"]: s for s in json.loads(specs)}
        self.feeds = {n: _tensor(s, b) for (n, s), b in zip(self.specs.items(), buffers, strict=True)}

    def plan(self):
        given = [self.specs[info.name] for info in self.session.inputs]
        types = [TensorType(BY_NAME[s["dtype"]], tuple(s["shape"])) for s in given]
        started = perf_counter()
        self.session.needs_numpy(types)  # which asks the plan
        return perf_counter() - started

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

def open_case(model):
    global case
    case = Case(model)
    return case.created

def feed(specs, buffers):
    case.feed(specs, [memoryview(b.to_py()).cast("B") for b in buffers])
`;

watchMemory();

let pyodide: PyodideInterface;
let fromJs = false;
let model: PythonModel | undefined;
let feeds: Feeds = {};
const call = (name: string): PyProxy & ((...args: unknown[]) => unknown) => pyodide.globals.get(name);

async function feed(specs: TensorSpec[]): Promise<void> {
  const buffers = await Promise.all(specs.map(({ url }) => fetchBytes(url)));
  feeds = Object.fromEntries(specs.map((spec, i) => [spec.name, typedFeed(spec, buffers[i] as ArrayBuffer)]));
  call("feed")(JSON.stringify(specs), buffers.map((buffer) => new Uint8Array(buffer)));
}

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
    const created = call("open_case")(new Uint8Array(await fetchBytes(spec.model))) as number;
    await feed(spec.feeds);
    if (fromJs) model = new PythonModel(pyodide, pyodide.runPython("case.session") as PyProxy);
    return created;
  },
  feed,
  plan: () => pyodide.runPython("case.plan()") as number,
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
  blocks: () => pyodide.runPython("import gc, sys; gc.collect(); sys.getallocatedblocks()") as number,
  close() {
    model?.close();
    model = undefined;
    pyodide.runPython("case = None");
  },
});
