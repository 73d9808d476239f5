/** One POST to the collector, and what its answer means for every report in it. */

import { retryAfter } from "./backoff";
import type { QueuedReport } from "./store";

export interface Collector {
  /** Where reports go: `<url>/v1/profiles`. */
  url: string;
  /** The publishable, write-only ingest key. */
  key: string;
}

export type Fate =
  | { fate: "confirmed" }
  /** The collector will not take it, now or later. */
  | { fate: "refused"; reason: string }
  | { fate: "kept" };

export interface Outcome {
  fates: Map<string, Fate>;
  /** In words, null when the collector answered as it should. */
  trouble: string | null;
  /** Milliseconds that the collector asked to wait. */
  retryAfter: number | null;
  /** The request as a whole was refused: its reports are to be sent one by one to find the one at fault. */
  split: boolean;
}

/** What the collector takes in one request, with room to spare: 256 KiB inflated, 64 KiB on the wire, 100 reports. */
export const MAX_REPORTS = 50;
export const MAX_TEXT = 240 * 1024;
export const MAX_WIRE = 60 * 1024;

const HEADER_ROOM = 512;
const HOPELESS = new Set([400, 413, 422]);

/** As many of the oldest reports as fit in one request; always at least one. */
export function batch(reports: readonly QueuedReport[], maxText = MAX_TEXT): QueuedReport[] {
  const taken: QueuedReport[] = [];
  let size = HEADER_ROOM;
  for (const report of reports) {
    size += utf8Length(report.text) + 1;
    if (taken.length > 0 && (size > maxText || taken.length >= MAX_REPORTS)) break;
    taken.push(report);
  }
  return taken;
}

/** The request's body. The reports' text is put in as it was stored, so that a retry has the same content hash. */
export function body(key: string, reports: readonly QueuedReport[]): string {
  return `{"key":${JSON.stringify(key)},"reports":[${reports.map((report) => report.text).join(",")}]}`;
}

/** A gzip stream, without a header that would cost a preflight; the collector looks at the first bytes. */
export async function gzip(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Sends reports and reads the answer. Never throws: the network's failures are an outcome. */
export async function post(
  collector: Collector,
  reports: readonly QueuedReport[],
  options: { keepalive: boolean; timeout: number; now: number },
): Promise<Outcome> {
  try {
    const packed = await gzip(body(collector.key, reports));
    if (packed.byteLength > MAX_WIRE && reports.length > 1) return kept("the request would be too large", null, true);
    const response = await fetch(new URL("v1/profiles", withSlash(collector.url)), {
      method: "POST",
      headers: { "Content-Type": "text/plain;charset=UTF-8" },
      body: packed,
      keepalive: options.keepalive && packed.byteLength <= MAX_WIRE, // browsers refuse more
      credentials: "omit",
      referrerPolicy: "no-referrer",
      cache: "no-store",
      signal: AbortSignal.timeout(options.timeout),
    });
    const text = await response.text(); // read whatever the status: an unread body holds the connection
    return judge(response.status, response.headers.get("Retry-After"), text, reports, options.now);
  } catch (error) {
    const timedOut = error instanceof DOMException && error.name === "TimeoutError";
    return kept(timedOut ? "the collector did not answer in time" : "the collector can't be reached", null, false);
  }
}

/** What an answer means. Only a 2xx whose body names a report's id confirms that report. */
export function judge(
  status: number,
  retryAfterHeader: string | null,
  text: string,
  reports: readonly QueuedReport[],
  now: number,
): Outcome {
  if (HOPELESS.has(status)) {
    if (reports.length > 1) return kept(`the collector answered ${status}`, null, true);
    const reason = `${status}: ${errorIn(text)}`;
    const fates = new Map(reports.map((report): [string, Fate] => [report.id, { fate: "refused", reason }]));
    return { fates, trouble: null, retryAfter: null, split: false };
  }
  if (status < 200 || status > 299) {
    const why = status === 401 ? "the collector doesn't know this site's key" : `the collector answered ${status}`;
    return kept(why, retryAfter(retryAfterHeader, now), false);
  }
  const results = resultsIn(text);
  const fates = new Map<string, Fate>();
  for (const { id } of reports) {
    const result = results.get(id);
    if (result?.status === "stored" || result?.status === "duplicate") fates.set(id, { fate: "confirmed" });
    else if (result?.status === "quarantined") {
      fates.set(id, { fate: "refused", reason: result.error ?? "quarantined by the collector" });
    } else fates.set(id, { fate: "kept" });
  }
  const unconfirmed = [...fates.values()].some(({ fate }) => fate === "kept");
  const trouble = unconfirmed ? "the collector's answer did not confirm every report" : null;
  return { fates, trouble, retryAfter: null, split: false };
}

function kept(trouble: string, wait: number | null, split: boolean): Outcome {
  return { fates: new Map(), trouble, retryAfter: wait, split };
}

interface Result {
  status: string;
  error: string | null;
}

function resultsIn(text: string): Map<string, Result> {
  const found = new Map<string, Result>();
  const results = (parse(text) as { results?: unknown } | null)?.results;
  if (!Array.isArray(results)) return found;
  for (const result of results as ({ id?: unknown; status?: unknown; error?: unknown } | null)[]) {
    if (typeof result?.id !== "string" || typeof result.status !== "string") continue;
    found.set(result.id, { status: result.status, error: typeof result.error === "string" ? result.error : null });
  }
  return found;
}

function errorIn(text: string): string {
  const error = (parse(text) as { error?: unknown } | null)?.error;
  return typeof error === "string" ? error : "refused by the collector";
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}

function withSlash(url: string): string {
  return url.endsWith("/") ? url : `${url}/`;
}
