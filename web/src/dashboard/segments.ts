/** The choice of whose rows the table is about. */

import { byId, h } from "../ui/dom";
import { counted } from "../ui/format";
import type { ComparedSegment, Drift, Segment } from "./api";

export const inWords = ({ column, value }: Segment): string => `${column} = ${value ?? "all others"}`;

export function found(drift: Drift, wanted: Segment | null): ComparedSegment | undefined {
  if (wanted === null) return undefined;
  return drift.segments?.find(({ column, value }) => column === wanted.column && value === wanted.value);
}

export function drawSegments(drift: Drift, chosen: ComparedSegment | undefined): void {
  const all = drift.segments ?? [];
  const hidden = (drift.hidden_segments ?? []).filter((one) => found(drift, one) === undefined);
  byId("segments").hidden = all.length + hidden.length === 0;
  const option = (segment: ComparedSegment): HTMLOptionElement =>
    h(
      "option",
      { value: String(all.indexOf(segment)), selected: segment === chosen },
      `${inWords(segment)}: ${counted(segment.rows, "row")}, ${segment.drifted} drifted`,
    );
  const secret = (segment: Segment): HTMLOptionElement =>
    h("option", { disabled: true }, `${inWords(segment)}: hidden, too few sessions`);
  byId("segment").replaceChildren(
    h("option", { value: "", selected: chosen === undefined }, "All"),
    ...[...new Set(all.map(({ column }) => column))].map((column) =>
      h("optgroup", { label: column }, ...all.filter((one) => one.column === column).map(option)),
    ),
    ...hidden.map(secret),
  );
}
