/** What the application counted, window by window, for each thousand rows that were predicted meanwhile. */

import { byId, h } from "../ui/dom";
import { count, number } from "../ui/format";
import type { CounterSeries, Drift } from "./api";
import { type Point, course } from "./lines";

type Counted = CounterSeries["windows"][number];

export function rates(windows: readonly Counted[]): Point<Counted>[] {
  return windows.map((window) => ({
    at: (Date.parse(window.start) + Date.parse(window.end)) / 2,
    y: window.count === undefined || window.rows === 0 ? null : (1000 * window.count) / window.rows,
    window,
  }));
}

export function drawCounters({ counters, rows }: Drift, series: readonly CounterSeries[], windowMs: number): void {
  const named = Object.entries(counters ?? {});
  byId("counters").hidden = named.length === 0;
  byId("counters-plots").replaceChildren(
    ...named.map(([name, total]) => {
      const rate = rows === 0 ? "" : `, ${number((1000 * total) / rows)} per 1,000 rows`;
      const windows = series.find((one) => one.name === name)?.windows ?? [];
      return h(
        "figure",
        {},
        h("figcaption", {}, h("strong", {}, name), h("span", { class: "note" }, `${count(total)}${rate}`)),
        course(rates(windows), windowMs, {
          label: name,
          thresholds: [],
          least: 1,
          tell: ({ y, window }) => `${count(window.count ?? 0)}${y === null ? "" : `, ${number(y)} per 1,000 rows`}`,
        }),
      );
    }),
  );
}
