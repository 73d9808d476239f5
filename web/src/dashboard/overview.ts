/** The figures above the table, and the collector about itself. */

import { byId, h } from "../ui/dom";
import { bytes, count, counted, milliseconds } from "../ui/format";
import { bars } from "../ui/bars";
import type { ComparedFeature } from "../ui/verdict";
import type { Drift, Metrics } from "./api";

function tile(label: string, value: string, note: string, tone = ""): HTMLElement {
  return h("div", { class: `tile ${tone}` }, h("dt", {}, label), h("dd", {}, value), h("p", { class: "note" }, note));
}

export function drawOverview(drift: Drift): void {
  const watched = drift.features.filter(({ role }) => role !== "system");
  const drifted = watched.filter(({ verdict }) => verdict === "drift").length;
  const unsure = watched.filter(({ verdict }) => verdict === "bins cannot tell").length;
  const parts = drift.segments ?? [];
  const apart = parts.filter((segment) => segment.drifted > 0).length;
  const tone = drifted > 0 || apart > 0 ? "bad" : unsure > 0 ? "warn" : drift.rows > 0 ? "good" : "";
  const notes = [
    unsure > 0 ? `and ${count(unsure)} uncertain` : "features and outputs",
    ...(apart > 0 ? [`drift in ${apart} of ${parts.length} segments`] : []),
  ];
  byId("tiles").replaceChildren(
    tile("Drifted", `${drifted} of ${watched.length}`, notes.join("; "), tone),
    tile("Rows", count(drift.rows), "predicted on devices"),
    tile("Sessions", count(drift.sessions), counted(drift.reports, "report")),
    tile("Windows", count(drift.windows), drift.hidden_windows > 0 ? `and ${count(drift.hidden_windows)} hidden` : "none hidden"),
  );
  const happened = byId("diagnosis");
  happened.hidden = drift.windows === 0;
  happened.textContent = drift.diagnosis.sentence;
  const hidden = byId("hidden-note");
  hidden.hidden = drift.hidden_windows === 0;
  hidden.textContent =
    `${counted(drift.hidden_windows, "window")} with ${counted(drift.hidden_sessions, "session")} ` +
    `${drift.hidden_windows === 1 ? "is" : "are"} hidden: results are shown from ${count(drift.min_sessions)} sessions on, ` +
    "so that nobody stands alone in a plot.";
}

/** What the devices say about themselves. */
export function drawSystem(features: readonly ComparedFeature[]): void {
  byId("system").hidden = features.length === 0;
  byId("system-plots").replaceChildren(
    ...features.map((feature) =>
      h(
        "figure",
        {},
        h("figcaption", {}, h("strong", {}, feature.name), h("span", { class: "note" }, counted(feature.summary.current.rows, "value"))),
        bars(feature.name, feature),
      ),
    ),
  );
}

export function drawMetrics(metrics: Metrics): void {
  const refused = metrics.requests.bad + metrics.requests.unauthorised + metrics.requests.too_large;
  const time = (summary: Metrics["ingest_ms"]): string =>
    summary.count === 0 || summary.p50 === undefined
      ? "–"
      : `${milliseconds(summary.p50)} / ${milliseconds(summary.p99 ?? summary.p50)}`;
  const line = (label: string, text: string): HTMLElement => h("div", {}, h("dt", {}, label), h("dd", {}, text));
  byId("metrics").replaceChildren(
    line("Reports stored", count(metrics.reports.stored)),
    line("Duplicates ignored", count(metrics.reports.duplicate)),
    line("Quarantined", count(metrics.reports.quarantined)),
    line("Requests refused", `${count(refused)}, busy ${count(metrics.requests.busy)}`),
    line("Queue", `${count(metrics.queue.depth)} of ${count(metrics.queue.capacity)}`),
    line("Ingest p50 / p99", time(metrics.ingest_ms)),
    line("Commit p50 / p99", time(metrics.commit_ms)),
    line("Database", bytes(metrics.database_bytes)),
    line("Up", uptime(metrics.uptime_seconds)),
  );
}

export function uptime(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return `${Math.floor(seconds)} s`;
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}
