import { afterEach, describe, expect, it, vi } from "vitest";
import { MAX_REPORTS, batch, body, gzip, judge, post } from "../src/outbox/post";
import type { QueuedReport } from "../src/outbox/store";

const report = (id: string, text = `{"id":"${id}"}`): QueuedReport => ({ id, text, queued: 0, attempts: 0 });
const two = [report("a"), report("b")];
const collector = { url: "http://collector.test/base", key: 'k"1' };
const options = { keepalive: false, timeout: 1000, now: 0 };
const answer = (...results: unknown[]): string => JSON.stringify({ results });

async function inflate(data: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Response(new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

describe("body", () => {
  it("is JSON with the reports' own text, unchanged", () => {
    const text = body(collector.key, [report("a", '{"id":"a","x":1.0}')]);
    expect(text).toContain('{"id":"a","x":1.0}');
    expect(JSON.parse(text)).toEqual({ key: 'k"1', reports: [{ id: "a", x: 1 }] });
  });

  it("is a gzip stream on the wire", async () => {
    expect(await inflate(await gzip("é".repeat(500)))).toBe("é".repeat(500));
  });
});

describe("batch", () => {
  it("takes the oldest that fit, counted in UTF-8 bytes", () => {
    const reports = [report("a", "é".repeat(300)), report("b", "é".repeat(300)), report("c", "é".repeat(300))];
    expect(batch(reports, 512 + 1300).map(({ id }) => id)).toEqual(["a", "b"]);
  });

  it("takes one even when it is too large alone, so that the collector's verdict is heard", () => {
    expect(batch([report("a", "x".repeat(5000)), report("b")], 1000).map(({ id }) => id)).toEqual(["a"]);
  });

  it("takes a bounded number", () => {
    expect(batch(Array.from({ length: 200 }, (_, i) => report(String(i))))).toHaveLength(MAX_REPORTS);
  });
});

describe("judge", () => {
  it("confirms only what a 2xx names", () => {
    const text = answer({ id: "a", status: "stored" }, { id: "z", status: "stored" }, { id: null, status: "stored" });
    const outcome = judge(200, null, text, two, 0);
    expect([...outcome.fates]).toEqual([
      ["a", { fate: "confirmed" }],
      ["b", { fate: "kept" }],
    ]);
    expect(outcome.trouble).not.toBeNull();
  });

  it("takes a duplicate as confirmed and a quarantined report as refused with its reason", () => {
    const text = answer({ id: "a", status: "duplicate" }, { id: "b", status: "quarantined", error: "unknown model" });
    const outcome = judge(200, null, text, two, 0);
    expect(outcome.fates.get("a")).toEqual({ fate: "confirmed" });
    expect(outcome.fates.get("b")).toEqual({ fate: "refused", reason: "unknown model" });
    expect(outcome.trouble).toBeNull();
  });

  it.each(["", "<html>", "null", '{"results": 3}', '{"results": [null, 4, {"id": 5}]}'])(
    "keeps everything when a 2xx says nothing it understands: %j",
    (text) => {
      const outcome = judge(200, null, text, two, 0);
      expect([...outcome.fates.values()]).toEqual([{ fate: "kept" }, { fate: "kept" }]);
      expect(outcome.trouble).not.toBeNull();
    },
  );

  it.each([400, 413, 422])("splits a refused request to find the one at fault: %i", (status) => {
    const outcome = judge(status, null, "", two, 0);
    expect(outcome.split).toBe(true);
    expect(outcome.fates.size).toBe(0);
  });

  it.each([400, 413, 422])("gives up a report that is refused alone: %i", (status) => {
    const outcome = judge(status, null, '{"error": "too deep"}', [report("a")], 0);
    expect(outcome.fates.get("a")).toEqual({ fate: "refused", reason: `${status}: too deep` });
  });

  it.each([301, 401, 403, 404, 429, 500, 503])("keeps everything and waits: %i", (status) => {
    const outcome = judge(status, "3", answer({ id: "a", status: "stored" }), two, 0);
    expect(outcome.fates.size).toBe(0);
    expect(outcome.retryAfter).toBe(3000);
    expect(outcome.split).toBe(false);
  });
});

describe("post", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("is a simple request to the collector's path", async () => {
    const fetched = vi.fn(async (_url: URL, _init: RequestInit) => new Response(answer({ id: "a", status: "stored" })));
    vi.stubGlobal("fetch", fetched);
    const outcome = await post(collector, [report("a")], options);
    expect(outcome.fates.get("a")).toEqual({ fate: "confirmed" });
    const [url, init] = fetched.mock.calls[0] ?? [];
    expect(String(url)).toBe("http://collector.test/base/v1/profiles");
    expect(init).toMatchObject({ method: "POST", headers: { "Content-Type": "text/plain;charset=UTF-8" }, credentials: "omit" });
    expect(JSON.parse(await inflate(init?.body as Uint8Array<ArrayBuffer>))).toEqual({ key: 'k"1', reports: [{ id: "a" }] });
  });

  it("never throws: no network is an outcome", async () => {
    vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("Failed to fetch")));
    expect(await post(collector, two, options)).toEqual({
      fates: new Map(),
      trouble: "the collector can't be reached",
      retryAfter: null,
      split: false,
    });
  });
});
