/** The drift table: one line per feature, sorted by any column, the worst first to begin with. */

import { byId, h } from "../ui/dom";
import { count, percent, statistic } from "../ui/format";
import { LEVEL_WORDS, type Level } from "../ui/psi";
import type { FeatureDrift, FeatureSeries } from "./api";
import { sparkline } from "./lines";
import { METHODS, featureLevel, pValue, value } from "./measures";

export interface Sort {
  column: string;
  descending: boolean;
}

interface Column {
  id: string;
  label: string;
  title?: string;
  numeric: boolean;
  /** What rows are ordered by; null sorts last. */
  key(feature: FeatureDrift): number | string | null;
  cell(feature: FeatureDrift): Node | string;
}

const SEVERITY: Record<Level, number> = { drifted: 3, moved: 2, steady: 1, few: 0 };

export const COLUMNS: readonly Column[] = [
  {
    id: "verdict",
    label: "Verdict",
    numeric: false,
    key: (feature) => SEVERITY[featureLevel(feature)] * 1e6 + (value(feature.drift, "psi") ?? 0),
    cell: (feature) => h("span", { class: `verdict ${featureLevel(feature)}` }, LEVEL_WORDS[featureLevel(feature)]),
  },
  { id: "role", label: "Role", numeric: false, key: ({ role }) => role, cell: ({ role }) => role },
  { id: "kind", label: "Kind", numeric: false, key: ({ kind }) => kind, cell: ({ kind }) => kind },
  { id: "rows", label: "n", title: "Rows, missing ones too", numeric: true, key: ({ rows }) => rows, cell: ({ rows }) => count(rows) },
  {
    id: "missing",
    label: "Missing",
    title: "Missing or invalid values, of all rows",
    numeric: true,
    key: (feature) => gone(feature),
    cell: (feature) => (feature.rows === 0 ? "–" : percent(gone(feature))),
  },
  ...METHODS.map(
    ({ id, label, title }): Column => ({
      id,
      label,
      title,
      numeric: true,
      key: (feature) => value(feature.drift, id),
      cell: (feature) => statistic(value(feature.drift, id)),
    }),
  ),
  {
    id: "p",
    label: "p",
    title: "p-value of the KS test (numeric) or the chi-squared test (categorical)",
    numeric: true,
    key: pValue,
    cell: (feature) => statistic(pValue(feature)),
  },
];

function gone({ rows, missing, invalid }: FeatureDrift): number {
  return rows === 0 ? 0 : (missing + invalid) / rows;
}

export function sorted(features: readonly FeatureDrift[], { column, descending }: Sort): FeatureDrift[] {
  const key = COLUMNS.find(({ id }) => id === column)?.key ?? (({ name }: FeatureDrift) => name);
  const sign = descending ? -1 : 1;
  return features.toSorted((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return x < y ? -sign : x > y ? sign : 0;
  });
}

export function drawTable(
  features: readonly FeatureDrift[],
  courses: ReadonlyMap<string, FeatureSeries>,
  windowMs: number,
  sort: Sort,
  selected: string | null,
  on: { sort: (column: string) => void; select: (feature: string) => void },
): void {
  const focused = document.activeElement?.getAttribute("data-key");
  const head = (id: string, label: string, title: string | null, numeric: boolean): HTMLElement => {
    const button = h("button", { type: "button", class: "plain", title, "data-key": `sort ${id}` }, label);
    button.addEventListener("click", () => on.sort(id));
    const state = sort.column === id ? (sort.descending ? "descending" : "ascending") : null;
    return h("th", { scope: "col", class: numeric ? "number" : null, "aria-sort": state }, button);
  };
  const line = (feature: FeatureDrift): HTMLElement => {
    const button = h("button", { type: "button", class: "plain", "data-key": `feature ${feature.name}` }, feature.name);
    const row = h(
      "tr",
      { class: feature.name === selected ? "selected" : null },
      h("th", { scope: "row" }, button),
      ...COLUMNS.map((column) => h("td", { class: column.numeric ? "number" : null }, column.cell(feature))),
      h("td", {}, sparkline(courses.get(feature.name)?.windows ?? [], "psi", windowMs)),
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
        ...COLUMNS.map(({ id, label, title, numeric }) => head(id, label, title ?? null, numeric)),
        h("th", { scope: "col" }, "PSI over time"),
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
