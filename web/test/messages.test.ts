import { describe, expect, it, vi } from "vitest";
import { WorkerClient, type WorkerLike } from "../src/client";
import { isFromWorker, toFailure } from "../src/messages";

/** A worker that answers when the test says so. */
class Fake implements WorkerLike {
  onmessage: ((event: MessageEvent) => void) | null = null;
  onerror: ((event: ErrorEvent) => void) | null = null;
  readonly posted: { id: number; method: string; args: unknown[] }[] = [];
  readonly terminate = vi.fn();
  postMessage(message: unknown): void {
    this.posted.push(message as (typeof this.posted)[0]);
  }
  say(data: unknown): void {
    this.onmessage?.({ data } as MessageEvent);
  }
}

describe("WorkerClient", () => {
  it("gives every call its own answer, in whatever order they come", async () => {
    const worker = new Fake();
    const client = new WorkerClient(worker);
    const drift = client.call("drift");
    const rows = client.call("predict", [{ x: 1 }], "b");
    expect(worker.posted.map(({ method, args }) => [method, args])).toEqual([
      ["drift", []],
      ["predict", [[{ x: 1 }], "b"]],
    ]);
    worker.say({ kind: "reply", id: worker.posted[1]?.id, value: { rows: [{ y: 2 }], ms: 1 } });
    worker.say({ kind: "reply", id: worker.posted[0]?.id, value: { rows: 0, features: [] } });
    expect(await rows).toEqual({ rows: [{ y: 2 }], ms: 1 });
    expect(await drift).toEqual({ rows: 0, features: [] });
  });

  it("rejects with the error's name and message", async () => {
    const worker = new Fake();
    const call = new WorkerClient(worker).call("predict", [], "b");
    worker.say({ kind: "failure", id: worker.posted[0]?.id, error: { name: "InputError", message: "no rows" } });
    await expect(call).rejects.toMatchObject({ name: "InputError", message: "no rows" });
  });

  it("rejects what is open, and what comes later, when the worker dies", async () => {
    const worker = new Fake();
    const client = new WorkerClient(worker);
    const open = client.call("drift");
    worker.onerror?.({ message: "out of memory" } as ErrorEvent);
    await expect(open).rejects.toThrow(/worker stopped: out of memory/);
    await expect(client.call("drift")).rejects.toThrow(/worker stopped/);
  });

  it("passes progress and the outbox on, and ignores strangers", () => {
    const worker = new Fake();
    const onProgress = vi.fn();
    const onOutbox = vi.fn();
    new WorkerClient(worker, { onProgress, onOutbox });
    worker.say({ kind: "progress", progress: { stage: "model", loaded: 1, total: 2 } });
    worker.say({ kind: "outbox", state: { queued: 1 } });
    worker.say({ kind: "devtools" });
    worker.say(null);
    expect(onProgress).toHaveBeenCalledWith({ stage: "model", loaded: 1, total: 2 });
    expect(onOutbox).toHaveBeenCalledWith({ queued: 1 });
  });
});

describe("toFailure", () => {
  const python = (message: string): Error => Object.assign(new Error(message), { name: "PythonError" });

  it("keeps of a Python traceback the type and what it says", () => {
    const error = python(
      'Traceback (most recent call last):\n  File "edge.py", line 3, in predict\nstrandline.bundle.errors.InputError: row 2: "x" is no number: give one\n',
    );
    expect(toFailure(error)).toEqual({ name: "InputError", message: 'row 2: "x" is no number: give one' });
  });

  it("names a Python error that says nothing", () => {
    expect(toFailure(python("Traceback (most recent call last):\nMemoryError"))).toEqual({
      name: "MemoryError",
      message: "MemoryError",
    });
  });

  it("takes any thrown thing", () => {
    expect(toFailure(new TypeError("x"))).toEqual({ name: "TypeError", message: "x" });
    expect(toFailure("text")).toEqual({ name: "Error", message: "text" });
  });
});

describe("isFromWorker", () => {
  it("knows the worker's messages", () => {
    expect(isFromWorker({ kind: "reply", id: 1, value: null })).toBe(true);
    for (const other of [null, "reply", 3, {}, { kind: "x" }]) expect(isFromWorker(other)).toBe(false);
  });
});
