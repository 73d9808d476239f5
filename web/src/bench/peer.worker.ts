/** Benchmark runner: onnxruntime-web (WASM, one thread), called from JavaScript in the worker that holds it. */

import type * as Ort from "onnxruntime-web";
import { watchMemory } from "./memory";
import { fetchBytes, plain, serve, typedFeed, type OutputData, type TensorSpec } from "./protocol";

watchMemory();

let ort: typeof Ort;
let session: Ort.InferenceSession | undefined;
let feeds: Record<string, Ort.Tensor> = {};

async function tensors(specs: readonly TensorSpec[]): Promise<Record<string, Ort.Tensor>> {
  return Object.fromEntries(await Promise.all(specs.map(async (f) => [f.name, await tensor(f)] as const)));
}

async function tensor(spec: TensorSpec): Promise<Ort.Tensor> {
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
    feeds = await tensors(spec.feeds);
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
  async feed(specs) {
    feeds = await tensors(specs);
  },
  async close() {
    await session?.release();
    session = undefined;
    feeds = {};
  },
});
