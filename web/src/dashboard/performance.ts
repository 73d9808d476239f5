/** How good the model is, window by window: by the labels that came, and estimated without them. */

import type { Metric } from "../messages";
import { byId, h, s } from "../ui/dom";
import { counted } from "../ui/format";
import { short, text, titleOf, withInterval } from "../ui/metric";
import type { Performance, PerformanceWindow } from "./api";
import { type Point, runs, span } from "./lines";

const WIDTH = 600;
const HEIGHT = 150;

type Part = "realised" | "estimated";

interface Frame {
  from: number;
  to: number;
  low: number;
  high: number;
}

const middle = (window: PerformanceWindow): number => (Date.parse(window.start) + Date.parse(window.end)) / 2;
const x = (frame: Frame, at: number): number => ((at - frame.from) / (frame.to - frame.from)) * WIDTH;
const y = (frame: Frame, value: number): number => HEIGHT - ((value - frame.low) / (frame.high - frame.low)) * HEIGHT;

function metric(window: PerformanceWindow, part: Part, name: string): Metric | null {
  return window[part]?.[name] ?? null;
}

/** A point of a line, and how far its confidence interval reaches. */
interface Estimate extends Point<PerformanceWindow> {
  low: number | null;
  high: number | null;
}

export function estimates(windows: readonly PerformanceWindow[], part: Part, name: string): Estimate[] {
  return windows.map((window) => {
    const found = window.hidden ? null : metric(window, part, name);
    const y = found?.value ?? null;
    return { at: middle(window), y, low: found?.ci[0] ?? y, high: found?.ci[1] ?? y, window };
  });
}

/** Metrics that at least one window or the reference has, in the collector's order. */
export function metricsOf(performance: Performance): string[] {
  const names = Object.keys(performance.reference);
  return names.filter((name) => performance.reference[name]?.value != null);
}

export function drawPerformance(
  performance: Performance | undefined,
  windowMs: number,
  chosen: string | null,
  select: (name: string) => void,
): void {
  byId("performance").hidden = performance === undefined;
  if (performance === undefined) return;
  const names = metricsOf(performance);
  const name = names.find((one) => one === chosen) ?? names[0];
  const choice = byId<HTMLSelectElement>("performance-metric");
  choice.replaceChildren(
    ...names.map((one) => h("option", { value: one, selected: one === name }, titleOf(one))),
  );
  choice.onchange = () => select(choice.value);
  if (name === undefined) {
    byId("performance-lead").textContent = "The reference has no labels to judge by.";
    return;
  }
  byId("performance-lead").textContent = lead(performance, name);
  byId("performance-plot").replaceChildren(plot(performance, name, windowMs));
  byId("performance-table").replaceChildren(...table(performance, name));
}

function lead(performance: Performance, name: string): string {
  const shown = performance.windows.filter(({ hidden }) => !hidden);
  const labels = shown.reduce((sum, window) => sum + (window.labels ?? 0), 0);
  const seen = shown.reduce((sum, window) => sum + (window.predictions ?? 0), 0);
  const told = [`${titleOf(name)} of ${performance.target}: ${text(performance.reference[name])} in the reference`];
  told.push(labels === 0 ? "no labels yet" : `${counted(labels, "label")} came`);
  if (seen > 0) told.push(`estimated from ${counted(seen, "prediction")}`);
  return `${told.join("; ")}.`;
}

function frameOf(lines: readonly Estimate[], level: number, windowMs: number): Frame {
  const values = lines.flatMap(({ y, low, high }) => (y === null ? [] : [y, low ?? y, high ?? y])).concat(level);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const pad = Math.max((high - low) * 0.08, Math.abs(level) * 0.005, 1e-9);
  const times = lines.map(({ at }) => at);
  return {
    from: Math.min(...times) - windowMs / 2,
    to: Math.max(...times) + windowMs / 2,
    low: low - pad,
    high: high + pad,
  };
}

function plot(performance: Performance, name: string, windowMs: number): HTMLElement {
  if (performance.windows.length === 0) return h("p", { class: "note" }, "No windows in this period.");
  const level = performance.reference[name]?.value ?? 0;
  const lines = {
    estimated: estimates(performance.windows, "estimated", name),
    realised: estimates(performance.windows, "realised", name),
  };
  const frame = frameOf([...lines.estimated, ...lines.realised], level, windowMs);
  const svg = s("svg", {
    class: "timeline",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": `${titleOf(name)} per window, realised and estimated, ${performance.windows.length} windows`,
  });
  const half = (windowMs / 2 / (frame.to - frame.from)) * WIDTH;
  for (const window of performance.windows) {
    const left = (x(frame, middle(window)) - half).toFixed(2);
    const kind = window.hidden ? "gap" : "hit";
    svg.append(
      s("g", {}, s("title", {}, tip(window, name)), s("rect", { class: kind, x: left, y: 0, width: (2 * half).toFixed(2), height: HEIGHT })),
    );
  }
  const at = y(frame, level).toFixed(2);
  svg.append(s("line", { class: "level", x1: 0, x2: WIDTH, y1: at, y2: at }));
  for (const part of ["estimated", "realised"] as const) {
    for (const run of runs(lines[part], windowMs)) svg.append(...course(frame, run, part, half));
  }
  const first = performance.windows[0];
  const last = performance.windows.at(-1);
  return h(
    "div",
    { class: "plot" },
    svg,
    h(
      "div",
      { class: "axis" },
      h("span", {}, first === undefined ? "" : (span(first).split(" – ")[0] ?? "")),
      h("span", {}, `${short(frame.low)} – ${short(frame.high)}`),
      h("span", {}, last === undefined ? "" : (span(last).split(" – ")[1] ?? "")),
    ),
  );
}

/** The line of a run, and the band of its confidence intervals; a window alone is as wide as it is. */
function course(frame: Frame, run: readonly Estimate[], part: Part, half: number): SVGElement[] {
  const spread = run.length > 1 ? run.map((p) => [x(frame, p.at), p] as const) : run.flatMap((p) => [-1, 1].map((side) => [x(frame, p.at) + (side * half) / 2, p] as const));
  const corner = (left: number, value: number): string => `${left.toFixed(2)} ${y(frame, value).toFixed(2)}`;
  const above = spread.map(([left, p]) => corner(left, p.high ?? p.y ?? 0));
  const below = spread.map(([left, p]) => corner(left, p.low ?? p.y ?? 0)).toReversed();
  const along = spread.map(([left, p]) => corner(left, p.y ?? 0));
  return [
    s("path", { class: `band ${part}`, d: `M${[...above, ...below].join(" L")} Z` }),
    s("path", { class: `line ${part}`, d: `M${along.join(" L")}` }),
  ];
}

function tip(window: PerformanceWindow, name: string): string {
  if (window.hidden) return `${span(window)}: hidden, ${window.sessions} sessions`;
  const realised = withInterval(metric(window, "realised", name));
  const estimated = withInterval(metric(window, "estimated", name));
  return `${span(window)}: ${realised} by ${counted(window.labels ?? 0, "label")}, estimated ${estimated}`;
}

function table(performance: Performance, name: string): HTMLElement[] {
  const heads = ["Window", "Labels", "Realised", "Predictions", "Estimated"];
  const rows = performance.windows.map((window) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, span(window)),
      ...(window.hidden
        ? [h("td", { colspan: 4 }, `hidden, ${window.sessions} sessions`)]
        : [
            String(window.labels ?? 0),
            withInterval(metric(window, "realised", name)),
            String(window.predictions ?? 0),
            withInterval(metric(window, "estimated", name)),
          ].map((cell) => h("td", { class: "number" }, cell))),
    ),
  );
  const head = heads.map((label, i) => h("th", { scope: "col", class: i === 0 ? null : "number" }, label));
  return [h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows)];
}
