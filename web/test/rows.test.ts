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

it("an early plan needs a core for this browser", () => {
  const site = (core: object): Manifest => ({ plan: { file: "p", sha256: "" }, runtime: { core } }) as Manifest;
  const both = site({ simd128: "s", relaxed: "r" });
  expect(earlyFiles(both, { simd128: true, relaxed: true })).toEqual({ plan: "p", core: "r" });
  expect(earlyFiles(both, { simd128: true, relaxed: false })).toEqual({ plan: "p", core: "s" });
  expect(earlyFiles(both, { simd128: false, relaxed: false })).toBeNull();
  expect(earlyFiles({ ...both, plan: null }, { simd128: true, relaxed: true })).toBeNull();
  expect(earlyFiles({ runtime: {} } as Manifest, { simd128: true, relaxed: true })).toBeNull();
});
