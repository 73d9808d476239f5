import "../ui/theme.css";
import "./dashboard.css";
import { byId, h } from "../ui/dom";
import { counted } from "../ui/format";
import * as api from "./api";
import { drawCounters } from "./counters";
import { drawDetail } from "./detail";
import { type Live, watch } from "./live";
import { drawMetrics, drawOverview, drawSystem } from "./overview";
import { drawPerformance } from "./performance";
import { drawSegments, found } from "./segments";
import { type Sort, WORST_FIRST, drawTable, sorted } from "./table";

/** What is looked at; all of it is in the address, so that a view can be passed on. */
interface View {
  model: string | null;
  version: string | null;
  hours: string;
  feature: string | null;
  metric: string | null;
  segment: api.Segment | null;
  sort: Sort;
}

interface Shown {
  drift: api.Drift;
  /** Whose rows the table is about; undefined: all. */
  segment: api.ComparedSegment | undefined;
  courses: Map<string, api.FeatureSeries>;
  counters: readonly api.CounterSeries[];
  performance: api.Performance | undefined;
  windowMs: number;
}

const address = new URLSearchParams(location.search);
const column = address.get("segment");
const view: View = {
  model: address.get("model"),
  version: address.get("version"),
  hours: address.get("hours") ?? "",
  feature: address.get("feature"),
  metric: address.get("metric"),
  segment: column === null ? null : { column, value: address.get("value") },
  sort: { column: address.get("sort") ?? WORST_FIRST.column, descending: address.get("order") !== "asc" },
};
let known: api.Models | null = null;
let shown: Shown | null = null;

function remember(): void {
  const { model, version, hours, feature, metric, segment, sort } = view;
  const pairs = { model, version, hours, feature, metric, sort: sort.column, order: sort.descending ? null : "asc" };
  const query = new URLSearchParams(Object.entries(pairs).filter((pair): pair is [string, string] => !!pair[1]));
  if (segment !== null) query.set("segment", segment.column);
  if (segment !== null && segment.value !== null) query.set("value", segment.value);
  history.replaceState(null, "", `?${query}`);
}

function chosen(): api.ModelInfo | undefined {
  const all = known?.models ?? [];
  const named = all.filter(({ model }) => model === view.model);
  const versions = named.length > 0 ? named : all.filter(({ model }) => model === all[0]?.model);
  return versions.find(({ version }) => version === view.version) ?? versions.at(-1);
}

function drawChoice(): void {
  const current = chosen();
  const option = ({ model, version }: api.ModelInfo, i: number): HTMLOptionElement =>
    h("option", { value: String(i), selected: model === current?.model && version === current.version }, `${model} ${version}`);
  byId("model").replaceChildren(...(known?.models ?? []).map(option));
  byId<HTMLSelectElement>("period").value = view.hours;
}

function draw(): void {
  if (shown === null) return;
  const { drift, segment, courses, counters, performance, windowMs } = shown;
  drawOverview(drift);
  drawPerformance(performance, windowMs, view.metric, (name) => {
    view.metric = name;
    remember();
    draw();
  });
  drawSegments(drift, segment);
  const watched = (segment ?? drift).features.filter(({ role }) => role !== "system");
  const feature = watched.find(({ name }) => name === view.feature) ?? sorted(watched, WORST_FIRST)[0];
  const story = new Map(segment === undefined ? drift.story.map((told) => [told.name, told]) : []);
  drawTable(watched, courses, story, windowMs, view.sort, feature?.name ?? null, {
    sort: (column) => {
      const descending = view.sort.column === column ? !view.sort.descending : column !== "name";
      view.sort = { column, descending };
      remember();
      draw();
    },
    select: (name) => {
      view.feature = name;
      remember();
      draw();
    },
  });
  drawSystem(drift.features.filter(({ role }) => role === "system"));
  byId("detail").hidden = feature === undefined;
  if (feature !== undefined) drawDetail(feature, segment, courses.get(feature.name), story.get(feature.name), windowMs);
  drawCounters(drift, counters, windowMs);
}

async function refresh(): Promise<void> {
  known = await api.models();
  drawChoice();
  const current = chosen();
  byId("empty").hidden = current !== undefined;
  byId("content").hidden = current === undefined;
  drawMetrics(await api.metrics());
  if (current === undefined) return;
  document.title = `Drift of ${current.model} ${current.version}`;
  byId("lead").textContent =
    `${counted(current.reference_rows, "reference row")}, a window per ${duration(known.window_seconds)}`;
  const hours = Number(view.hours);
  const from = hours > 0 ? new Date(Date.now() - hours * 3_600_000).toISOString() : null;
  const query = { model: current.model, version: current.version, from };
  const [drift, series] = await Promise.all([api.drift(query), api.series(query)]);
  const segment = found(drift, view.segment);
  const { features } = segment === undefined ? series : await api.segmentSeries(query, segment);
  shown = {
    drift,
    segment,
    courses: new Map(features.map((feature) => [feature.name, feature])),
    counters: series.counters ?? [],
    performance: series.quality,
    windowMs: series.window_seconds * 1000,
  };
  draw();
}

function duration(seconds: number): string {
  const units = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]] as const;
  const [unit, size] = units.find(([, size]) => seconds % size === 0) ?? units[3];
  return seconds === size ? unit : counted(seconds / size, unit);
}

let running: Promise<void> | null = null;
let again = false;

/** Fetches and draws; changes that come meanwhile are one more round. */
function update(): Promise<void> {
  again = true;
  running ??= (async () => {
    while (again) {
      again = false;
      await refresh().then(
        () => showTrouble(null),
        (error: unknown) => showTrouble(error instanceof Error ? error.message : String(error)),
      );
    }
  })().finally(() => (running = null));
  return running;
}

function showTrouble(text: string | null): void {
  byId("trouble").hidden = text === null;
  byId("trouble").textContent = text ?? "";
}

function showLive(state: Live): void {
  const chip = byId("live");
  chip.textContent = state === "live" ? "Live" : "Connection lost, trying again";
  chip.className = `chip ${state === "live" ? "good" : "bad"}`;
}

byId<HTMLSelectElement>("model").addEventListener("change", ({ target }) => {
  const info = known?.models[Number((target as HTMLSelectElement).value)];
  if (info === undefined) return;
  Object.assign(view, { model: info.model, version: info.version, segment: null });
  remember();
  void update();
});
byId<HTMLSelectElement>("period").addEventListener("change", ({ target }) => {
  view.hours = (target as HTMLSelectElement).value;
  remember();
  void update();
});
byId<HTMLSelectElement>("segment").addEventListener("change", ({ target }) => {
  const one = shown?.drift.segments?.[Number((target as HTMLSelectElement).value || -1)];
  view.segment = one === undefined ? null : { column: one.column, value: one.value };
  remember();
  void update();
});

void update();
watch(showLive, () => void update());
