/**
 * The worker of the first seconds: a packed plan in the core without Python. What it does not understand it answers with null, and
 * its failures are nobody's: Python is on its way. It counts nothing; the page gives every row to Python too.
 */

import { type PreparedCall } from "../engine/call";
import { predictRow } from "../engine/rows";
import { openPlan } from "../engine/standalone";
import { type Feeds, type Results, fed } from "../engine/tensor";
import { type EarlyCalls, type FromWorker, type Request, idOf, toFailure } from "../messages";
import { sha256 } from "../site/hash";
import { type Manifest, earlyFiles, parseManifest } from "../site/manifest";
import { Files, fetchManifest } from "./files";
import { detectSimd } from "./simd";

let manifest: Manifest;
let call: PreparedCall | null = null;

async function open(site: string): Promise<Manifest | null> {
  const bytes = await fetchManifest(site);
  manifest = parseManifest(new TextDecoder().decode(bytes));
  const early = earlyFiles(manifest, detectSimd());
  if (early === null) return null;
  const files = new Files(site, manifest, await sha256(bytes), "high");
  files.prefetch([early.core, early.plan]);
  const module = files.get(early.core).then((code) => WebAssembly.compile(code));
  call = await openPlan(await files.get(early.plan), await module);
  return manifest;
}

function run(feeds: Feeds): Results | null {
  if (call === null) return null;
  const { inputs } = call.spec;
  if (Object.keys(feeds).length !== inputs.length) return null;
  const tensors = inputs.map((info) => fed({ ...info, shape: null }, given(info, feeds)));
  const fits = inputs.every(({ shape }, i) => shape.join() === tensors[i]?.dims.join());
  return fits ? call.run(tensors.map(({ data }) => data)) : null;
}

/** A bare array is the one row that the plan is for, or Python's affair. */
function given(info: { name: string; shape: number[] }, feeds: Feeds): Feeds[string] | undefined {
  const feed = feeds[info.name];
  const bare = Array.isArray(feed) || ArrayBuffer.isView(feed);
  return bare ? { data: feed as Float32Array, dims: info.shape } : feed;
}

const handlers: { [M in keyof EarlyCalls]: (...args: Parameters<EarlyCalls[M]>) => unknown } = {
  open,
  predict: ([row, ...others], batch) => {
    if (call === null || row === undefined || others.length > 0 || manifest.preprocess !== null) return null;
    const started = performance.now();
    const predicted = predictRow(manifest, call, row);
    const ids = manifest.target === undefined ? {} : { ids: [idOf(batch, 0)] };
    return predicted && { rows: [predicted], ms: performance.now() - started, ...ids };
  },
  run,
};

onmessage = async ({ data }: MessageEvent<Request<EarlyCalls>>) => {
  const { id, method, args } = data;
  let message: FromWorker;
  try {
    const handle = handlers[method] as (...args: unknown[]) => unknown;
    message = { kind: "reply", id, value: await handle(...args) };
  } catch (error) {
    message = { kind: "failure", id, error: toFailure(error) };
  }
  postMessage(message);
};
