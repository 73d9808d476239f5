/** What the page and the worker say to each other. JSON text stays text: the worker's Python reads and writes it. */

import type { Feeds, Results } from "./engine/tensor";
import type { Manifest } from "./site/manifest";
import type { ComparedFeature } from "./ui/verdict";

export type Value = string | number | boolean | null;
/** A vector's numbers; null stands for what JSON can't say (NaN, infinities). A row's predictions have arrays. */
export type Vector = readonly (number | null)[] | Float32Array | Float64Array;
export type Cell = Value | Vector;
export type Row = Record<string, Cell>;

export interface Predictions {
  /** One entry per input row, outputs by name. */
  rows: Row[];
  /** Milliseconds inside the model, without the way to the worker and back. */
  ms: number;
  /** One per row, for `label`; only where the site was packed with labels. */
  ids?: string[];
}

/** The id of a batch's prediction number `i`, from 0, as Python makes it too. */
export const idOf = (batch: string, i: number): string => `${batch}-${i}`;

/** What turned out to be true of a prediction. */
export interface Label {
  id: string;
  value: Value;
}

export interface Labelled {
  /** Labels counted now. */
  counted: number;
  /** Ids of predictions that were not made on this device, were labelled before, or have expired. */
  unknown: string[];
}

export interface Metric {
  value: number | null;
  /** The raw rows' value lies between; equal unless scores were binned. */
  low: number | null;
  high: number | null;
  /** Confidence interval. */
  ci: [number | null, number | null];
  n: number;
}

/** How good the predictions since loading are, beside the reference's; metrics by name. */
export interface Quality {
  task: "binary" | "multiclass" | "regression";
  target: string;
  level: number;
  labels: number;
  predictions: number;
  reference: Record<string, Metric>;
  realised: Record<string, Metric>;
  estimated: Record<string, Metric>;
}

/** Everything predicted since the page was opened, against the reference (schema drift-1). */
export interface Drift {
  rows: number;
  alpha: number;
  drifted: number;
  features: ComparedFeature[];
}

export interface OutboxState {
  /** Closed windows that wait to be confirmed by the collector. */
  queued: number;
  /** Windows that the collector will never take; kept on the device for inspection. */
  quarantined: number;
  /** Windows given up because the queue was full. */
  dropped: number;
  /** Rows in the open window. */
  pending: number;
  /** Windows that the collector confirmed since the page was opened. */
  sent: number;
  /** The last failure to send in words, null after a success. */
  trouble: string | null;
}

export const STAGES = ["manifest", "download", "runtime", "wheel", "model", "warm-up", "ready"] as const;
export type Stage = (typeof STAGES)[number];

export interface Progress {
  stage: Stage;
  /** Bytes fetched and checked so far, of all files that are needed. */
  loaded: number;
  total: number;
}

/** The worker's methods. */
export interface Calls {
  open(site: string): Manifest;
  /** `batch`, which is like no other, begins the predictions' ids: see `idOf`. */
  predict(rows: Row[], batch: string): Predictions;
  predictCsv(text: string): Predictions;
  /** The model itself, on tensors: no preprocessing, and no profile counts it. */
  run(feeds: Feeds): Results;
  /** Adds to one of the counters that the site was packed with. */
  count(counter: string, by: number): void;
  /** What only the page can measure, such as `load_ms`. */
  observe(measured: Record<string, number>): void;
  /** Counts labels of earlier predictions. */
  label(labels: Label[]): Labelled;
  /** Null where the site was packed without labels. */
  quality(): Quality | null;
  drift(): Drift;
  /** Closes the open window and tries to send; resolves when the attempt is over. */
  flush(): OutboxState;
  outbox(): OutboxState;
  /** The report as it would be sent if the window closed now, or null when it is empty. */
  nextReport(): string | null;
  visibility(hidden: boolean): void;
  close(): void;
}

/** The methods of the worker that predicts while Python starts; null: it can't say, Python will. */
export interface EarlyCalls {
  open(site: string): Manifest | null;
  predict(rows: Row[], batch: string): Predictions | null;
  run(feeds: Feeds): Results | null;
}

export type Method = keyof Calls;

export type Request<C extends { [M in keyof C]: (...args: never[]) => unknown } = Calls> = {
  [M in keyof C]: { id: number; method: M; args: Parameters<C[M]> };
}[keyof C];

export interface Failure {
  name: string;
  message: string;
}

export type FromWorker =
  | { kind: "reply"; id: number; value: unknown }
  | { kind: "failure"; id: number; error: Failure }
  | { kind: "progress"; progress: Progress }
  | { kind: "outbox"; state: OutboxState };

const KINDS = new Set(["reply", "failure", "progress", "outbox"]);

/** Whether a message event's data is one of the worker's messages. */
export function isFromWorker(data: unknown): data is FromWorker {
  return typeof data === "object" && data !== null && KINDS.has((data as { kind?: string }).kind ?? "");
}

/** An error as it crosses from the worker; Python's keep the type's name and the last line. */
export function toFailure(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const lastLine = error.message.trimEnd().split("\n").at(-1) ?? "";
  const python = error.name === "PythonError" ? /^([\w.]+)(?:: (.*))?$/.exec(lastLine) : null;
  if (python === null) return { name: error.name, message: error.message };
  const name = python[1]?.split(".").at(-1) ?? "Error";
  return { name, message: python[2] ?? name };
}
