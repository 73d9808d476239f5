import "fake-indexeddb/auto";
import { describe, expect, it } from "vitest";
import { LIMITS, Store } from "../src/outbox/store";

let sites = 0;
const site = (): string => `http://site.test/${sites++}/`;
const window = (id: string, session = "s") => ({ session, id, text: `{"id":"${id}"}` });
const ids = async (store: Store): Promise<string[]> => (await store.oldest(100)).map(({ id }) => id);

describe("Store", () => {
  it("moves a window from its snapshot to the queue", async () => {
    const store = await Store.open(site());
    await store.saveOpen(window("a"));
    expect(await store.openWindows()).toEqual([window("a")]);
    await store.enqueue(window("a"), 1);
    expect(await store.openWindows()).toEqual([]);
    expect(await ids(store)).toEqual(["a"]);
  });

  it("leaves the snapshot of a later window of the same session", async () => {
    const store = await Store.open(site());
    await store.saveOpen(window("b"));
    await store.enqueue(window("a"), 1);
    expect(await store.openWindows()).toEqual([window("b")]);
  });

  it("queues the same window once", async () => {
    const store = await Store.open(site());
    await store.enqueue(window("a"), 1);
    await store.enqueue(window("a"), 2);
    expect(await store.counts()).toEqual({ queued: 1, quarantined: 0, dropped: 0 });
  });

  it("gives the oldest first and keeps what is not confirmed", async () => {
    const store = await Store.open(site());
    for (const [i, id] of ["c", "a", "b"].entries()) await store.enqueue(window(id), i);
    expect(await ids(store)).toEqual(["c", "a", "b"]);
    await store.confirm(["a"]);
    expect(await ids(store)).toEqual(["c", "b"]);
  });

  it("drops the oldest when it is full, and counts what it dropped", async () => {
    const store = await Store.open(site(), { ...LIMITS, queue: 3 });
    for (let i = 0; i < 5; i++) await store.enqueue(window(`w${i}`), i);
    expect(await ids(store)).toEqual(["w2", "w3", "w4"]);
    expect(await store.counts()).toEqual({ queued: 3, quarantined: 0, dropped: 2 });
  });

  it("keeps refused reports aside, a bounded number of them", async () => {
    const store = await Store.open(site(), { ...LIMITS, aside: 2 });
    for (let i = 0; i < 3; i++) await store.enqueue(window(`w${i}`), i);
    for (let i = 0; i < 3; i++) await store.setAside(`w${i}`, "400", i);
    expect(await store.counts()).toEqual({ queued: 0, quarantined: 2, dropped: 0 });
  });

  it("counts attempts, and keeps the collector's wish over a restart", async () => {
    const place = site();
    const store = await Store.open(place);
    await store.enqueue(window("a"), 1);
    await store.attempted(["a", "gone"]);
    await store.setNotBefore(77);
    store.close();
    const again = await Store.open(place);
    expect((await again.oldest(1))[0]?.attempts).toBe(1);
    expect(await again.notBefore()).toBe(77);
  });

  it("is one per site", async () => {
    const first = await Store.open(site());
    const second = await Store.open(site());
    await first.enqueue(window("a"), 1);
    expect(await ids(second)).toEqual([]);
  });
});
