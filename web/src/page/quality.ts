/** How good the predictions since the page was opened are: by the labels that came, and estimated without them. */

import type { Model, Quality } from "../strandline";
import { byId, h } from "../ui/dom";
import { counted } from "../ui/format";
import { text, titleOf, titled, withInterval } from "../ui/metric";

const HEADS = ["Metric", "Reference", "Estimated", "By labels"] as const;

export async function drawQuality(model: Model): Promise<void> {
  const quality = await model.quality();
  byId("quality").hidden = quality === null;
  if (quality !== null) draw(quality);
}

function draw(quality: Quality): void {
  byId("quality-lead").textContent = lead(quality);
  const head = HEADS.map((name, i) => h("th", { scope: "col", class: i === 0 ? null : "number" }, name));
  byId("quality-table").replaceChildren(
    h("thead", {}, h("tr", {}, ...head)),
    h(
      "tbody",
      {},
      ...titled(quality.reference).map((name) =>
        h(
          "tr",
          { "data-metric": name },
          h("th", { scope: "row" }, titleOf(name)),
          h("td", { class: "number" }, text(quality.reference[name])),
          h("td", { class: "number" }, withInterval(quality.estimated[name])),
          h("td", { class: "number" }, withInterval(quality.realised[name])),
        ),
      ),
    ),
  );
}

/** What the table is made of. */
export function lead({ target, labels, predictions, level }: Quality): string {
  if (predictions === 0 && labels === 0) return `Nothing predicted yet. A CSV with a column ${target} counts as labels.`;
  const came = labels === 0 ? `no label of ${target} yet` : `${counted(labels, "label")} of ${target}`;
  const estimated = predictions === 0 ? "" : `, estimated from ${counted(predictions, "prediction")}`;
  return `Since this page was opened: ${came}${estimated}. In brackets: ${level * 100} % confidence intervals.`;
}
