/**
 * The open window's life: it opens with its first row, is written to disk while it grows, and closes at a number of
 * rows, after a time, when the page is hidden, or on request.
 *
 * What can be lost when the worker dies: rows predicted less than `SNAPSHOT_MS` before, and nothing else. A closed
 * window moves from the snapshot's place to the queue in one transaction, under the id that it opened with; a
 * snapshot left by a dead session is queued by the next one to start, under the same id, so nothing counts twice.
 */

import type { OpenWindow, Store } from "./store";

/** The part of the Python `Edge` that a window needs; texts are JSON. */
export interface WindowSource {
  pending(): number;
  empty(): boolean;
  peek_window(report: string): string | null | undefined;
  take_window(report: string): string | null | undefined;
}

export interface WindowLimits {
  rows: number;
  seconds: number;
}

export const SNAPSHOT_MS = 500;

interface Open {
  id: string;
  started: number;
}

export class Windows {
  readonly #source: WindowSource;
  readonly #store: Store;
  readonly #limits: WindowLimits;
  readonly #onClosed: () => void;
  readonly #session: string;
  #seq = 0;
  #open: Open | null = null;
  #snapshotTimer: ReturnType<typeof setTimeout> | null = null;
  #closeTimer: ReturnType<typeof setTimeout> | null = null;
  /** Windows taken from Python that the disk has refused so far (quota): tried again at the next close. */
  #unsaved: OpenWindow[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(
    source: WindowSource,
    store: Store,
    session: string,
    limits: WindowLimits,
    onClosed: () => void,
  ) {
    this.#source = source;
    this.#store = store;
    this.#session = session;
    this.#limits = limits;
    this.#onClosed = onClosed;
  }

  /** To be called before rows are predicted: the window's time starts with its first row. */
  begin(): void {
    this.#open ??= { id: crypto.randomUUID(), started: Date.now() };
  }

  /** To be called after rows were predicted, or were refused. Closes the window when it is full. */
  async advance(): Promise<void> {
    if (this.#source.empty()) {
      this.#open = null;
      return;
    }
    if (this.#source.pending() >= this.#limits.rows) return this.close();
    this.#snapshotTimer ??= setTimeout(() => void this.snapshot(), SNAPSHOT_MS);
    this.#closeTimer ??= setTimeout(() => void this.close(), this.#limits.seconds * 1000);
  }

  /** The report as it would be if the window closed now; null when nothing is in it. */
  peek(): string | null {
    return this.#open === null ? null : (this.#source.peek_window(this.#header(this.#open)) ?? null);
  }

  /** Writes the open window to disk now; the predictions whose labels are in it are forgotten in the same transaction. */
  snapshot(labelled: readonly string[] = []): Promise<void> {
    this.#snapshotTimer = cleared(this.#snapshotTimer);
    const text = this.peek();
    if (this.#open === null || text === null) return this.#writing;
    const window = { session: this.#session, id: this.#open.id, text };
    return this.#write(() => this.#store.saveOpen(window, labelled));
  }

  /** Closes the open window, if anything is in it, and queues its report. Resolves when that is on disk. */
  close(): Promise<void> {
    this.#snapshotTimer = cleared(this.#snapshotTimer);
    this.#closeTimer = cleared(this.#closeTimer);
    if (this.#open !== null) {
      const text = this.#source.take_window(this.#header(this.#open)) ?? null;
      if (text !== null) {
        this.#unsaved.push({ session: this.#session, id: this.#open.id, text });
        this.#seq += 1;
      }
      this.#open = null;
    }
    return this.#write(async () => {
      for (let window = this.#unsaved[0]; window !== undefined; window = this.#unsaved[0]) {
        await this.#store.enqueue(window, Date.now());
        this.#unsaved.shift();
        this.#onClosed();
      }
    });
  }

  #header(open: Open): string {
    return JSON.stringify({
      id: open.id,
      session: this.#session,
      seq: this.#seq,
      started: new Date(open.started).toISOString(),
      ended: new Date(Math.max(Date.now(), open.started)).toISOString(),
    });
  }

  /** Writes one after the other, in the order asked for, also after a failure. */
  #write(task: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(task);
    this.#writing = done.catch((error: unknown) => {
      console.error("strandline: the browser could not store a window", error);
    });
    return this.#writing;
  }
}

function cleared(timer: ReturnType<typeof setTimeout> | null): null {
  if (timer !== null) clearTimeout(timer);
  return null;
}

/** Queues the snapshots that dead sessions left. `alive` says which sessions still hold their lock. */
export async function recover(store: Store, alive: ReadonlySet<string>, now: number): Promise<number> {
  const left = (await store.openWindows()).filter((window) => !alive.has(window.session));
  for (const window of left) await store.enqueue(window, now);
  return left.length;
}
