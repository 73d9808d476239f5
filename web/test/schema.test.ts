import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type ComparedFeature, type Statistic, type Summary, VERDICTS } from "../src/ui/verdict";

interface Definition {
  required: string[];
  enum: string[];
}

const file = new URL("../../py/strandline/drift/schema/drift-1.json", import.meta.url);
const { $defs } = JSON.parse(readFileSync(file, "utf8")) as { $defs: Record<string, Definition> };

/** What the pages read, held to be members of the types by the compiler and of the schema by the tests. */
const FEATURE: (keyof ComparedFeature)[] = [
  ...(["name", "role", "kind", "verdict", "p_value"] as const),
  ...(["bins", "reference", "current", "statistics", "summary"] as const),
];
const STATISTIC: (keyof Statistic)[] = ["method", "value", "p_value", "verdict"];
const SUMMARY: (keyof Summary)[] = ["rows", "missing", "invalid"];

describe("the published schema drift-1", () => {
  it("has the verdicts that the pages have words for", () => {
    expect($defs["verdict"]?.enum.toSorted()).toEqual(Object.keys(VERDICTS).toSorted());
  });

  it("promises what the pages read", () => {
    expect($defs["feature"]?.required).toEqual(expect.arrayContaining(FEATURE));
    expect($defs["statistic"]?.required).toEqual(expect.arrayContaining(STATISTIC));
    expect($defs["summary"]?.required).toEqual(expect.arrayContaining(SUMMARY));
  });
});
