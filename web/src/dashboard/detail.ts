/** One feature: its distribution beside the reference, its course over time, its bins as a table. */

import { bars, inWords } from "../ui/bars";
import { byId, h } from "../ui/dom";
import { counted, percent, statistic } from "../ui/format";
import { type ComparedFeature, VERDICTS, value } from "../ui/verdict";
import type { FeatureSeries, Segment, Told } from "./api";
import { timeline } from "./lines";
import { METHODS, followed } from "./measures";
import { inWords as segmentInWords } from "./segments";

export function drawDetail(
  feature: ComparedFeature,
  segment: Segment | undefined,
  course: FeatureSeries | undefined,
  told: Told | undefined,
  windowMs: number,
): void {
  byId("detail-title").textContent =
    segment === undefined ? feature.name : `${feature.name}, ${segmentInWords(segment)}`;
  const { rows } = feature.summary.current;
  byId("detail-lead").textContent =
    rows === 0
      ? "No rows in this period."
      : `${VERDICTS[feature.verdict].title}. ${counted(rows, "row")}; ${changeInWords(feature)}.`;
  byId("detail-story").textContent = inSentences(told);
  byId("detail-plot").replaceChildren(
    feature.kind === "vector"
      ? h("p", { class: "note" }, `Vectors have no bins. How long they are: ${feature.name}: norm.`)
      : bars(feature.name, feature, feature.kind === "categorical"),
  );
  byId("detail-figures").replaceChildren(
    ...METHODS.filter(({ id }) => value(feature.statistics, id) !== null).map(({ id, label, title, show }) =>
      figure(label, show(value(feature.statistics, id)), title),
    ),
    figure("p", statistic(feature.p_value), "p-value of the deciding test, adjusted for all tests of the table"),
  );
  byId("detail-course-title").textContent = `${followed(feature).label} per window`;
  byId("detail-all-bins").hidden = feature.bins.length === 0;
  const windows = course?.windows ?? [];
  byId("detail-course").replaceChildren(
    windows.length === 0
      ? h("p", { class: "note" }, "No windows in this period.")
      : timeline(windows, followed(feature), windowMs),
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

function changeInWords(feature: ComparedFeature): string {
  if (feature.kind !== "vector") return inWords(feature);
  const shift = feature.statistics.find(({ method }) => method === "mmd")?.effect;
  return `mean shifted by ${statistic(shift)} standard deviations of their random features`;
}

/** The diagnosis and the sequential test, for people. */
export function inSentences(told: Told | undefined): string {
  if (told?.diagnosis == null) return "";
  const { watch } = told;
  if (watch === null) return told.diagnosis.sentence;
  const alarm = watch.since === null ? "no alarm" : `alarm at ${watch.since}`;
  return `${told.diagnosis.sentence} Sequential test: ${alarm} (anytime-valid p ${statistic(watch.p_value)}).`;
}

function figure(label: string, text: string, title: string): HTMLElement {
  return h("div", { title }, h("dt", {}, label), h("dd", {}, text));
}

function change(by: number): string {
  if (Math.abs(by) < 0.0005) return "0";
  return `${by > 0 ? "+" : "−"}${percent(Math.abs(by))}`;
}
