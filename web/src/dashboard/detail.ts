/** One feature: its distribution beside the reference, its course over time, its bins as a table. */

import { bars, inWords } from "../ui/bars";
import { byId, h } from "../ui/dom";
import { count, percent, statistic } from "../ui/format";
import type { FeatureDrift, FeatureSeries } from "./api";
import { timeline } from "./lines";
import { METHODS, measure, pValue, value } from "./measures";

export function drawDetail(feature: FeatureDrift, course: FeatureSeries | undefined, windowMs: number): void {
  byId("detail-title").textContent = feature.name;
  byId("detail-lead").textContent =
    feature.rows === 0
      ? "No rows in this period."
      : `${feature.role}, ${feature.kind}, ${count(feature.rows)} rows: ${inWords(feature.name, feature).slice(feature.name.length + 2)}.`;
  byId("detail-plot").replaceChildren(bars(feature.name, feature));
  byId("detail-figures").replaceChildren(
    ...METHODS.filter(({ id }) => measure(feature.drift, id) !== null).map(({ id, label, title }) =>
      figure(label, statistic(value(feature.drift, id)), title),
    ),
    figure("p", statistic(pValue(feature)), "p-value of the test that fits the kind"),
  );
  const windows = course?.windows ?? [];
  const psi = METHODS[0];
  byId("detail-course").replaceChildren(
    windows.length === 0 || psi === undefined
      ? h("p", { class: "note" }, "No windows in this period.")
      : timeline(windows, psi, windowMs),
  );
  byId("detail-bins").replaceChildren(
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Bin"),
        ...["Reference", "Current", "Change"].map((label) => h("th", { scope: "col", class: "number" }, label)),
      ),
    ),
    h(
      "tbody",
      {},
      ...feature.bins.map((label, i) => {
        const was = feature.reference[i] ?? 0;
        const is = feature.current[i] ?? 0;
        return h(
          "tr",
          {},
          h("th", { scope: "row" }, label),
          ...[percent(was), percent(is), change(is - was)].map((text) => h("td", { class: "number" }, text)),
        );
      }),
    ),
  );
}

function figure(label: string, text: string, title: string): HTMLElement {
  return h("div", { title }, h("dt", {}, label), h("dd", {}, text));
}

function change(by: number): string {
  if (Math.abs(by) < 0.0005) return "0";
  return `${by > 0 ? "+" : "−"}${percent(Math.abs(by))}`;
}
