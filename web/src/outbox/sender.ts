/** Empties the queue towards the collector: one tab at a time, oldest first, patient with failures. */

import { backoff } from "./backoff";
import { type Collector, MAX_REPORTS, type Outcome, batch, post } from "./post";
import type { QueuedReport, Store } from "./store";

/** Runs `task` while no other tab of this site runs one: `navigator.locks.request`, in tests a stand-in. */
export type Exclusive = (task: () => Promise<void>) => Promise<void>;

export interface SenderOptions {
  exclusive: Exclusive;
  /** Called after every attempt. */
  onChange: () => void;
  hidden: () => boolean;
  now?: () => number;
  random?: () => number;
  send?: typeof post;
  timeout?: number;
}

const TIMEOUT_MS = 30_000;

export class Sender {
  readonly #store: Store;
  readonly #collector: Collector;
  readonly #options: Required<SenderOptions>;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #running: Promise<void> | null = null;
  #closed = false;
  /** The last failure in words; null after a success. */
  trouble: string | null = null;
  /** Reports confirmed since the start. */
  sent = 0;

  constructor(store: Store, collector: Collector, options: SenderOptions) {
    this.#store = store;
    this.#collector = collector;
    this.#options = { now: Date.now, random: Math.random, send: post, timeout: TIMEOUT_MS, ...options };
  }

  /** Tries now, unless a pause is running; without failures in the past that means at once. */
  wake(): void {
    if (this.#timer === null) void this.drain();
  }

  /** Tries now whatever pause this side has chosen (the network came back, or the user asks). */
  async drain(): Promise<void> {
    if (this.#closed) return;
    this.#clearTimer();
    this.#running ??= this.#options
      .exclusive(() => this.#empty())
      .finally(() => {
        this.#running = null;
        this.#options.onChange();
      });
    await this.#running;
  }

  /** Stops trying. What is queued stays queued. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#clearTimer();
    await this.#running;
  }

  async #empty(): Promise<void> {
    let single = false;
    while (!this.#closed) {
      const wait = (await this.#store.notBefore()) - this.#options.now();
      if (wait > 0) return this.#later(wait);
      const oldest = await this.#store.oldest(single ? 1 : MAX_REPORTS);
      if (oldest.length === 0) return;
      const reports = single ? oldest : batch(oldest);
      const outcome = await this.#attempt(reports);
      await this.#settle(outcome);
      if (outcome.split) {
        single = true;
        continue;
      }
      if (outcome.trouble !== null) return this.#fail(outcome);
      this.#failures = 0;
      this.trouble = null;
      this.#options.onChange();
    }
  }

  async #attempt(reports: readonly QueuedReport[]): Promise<Outcome> {
    await this.#store.attempted(reports.map((report) => report.id));
    const { hidden, timeout, now } = this.#options;
    return this.#options.send(this.#collector, reports, { keepalive: hidden(), timeout, now: now() });
  }

  async #settle(outcome: Outcome): Promise<void> {
    const confirmed: string[] = [];
    for (const [id, fate] of outcome.fates) {
      if (fate.fate === "confirmed") confirmed.push(id);
      if (fate.fate === "refused") await this.#store.setAside(id, fate.reason, this.#options.now());
    }
    if (confirmed.length > 0) await this.#store.confirm(confirmed);
    this.sent += confirmed.length;
  }

  async #fail(outcome: Outcome): Promise<void> {
    this.#failures += 1;
    this.trouble = outcome.trouble;
    if (outcome.retryAfter !== null) await this.#store.setNotBefore(this.#options.now() + outcome.retryAfter);
    this.#later(Math.max(backoff(this.#failures, this.#options.random()), outcome.retryAfter ?? 0));
  }

  #later(wait: number): void {
    this.#clearTimer();
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.drain();
    }, wait);
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
