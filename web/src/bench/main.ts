/** The benchmark's page: `bench.call(worker, request)` for the driver; both runtimes live in workers of their own. */

import type { Reply, Request } from "./protocol";

class Runner {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #next = 0;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener("message", (event: MessageEvent<Reply>) => {
      const waiting = this.#waiting.get(event.data.id);
      this.#waiting.delete(event.data.id);
      if ("error" in event.data) waiting?.reject(new Error(event.data.error));
      else waiting?.resolve(event.data.value);
    });
    worker.addEventListener("error", (event) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(event.message));
      this.#waiting.clear();
    });
  }

  call(request: Omit<Request, "id">): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...request, id });
    });
  }
}

const open = {
  strandline: () => new Worker(new URL("./strandline.worker.ts", import.meta.url), { type: "module" }),
  peer: () => new Worker(new URL("./peer.worker.ts", import.meta.url), { type: "module" }),
};
const runners = new Map<string, Runner>();

const bench = {
  start(name: string, kind: keyof typeof open): void {
    runners.set(name, new Runner(open[kind]()));
  },
  call(name: string, request: Omit<Request, "id">): Promise<unknown> {
    const runner = runners.get(name);
    if (!runner) throw new Error(`no runner named ${name}`);
    return runner.call(request);
  },
};
export type Bench = typeof bench;
Object.assign(window, { bench });
