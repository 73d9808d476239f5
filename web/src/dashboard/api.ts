/** The collector's answers, as docs/collector.md has them. */

import type { Metric } from "../messages";
import type { ComparedFeature, Statistic } from "../ui/verdict";

export interface FeatureName {
  name: string;
  role: "feature" | "output" | "system";
  kind: ComparedFeature["kind"];
}

export interface ModelInfo {
  model: string;
  version: string;
  registered: string;
  reference_rows: number;
  features: FeatureName[];
  rows: number;
  reports: number;
  sessions: number;
  windows: number;
  hidden_windows: number;
  from: string | null;
  to: string | null;
}

export interface Models {
  window_seconds: number;
  min_sessions: number;
  models: ModelInfo[];
}

/** What kind of drift a series of windows shows, and its pattern in time; `sentence` says it to people. */
export interface Diagnosis {
  kind: "no drift" | "pipeline fault" | "domain shift" | "concept drift" | "data drift";
  fault: string | null;
  pattern: "none" | "constant" | "instantaneous" | "gradual" | "temporary" | "periodic" | "irregular";
  sentence: string;
}

/** What happened to a feature; null where it is not watched. */
export interface Told {
  name: string;
  diagnosis: Diagnosis | null;
  watch: { p_value: number; since: string | null } | null;
}

/** Rows that a column splits off: those of one value; null: of all others. */
export interface Segment {
  column: string;
  value: string | null;
}

export interface ComparedSegment extends Segment {
  rows: number;
  drifted: number;
  features: ComparedFeature[];
}

export interface Drift {
  model: string;
  version: string;
  from: string | null;
  to: string | null;
  min_sessions: number;
  windows: number;
  hidden_windows: number;
  hidden_rows: number;
  hidden_sessions: number;
  rows: number;
  reports: number;
  sessions: number;
  features: ComparedFeature[];
  /** Absent where the reference has none; so are the counters. */
  segments?: ComparedSegment[];
  counters?: Record<string, number>;
  /** Segments that too few sessions had rows in, in so many of the shown windows. */
  hidden_segments?: (Segment & { windows: number })[];
  diagnosis: Diagnosis;
  story: Told[];
}

export interface Window {
  start: string;
  end: string;
  hidden: boolean;
  rows: number;
  reports: number;
  sessions: number;
}

export interface SeriesWindow extends Window {
  statistics?: Statistic[];
}

/** A hidden window has nothing but its totals. */
export interface PerformanceWindow extends Window {
  labels?: number;
  predictions?: number;
  realised?: Record<string, Metric>;
  estimated?: Record<string, Metric>;
}

/** Of a model that was packed with labels; metrics by name. */
export interface Performance {
  task: string;
  target: string;
  reference: Record<string, Metric>;
  windows: PerformanceWindow[];
}

/** How often the application counted something; a hidden window has no count. */
export interface CounterSeries {
  name: string;
  windows: (Window & { count?: number })[];
}

export interface FeatureSeries extends FeatureName {
  windows: SeriesWindow[];
}

export interface Series {
  window_seconds: number;
  features: FeatureSeries[];
  quality?: Performance;
  counters?: CounterSeries[];
}

interface Summary {
  count: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

export interface Metrics {
  started: string;
  uptime_seconds: number;
  reports: { stored: number; duplicate: number; quarantined: number };
  requests: { accepted: number; bad: number; unauthorised: number; too_large: number; busy: number };
  queue: { depth: number; capacity: number };
  ingest_ms: Partial<Summary> & { count: number };
  commit_ms: Partial<Summary> & { count: number };
  database_bytes: number;
}

export interface Query {
  model: string;
  version: string;
  from: string | null;
}

async function get<T>(path: string, query: Record<string, string | null> = {}): Promise<T> {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(query)) if (value !== null) url.searchParams.set(name, value);
  const response = await fetch(url, { headers: { Accept: "application/json" } });
  const body = (await response.json().catch(() => null)) as (T & { error?: string }) | null;
  if (!response.ok || body === null) throw new Error(body?.error ?? `the collector answered ${response.status}`);
  return body;
}

export const models = (): Promise<Models> => get("v1/models");
export const drift = (query: Query): Promise<Drift> => get("v1/drift", { ...query });
export const series = (query: Query): Promise<Series> => get("v1/series", { ...query });
export const segmentSeries = (query: Query, { column, value }: Segment): Promise<Series> =>
  get("v1/series", { ...query, segment: column, value });
export const metrics = (): Promise<Metrics> => get("v1/metrics");
