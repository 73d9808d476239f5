import { describe, expect, it } from "vitest";
import { labelsOf } from "../src/page/batch";
import { delimiterOf, example, parseCsv, withPredictions } from "../src/page/csv";

describe("parseCsv", () => {
  it("reads quotes, doubled quotes, line ends inside them, and a byte order mark", () => {
    const table = parseCsv('\ufeffa, b \r\n1,"x ""y"", z"\r\n"2\n3",\r\n');
    expect(table).toEqual({ header: ["a", "b"], rows: [["1", 'x "y", z'], ["2\n3", ""]] });
  });

  it("leaves blank lines out, as the model does", () => {
    expect(parseCsv("a,b\n\n1,2\n\n\n3,4").rows).toEqual([
      ["1", "2"],
      ["3", "4"],
    ]);
  });

  it("takes the delimiter that the header has most of", () => {
    expect(delimiterOf("a;b,c;d\n1,2,3,4")).toBe(";");
    expect(delimiterOf("a\tb")).toBe("\t");
    expect(delimiterOf("a")).toBe(",");
    expect(parseCsv("a;b\n1,5;2").rows).toEqual([["1,5", "2"]]);
  });
});

describe("withPredictions", () => {
  it("writes vectors as JSON lists", () => {
    const text = withPredictions(parseCsv("a\n1"), [{ v: [0.5, null], w: new Float32Array([2, 3]) }]);
    expect(text).toBe('a,v,w\r\n1,"[0.5,null]","[2,3]"\r\n');
  });

  it("adds the predictions as columns, and quotes what must be", () => {
    const table = parseCsv('a;b\n1;"x, y"\n2;z');
    const text = withPredictions(table, [
      { label: 'say "no"', p: 0.25 },
      { label: "yes", p: null },
    ]);
    expect(text).toBe('a,b,label,p\r\n1,"x, y","say ""no""",0.25\r\n2,z,yes,\r\n');
    expect(parseCsv(text).rows[0]).toEqual(["1", "x, y", 'say "no"', "0.25"]);
  });
});

describe("example", () => {
  it("is a header and rows that can be read back", () => {
    expect(parseCsv(example([{ "a,b": 1, c: null }]))).toEqual({ header: ["a,b", "c"], rows: [["1", ""]] });
  });
});

describe("labelsOf", () => {
  const table = parseCsv("x,repaid\n1,yes\n2,\n3, no ");

  it("takes the target's cells that are not empty, by the ids of their rows", () => {
    expect(labelsOf(table, "repaid", ["a", "b", "c"])).toEqual([
      { id: "a", value: "yes" },
      { id: "c", value: "no" },
    ]);
  });

  it("has none without a target, its column, or ids", () => {
    expect(labelsOf(table, undefined, ["a", "b", "c"])).toEqual([]);
    expect(labelsOf(table, "late", ["a", "b", "c"])).toEqual([]);
    expect(labelsOf(table, "repaid")).toEqual([]);
  });
});
