import { describe, expect, it } from "vitest";
import type { PerformanceWindow, SeriesWindow, Told } from "../src/dashboard/api";
import { inSentences } from "../src/dashboard/detail";
import { points, runs } from "../src/dashboard/lines";
import { uptime } from "../src/dashboard/overview";
import { estimates, metricsOf } from "../src/dashboard/performance";
import { inShort, sorted } from "../src/dashboard/table";
import { pretty } from "../src/page/privacy";
import { vectorOf } from "../src/page/form";
import { brief, isShare } from "../src/page/result";
import { inWords } from "../src/ui/bars";
import { bytes, counted, milliseconds, number, percent, statistic } from "../src/ui/format";
import type { ComparedFeature, Verdict } from "../src/ui/verdict";

const HOUR = 3_600_000;

function feature(name: string, psi: number | null, verdict: Verdict = "no drift"): ComparedFeature {
  const statistics = psi === null ? [] : [{ method: "psi", value: psi, p_value: null }];
  const summary = { rows: 1000, missing: 0, invalid: 0 };
  const common = { role: "feature", kind: "numeric", p_value: null } as const;
  const bars = { bins: [], reference: [], current: [] };
  return { ...common, ...bars, name, verdict, statistics, summary: { reference: summary, current: summary } };
}

describe("format", () => {
  it("writes numbers for people", () => {
    expect(number(1234567)).toBe("1,234,567");
    expect(number(0.123456)).toBe("0.1235");
    expect(number(1e-7)).toBe("1.00e-7");
    expect(number(Number.NaN)).toBe("–");
    expect(percent(0)).toBe("0 %");
    expect(percent(0.0001)).toBe("< 0.1 %");
    expect(percent(0.0512)).toBe("5.1 %");
    expect(percent(0.87)).toBe("87 %");
    expect(statistic(0)).toBe("0.000");
    expect(statistic(0.0002)).toBe("< 0.001");
    expect(statistic(null)).toBe("–");
    expect(statistic(123456.7)).toBe("123,457");
    expect(bytes(999)).toBe("999 B");
    expect(bytes(2_500_000)).toBe("2.5 MB");
    expect(milliseconds(0.5)).toBe("0.50 ms");
    expect(milliseconds(12_345)).toBe("12.3 s");
    expect(counted(1, "row")).toBe("1 row");
    expect(counted(2000, "row")).toBe("2,000 rows");
    expect(uptime(59)).toBe("59 s");
    expect(uptime(3 * 86_400)).toBe("3 days");
  });
});

describe("vectors", () => {
  it("are shown by their beginning", () => {
    expect(brief([0.123456, 2, null])).toBe("[0.1235, 2, –]");
    expect(brief(new Float32Array(384))).toBe("[0, 0, 0, 0, … 384 numbers]");
  });

  it("are read from text", () => {
    expect(vectorOf("[1, 2.5]", 2)).toEqual([1, 2.5]);
    for (const text of ["[1]", "[1, null]", "1, 2", "{}", '["1", "2"]']) expect(vectorOf(text, 2)).toBeNull();
  });
});

describe("inWords", () => {
  const bins = ["a", "b", "c"];

  it("says what gained and what lost most", () => {
    const words = inWords({ bins, reference: [0.5, 0.3, 0.2], current: [0.2, 0.3, 0.5] });
    expect(words).toBe("most gained by c (+30 %), most lost by a (−30 %)");
  });

  it("says when nothing moved", () => {
    expect(inWords({ bins, reference: [0.5, 0.3, 0.2], current: [0.5, 0.3, 0.2] })).toContain("as in the reference");
  });
});

describe("isShare", () => {
  it("is a probability by name and range", () => {
    const output = (name: string) => ({ name, kind: "numeric", from: "p" }) as const;
    expect(isShare(output("probability:1"), 0.4)).toBe(true);
    expect(isShare(output("probability:1"), null)).toBe(false);
    expect(isShare(output("price"), 0.4)).toBe(false);
    expect(isShare(output("score"), 7)).toBe(false);
  });
});

describe("pretty", () => {
  it("keeps lists of numbers on their line and changes no value", () => {
    const report = { id: "a", profile: { counts: [1, 2, 3], sums: [-1.5e-7], names: ["x", "y"] } };
    const text = pretty(JSON.stringify(report));
    expect(text).toContain('"counts": [1, 2, 3]');
    expect(JSON.parse(text)).toEqual(report);
  });
});

describe("the table's order", () => {
  const features = [feature("b", 0.02), feature("a", null), feature("c", 0.3, "drift"), feature("d", 0.4, "bins cannot tell")];
  const names = (column: string, descending: boolean) => sorted(features, { column, descending }).map(({ name }) => name);

  it("puts what has no value last, whichever way", () => {
    expect(names("psi", true)).toEqual(["d", "c", "b", "a"]);
    expect(names("psi", false)).toEqual(["b", "c", "d", "a"]);
  });

  it("begins with the worst verdict, then the largest index", () => {
    expect(names("verdict", true)).toEqual(["c", "d", "b", "a"]);
  });

  it("orders by name too", () => {
    expect(names("name", false)).toEqual(["a", "b", "c", "d"]);
  });
});

describe("a course over time", () => {
  const window = (hour: number, psi: number | null): SeriesWindow => ({
    start: new Date(hour * HOUR).toISOString(),
    end: new Date((hour + 1) * HOUR).toISOString(),
    hidden: psi === null,
    rows: 1,
    reports: 1,
    sessions: 1,
    ...(psi === null ? {} : { statistics: [{ method: "psi", value: psi, p_value: null }] }),
  });

  it("breaks where windows are absent or hidden", () => {
    const series = points([window(0, 0.1), window(1, 0.2), window(4, 0.3), window(5, null), window(6, 0.4)], "psi");
    expect(runs(series, HOUR).map((run) => run.map(({ y }) => y))).toEqual([[0.1, 0.2], [0.3], [0.4]]);
  });
});

describe("what happened", () => {
  const told: Told = {
    name: "speed",
    diagnosis: { kind: "pipeline fault", fault: "unit", pattern: "instantaneous", sentence: "speed: a fault." },
    watch: { p_value: 0.0002, since: "2025-07-01T09:00:00Z" },
  };

  it("is short in the table", () => {
    expect(inShort(told)).toBe("fault: unit, instantaneous");
    const calm = { ...told, diagnosis: { kind: "no drift", fault: null, pattern: "none", sentence: "" } } as const;
    expect(inShort(calm)).toBe("no drift");
    expect(inShort(undefined)).toBe("–");
  });

  it("is told with the sequential test beside the plot", () => {
    expect(inSentences(told)).toMatch(/^speed: a fault\. Sequential test: alarm at 2025-07-01T09:00:00Z \(/);
    expect(inSentences({ ...told, watch: { p_value: 1, since: null } })).toContain("no alarm");
    expect(inSentences({ ...told, watch: null })).toBe("speed: a fault.");
    expect(inSentences({ ...told, diagnosis: null })).toBe("");
  });
});

describe("performance", () => {
  const hour = (at: number): string => new Date(at * HOUR).toISOString();
  const metric = (value: number | null, ci: [number | null, number | null]) => ({ value, low: value, high: value, ci, n: 9 });
  const window = (at: number, more: Partial<PerformanceWindow>): PerformanceWindow => ({
    ...{ start: hour(at), end: hour(at + 1), hidden: false, rows: 9, reports: 1, sessions: 1 },
    ...more,
  });

  it("has a point with its interval where a window has the metric, and a gap where not", () => {
    const windows = [
      window(0, { realised: { accuracy: metric(0.9, [0.8, 0.95]) } }),
      window(1, { realised: { accuracy: metric(null, [null, null]) } }),
      window(2, { hidden: true }),
      window(3, { realised: { accuracy: metric(0.7, [null, 0.9]) } }),
    ];
    const line = estimates(windows, "realised", "accuracy");
    expect(line.map(({ y, low, high }) => [y, low, high])).toEqual([
      [0.9, 0.8, 0.95],
      [null, null, null],
      [null, null, null],
      [0.7, 0.7, 0.9],
    ]);
    expect(runs(line, HOUR).map((run) => run.length)).toEqual([1, 1]);
    expect(estimates(windows, "estimated", "accuracy").every(({ y }) => y === null)).toBe(true);
  });

  it("offers the metrics that the reference has", () => {
    const reference = { accuracy: metric(0.9, [0.8, 0.95]), roc_auc: metric(null, [null, null]) };
    expect(metricsOf({ task: "binary", target: "y", reference, windows: [] })).toEqual(["accuracy"]);
  });
});
