/** The usual reading of the population stability index, for colours; verdicts with error rates come from the collector. */

export type Level = "few" | "steady" | "moved" | "drifted";

/** Below this many rows the index mostly measures chance. */
export const ROWS_TO_JUDGE = 100;

export function level(psi: unknown, rows: number): Level {
  if (rows < ROWS_TO_JUDGE || typeof psi !== "number") return "few";
  if (psi < 0.1) return "steady";
  return psi < 0.25 ? "moved" : "drifted";
}

export const LEVEL_WORDS: Record<Level, string> = {
  few: "too few rows to say",
  steady: "steady",
  moved: "moved",
  drifted: "drifted",
};
