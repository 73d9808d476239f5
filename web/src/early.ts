/** Predictions before Python is there, from the packed plan; and none where that can't be. */

import { WorkerClient } from "./client";
import type { Feeds, Results } from "./engine/tensor";
import type { EarlyCalls, Predictions, Row } from "./messages";
import type { Manifest } from "./site/manifest";

/** Milliseconds that Python waits for the first answer, once there can be one. */
const PATIENCE = 200;

/** Milliseconds that Python waits for the plan to arrive. */
const AT_MOST = 1500;

export class Early {
  #client: WorkerClient<EarlyCalls> | null;
  #ready = false;
  /** Settles when rows can be predicted; never where they can't be before Python is there. */
  readonly opened: Promise<Manifest>;
  /** Settles when Python may take the processor: after the first answer, or when none comes soon, or can. */
  readonly yielded: Promise<void>;
  #yield: () => void = () => {};

  constructor(site: string, worker: Worker) {
    const client = (this.#client = new WorkerClient<EarlyCalls>(worker));
    this.yielded = new Promise((resolve) => (this.#yield = resolve));
    setTimeout(this.#yield, AT_MOST);
    this.opened = new Promise((resolve) => {
      client.call("open", site).then(
        (manifest) => {
          if (manifest === null) return this.end();
          this.#ready = true;
          resolve(manifest);
          setTimeout(this.#yield, PATIENCE);
        },
        (error: unknown) => this.#give(error),
      );
    });
  }

  /** The rows' predictions; null when it takes Python. */
  predict(rows: Row[], batch: string): Promise<Predictions | null> {
    return this.#ask((client) => (rows.length === 1 ? client.call("predict", rows, batch) : null));
  }

  /** The model's outputs; null when it takes Python. */
  run(feeds: Feeds): Promise<Results | null> {
    return this.#ask((client) => client.call("run", feeds));
  }

  /** Python is there: gives the memory back. */
  end(): void {
    this.#client?.terminate();
    this.#client = null;
    this.#yield();
  }

  async #ask<T>(task: (client: WorkerClient<EarlyCalls>) => Promise<T | null> | null): Promise<T | null> {
    if (this.#client === null || !this.#ready) return null;
    try {
      return await task(this.#client);
    } catch (error) {
      this.#give(error); // ended meanwhile, or broken
      return null;
    } finally {
      this.#yield();
    }
  }

  #give(error: unknown): void {
    if (this.#client !== null) console.debug("strandline: Python will predict,", error);
    this.end();
  }
}
