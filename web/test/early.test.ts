import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { WorkerLike } from "../src/client";
import { Early } from "../src/early";

/** The early worker, which answers when the test says so. */
class Fake implements WorkerLike {
  onmessage: ((event: MessageEvent) => void) | null = null;
  onerror: ((event: ErrorEvent) => void) | null = null;
  readonly #ids: number[] = [];
  terminate(): void {}
  postMessage(message: unknown): void {
    this.#ids.push((message as { id: number }).id);
  }
  /** Answers the oldest call; lets what waits for it go on. */
  async answer(value: unknown): Promise<void> {
    this.onmessage?.({ data: { kind: "reply", id: this.#ids.shift(), value } } as MessageEvent);
    await vi.advanceTimersByTimeAsync(0);
  }
}

describe("Early.yielded", () => {
  let worker: Fake;
  let early: Early;
  let yielded: boolean;

  beforeEach(() => {
    vi.useFakeTimers();
    worker = new Fake();
    early = new Early("/", worker as unknown as Worker);
    yielded = false;
    void early.yielded.then(() => (yielded = true));
  });
  afterEach(() => vi.useRealTimers());

  it("waits for the first answer", async () => {
    await worker.answer({});
    const answer = early.predict([{ x: 1 }], "b");
    await vi.advanceTimersByTimeAsync(100);
    expect(yielded).toBe(false);
    await worker.answer({ rows: [{ y: 2 }], ms: 1 });
    expect(await answer).toEqual({ rows: [{ y: 2 }], ms: 1 });
    expect(yielded).toBe(true);
  });

  it("does not wait where rows can't be predicted early", async () => {
    await worker.answer(null);
    expect(yielded).toBe(true);
  });

  it("does not wait for an answer that takes Python", async () => {
    await worker.answer({});
    expect(await early.predict([{ x: 1 }, { x: 2 }], "b")).toBe(null);
    await vi.advanceTimersByTimeAsync(0);
    expect(yielded).toBe(true);
  });

  it("does not wait long for a page that asks nothing", async () => {
    await worker.answer({});
    await vi.advanceTimersByTimeAsync(200);
    expect(yielded).toBe(true);
  });

  it("does not wait long for a plan that does not arrive", async () => {
    await vi.advanceTimersByTimeAsync(1499);
    expect(yielded).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(yielded).toBe(true);
  });

  it("does not wait for a worker that is ended or broken", async () => {
    worker.onerror?.({ message: "out of memory" } as ErrorEvent);
    await vi.advanceTimersByTimeAsync(0);
    expect(yielded).toBe(true);
  });
});
