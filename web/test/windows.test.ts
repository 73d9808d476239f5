import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Store } from "../src/outbox/store";
import { SNAPSHOT_MS, type WindowSource, Windows, recover } from "../src/outbox/windows";

let sites = 0;
let store: Store;
let source: CountingSource;

/** Counts rows, as the Python side does. */
class CountingSource implements WindowSource {
  rows = 0;
  pending(): number {
    return this.rows;
  }
  counts = 0;
  empty(): boolean {
    return this.rows === 0 && this.counts === 0;
  }
  peek_window(header: string): string | undefined {
    return this.empty() ? undefined : JSON.stringify({ ...JSON.parse(header), rows: this.rows });
  }
  take_window(header: string): string | undefined {
    const text = this.peek_window(header);
    this.rows = this.counts = 0;
    return text;
  }
}

interface Report {
  id: string;
  session: string;
  seq: number;
  started: string;
  ended: string;
  rows: number;
}

const limits = { rows: 10, seconds: 60 };
const make = (session = "s1", onClosed = (): void => {}): Windows => new Windows(source, store, session, limits, onClosed);
const queued = async (): Promise<Report[]> =>
  (await store.oldest(99)).map(({ text }) => JSON.parse(text) as Report).toSorted((a, b) => a.seq - b.seq);

async function predict(windows: Windows, rows: number): Promise<void> {
  windows.begin();
  source.rows += rows;
  await windows.advance();
}

beforeEach(async () => {
  source = new CountingSource();
  store = await Store.open(`http://windows.test/${sites++}/`);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"], now: Date.parse("2025-07-01T09:00:00Z") });
});
afterEach(() => vi.useRealTimers());

describe("Windows", () => {
  it("sends what was counted without a row", async () => {
    const windows = make();
    windows.begin();
    source.counts = 1;
    await windows.advance();
    await windows.close();
    expect((await queued()).map(({ seq, rows }) => [seq, rows])).toEqual([[0, 0]]);
  });
  it("closes at the number of rows, and counts the windows of a session", async () => {
    const closed = vi.fn();
    const windows = make("s1", closed);
    await predict(windows, 9);
    expect(await queued()).toEqual([]);
    await predict(windows, 1);
    await predict(windows, 25);
    const [first, second] = await queued();
    expect(first).toMatchObject({ session: "s1", seq: 0, rows: 10 });
    expect(second).toMatchObject({ session: "s1", seq: 1, rows: 25 });
    expect(first?.id).not.toBe(second?.id);
    expect(closed).toHaveBeenCalledTimes(2);
  });

  it("closes after its time, counted from its first row", async () => {
    const windows = make();
    await predict(windows, 1);
    await vi.advanceTimersByTimeAsync(59_000);
    await predict(windows, 1);
    await vi.advanceTimersByTimeAsync(1_000);
    await vi.waitFor(async () => expect(await queued()).toHaveLength(1));
    expect((await queued())[0]).toMatchObject({
      rows: 2,
      started: "2025-07-01T09:00:00.000Z",
      ended: "2025-07-01T09:01:00.000Z",
    });
  });

  it("does not queue a window without rows", async () => {
    const windows = make();
    await predict(windows, 0);
    await windows.close();
    expect(await queued()).toEqual([]);
    expect(windows.peek()).toBeNull();
  });

  it("starts the time anew after a batch that was refused", async () => {
    const windows = make();
    await predict(windows, 0);
    vi.setSystemTime(Date.parse("2025-07-01T10:00:00Z"));
    await predict(windows, 10);
    expect((await queued())[0]?.started).toBe("2025-07-01T10:00:00.000Z");
  });

  it("shows the next report without closing it", async () => {
    const windows = make();
    await predict(windows, 3);
    expect(JSON.parse(windows.peek() ?? "")).toMatchObject({ rows: 3, seq: 0 });
    await windows.close();
    expect((await queued())[0]).toMatchObject({ rows: 3, seq: 0 });
  });

  it("writes the open window to disk while it grows", async () => {
    const windows = make();
    await predict(windows, 3);
    await vi.advanceTimersByTimeAsync(SNAPSHOT_MS);
    await vi.waitFor(async () => expect(await store.openWindows()).toHaveLength(1));
    await windows.close();
    expect(await store.openWindows()).toEqual([]);
  });

  it("keeps a window that the disk refused, and queues it with the next", async () => {
    const windows = make();
    const complain = vi.spyOn(console, "error").mockImplementation(() => {});
    vi.spyOn(store, "enqueue").mockRejectedValueOnce(new DOMException("full", "QuotaExceededError"));
    await predict(windows, 10);
    expect(await queued()).toEqual([]);
    expect(complain).toHaveBeenCalledOnce();
    await predict(windows, 10);
    expect((await queued()).map(({ seq }) => seq)).toEqual([0, 1]);
    complain.mockRestore();
  });
});

describe("recover", () => {
  it("queues the snapshot of a dead session under the window's own id, once", async () => {
    const windows = make("dead");
    await predict(windows, 4);
    const id = (JSON.parse(windows.peek() ?? "") as Report).id;
    await windows.snapshot();
    expect(await recover(store, new Set(["alive"]), 5)).toBe(1);
    expect(await recover(store, new Set(["alive"]), 6)).toBe(0);
    expect(await queued()).toMatchObject([{ id, session: "dead", rows: 4 }]);
  });

  it("leaves a living session's window alone", async () => {
    const windows = make("alive");
    await predict(windows, 4);
    await windows.snapshot();
    expect(await recover(store, new Set(["alive"]), 5)).toBe(0);
    await predict(windows, 6);
    expect(await queued()).toMatchObject([{ rows: 10 }]);
  });

  it("never counts a window twice: closed and recovered are the same id", async () => {
    const windows = make("dead");
    await predict(windows, 4);
    await windows.snapshot();
    const saved = await store.openWindows();
    await windows.close();
    for (const window of saved) await store.saveOpen(window); // as if the snapshot had been written late
    await recover(store, new Set(), 5);
    expect(await queued()).toHaveLength(1);
  });
});
