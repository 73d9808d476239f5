/** Many rows at once: a CSV that is dropped, chosen or pasted, its predictions as a table and as a file. */

import { columnsOf } from "../site/manifest";
import type { Label, Model, Predictions } from "../strandline";
import { busy, byId, h, onClick } from "../ui/dom";
import { counted, milliseconds } from "../ui/format";
import { type Table, example, parseCsv, withPredictions } from "./csv";
import { defaults } from "./form";
import { text as valueText } from "./result";

const SHOWN_ROWS = 100;
const SHOWN_COLUMNS = 6;
const SHOWN_LETTERS = 60;

export function setUpBatch(model: Model, onPredicted: () => void): void {
  const area = byId<HTMLTextAreaElement>("csv-text");
  const button = byId<HTMLButtonElement>("csv-predict");
  const file = byId<HTMLInputElement>("csv-file");
  const zone = byId("csv-zone");
  const note = byId("csv-note");
  const place = byId("csv-result");
  area.placeholder = example([defaults(columnsOf(model.manifest))]);

  const predict = async (text: string): Promise<void> => {
    note.classList.remove("bad");
    if (text.trim() === "") {
      note.textContent = "Paste rows first: a line with the column names, then one line per row.";
      return;
    }
    note.textContent = "Predicting …";
    try {
      const predictions = await model.predictCsv(text);
      const perRow = milliseconds(predictions.ms / Math.max(1, predictions.rows.length));
      note.textContent = `${counted(predictions.rows.length, "row")} in ${milliseconds(predictions.ms)}, ${perRow} each.`;
      const table = parseCsv(text);
      show(place, table, predictions, `${model.manifest.name}-predictions.csv`);
      onPredicted();
      const labels = labelsOf(table, model.manifest.target, predictions.ids);
      if (labels.length === 0) return;
      const { counted: came } = await model.labels(labels);
      note.textContent += ` ${counted(came, "label")} counted.`;
      onPredicted();
    } catch (error) {
      note.classList.add("bad");
      note.textContent = error instanceof Error ? error.message : String(error);
    }
  };
  const predictFile = (chosen: File | undefined): Promise<void> =>
    busy(button, async () => {
      if (chosen !== undefined) await predict(await chosen.text());
    });

  onClick(button, () => predict(area.value));
  file.addEventListener("change", () => {
    void predictFile(file.files?.[0]);
    file.value = ""; // the same file may be chosen again
  });
  for (const kind of ["dragenter", "dragover"] as const) {
    zone.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"] as const) zone.addEventListener(kind, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    const dropped = event.dataTransfer?.files[0];
    if (dropped !== undefined) void predictFile(dropped);
    else area.value = event.dataTransfer?.getData("text") ?? "";
  });
}

/** What a file says became of its rows: the cells of the column `target` that are not empty. */
export function labelsOf(table: Table, target: string | undefined, ids: readonly string[] = []): Label[] {
  const column = target === undefined ? -1 : table.header.indexOf(target);
  return ids.flatMap((id, i) => {
    const value = table.rows[i]?.[column]?.trim() ?? "";
    return value === "" ? [] : [{ id, value }];
  });
}

let savedUrl: string | null = null;

function show(place: HTMLElement, table: Table, predictions: Predictions, fileName: string): void {
  if (savedUrl !== null) URL.revokeObjectURL(savedUrl);
  savedUrl = URL.createObjectURL(new Blob([withPredictions(table, predictions.rows)], { type: "text/csv" }));
  const outputs = Object.keys(predictions.rows[0] ?? {});
  const inputs = table.header.slice(0, SHOWN_COLUMNS);
  const hiddenColumns = table.header.length - inputs.length;
  const hiddenRows = predictions.rows.length - SHOWN_ROWS;
  const head = h(
    "tr",
    {},
    h("th", { scope: "col", class: "index" }, "#"),
    ...outputs.map((name) => h("th", { scope: "col", class: "output" }, name)),
    ...inputs.map((name) => h("th", { scope: "col" }, name)),
  );
  const rows = predictions.rows.slice(0, SHOWN_ROWS).map((row, i) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", class: "index" }, String(i + 1)),
      ...outputs.map((name) => h("td", { class: "output" }, valueText(row[name]))),
      ...inputs.map((_, column) => h("td", {}, short(table.rows[i]?.[column] ?? ""))),
    ),
  );
  const left = [
    hiddenRows > 0 ? counted(hiddenRows, "more row") : null,
    hiddenColumns > 0 ? counted(hiddenColumns, "more column") : null,
  ].filter((part) => part !== null);
  place.replaceChildren(
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Predictions" },
      h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows)),
    ),
    h(
      "p",
      { class: "row" },
      h("a", { class: "button", href: savedUrl, download: fileName }, "Save as CSV"),
      h("span", { class: "note" }, left.length === 0 ? "" : `The file has ${left.join(" and ")}.`),
    ),
  );
}

/** A cell of the file, of which a vector or a long text is shown by its beginning. */
function short(cell: string): string {
  return cell.length > SHOWN_LETTERS ? `${cell.slice(0, SHOWN_LETTERS - 1)}…` : cell;
}
