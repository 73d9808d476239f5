/** What was predicted since the page was opened, beside the reference: one small plot per feature. */

import type { Drift, FeatureDrift, Model } from "../strandline";
import { bars } from "../ui/bars";
import { byId, h } from "../ui/dom";
import { counted, statistic } from "../ui/format";
import { LEVEL_WORDS, ROWS_TO_JUDGE, level } from "../ui/psi";

const ROLES = ["output", "feature", "system"] as const;
const ROLE_WORDS = { output: "output", feature: "feature", system: "system" };

export class DriftView {
  readonly #model: Model;
  #wanted = false;
  #running = false;

  constructor(model: Model) {
    this.#model = model;
  }

  /** Draws again; calls that come while one is under way are one more. */
  async refresh(): Promise<void> {
    this.#wanted = true;
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#wanted) {
        this.#wanted = false;
        draw(await this.#model.drift());
      }
    } finally {
      this.#running = false;
    }
  }
}

function draw(drift: Drift): void {
  const lead =
    drift.rows === 0
      ? "Nothing predicted yet. The pale bars are the data the model was trained on."
      : `${counted(drift.rows, "row")} since this page was opened.`;
  const few = drift.rows > 0 && drift.rows < ROWS_TO_JUDGE;
  byId("drift-lead").textContent = few ? `${lead} From ${ROWS_TO_JUDGE} rows on the numbers mean something.` : lead;
  const sorted = drift.features.toSorted(
    (a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role) || psi(b) - psi(a),
  );
  byId("drift-plots").replaceChildren(...sorted.map((feature) => figure(feature, drift.rows)));
}

function psi(feature: FeatureDrift): number {
  return typeof feature["psi"] === "number" ? feature["psi"] : -1;
}

function figure(feature: FeatureDrift, rows: number): HTMLElement {
  const state = level(feature["psi"], rows);
  return h(
    "figure",
    { class: `feature ${state}` },
    h(
      "figcaption",
      {},
      h("span", { class: "name", title: feature.name }, feature.name),
      h("span", { class: "tag" }, `${ROLE_WORDS[feature.role]}, ${feature.kind}`),
    ),
    bars(feature.name, feature),
    h(
      "p",
      { class: "stats" },
      ...statistics(feature),
      rows === 0 ? null : h("span", { class: "state" }, LEVEL_WORDS[state]),
    ),
  );
}

function statistics(feature: FeatureDrift): HTMLElement[] {
  const shown: [string, unknown][] = [["PSI", feature["psi"]]];
  if (feature.kind === "numeric") shown.push(["KS", feature["ks"]]);
  return shown.map(([name, value]) => h("span", {}, h("abbr", {}, name), ` ${statistic(value)}`));
}
