/** The form made of the manifest's features. */

import type { Cell, Row } from "../messages";
import { h } from "../ui/dom";
import { number } from "../ui/format";
import type { Feature, VectorFeature } from "../site/manifest";

const MISSING = "";

type Input = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

export class FeatureForm {
  readonly #features: readonly Feature[];
  readonly #inputs: Input[];

  constructor(features: readonly Feature[], fields: HTMLElement) {
    this.#features = features;
    this.#inputs = features.map((feature, i) => {
      const input = inputOf(feature);
      input.id = `feature-${i}`;
      input.name = feature.name;
      const hint = rangeHint(feature);
      if (hint !== null) input.setAttribute("aria-describedby", `hint-${i}`);
      fields.append(
        h(
          "div",
          { class: "field" },
          h("label", { for: input.id }, feature.name),
          input,
          hint === null ? null : h("small", { id: `hint-${i}`, class: "hint" }, hint),
        ),
      );
      return input;
    });
  }

  /** One row; an empty field is a missing value. */
  row(): Row {
    return Object.fromEntries(this.#features.map((feature, i) => [feature.name, this.#value(feature, i)]));
  }

  #value(feature: Feature, i: number): Cell {
    const text = this.#inputs[i]?.value ?? MISSING;
    if (text === MISSING) return null;
    if (feature.kind === "vector") return vectorOf(text, feature.dimensions) ?? text;
    return feature.kind === "numeric" ? Number(text) : text;
  }
}

/** The row that a form starts with. */
export function defaults(features: readonly Feature[]): Row {
  return Object.fromEntries(features.map((feature) => [feature.name, feature.default ?? null]));
}

function inputOf(feature: Feature): Input {
  if (feature.kind === "vector") return vectorInput(feature);
  if (feature.kind === "numeric") return numberInput(feature);
  const free = feature.default != null && feature.categories?.length === 0;
  return free ? textInput(feature.default ?? MISSING) : select(feature);
}

/** Free text, and dates: there are no categories to choose from. */
function textInput(value: string): HTMLInputElement {
  return h("input", { type: "text", autocomplete: "off", value, placeholder: "missing" });
}

function numberInput(feature: Feature & { kind: "numeric" }): HTMLInputElement {
  return h("input", {
    type: "number",
    step: "any",
    inputmode: "decimal",
    autocomplete: "off",
    min: feature.min ?? null,
    max: feature.max ?? null,
    value: feature.default ?? null,
    placeholder: "missing",
  });
}

function vectorInput({ default: usual, dimensions }: VectorFeature): HTMLTextAreaElement {
  const area = h("textarea", { rows: 3, autocomplete: "off", spellcheck: "false", placeholder: "missing" });
  area.value = usual == null ? MISSING : JSON.stringify(usual);
  area.addEventListener("input", () => {
    const fits = area.value === MISSING || vectorOf(area.value, dimensions) !== null;
    area.setCustomValidity(fits ? "" : `Give a list of ${dimensions} numbers: [0.25, -1.5, …]`);
  });
  return area;
}

/** The vector that a text is; null when it is none of so many numbers. */
export function vectorOf(text: string, dimensions: number): number[] | null {
  try {
    const value: unknown = JSON.parse(text);
    const fits = Array.isArray(value) && value.length === dimensions && value.every(Number.isFinite);
    return fits ? (value as number[]) : null;
  } catch {
    return null;
  }
}

function select(feature: Feature & { kind: "categorical" }): HTMLSelectElement {
  const categories = feature.categories ?? [];
  const chosen = feature.default ?? categories[0] ?? MISSING;
  const option = (value: string, label: string): HTMLOptionElement =>
    h("option", { value, selected: value === chosen }, label);
  return h(
    "select",
    { autocomplete: "off" },
    ...categories.filter((value) => value !== MISSING).map((value) => option(value, value)),
    option(MISSING, "missing"),
  );
}

function rangeHint(feature: Feature): string | null {
  if (feature.kind === "vector") return `a list of ${number(feature.dimensions)} numbers`;
  if (feature.kind !== "numeric" || feature.min == null || feature.max == null) return null;
  return `${number(feature.min)} – ${number(feature.max)}`;
}
