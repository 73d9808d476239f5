/** One prediction: the label large, every number in [0, 1] as a bar. */

import type { Cell, Row, Vector } from "../messages";
import type { Output } from "../site/manifest";
import { h, s } from "../ui/dom";
import { milliseconds, number, percent } from "../ui/format";

export function showResult(place: HTMLElement, outputs: readonly Output[], row: Row, ms: number): void {
  const labels = outputs.filter((output) => output.kind === "categorical");
  const numbers = outputs.filter((output) => output.kind === "numeric");
  const headline = labels.length > 0 ? labels : numbers.filter((output) => !isShare(output, row[output.name]));
  const shares = numbers.filter((output) => isShare(output, row[output.name]));
  const vectors = outputs.filter((output) => output.kind === "vector");
  const rest = [...numbers.filter((output) => !shares.includes(output) && !headline.includes(output)), ...vectors];
  place.replaceChildren(
    ...headline.map(({ name }) =>
      h("div", { class: "headline" }, h("span", { class: "what" }, name), h("strong", {}, text(row[name]))),
    ),
    h("dl", { class: "shares" }, ...shares.flatMap(({ name }) => share(name, Number(row[name])))),
    ...rest.map(({ name }) => h("p", { class: "figure" }, h("span", { class: "what" }, name), " ", text(row[name]))),
    h("p", { class: "note" }, `computed on this device in ${milliseconds(ms)}`),
  );
}

/** A probability, by its name (`probability:<class>`) and its range. */
export function isShare(output: Output, value: Cell | undefined): boolean {
  return typeof value === "number" && value >= 0 && value <= 1 && /^(prob|score)/i.test(output.name);
}

function share(name: string, value: number): HTMLElement[] {
  return [
    h("dt", {}, name.replace(/^probability:/, "")),
    h(
      "dd",
      {},
      s(
        "svg",
        { class: "share", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
        s("rect", { class: "track", width: 100, height: 6 }),
        s("rect", { class: "value", width: (value * 100).toFixed(2), height: 6 }),
      ),
      h("span", {}, percent(value)),
    ),
  ];
}

export function text(value: Cell | undefined): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "object") return brief(value);
  return typeof value === "number" ? number(value) : String(value);
}

/** Coordinates of a vector that are shown. */
const SHOWN = 4;

/** The beginning of a vector, and how long it is. */
export function brief(vector: Vector): string {
  const first = Array.from<number | null>(vector)
    .slice(0, SHOWN)
    .map((x) => (x === null ? "–" : number(x)));
  return vector.length > SHOWN ? `[${first.join(", ")}, … ${vector.length} numbers]` : `[${first.join(", ")}]`;
}
