/**
 * Strandline's public module.
 *
 * ```js
 * import { load } from "./strandline.js";
 * const model = await load();
 * const predictions = await model.predict([{ distance: 700, airline: "WN" }]);
 * ```
 */

import { WorkerClient } from "./client";
import { Early } from "./early";
import type { Feeds, Results } from "./engine/tensor";
import type { Calls, Drift, Label, Labelled, Method, OutboxState, Predictions, Progress, Quality, Row, Value } from "./messages";
import { siteFolder } from "./site/cache";
import type { Manifest } from "./site/manifest";

export type {
  Cell,
  Drift,
  Label,
  Labelled,
  Metric,
  OutboxState,
  Predictions,
  Progress,
  Quality,
  Row,
  Stage,
  Value,
  Vector,
} from "./messages";
export type { ComparedFeature, Statistic, Verdict } from "./ui/verdict";
export type { Feed, Feeds, Numbers, Result, Results, Tensor } from "./engine/tensor";
export type { Feature, Manifest } from "./site/manifest";

export interface LoadOptions {
  /** Called with the stage and the bytes while the model loads. */
  onProgress?: (progress: Progress) => void;
  /** Called whenever the outbox changes. */
  onOutbox?: (state: OutboxState) => void;
}

/** A model that runs in a worker. Every method may be called at any time; calls are answered in order. */
export interface Model {
  readonly manifest: Manifest;
  /**
   * Predicts rows; the result has one entry per row. A vector is an array of numbers, given also as a typed one. Where the site was packed with labels, each has an `id` for `label`
   * besides, which is not enumerable: `Object.keys` and JSON see the outputs only. Rejects with `InputError` when a row can't
   * be used.
   */
  predict(rows: Row[]): Promise<Row[]>;
  /** As `predict`, with the time that the model took, and ids in a list. */
  predictTimed(rows: Row[]): Promise<Predictions>;
  /** Predicts a CSV text whose first line names the features. */
  predictCsv(text: string): Promise<Predictions>;
  /**
   * Runs the ONNX model itself, tensors by input name in, tensors by output name out. A typed array does for a tensor
   * where the model leaves no more than one size open. What is run this way is not watched: no profile counts it.
   * Rejects with `FeedError` when the feeds are not the model's inputs.
   */
  run(feeds: Feeds): Promise<Results>;
  /**
   * Adds to a counter that the site was packed with, such as conversions; it goes with the next profile. Rejects with
   * `InputError` for another name, or a number that is no whole number from 0.
   */
  count(counter: string, by?: number): Promise<void>;
  /**
   * Says what turned out to be true of a prediction, by its id, in the same visit or a later one. True when the label was
   * counted; false when the id is not of this device, was labelled before, or has expired. Rejects with `InputError`
   * when the site was packed without labels, or the value is none.
   */
  label(id: string, value: Value): Promise<boolean>;
  /** As `label`, of many: all are counted, or none when one of the values is no label. */
  labels(labels: Label[]): Promise<Labelled>;
  /** How good the predictions since loading are, by labels and without; null where the site was packed without labels. */
  quality(): Promise<Quality | null>;
  /** What was predicted since loading, against the reference. */
  drift(): Promise<Drift>;
  /** Closes the open window and tries to send what waits. */
  flush(): Promise<OutboxState>;
  outbox(): Promise<OutboxState>;
  /** The exact JSON that would be sent if the window closed now; null when it is empty. */
  nextReport(): Promise<string | null>;
  /** Closes the open window, stores it, and ends the worker. */
  close(): Promise<void>;
}

/**
 * Loads a packed site's model. `url` is the site's folder (default: the folder of this module), on the same origin
 * as this module. Rejects when a file is missing or does not have the SHA-256 that the manifest promises.
 *
 * Resolves when the first row can be predicted. That may be a while before Python is there: single rows are then predicted by
 * the packed plan, and counted when Python comes; everything else waits, and rejects if Python can't be started.
 */
export async function load(url: string | URL = moduleFolder(), options: LoadOptions = {}): Promise<Model> {
  const site = siteFolder(new URL(url, globalThis.location?.href));
  const early = new Early(site, new Worker(new URL("./worker/early.worker.ts", import.meta.url), {
    type: "module",
    name: "strandline-early",
  }));
  const worker = new Worker(new URL("./worker/worker.ts", import.meta.url), {
    type: "module",
    name: "strandline",
  });
  const main = new WorkerClient(worker, options);
  // Python's start takes whatever processors there are, and would hold up the first prediction.
  const client = {
    call: async <M extends Method>(method: M, ...args: Parameters<Calls[M]>): Promise<ReturnType<Calls[M]>> => {
      await early.yielded;
      return main.call(method, ...args);
    },
    terminate: () => main.terminate(),
  };
  const whole = client.call("open", site).finally(() => early.end());
  let manifest: Manifest;
  try {
    manifest = await Promise.race([early.opened, whole]);
  } catch (error) {
    client.terminate();
    throw error;
  }
  whole.catch(() => {}); // every call that needs Python says so
  client.call("observe", { load_ms: performance.now() }).catch(() => {}); // the clock starts with the navigation
  const predict = async (rows: Row[]): Promise<Predictions> => {
    const batch = crypto.randomUUID(); // both give a row the same id
    const counted = client.call("predict", rows, batch);
    const answer = await early.predict(rows, batch);
    if (answer === null) return counted;
    counted.catch((error: unknown) => console.warn("strandline: a predicted row was not counted:", error));
    return answer;
  };
  const forward = (): void => {
    client.call("visibility", document.visibilityState === "hidden").catch(() => {}); // a dead worker has no windows
  };
  document.addEventListener("visibilitychange", forward);
  forward();
  return {
    manifest,
    predict: async (rows) => withIds(await predict(rows)),
    predictTimed: predict,
    predictCsv: (text) => client.call("predictCsv", text),
    run: async (feeds) => (await early.run(feeds)) ?? client.call("run", feeds),
    count: (counter, by = 1) => client.call("count", counter, by),
    label: async (id, value) => (await client.call("label", [{ id, value }])).counted === 1,
    labels: (labels) => client.call("label", labels),
    quality: () => client.call("quality"),
    drift: () => client.call("drift"),
    flush: () => client.call("flush"),
    outbox: () => client.call("outbox"),
    nextReport: () => client.call("nextReport"),
    close: async () => {
      document.removeEventListener("visibilitychange", forward);
      early.end();
      await client.call("close");
      client.terminate();
    },
  };
}

function withIds({ rows, ids = [] }: Predictions): Row[] {
  for (const [i, id] of ids.entries()) Object.defineProperty(rows[i] ?? {}, "id", { value: id });
  return rows;
}

function moduleFolder(): string {
  return siteFolder(import.meta.url);
}
