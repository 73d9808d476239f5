/** Benchmark runner: onnxruntime-web (WASM, one thread), called from JavaScript in the worker that holds it. */

import type * as Ort from "onnxruntime-web";
import { fetchBytes, plain, serve, typedFeed, type CaseSpec, type OutputData } from "./protocol";

let ort: typeof Ort;
let session: Ort.InferenceSession | undefined;
let feeds: Record<string, Ort.Tensor> = {};

async function tensor(spec: CaseSpec["feeds"][number]): Promise<Ort.Tensor> {
  const { data, dims } = typedFeed(spec, await fetchBytes(spec.url));
  if (Array.isArray(data)) return new ort.Tensor("string", data, dims);
  return new ort.Tensor(spec.dtype as Ort.Tensor.Type, data as Float32Array, dims);
}

function current(): Ort.InferenceSession {
  if (!session) throw new Error("no case is open");
  return session;
}

serve({
  async boot({ ort: url = "" }) {
    ort = (await import(/* @vite-ignore */ url)) as typeof Ort;
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = "error";
    return ort.env.versions.web;
  },
  async open(spec) {
    const model = new Uint8Array(await fetchBytes(spec.model));
    feeds = Object.fromEntries(await Promise.all(spec.feeds.map(async (f) => [f.name, await tensor(f)] as const)));
    const started = performance.now();
    session = await ort.InferenceSession.create(model, {
      executionProviders: ["wasm"],
      graphOptimizationLevel: "all",
    });
    return (performance.now() - started) / 1000;
  },
  async time(calls) {
    const held = current();
    const started = performance.now();
    for (let i = 0; i < calls; i++) await held.run(feeds);
    return (performance.now() - started) / 1000;
  },
  async outputs() {
    const held = current();
    const results = await held.run(feeds);
    // Not the object's own order, which puts names that look like numbers first.
    return held.outputNames.map((name): OutputData => {
      const value = results[name];
      if (!value) throw new Error(`no output ${name}`);
      return { name, shape: [...value.dims], values: plain(value.data as ArrayLike<number | bigint | string>) };
    });
  },
  async close() {
    await session?.release();
    session = undefined;
    feeds = {};
  },
});
