/** Two distributions over the same bins in one small plot: the reference wide and pale, the current narrow and strong. */

import { h, s } from "./dom";
import { percent } from "./format";

export interface Bins {
  bins: readonly string[];
  reference: readonly number[];
  current: readonly number[];
}

/** With more bins than this, labels would not fit under their bars. */
const MOST_LABELS = 16;
const WIDTH = 100;
const HEIGHT = 40;

/** `labelled`: every bar has its label under it where they fit; otherwise only the ends of the axis are named. */
export function bars(name: string, { bins, reference, current }: Bins, labelled = false): HTMLElement {
  const step = WIDTH / Math.max(1, bins.length);
  const top = Math.max(1e-9, ...reference, ...current);
  const column = (kind: string, i: number, share: number, inset: number): SVGRectElement => {
    const height = (share / top) * HEIGHT;
    return s("rect", {
      class: kind,
      x: (i * step + inset * step).toFixed(3),
      y: (HEIGHT - height).toFixed(3),
      width: (step * (1 - 2 * inset)).toFixed(3),
      height: height.toFixed(3),
    });
  };
  const svg = s("svg", {
    class: "bars",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": `${name}: ${inWords({ bins, reference, current })}`,
  });
  bins.forEach((label, i) => {
    const was = reference[i] ?? 0;
    const is = current[i] ?? 0;
    const tip = `${label}: ${percent(is)} now, ${percent(was)} in the reference`;
    svg.append(
      s(
        "g",
        {},
        s("title", {}, tip),
        s("rect", { class: "hit", x: (i * step).toFixed(3), y: 0, width: step.toFixed(3), height: HEIGHT }),
        column("was", i, was, 0.06),
        column("is", i, is, 0.24),
      ),
    );
  });
  const every = labelled && bins.length <= MOST_LABELS;
  const labels = every ? bins : [bins[0] ?? "", bins.at(-1) ?? ""];
  const axis = h(
    "div",
    { class: every ? "axis every" : "axis", "aria-hidden": "true" },
    ...labels.map((label) => h("span", { title: label }, label)),
  );
  return h("div", { class: "plot" }, svg, axis);
}

/** What a sighted reader sees first: the bin that gained and the one that lost most. */
export function inWords({ bins, reference, current }: Bins): string {
  const change = bins.map((label, i) => ({ label, by: (current[i] ?? 0) - (reference[i] ?? 0) }));
  const sorted = change.toSorted((a, b) => b.by - a.by);
  const up = sorted[0];
  const down = sorted.at(-1);
  if (up === undefined || down === undefined || up.by < 0.005) return "as in the reference";
  return `most gained by ${up.label} (+${percent(up.by)}), most lost by ${down.label} (−${percent(-down.by)})`;
}
