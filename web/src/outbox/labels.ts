/**
 * Labels that come later: predictions are kept by id until their label comes, in this visit or in a later one, and each
 * is counted once. A label goes into the open window; that window's snapshot and the end of the prediction's record are
 * one transaction, and one tab at a time does this, so that no label is lost or counted twice.
 */

import type { Label, Labelled, Value } from "../messages";
import type { Exclusive } from "./sender";
import type { Remembered } from "./store";

/** The part of the Python `Edge` that counts labels; the text is JSON. */
export interface LabelSink {
  label(labels: string): void;
}

/** Where predictions wait: the outbox's `Store`, or memory where nothing is stored. */
export interface Memory {
  remember(records: readonly Remembered[], now: number): Promise<void>;
  recall(ids: readonly string[], now: number): Promise<Remembered[]>;
}

/** The part of `Windows` that a label needs. */
export interface LabelWindow {
  begin(): void;
  snapshot(labelled: readonly string[]): Promise<void>;
  advance(): Promise<void>;
}

export class Labels {
  readonly #sink: LabelSink;
  readonly #memory: Memory;
  readonly #window: LabelWindow;
  readonly #exclusive: Exclusive;
  /** Counted by this session: not again, even when the disk refused to forget them. */
  readonly #counted = new Set<string>();

  constructor(sink: LabelSink, memory: Memory, window: LabelWindow, exclusive: Exclusive) {
    this.#sink = sink;
    this.#memory = memory;
    this.#window = window;
    this.#exclusive = exclusive;
  }

  /** Keeps what labels will be judged beside. */
  async remember(ids: readonly string[], kept: readonly Value[][], now = Date.now()): Promise<void> {
    await this.#memory.remember(ids.map((id, i) => ({ id, at: now, kept: kept[i] ?? [] })), now);
  }

  /** Counts labels; those of unknown predictions, and second ones, are told and left out. Rejects with `InputError`. */
  async label(labels: readonly Label[], now = Date.now()): Promise<Labelled> {
    let result: Labelled = { counted: 0, unknown: [] };
    await this.#exclusive(async () => {
      result = await this.#count(labels, now);
    });
    return result;
  }

  async #count(labels: readonly Label[], now: number): Promise<Labelled> {
    const wanted = new Map(labels.toReversed().map((label) => [label.id, label])); // the first of an id counts
    const waiting = await this.#memory.recall([...wanted.keys()], now);
    const found = waiting.filter(({ id }) => !this.#counted.has(id));
    const ids = found.map(({ id }) => id);
    if (found.length > 0) {
      this.#window.begin();
      try {
        this.#sink.label(JSON.stringify(found.map(({ id, kept }) => ({ kept, label: wanted.get(id)?.value ?? null }))));
        for (const id of ids) this.#counted.add(id);
        await this.#window.snapshot(ids);
      } finally {
        void this.#window.advance();
      }
    }
    const known = new Set(ids);
    const given = new Set(labels.map(({ id }) => id));
    return { counted: ids.length, unknown: [...given].filter((id) => !known.has(id)) };
  }
}

/** Predictions in memory, for a site that stores nothing: until the page closes, the newest of them. */
export class Recollection implements Memory {
  readonly #records = new Map<string, Remembered>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  async remember(records: readonly Remembered[]): Promise<void> {
    for (const record of records) this.#records.set(record.id, record);
    for (const id of this.#records.keys()) {
      if (this.#records.size <= this.#most) break;
      this.#records.delete(id);
    }
  }

  async recall(ids: readonly string[]): Promise<Remembered[]> {
    return ids.flatMap((id) => this.#records.get(id) ?? []);
  }
}
