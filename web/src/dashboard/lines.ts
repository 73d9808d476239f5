/** A statistic over time windows: a line with gaps where there was nothing, or too little to show. */

import { h, s } from "../ui/dom";
import { statistic } from "../ui/format";
import type { SeriesWindow, Window } from "./api";
import { value } from "../ui/verdict";

export interface Point<W extends Window = SeriesWindow> {
  /** Milliseconds since the epoch, the middle of the window. */
  at: number;
  /** Null where the window is hidden or has no value. */
  y: number | null;
  window: W;
}

export function points(windows: readonly SeriesWindow[], method: string): Point[] {
  return windows.map((window) => ({
    at: (Date.parse(window.start) + Date.parse(window.end)) / 2,
    y: window.hidden ? null : value(window.statistics, method),
    window,
  }));
}

/** Runs of points without a gap: neighbours are at most one and a half windows apart, and both have a value. */
export function runs<P extends Point<Window>>(series: readonly P[], windowMs: number): P[][] {
  const found: P[][] = [];
  let last: P | null = null;
  for (const point of series) {
    if (point.y === null) {
      last = null;
      continue;
    }
    if (last === null || point.at - last.at > windowMs * 1.5) found.push([]);
    found.at(-1)?.push(point);
    last = point;
  }
  return found;
}

interface Frame {
  width: number;
  height: number;
  from: number;
  to: number;
  top: number;
}

const x = (frame: Frame, at: number): number => ((at - frame.from) / (frame.to - frame.from)) * frame.width;
const y = (frame: Frame, value: number): number => frame.height - (Math.min(value, frame.top) / frame.top) * frame.height;

function paths(frame: Frame, series: readonly Point<Window>[], windowMs: number): SVGElement[] {
  return runs(series, windowMs).map((run) => {
    const at = run.map((p, i) => `${i === 0 ? "M" : "L"}${x(frame, p.at).toFixed(2)} ${y(frame, p.y ?? 0).toFixed(2)}`);
    // A window alone between gaps has no line: a stroke of no length, with round ends, is a dot.
    const alone = at.length === 1;
    return s("path", { class: alone ? "line dot" : "line", d: alone ? `${at[0]} h0.01` : at.join(" ") });
  });
}

function frameOf(series: readonly Point<Window>[], windowMs: number, width: number, height: number, least: number): Frame {
  const highest = Math.max(least, ...series.map((point) => point.y ?? 0));
  const from = (series[0]?.at ?? 0) - windowMs / 2;
  const to = (series.at(-1)?.at ?? 1) + windowMs / 2;
  return { width, height, from, to, top: highest * 1.1 };
}

/** The statistic's course, small enough for a table's cell. */
export function sparkline(windows: readonly SeriesWindow[], method: string, windowMs: number): SVGSVGElement {
  const series = points(windows, method);
  const frame = frameOf(series, windowMs, 96, 22, 0.25);
  return s(
    "svg",
    { class: "sparkline", viewBox: "-2 -2 100 26", width: 100, height: 26, "aria-hidden": "true" },
    ...paths(frame, series, windowMs),
  );
}

const TIME = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** The statistic's course with its thresholds, and a mark for every hidden window. */
export function timeline(
  windows: readonly SeriesWindow[],
  method: { id: string; label: string },
  windowMs: number,
): HTMLElement {
  const psi = method.id === "psi";
  return course(points(windows, method.id), windowMs, {
    label: method.label,
    thresholds: psi ? [0.1, 0.25] : [],
    least: psi ? 0.3 : 0.05,
    tell: ({ y, window }) => `${method.label} ${statistic(y)}, ${window.rows} rows, ${window.sessions} sessions`,
  });
}

/** What a course is of: `least` is how high it reaches at the least, `tell` what a shown window says. */
interface Course<W extends Window> {
  label: string;
  thresholds: readonly number[];
  least: number;
  tell(point: Point<W>): string;
}

/** A line over windows, with a mark for every hidden one. */
export function course<W extends Window>(
  series: readonly Point<W>[],
  windowMs: number,
  { label, thresholds, least, tell }: Course<W>,
): HTMLElement {
  const frame = frameOf(series, windowMs, 600, 120, least);
  const half = (windowMs / 2 / (frame.to - frame.from)) * frame.width;
  const svg = s("svg", {
    class: "timeline",
    viewBox: "0 0 600 120",
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": `${label} per window, ${series.length} windows`,
  });
  for (const [i, threshold] of thresholds.entries()) {
    const at = y(frame, threshold).toFixed(2);
    svg.append(s("line", { class: `threshold t${i}`, x1: 0, x2: 600, y1: at, y2: at }));
  }
  for (const point of series) {
    const left = (x(frame, point.at) - half).toFixed(2);
    const tip = point.window.hidden
      ? `${span(point.window)}: hidden, ${point.window.sessions} sessions`
      : `${span(point.window)}: ${tell(point)}`;
    svg.append(
      s(
        "g",
        {},
        s("title", {}, tip),
        s("rect", { class: point.window.hidden ? "gap" : "hit", x: left, y: 0, width: (2 * half).toFixed(2), height: 120 }),
      ),
    );
  }
  svg.append(...paths(frame, series, windowMs));
  const first = series[0]?.window;
  const last = series.at(-1)?.window;
  return h(
    "div",
    { class: "plot" },
    svg,
    h(
      "div",
      { class: "axis" },
      h("span", {}, first === undefined ? "" : TIME.format(new Date(first.start))),
      h("span", {}, `0 – ${statistic(frame.top)}`),
      h("span", {}, last === undefined ? "" : TIME.format(new Date(last.end))),
    ),
  );
}

export function span(window: Window): string {
  return `${TIME.format(new Date(window.start))} – ${TIME.format(new Date(window.end))}`;
}
