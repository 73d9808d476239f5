/** What was predicted since the page was opened, beside the reference: one small plot per feature. */

import type { ComparedFeature, Drift, Model } from "../strandline";
import { bars } from "../ui/bars";
import { byId, h } from "../ui/dom";
import { counted, statistic } from "../ui/format";
import { VECTORS, VERDICTS, value } from "../ui/verdict";

const ROLES = ["output", "feature", "system"] as const;

export async function drawDrift(model: Model): Promise<void> {
  draw(await model.drift());
}

function draw(drift: Drift): void {
  byId("drift-lead").textContent =
    drift.rows === 0
      ? "Nothing predicted yet. The pale bars are the data that the model was packed with."
      : `${counted(drift.rows, "row")} since this page was opened; ${drift.drifted} of ${drift.features.length} drifted.`;
  // In the order of the manifest: a plot that stays in its place is easier to follow than one that is ranked.
  const ordered = drift.features.toSorted((a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role));
  const shown = ordered.filter(({ kind, bins }) => kind === "vector" || bins.length > 0);
  byId("drift-plots").replaceChildren(...shown.map((feature) => figure(feature, drift.rows)));
}

function figure(feature: ComparedFeature, rows: number): HTMLElement {
  const { tone, word, title } = VERDICTS[feature.verdict];
  return h(
    "figure",
    { class: `feature ${tone}`, "data-feature": feature.name },
    h(
      "figcaption",
      {},
      h("span", { class: "name", title: feature.name }, feature.name),
      rows === 0 ? null : h("span", { class: `verdict ${tone}`, title }, word),
    ),
    feature.kind === "vector" ? null : bars(feature.name, feature),
    h(
      "p",
      { class: "stats" },
      ...statistics(feature),
      h("span", { class: "tag" }, feature.role),
    ),
  );
}

function statistics({ kind, statistics }: ComparedFeature): HTMLElement[] {
  if (kind === "vector") {
    const mmd = statistics.find(({ method }) => method === "mmd");
    return [
      h("span", { title: VECTORS.mmd }, h("abbr", {}, "MMD²"), ` ${statistic(mmd?.value)}`),
      h("span", { title: VECTORS.shift }, h("abbr", {}, "shift"), ` ${statistic(mmd?.effect)}`),
    ];
  }
  const shown = [["PSI", "psi"], kind === "numeric" ? ["KS", "ks"] : ["JS", "jensenshannon"]] as const;
  return shown.map(([label, method]) => h("span", {}, h("abbr", {}, label), ` ${statistic(value(statistics, method))}`));
}
