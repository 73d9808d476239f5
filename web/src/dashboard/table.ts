/** The drift table: one line per feature, sorted by any column, the worst first to begin with. */

import { byId, h } from "../ui/dom";
import { count, percent, statistic } from "../ui/format";
import { type ComparedFeature, VERDICTS, value } from "../ui/verdict";
import type { FeatureSeries, Told } from "./api";
import { sparkline } from "./lines";
import { METHODS, MMD, PSI, followed } from "./measures";

export interface Sort {
  column: string;
  descending: boolean;
}

export const WORST_FIRST: Sort = { column: "verdict", descending: true };

interface Column {
  id: string;
  label: string;
  title?: string;
  numeric: boolean;
  /** What rows are ordered by; null sorts last. */
  key(feature: ComparedFeature): number | string | null;
  cell(feature: ComparedFeature): Node | string;
}

export const COLUMNS: readonly Column[] = [
  {
    id: "verdict",
    label: "Verdict",
    numeric: false,
    key: ({ verdict, statistics }) => VERDICTS[verdict].weight * 1e6 + (value(statistics, PSI.id) ?? 0),
    cell: ({ verdict }) => {
      const { tone, title, word } = VERDICTS[verdict];
      return h("span", { class: `verdict ${tone}`, title }, word);
    },
  },
  { id: "role", label: "Role", numeric: false, key: ({ role }) => role, cell: ({ role }) => role },
  { id: "kind", label: "Kind", numeric: false, key: ({ kind }) => kind, cell: ({ kind }) => kind },
  { id: "rows", label: "n", title: "Rows, missing ones too", numeric: true, key: rowsOf, cell: (feature) => count(rowsOf(feature)) },
  {
    id: "missing",
    label: "Missing",
    title: "Missing or invalid values, of all rows",
    numeric: true,
    key: gone,
    cell: (feature) => (rowsOf(feature) === 0 ? "–" : percent(gone(feature) ?? 0)),
  },
  ...METHODS.map(
    ({ id, label, title, show }): Column => ({
      id,
      label,
      title,
      numeric: true,
      key: (feature) => value(feature.statistics, id),
      cell: (feature) => show(value(feature.statistics, id)),
    }),
  ),
  {
    id: "p",
    label: "p",
    title: "p-value of the deciding test, adjusted for all tests of this table",
    numeric: true,
    key: (feature) => feature.p_value,
    cell: (feature) => statistic(feature.p_value),
  },
];

function rowsOf({ summary }: ComparedFeature): number {
  return summary.current.rows;
}

function gone({ summary: { current } }: ComparedFeature): number | null {
  return current.rows === 0 ? null : (current.missing + current.invalid) / current.rows;
}

export function sorted(features: readonly ComparedFeature[], { column, descending }: Sort): ComparedFeature[] {
  const key = COLUMNS.find(({ id }) => id === column)?.key ?? (({ name }: ComparedFeature) => name);
  const sign = descending ? -1 : 1;
  return features.toSorted((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return x < y ? -sign : x > y ? sign : 0;
  });
}

export function drawTable(
  features: readonly ComparedFeature[],
  courses: ReadonlyMap<string, FeatureSeries>,
  story: ReadonlyMap<string, Told>,
  windowMs: number,
  sort: Sort,
  selected: string | null,
  on: { sort: (column: string) => void; select: (feature: string) => void },
): void {
  const columns = COLUMNS.filter(({ id }) => id !== MMD.id || features.some(({ kind }) => kind === "vector"));
  const focused = document.activeElement?.getAttribute("data-key");
  const head = (id: string, label: string, title: string | null, numeric: boolean): HTMLElement => {
    const button = h("button", { type: "button", class: "plain", title, "data-key": `sort ${id}` }, label);
    button.addEventListener("click", () => on.sort(id));
    const state = sort.column === id ? (sort.descending ? "descending" : "ascending") : null;
    return h("th", { scope: "col", class: numeric ? "number" : null, "aria-sort": state }, button);
  };
  const line = (feature: ComparedFeature): HTMLElement => {
    const button = h(
      "button",
      { type: "button", class: "plain", title: feature.name, "data-key": `feature ${feature.name}` },
      feature.name,
    );
    const row = h(
      "tr",
      { class: feature.name === selected ? "selected" : null },
      h("th", { scope: "row" }, button),
      ...columns.map((column) => h("td", { class: column.numeric ? "number" : null }, column.cell(feature))),
      h("td", { class: "told" }, inShort(story.get(feature.name))),
      h("td", {}, sparkline(courses.get(feature.name)?.windows ?? [], followed(feature).id, windowMs)),
    );
    row.addEventListener("click", () => on.select(feature.name));
    if (feature.name === selected) button.setAttribute("aria-current", "true");
    return row;
  };
  byId("table").replaceChildren(
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        head("name", "Feature", null, false),
        ...columns.map(({ id, label, title, numeric }) => head(id, label, title ?? null, numeric)),
        h("th", { scope: "col" }, "What happened"),
        h("th", { scope: "col" }, columns.some(({ id }) => id === MMD.id) ? "PSI or MMD² over time" : "PSI over time"),
      ),
    ),
    h("tbody", {}, ...sorted(features, sort).map(line)),
  );
  if (focused != null) {
    for (const button of byId("table").querySelectorAll("button")) {
      if (button.getAttribute("data-key") === focused) button.focus({ preventScroll: true });
    }
  }
}

/** The kind of drift and its pattern in time, in a few words. */
export function inShort(told: Told | undefined): string {
  if (told?.diagnosis == null) return "–";
  const { kind, fault, pattern } = told.diagnosis;
  if (kind === "no drift") return kind;
  return `${fault === null ? kind : `fault: ${fault}`}, ${pattern}`;
}
