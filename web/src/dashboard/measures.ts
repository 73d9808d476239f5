/** The statistics by name: how they are headed, and how a feature's are read. */

import { type Level, level } from "../ui/psi";
import type { FeatureDrift, Measure } from "./api";

export interface Method {
  id: string;
  label: string;
  title: string;
}

export const METHODS: readonly Method[] = [
  { id: "psi", label: "PSI", title: "Population stability index: below 0.1 steady, above 0.25 drifted" },
  { id: "ks", label: "KS", title: "Kolmogorov–Smirnov distance, on the bins" },
  { id: "js", label: "JS", title: "Jensen–Shannon distance" },
  { id: "wasserstein", label: "W₁", title: "Wasserstein-1 distance, in the feature's unit" },
  { id: "chi2", label: "χ²", title: "Chi-squared statistic of the counts" },
];

export function measure(measures: readonly Measure[] | undefined, method: string): Measure | null {
  return measures?.find((one) => one.method === method) ?? null;
}

export function value(measures: readonly Measure[] | undefined, method: string): number | null {
  return measure(measures, method)?.value ?? null;
}

/** The p-value of the test that fits the kind; the first there is, otherwise. */
export function pValue(feature: Pick<FeatureDrift, "kind" | "drift">): number | null {
  const fitting = measure(feature.drift, feature.kind === "numeric" ? "ks" : "chi2")?.p_value;
  return fitting ?? feature.drift.find((one) => one.p_value !== null)?.p_value ?? null;
}

export function featureLevel(feature: FeatureDrift): Level {
  return level(value(feature.drift, "psi"), feature.rows);
}
