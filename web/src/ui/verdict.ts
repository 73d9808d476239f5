/** The verdicts of the drift engine (schema drift-1), in the words and colours of the pages. */

export type Verdict = "drift" | "no drift" | "bins cannot tell" | "no data";

interface Look {
  /** The class of what is coloured by it. */
  tone: "bad" | "good" | "warn" | "idle";
  word: string;
  title: string;
  /** For sorting: the worst is the largest. */
  weight: number;
}

export const VERDICTS: Record<Verdict, Look> = {
  drift: { tone: "bad", word: "drift", title: "Significant, and large enough to matter", weight: 3 },
  "bins cannot tell": { tone: "warn", word: "can't tell", title: "It depends on where the values lie within their bins", weight: 2 },
  "no drift": { tone: "good", word: "no drift", title: "Not significant, or too small to matter", weight: 1 },
  "no data": { tone: "idle", word: "no data", title: "Nothing to compare", weight: 0 },
};

export interface Statistic {
  method: string;
  value: number | null;
  p_value: number | null;
  effect?: number | null;
  verdict?: Verdict;
}

/** What is said of vectors, which have no bins. */
export const VECTORS = {
  mmd: "Squared distance of the mean random Fourier features (maximum mean discrepancy)",
  shift: "Shift of the mean, in standard deviations of the features",
} as const;

/** A feature's comparison with its reference, as the schema drift-1 has it. */
export interface ComparedFeature {
  name: string;
  role: "feature" | "output" | "system";
  kind: "numeric" | "categorical" | "datetime" | "vector";
  verdict: Verdict;
  /** Adjusted for all tests of the comparison. */
  p_value: number | null;
  bins: string[];
  reference: number[];
  current: number[];
  /** The first one decides. */
  statistics: Statistic[];
  summary: { reference: Summary; current: Summary };
}

export interface Summary {
  rows: number;
  missing: number;
  invalid: number;
  unseen?: number;
  mean?: number | null;
  std?: number | null;
  min?: number | null;
  max?: number | null;
}

export function value(statistics: readonly Statistic[] | undefined, method: string): number | null {
  return statistics?.find((one) => one.method === method)?.value ?? null;
}
