/** The statistics by name: how they are headed, and how they are written. */

import { number, statistic } from "../ui/format";
import { type ComparedFeature, VECTORS } from "../ui/verdict";

export interface Method {
  id: string;
  label: string;
  title: string;
  show(value: number | null): string;
}

/** Of a statistic that grows with the rows, four significant digits. */
const large = (value: number | null): string => (value === null ? "–" : number(value));

export const PSI: Method = { id: "psi", label: "PSI", title: "Population stability index", show: statistic };

/** Of vectors, which have no bins for PSI. */
export const MMD: Method = { id: "mmd", label: "MMD²", title: VECTORS.mmd, show: statistic };

/** The statistic whose course is shown. */
export const followed = ({ kind }: { kind: ComparedFeature["kind"] }): Method => (kind === "vector" ? MMD : PSI);

export const METHODS: readonly Method[] = [
  PSI,
  { id: "ks", label: "KS", title: "Kolmogorov–Smirnov distance", show: statistic },
  { id: "jensenshannon", label: "JS", title: "Jensen–Shannon distance", show: statistic },
  { id: "wasserstein", label: "W₁", title: "Wasserstein-1 distance, in standard deviations of the reference", show: statistic },
  MMD,
  { id: "chisquare", label: "χ²", title: "Chi-squared statistic of the counts", show: large },
];
