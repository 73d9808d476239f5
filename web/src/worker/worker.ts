/** The worker: one model, calls in the order in which they came. */

import { type Calls, type FromWorker, type Method, type Request, toFailure } from "../messages";
import { boot } from "./boot";
import { type Outbox, openOutbox } from "./outbox";
import type { PythonModel } from "../engine/python";
import type { Results } from "../engine/tensor";
import type { Edge } from "./runtime";

type Handlers = { [M in Method]: (...args: Parameters<Calls[M]>) => Promise<ReturnType<Calls[M]>> };

interface Loaded {
  edge: Edge;
  tensors: PythonModel;
  outbox: Outbox;
}

let loaded: Loaded | null = null;

function model(): Loaded {
  if (loaded === null) throw new Error("the model is not loaded yet");
  return loaded;
}

function send(message: FromWorker, transfer: Transferable[] = []): void {
  postMessage(message, { transfer });
}

/** The memory of results, which is theirs alone and need not be copied again. */
function owned(results: Results): ArrayBuffer[] {
  const buffers = Object.values(results).flatMap((result) =>
    Array.isArray(result) || Array.isArray(result.data) ? [] : [result.data.buffer as ArrayBuffer],
  );
  return [...new Set(buffers)];
}

async function watched<T>(task: (edge: Edge) => T): Promise<T> {
  const { edge, outbox } = model();
  outbox.begin();
  try {
    return task(edge);
  } finally {
    void outbox.advance(); // the answer does not wait for the disk
    send({ kind: "outbox", state: await outbox.state() });
  }
}

const handlers: Handlers = {
  open: async (site) => {
    const { manifest, edge, tensors } = await boot(site, (progress) => send({ kind: "progress", progress }));
    const outbox = await openOutbox(site, manifest, edge, (state) => send({ kind: "outbox", state }));
    loaded = { edge, tensors, outbox };
    return manifest;
  },
  predict: (rows) => watched((edge) => JSON.parse(edge.predict(JSON.stringify(rows)))),
  predictCsv: (text) => watched((edge) => JSON.parse(edge.predict_csv(text))),
  run: async (feeds) => model().tensors.run(feeds),
  count: (counter, by) => watched((edge) => edge.count(counter, by)),
  observe: async (measured) => model().edge.observe(JSON.stringify(measured)),
  drift: async () => JSON.parse(model().edge.drift()),
  flush: async () => {
    await model().outbox.flush();
    return model().outbox.state();
  },
  outbox: () => model().outbox.state(),
  nextReport: async () => model().outbox.nextReport(),
  visibility: (hidden) => model().outbox.visibility(hidden),
  close: () => model().outbox.close(),
};

async function answer({ id, method, args }: Request): Promise<void> {
  try {
    const handle = handlers[method] as (...args: unknown[]) => Promise<unknown>;
    const value = await handle(...args);
    send({ kind: "reply", id, value }, method === "run" ? owned(value as Results) : []);
  } catch (error) {
    send({ kind: "failure", id, error: toFailure(error) });
  }
}

onmessage = ({ data }: MessageEvent<Request>) => void answer(data);
