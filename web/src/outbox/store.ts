/**
 * The outbox on disk: closed windows that wait, windows that no collector will take, a snapshot of every session's open
 * window, and predictions that wait for their labels. Each change is one transaction with strict durability, so that a report is always in exactly
 * one place whatever dies in between.
 */

import type { Value } from "../messages";
import { type DBSchema, type IDBPDatabase, openDB } from "idb";

export interface QueuedReport {
  id: string;
  /** The report's JSON; the same bytes at every attempt. */
  text: string;
  /** Milliseconds since the epoch; the queue is posted oldest first. */
  queued: number;
  attempts: number;
}

export interface AsideReport {
  id: string;
  text: string;
  reason: string;
  at: number;
}

export interface OpenWindow {
  session: string;
  id: string;
  text: string;
}

/** A prediction that may still get a label: no inputs, only what the label is judged beside. */
export interface Remembered {
  id: string;
  /** Milliseconds since the epoch. */
  at: number;
  /** The predicted label and the scores, as Python gave them. */
  kept: Value[];
}

interface Schema extends DBSchema {
  queue: { key: string; value: QueuedReport; indexes: { queued: number } };
  aside: { key: string; value: AsideReport; indexes: { at: number } };
  open: { key: string; value: OpenWindow };
  predictions: { key: string; value: Remembered; indexes: { at: number } };
  facts: { key: "dropped" | "notBefore"; value: number };
}

const VERSION = 2;
const WRITE = { durability: "strict" } as const;

export interface Limits {
  /** Closed windows kept for sending; beyond it the oldest is dropped and counted. */
  queue: number;
  /** Windows kept aside; beyond it the oldest goes. */
  aside: number;
  /** Predictions that wait for a label; beyond it the oldest is forgotten. */
  predictions: number;
  /** Milliseconds after which a prediction is forgotten without a label. */
  age: number;
}

export const LIMITS: Limits = { queue: 1000, aside: 50, predictions: 10_000, age: 30 * 24 * 3600 * 1000 };

export interface Counts {
  queued: number;
  quarantined: number;
  dropped: number;
}

export class Store {
  readonly #db: IDBPDatabase<Schema>;
  readonly #limits: Limits;

  private constructor(db: IDBPDatabase<Schema>, limits: Limits) {
    this.#db = db;
    this.#limits = limits;
  }

  /** Opens the site's store; `site` is the site's folder, because an origin may hold several sites. */
  static async open(site: string, limits: Limits = LIMITS): Promise<Store> {
    const db = await openDB<Schema>(`strandline ${site}`, VERSION, {
      upgrade(upgrading, from) {
        if (from < 1) {
          upgrading.createObjectStore("queue", { keyPath: "id" }).createIndex("queued", "queued");
          upgrading.createObjectStore("aside", { keyPath: "id" }).createIndex("at", "at");
          upgrading.createObjectStore("open", { keyPath: "session" });
          upgrading.createObjectStore("facts");
        }
        upgrading.createObjectStore("predictions", { keyPath: "id" }).createIndex("at", "at");
      },
      blocking(_current, _next, event) {
        (event.target as IDBDatabase).close(); // a newer page upgrades the store: let it
      },
    });
    return new Store(db, limits);
  }

  /**
   * Overwrites the session's snapshot of its open window, and forgets the predictions whose labels are in it: whatever
   * dies, a label is either in the snapshot or still to come.
   */
  async saveOpen(window: OpenWindow, labelled: readonly string[] = []): Promise<void> {
    const tx = this.#db.transaction(["open", "predictions"], "readwrite", WRITE);
    const predictions = tx.objectStore("predictions");
    await Promise.all([
      tx.objectStore("open").put(window),
      ...labelled.map((id) => predictions.delete(id)),
      tx.done,
    ]);
  }

  /** Keeps predictions until they are labelled; the old ones, and the oldest beyond the limit, go. */
  async remember(records: readonly Remembered[], now: number): Promise<void> {
    const tx = this.#db.transaction("predictions", "readwrite");
    for (const record of records.slice(-this.#limits.predictions)) void tx.store.put(record);
    let excess = (await tx.store.count()) - this.#limits.predictions;
    let cursor = await tx.store.index("at").openCursor();
    for (; cursor !== null && (excess > 0 || cursor.value.at < now - this.#limits.age); excess--) {
      void cursor.delete();
      cursor = await cursor.continue();
    }
    await tx.done;
  }

  /** The predictions of these ids that still wait for a label. */
  async recall(ids: readonly string[], now: number): Promise<Remembered[]> {
    const tx = this.#db.transaction("predictions");
    const found = await Promise.all(ids.map((id) => tx.store.get(id)));
    return found.filter((record) => record !== undefined && record.at >= now - this.#limits.age) as Remembered[];
  }

  /** Moves a session's window from `open` to the queue; the snapshot and the queued report are never both there. */
  async enqueue(window: OpenWindow, now: number): Promise<void> {
    const tx = this.#db.transaction(["open", "queue", "facts"], "readwrite", WRITE);
    const queue = tx.objectStore("queue");
    const open = tx.objectStore("open");
    if ((await open.get(window.session))?.id === window.id) void open.delete(window.session);
    void queue.put({ id: window.id, text: window.text, queued: now, attempts: 0 });
    const excess = (await queue.count()) - this.#limits.queue;
    if (excess > 0) {
      let cursor = await queue.index("queued").openCursor();
      for (let left = excess; cursor !== null && left > 0; left--) {
        void cursor.delete();
        cursor = await cursor.continue();
      }
      const facts = tx.objectStore("facts");
      void facts.put(((await facts.get("dropped")) ?? 0) + excess, "dropped");
    }
    await tx.done;
  }

  /** The snapshots of all sessions, this one's too. */
  openWindows(): Promise<OpenWindow[]> {
    return this.#db.getAll("open");
  }

  /** The oldest reports, at most `limit`. */
  oldest(limit: number): Promise<QueuedReport[]> {
    return this.#db.getAllFromIndex("queue", "queued", undefined, limit);
  }

  /** Notes an attempt to send, before it is made. */
  async attempted(ids: readonly string[]): Promise<void> {
    const tx = this.#db.transaction("queue", "readwrite", WRITE);
    for (const id of ids) {
      const report = await tx.store.get(id);
      if (report !== undefined) void tx.store.put({ ...report, attempts: report.attempts + 1 });
    }
    await tx.done;
  }

  /** Deletes confirmed reports from the queue. */
  async confirm(ids: readonly string[]): Promise<void> {
    const tx = this.#db.transaction("queue", "readwrite", WRITE);
    await Promise.all([...ids.map((id) => tx.store.delete(id)), tx.done]);
  }

  /** Moves a report from the queue to those kept aside. */
  async setAside(id: string, reason: string, now: number): Promise<void> {
    const tx = this.#db.transaction(["queue", "aside"], "readwrite", WRITE);
    const report = await tx.objectStore("queue").get(id);
    if (report !== undefined) {
      const aside = tx.objectStore("aside");
      void tx.objectStore("queue").delete(id);
      void aside.put({ id, text: report.text, reason, at: now });
      if ((await aside.count()) > this.#limits.aside) {
        void (await aside.index("at").openCursor())?.delete();
      }
    }
    await tx.done;
  }

  /** The time before which the collector asked not to be called, 0 when it didn't. */
  async notBefore(): Promise<number> {
    return (await this.#db.get("facts", "notBefore")) ?? 0;
  }

  async setNotBefore(time: number): Promise<void> {
    await this.#db.put("facts", time, "notBefore");
  }

  async counts(): Promise<Counts> {
    const tx = this.#db.transaction(["queue", "aside", "facts"]);
    const [queued, quarantined, dropped] = await Promise.all([
      tx.objectStore("queue").count(),
      tx.objectStore("aside").count(),
      tx.objectStore("facts").get("dropped"),
    ]);
    return { queued, quarantined, dropped: dropped ?? 0 };
  }

  close(): void {
    this.#db.close();
  }
}
