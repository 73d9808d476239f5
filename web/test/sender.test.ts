import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FIRST_MS } from "../src/outbox/backoff";
import { type Fate, type Outcome, judge } from "../src/outbox/post";
import { Sender, type SenderOptions } from "../src/outbox/sender";
import { type QueuedReport, Store } from "../src/outbox/store";

let sites = 0;
let store: Store;
let now: number;
const collector = { url: "http://collector.test", key: "k" };

type Answer = (reports: readonly QueuedReport[]) => Outcome | Promise<Outcome>;

const all = (fate: Fate): Answer => (reports) => ({
  fates: new Map(reports.map(({ id }) => [id, fate])),
  trouble: null,
  retryAfter: null,
  split: false,
});
const stored = all({ fate: "confirmed" });
const status = (code: number, retryAfter: string | null = null): Answer => (reports) => judge(code, retryAfter, "", reports, now);

function sender(answer: Answer, options: Partial<SenderOptions> = {}): { sender: Sender; sent: string[][] } {
  const sent: string[][] = [];
  const made = new Sender(store, collector, {
    exclusive: async (task) => task(),
    onChange: () => {},
    hidden: () => false,
    now: () => now,
    random: () => 0.5,
    send: async (_collector, reports) => {
      sent.push(reports.map(({ id }) => id));
      return answer(reports);
    },
    ...options,
  });
  return { sender: made, sent };
}

async function queue(...ids: string[]): Promise<void> {
  for (const [i, id] of ids.entries()) await store.enqueue({ session: "s", id, text: `{"id":"${id}"}` }, i);
}

beforeEach(async () => {
  now = 1_000_000;
  store = await Store.open(`http://sender.test/${sites++}/`);
  // Only the sender's pauses are made to wait: the database needs its own turns.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => vi.useRealTimers());

describe("Sender", () => {
  it("empties the queue and deletes what is confirmed", async () => {
    await queue("a", "b");
    const { sender: one, sent } = sender(stored);
    await one.drain();
    expect(sent).toEqual([["a", "b"]]);
    expect(await store.counts()).toEqual({ queued: 0, quarantined: 0, dropped: 0 });
    expect(one.sent).toBe(2);
  });

  it("keeps everything when there is no network, and waits before it tries again", async () => {
    await queue("a");
    let up = false;
    const { sender: one, sent } = sender((reports) => (up ? stored(reports) : status(503)(reports)));
    await one.drain();
    expect(one.trouble).toBe("the collector answered 503");
    one.wake(); // a new window does not break the pause
    expect(sent).toHaveLength(1);
    up = true;
    await vi.advanceTimersByTimeAsync(FIRST_MS);
    await vi.waitFor(async () => expect((await store.counts()).queued).toBe(0));
    expect(one.trouble).toBeNull();
    expect(sent).toEqual([["a"], ["a"]]);
  });

  it("honours Retry-After, also when it is woken, and for a later sender", async () => {
    await queue("a");
    const { sender: one, sent } = sender(status(503, "60"));
    await one.drain();
    now += 59_000;
    await one.drain();
    expect(sent).toHaveLength(1);
    const { sender: next, sent: sentByNext } = sender(stored);
    await next.drain();
    expect(sentByNext).toHaveLength(0);
    now += 2_000;
    await next.drain();
    expect(sentByNext).toEqual([["a"]]);
    await one.close();
  });

  it("finds the one report at fault, and sends the others", async () => {
    await queue("a", "bad", "c");
    const { sender: one, sent } = sender((reports) =>
      reports.some(({ id }) => id === "bad") ? status(400)(reports) : stored(reports),
    );
    await one.drain();
    expect(sent).toEqual([["a", "bad", "c"], ["a"], ["bad"], ["c"]]);
    expect(await store.counts()).toEqual({ queued: 0, quarantined: 1, dropped: 0 });
  });

  it("sets a quarantined report aside", async () => {
    await queue("a");
    const { sender: one } = sender(all({ fate: "refused", reason: "unknown model" }));
    await one.drain();
    expect(await store.counts()).toEqual({ queued: 0, quarantined: 1, dropped: 0 });
  });

  it("keeps what a 200 did not name, and does not hammer", async () => {
    await queue("a", "b");
    const { sender: one, sent } = sender((reports) =>
      judge(200, null, JSON.stringify({ results: [{ id: "a", status: "stored" }] }), reports, now),
    );
    await one.drain();
    expect(sent).toEqual([["a", "b"]]);
    expect((await store.oldest(9)).map(({ id }) => id)).toEqual(["b"]);
    await one.close();
  });

  it("does not post twice at the same time", async () => {
    await queue("a");
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const { sender: one, sent } = sender(async (reports) => {
      await gate;
      return stored(reports);
    });
    const first = one.drain();
    const second = one.drain();
    release();
    await Promise.all([first, second]);
    expect(sent).toEqual([["a"]]);
  });

  it("stops when it is closed, and leaves the queue as it is", async () => {
    await queue("a");
    const { sender: one, sent } = sender(status(503));
    await one.drain();
    await one.close();
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(sent).toHaveLength(1);
    expect((await store.counts()).queued).toBe(1);
  });
});
