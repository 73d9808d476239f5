import "fake-indexeddb/auto";
import { openDB } from "idb";
import { beforeEach, describe, expect, it } from "vitest";
import type { Value } from "../src/messages";
import { Labels, type Memory, Recollection } from "../src/outbox/labels";
import { LIMITS, Store } from "../src/outbox/store";
import { Windows, recover } from "../src/outbox/windows";

const DAY = 24 * 3600 * 1000;
let sites = 0;
let site = "";

/** Counts labels as the Python side does: all of a call or none. */
class Sink {
  counted: { kept: Value[]; label: Value }[] = [];
  label(text: string): void {
    const labels = JSON.parse(text) as { kept: Value[]; label: Value }[];
    if (labels.some(({ label }) => label === null)) throw new Error("a label must be something");
    this.counted.push(...labels);
  }
  pending = (): number => 0;
  empty = (): boolean => this.counted.length === 0;
  peek_window = (): string | undefined => (this.empty() ? undefined : JSON.stringify(this.counted));
  take_window(): string | undefined {
    const text = this.peek_window();
    this.counted = [];
    return text;
  }
}

/** One lock for all tabs of a test. */
function lock(): (task: () => Promise<void>) => Promise<void> {
  let last = Promise.resolve();
  return (task) => (last = last.then(task, task));
}

async function visit(session: string, exclusive = lock()) {
  const store = await Store.open(site);
  const sink = new Sink();
  const windows = new Windows(sink, store, session, { rows: 500, seconds: 60 }, () => {});
  return { store, sink, windows, labels: new Labels(sink, store, windows, exclusive) };
}

beforeEach(() => {
  site = `http://labels.test/${sites++}/`;
});

describe("Labels", () => {
  it("counts a label beside its prediction, once", async () => {
    const { sink, labels } = await visit("s1");
    await labels.remember(["a", "b"], [[1, 0.75], [0, 0.25]]);
    expect(await labels.label([{ id: "b", value: 1 }])).toEqual({ counted: 1, unknown: [] });
    expect(sink.counted).toEqual([{ kept: [0, 0.25], label: 1 }]);
    expect(await labels.label([{ id: "b", value: 1 }])).toEqual({ counted: 0, unknown: ["b"] });
    expect(await labels.label([{ id: "x", value: 1 }])).toEqual({ counted: 0, unknown: ["x"] });
    expect(sink.counted).toHaveLength(1);
  });

  it("counts labels of an earlier visit", async () => {
    const first = await visit("s1");
    await first.labels.remember(["a"], [["yes", 0.5]]);
    first.store.close();
    const second = await visit("s2");
    expect(await second.labels.label([{ id: "a", value: "no" }])).toEqual({ counted: 1, unknown: [] });
    expect(second.sink.counted).toEqual([{ kept: ["yes", 0.5], label: "no" }]);
  });

  it("counts an id once when two tabs say it at the same time, and when it is named twice", async () => {
    const shared = lock();
    const [one, two] = [await visit("s1", shared), await visit("s2", shared)];
    await one.labels.remember(["a"], [[1]]);
    const answers = await Promise.all([
      one.labels.label([{ id: "a", value: 1 }, { id: "a", value: 0 }]),
      two.labels.label([{ id: "a", value: 1 }]),
    ]);
    expect(answers.map(({ counted }) => counted)).toEqual([1, 0]);
    expect([...one.sink.counted, ...two.sink.counted]).toEqual([{ kept: [1], label: 1 }]);
  });

  it("has a label in the snapshot as soon as its prediction is forgotten: a dead session loses nothing", async () => {
    const first = await visit("s1");
    await first.labels.remember(["a", "b"], [[1], [0]]);
    await first.labels.label([{ id: "a", value: 1 }]);
    first.store.close(); // the worker dies here, with its window open
    const second = await visit("s2");
    expect(await recover(second.store, new Set(["s2"]), Date.now())).toBe(1);
    const [report] = await second.store.oldest(9);
    expect(JSON.parse(report?.text ?? "")).toEqual([{ kept: [1], label: 1 }]);
    expect(await second.labels.label([{ id: "a", value: 1 }, { id: "b", value: 1 }])).toEqual({ counted: 1, unknown: ["a"] });
  });

  it("keeps predictions whose label was refused", async () => {
    const { sink, labels } = await visit("s1");
    await labels.remember(["a", "b"], [[1], [0]]);
    await expect(labels.label([{ id: "a", value: 1 }, { id: "b", value: null }])).rejects.toThrow("must be something");
    expect(sink.counted).toEqual([]);
    expect(await labels.label([{ id: "a", value: 1 }, { id: "b", value: 0 }])).toEqual({ counted: 2, unknown: [] });
  });

  it("does not count again what the disk refused to forget", async () => {
    const { sink, store, windows } = await visit("s1");
    const memory: Memory = { remember: store.remember.bind(store), recall: async () => [{ id: "a", at: 0, kept: [1] }] };
    const labels = new Labels(sink, memory, windows, lock());
    await labels.label([{ id: "a", value: 1 }]);
    expect(await labels.label([{ id: "a", value: 1 }])).toEqual({ counted: 0, unknown: ["a"] });
  });

  it("forgets predictions after their time", async () => {
    const { store, labels } = await visit("s1");
    await labels.remember(["old"], [[1]], 0);
    expect(await store.recall(["old"], LIMITS.age)).toHaveLength(1);
    expect(await labels.label([{ id: "old", value: 1 }], LIMITS.age + DAY)).toEqual({ counted: 0, unknown: ["old"] });
    await labels.remember(["new"], [[1]], LIMITS.age + DAY);
    expect(await store.recall(["old", "new"], 0)).toHaveLength(1);
  });

  it("forgets the oldest when there are too many", async () => {
    const store = await Store.open(site, { ...LIMITS, predictions: 3 });
    for (let i = 0; i < 5; i++) await store.remember([{ id: `p${i}`, at: i, kept: [] }], 9);
    await store.remember([5, 6].map((i) => ({ id: `p${i}`, at: i, kept: [] })), 9);
    const left = await store.recall(["p0", "p1", "p2", "p3", "p4", "p5", "p6"], 9);
    expect(left.map(({ id }) => id)).toEqual(["p4", "p5", "p6"]);
  });
});

describe("Recollection", () => {
  it("keeps the newest in memory", async () => {
    const memory = new Recollection(2);
    await memory.remember(["a", "b", "c"].map((id, at) => ({ id, at, kept: [at] })));
    expect((await memory.recall(["a", "b", "c"])).map(({ id }) => id)).toEqual(["b", "c"]);
  });
});

describe("Store", () => {
  it("takes over what an earlier version stored", async () => {
    const old = await openDB(`strandline ${site}`, 1, {
      upgrade(db) {
        db.createObjectStore("queue", { keyPath: "id" }).createIndex("queued", "queued");
        db.createObjectStore("aside", { keyPath: "id" }).createIndex("at", "at");
        db.createObjectStore("open", { keyPath: "session" });
        db.createObjectStore("facts");
      },
    });
    await old.put("queue", { id: "r", text: "{}", queued: 1, attempts: 0 });
    old.close();
    const store = await Store.open(site);
    expect((await store.oldest(9)).map(({ id }) => id)).toEqual(["r"]);
    await store.remember([{ id: "a", at: 1, kept: [] }], 1);
    expect(await store.recall(["a"], 1)).toHaveLength(1);
  });
});
