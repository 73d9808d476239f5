/** The page's end of the worker: numbered requests, answered in any order. */

import { type Calls, type OutboxState, type Progress, isFromWorker } from "./messages";

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

export interface Listeners {
  onProgress?: (progress: Progress) => void;
  onOutbox?: (state: OutboxState) => void;
}

/** The part of `Worker` that is used, so that tests can put a `MessagePort` in its place. */
export interface WorkerLike {
  postMessage(message: unknown): void;
  terminate(): void;
  onmessage: ((event: MessageEvent) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
}

/** Methods by name, as the worker implements them. */
type Methods<C> = { [M in keyof C]: (...args: never[]) => unknown };

export class WorkerClient<C extends Methods<C> = Calls> {
  readonly #worker: WorkerLike;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #ended: Error | null = null;

  constructor(worker: WorkerLike, listeners: Listeners = {}) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      if (!isFromWorker(data)) return;
      if (data.kind === "progress") listeners.onProgress?.(data.progress);
      else if (data.kind === "outbox") listeners.onOutbox?.(data.state);
      else this.#settle(data);
    };
    worker.onerror = (event) => {
      event.preventDefault?.();
      const what = event.message === undefined || event.message === "" ? "it could not be started" : event.message;
      this.#end(new Error(`the worker stopped: ${what}`));
    };
  }

  call<M extends keyof C & string>(method: M, ...args: Parameters<C[M]>): Promise<ReturnType<C[M]>> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, method, args });
    });
  }

  /** Ends the worker; calls that are still open are rejected. */
  terminate(): void {
    this.#worker.terminate();
    this.#end(new Error("the model was closed"));
  }

  #settle(message: { kind: "reply"; id: number; value: unknown } | { kind: "failure"; id: number; error: { name: string; message: string } }): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === "reply") waiting?.resolve(message.value as never);
    else waiting?.reject(Object.assign(new Error(message.error.message), { name: message.error.name }));
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}
