/** Metrics of a model's quality, by name, in words. */

import type { Metric } from "../messages";
import { number } from "./format";

const TITLES: Record<string, string> = {
  accuracy: "Accuracy",
  precision: "Precision",
  recall: "Recall",
  f1: "F1",
  specificity: "Specificity",
  roc_auc: "ROC AUC",
  precision_macro: "Precision, macro",
  recall_macro: "Recall, macro",
  f1_macro: "F1, macro",
  roc_auc_macro: "ROC AUC, macro",
  log_loss: "Log-loss",
  brier: "Brier score",
  mae: "Mean absolute error",
  rmse: "RMSE",
  r2: "R²",
  mean_error: "Mean error",
};

export const titleOf = (name: string): string => TITLES[name] ?? name;

export function text(metric: Metric | null | undefined): string {
  return metric?.value == null ? "–" : number(Number(metric.value.toPrecision(4)));
}

export function withInterval(metric: Metric | null | undefined): string {
  const [low, high] = metric?.ci ?? [null, null];
  if (metric?.value == null) return "–";
  return low === null || high === null ? text(metric) : `${text(metric)} (${short(low)} – ${short(high)})`;
}

export const short = (value: number): string => number(Number(value.toPrecision(3)));

/** Metrics that are told first: those with a title, in the order of the titles. */
export const titled = (metrics: Record<string, Metric>): string[] =>
  Object.keys(TITLES).filter((name) => metrics[name]?.value != null);
