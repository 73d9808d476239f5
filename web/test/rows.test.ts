import { describe, expect, it } from "vitest";
import { type CallSpec, PreparedCall } from "../src/engine/call";
import { predictRow } from "../src/engine/rows";
import { type Manifest, earlyFiles } from "../src/site/manifest";

const manifest = {
  feeds: [
    { input: "X", dtype: "float32", columns: ["a", "b"] },
    { input: "C", dtype: "string", columns: ["city"] },
  ],
  outputs: [
    { name: "first", kind: "numeric", from: "same", column: 0 },
    { name: "second", kind: "numeric", from: "same", column: 1 },
    { name: "city", kind: "categorical", from: "where" },
  ],
} as unknown as Manifest;

const spec: CallSpec = {
  inputs: [
    { name: "X", dtype: "float32", shape: [1, 2] },
    { name: "C", dtype: "string", shape: [1] },
  ],
  take: [0, 1],
  outputs: [{ dtype: "string", shape: [1] }],
  results: [
    { name: "same", from: ~0, labels: null },
    { name: "where", from: 0, labels: null },
  ],
  texts: ["", "Bern"],
};
const memory = new WebAssembly.Memory({ initial: 1 });
const call = new PreparedCall(spec, { memory, inputs: [8, 16], outputs: [16], run: () => 1, error: 64 });
const predict = (row: object) => predictRow(manifest, call, row as never);

describe("predictRow", () => {
  it("makes feeds of cells and a row of outputs", () => {
    expect(predict({ a: 1.5, b: -2, city: "Bern", more: [1] })).toEqual({ first: 1.5, second: -2, city: "Bern" });
    expect(predict({ a: 0.1, b: -0, city: null })).toEqual({ first: Math.fround(0.1), second: 0, city: "" });
    expect(predict({ a: 1, b: 2, city: "elsewhere" })).toEqual({ first: 1, second: 2, city: "elsewhere" });
  });

  it.each([
    ["a missing column", { a: 1, city: "Bern" }],
    ["a number as text", { a: 1, b: "2", city: "Bern" }],
    ["a truth value", { a: 1, b: true, city: "Bern" }],
    ["a number where a text is", { a: 1, b: 2, city: 3 }],
    ["a text of blanks", { a: 1, b: 2, city: "  " }],
    ["a prediction that JSON can't say", { a: 1, b: null, city: "Bern" }],
  ])("leaves %s to Python", (_, row) => expect(predict(row)).toBeNull());

  it("leaves what is no column for column to Python", () => {
    const other = { ...manifest, feeds: [{ input: "X", dtype: "float64", columns: ["a", "b"] }] } as Manifest;
    expect(predictRow(other, call, { a: 1, b: 2, city: "Bern" })).toBeNull();
  });
});

describe("vectors", () => {
  const wide = {
    feeds: [{ input: "X", dtype: "float32", columns: ["v", "a"], widths: [3, 1] }],
    outputs: [{ name: "v", kind: "vector", from: "same" }],
  } as unknown as Manifest;
  const alone: CallSpec = {
    inputs: [{ name: "X", dtype: "float32", shape: [1, 4] }],
    take: [0],
    outputs: [],
    results: [{ name: "same", from: ~0, labels: null }],
    texts: [],
  };
  const echo = new PreparedCall(alone, { memory, inputs: [128], outputs: [], run: () => 1, error: 64 });
  const predict = (row: object) => predictRow(wide, echo, row as never);

  it("are rows of coordinates, of lists and of typed arrays", () => {
    expect(predict({ a: 4, v: [1, 2.5, -0] })).toEqual({ v: [1, 2.5, 0, 4] });
    expect(predict({ a: 4, v: new Float64Array([0.1, 2, 3]) })).toEqual({ v: [Math.fround(0.1), 2, 3, 4] });
  });

  it.each([
    ["another length", [1, 2]],
    ["something between the numbers", [1, null, 3]],
    ["what is no finite number", [1, Number.NaN, 3]],
    ["a text", "[1, 2, 3]"],
    ["a number", 1],
    ["nothing, which gives NaNs", null],
  ])("leave %s to Python", (_, v) => expect(predict({ a: 4, v })).toBeNull());
});

it("an early plan needs a core for this browser", () => {
  const site = (core: object): Manifest => ({ plan: { file: "p", sha256: "" }, runtime: { core } }) as Manifest;
  const both = site({ simd128: "s", relaxed: "r" });
  expect(earlyFiles(both, { simd128: true, relaxed: true })).toEqual({ plan: "p", core: "r" });
  expect(earlyFiles(both, { simd128: true, relaxed: false })).toEqual({ plan: "p", core: "s" });
  expect(earlyFiles(both, { simd128: false, relaxed: false })).toBeNull();
  expect(earlyFiles({ ...both, plan: null }, { simd128: true, relaxed: true })).toBeNull();
  expect(earlyFiles({ runtime: {} } as Manifest, { simd128: true, relaxed: true })).toBeNull();
});
