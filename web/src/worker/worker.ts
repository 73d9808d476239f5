/** The worker: one model, calls in the order in which they came. */

import {
  type Calls,
  type FromWorker,
  type Method,
  type Predictions,
  type Request,
  type Row,
  type Value,
  toFailure,
} from "../messages";
import type { Manifest } from "../site/manifest";
import { boot } from "./boot";
import { type Outbox, openOutbox } from "./outbox";
import type { PythonModel } from "../engine/python";
import type { Results } from "../engine/tensor";
import type { Edge } from "./runtime";

type Handlers = { [M in Method]: (...args: Parameters<Calls[M]>) => Promise<ReturnType<Calls[M]>> };

interface Loaded {
  manifest: Manifest;
  edge: Edge;
  tensors: PythonModel;
  outbox: Outbox;
}

let opening: Promise<Loaded> | null = null;

/** The model, once it is there: calls may come before. */
function model(): Promise<Loaded> {
  return opening ?? Promise.reject(new Error("no model is being loaded"));
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
  const { edge, outbox } = await model();
  outbox.begin();
  try {
    return task(edge);
  } finally {
    void outbox.advance(); // the answer does not wait for the disk
    send({ kind: "outbox", state: await outbox.state() });
  }
}

async function openModel(site: string): Promise<Loaded> {
  const { manifest, edge, tensors } = await boot(site, (progress) => send({ kind: "progress", progress }));
  const outbox = await openOutbox(site, manifest, edge, (state) => send({ kind: "outbox", state }));
  return { manifest, edge, tensors, outbox };
}

/** Settles when all predictions asked for so far are remembered. */
let remembered: Promise<unknown> = Promise.resolve();

/** Predictions, remembered by their ids before these are given away. */
function predicted(task: (edge: Edge) => string): Promise<Predictions> {
  const remember = async (): Promise<Predictions> => {
    const { kept, ...answer } = JSON.parse(await watched(task)) as Predictions & { kept?: Value[][] };
    if (answer.ids !== undefined && kept !== undefined) await (await model()).outbox.remember(answer.ids, kept);
    return answer;
  };
  const answered = remember();
  remembered = Promise.allSettled([remembered, answered]);
  return answered;
}

/** Rows as JSON, typed arrays as lists. */
function toJson(rows: readonly Row[]): string {
  const typed = rows.some((row) => Object.values(row).some((cell) => ArrayBuffer.isView(cell)));
  const plain = (_: string, value: unknown): unknown =>
    ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value;
  return JSON.stringify(rows, typed ? plain : undefined);
}

const handlers: Handlers = {
  open: async (site) => {
    opening = openModel(site);
    return (await opening).manifest;
  },
  predict: (rows, batch) => predicted((edge) => edge.predict(toJson(rows), batch)),
  predictCsv: (text) => predicted((edge) => edge.predict_csv(text)),
  run: async (feeds) => (await model()).tensors.run(feeds),
  count: (counter, by) => watched((edge) => edge.count(counter, by)),
  observe: async (measured) => (await model()).edge.observe(JSON.stringify(measured)),
  label: async (labels) => {
    const before = remembered;
    const { edge, outbox } = await model();
    edge.label("[]"); // refuses, also without a known id, where the site takes no labels
    await before; // the page knows an early row's id before Python does
    const counted = await outbox.label(labels);
    send({ kind: "outbox", state: await outbox.state() });
    return counted;
  },
  quality: async () => JSON.parse((await model()).edge.quality() ?? "null"),
  drift: async () => JSON.parse((await model()).edge.drift()),
  flush: async () => {
    const { outbox } = await model();
    await outbox.flush();
    return outbox.state();
  },
  outbox: async () => (await model()).outbox.state(),
  nextReport: async () => (await model()).outbox.nextReport(),
  visibility: async (hidden) => (await model()).outbox.visibility(hidden),
  close: async () => (await model()).outbox.close(),
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
