/** Predictions before Python is there, from the packed plan; and none where that can't be. */

import { WorkerClient } from "./client";
import type { Feeds, Results } from "./engine/tensor";
import type { EarlyCalls, Predictions, Row } from "./messages";
import type { Manifest } from "./site/manifest";

export class Early {
  #client: WorkerClient<EarlyCalls> | null;
  #ready = false;
  /** Settles when rows can be predicted; never where they can't be before Python is there. */
  readonly opened: Promise<Manifest>;

  constructor(site: string, worker: Worker) {
    const client = (this.#client = new WorkerClient<EarlyCalls>(worker));
    this.opened = new Promise((resolve) => {
      client.call("open", site).then(
        (manifest) => {
          if (manifest === null) return this.end();
          this.#ready = true;
          resolve(manifest);
        },
        (error: unknown) => this.#give(error),
      );
    });
  }

  /** The rows' predictions; null when it takes Python. */
  predict(rows: Row[]): Promise<Predictions | null> {
    return this.#ask((client) => (rows.length === 1 ? client.call("predict", rows) : null));
  }

  /** The model's outputs; null when it takes Python. */
  run(feeds: Feeds): Promise<Results | null> {
    return this.#ask((client) => client.call("run", feeds));
  }

  /** Python is there: gives the memory back. */
  end(): void {
    this.#client?.terminate();
    this.#client = null;
  }

  async #ask<T>(task: (client: WorkerClient<EarlyCalls>) => Promise<T | null> | null): Promise<T | null> {
    if (this.#client === null || !this.#ready) return null;
    try {
      return await task(this.#client);
    } catch (error) {
      this.#give(error); // ended meanwhile, or broken
      return null;
    }
  }

  #give(error: unknown): void {
    if (this.#client !== null) console.debug("strandline: Python will predict,", error);
    this.end();
  }
}
