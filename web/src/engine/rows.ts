/**
 * A row of a page as the model's feeds, and its outputs as a row, exactly as `strandline.bundle.pipeline` does both. What is not
 * plainly a number, a text or missing is null here: Python, which knows the rest, answers then.
 */

import type { Cell, Row } from "../messages";
import type { Feed, Manifest, Output } from "../site/manifest";
import type { PreparedCall } from "./call";
import { type Numbers, type Tensor, sizeOf, viewOf } from "./tensor";

/** Predicts one row; null when it takes Python to say what the row means. */
export function predictRow(manifest: Manifest, call: PreparedCall, row: Row): Row | null {
  const feeds: (Numbers | string[])[] = [];
  for (const { name, dtype, shape } of call.spec.inputs) {
    const feed = manifest.feeds.find(({ input }) => input === name);
    if (feed === undefined || feed.dtype !== dtype || widthOf(feed) !== sizeOf(shape)) return null;
    const data = dtype === "string" ? texts(row, feed.columns) : numbers(row, feed, dtype);
    if (data === null) return null;
    feeds.push(data);
  }
  const tensors = call.tensors(feeds);
  const predictions: Row = {};
  for (const output of manifest.outputs) {
    const at = call.spec.results.findIndex(({ name }) => name === output.from);
    const tensor = tensors[at];
    const value = tensor === undefined ? undefined : prediction(output, tensor, call.dtype(at));
    if (value === undefined) return null;
    predictions[output.name] = value;
  }
  return predictions;
}

function widthOf({ columns, widths }: Feed): number {
  return widths?.reduce((total, width) => total + width, 0) ?? columns.length;
}

function numbers(row: Row, { columns, widths }: Feed, dtype: string): Numbers | null {
  const values: number[] = [];
  for (const [i, column] of columns.entries()) {
    const cell = row[column];
    const width = widths?.[i] ?? 1;
    // JSON, in which rows go to Python, has no infinities and no negative zero.
    if (cell === null) values.push(...Array<number>(width).fill(Number.NaN));
    else if (typeof cell === "number" && width === 1) values.push(Number.isFinite(cell) ? cell + 0 : Number.NaN);
    else if (isVector(cell, width)) values.push(...Array.from(cell, (x) => x + 0));
    else return null;
  }
  if (dtype === "int64") return values.every(Number.isSafeInteger) ? BigInt64Array.from(values, BigInt) : null;
  if (dtype !== "float32" && dtype !== "float64") return null;
  const View = viewOf(dtype) as Float32ArrayConstructor | Float64ArrayConstructor;
  return View.from(values);
}

/** Whether a cell holds so many finite numbers. */
function isVector(cell: Cell | undefined, width: number): cell is number[] {
  if (typeof cell !== "object" || cell === null || cell.length !== width) return false;
  return Array.from<unknown>(cell).every(Number.isFinite);
}

function texts(row: Row, columns: readonly string[]): string[] | null {
  const values: string[] = [];
  for (const column of columns) {
    const cell = row[column];
    if (cell === null) values.push("");
    else if (typeof cell === "string" && (cell === "" || cell.trim() !== "")) values.push(cell);
    else return null;
  }
  return values;
}

function prediction(output: Output, { data, dims }: Tensor, dtype: string): Cell | undefined {
  if (dims.length < 1 || dims.length > 2 || dims[0] !== 1) return undefined;
  if (output.kind === "vector") {
    const plain = dims.length === 2 && (dtype === "float32" || dtype === "float64");
    const values = plain ? Array.from<unknown>(data) : [];
    return plain && values.every(Number.isFinite) ? (values as number[]) : undefined;
  }
  const value = data[dims.length === 1 ? 0 : (output.column ?? 0)];
  if (typeof value === "string") return value;
  if (typeof value === "bigint") return Number(value);
  if (value === undefined || !Number.isFinite(value)) return undefined;
  if (dtype === "bool") return value !== 0;
  return dtype === "float16" || dtype === "bfloat16" ? undefined : value;
}
