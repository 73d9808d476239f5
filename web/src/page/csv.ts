/** CSV for the view: the table that is shown and the file that is saved. Predicting reads the text itself, in Python. */

import type { Cell, Row } from "../messages";

export interface Table {
  header: string[];
  rows: string[][];
}

/** As the model reads it: the delimiter is the one of `,`, `;` and tab that the first line has most of; blank lines are left out. */
export function parseCsv(text: string): Table {
  const body = text.replace(/^\ufeff/, "");
  const [header = [], ...rows] = records(body, delimiterOf(body)).filter((cells) => cells.length > 1 || cells[0] !== "");
  return { header: header.map((name) => name.trim()), rows };
}

export function delimiterOf(text: string): string {
  const first = text.split("\n", 1)[0] ?? "";
  const times = (delimiter: string): number => first.split(delimiter).length;
  return [",", ";", "\t"].reduce((best, delimiter) => (times(delimiter) > times(best) ? delimiter : best));
}

function records(text: string, delimiter: string): string[][] {
  const found: string[][] = [];
  let record: string[] = [];
  let cell = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') {
        cell += c;
        i++;
      } else quoted = false;
    } else if (c === '"' && cell === "") quoted = true;
    else if (c === delimiter) {
      record.push(cell);
      cell = "";
    } else if (c === "\n" || c === "\r") {
      if (c === "\r" && text[i + 1] === "\n") i++;
      found.push([...record, cell]);
      record = [];
      cell = "";
    } else cell += c;
  }
  if (cell !== "" || record.length > 0) found.push([...record, cell]);
  return found;
}

/** The table with the predictions as further columns, comma-separated, lines ended as RFC 4180 has it. */
export function withPredictions(table: Table, predictions: readonly Row[]): string {
  const names = Object.keys(predictions[0] ?? {});
  const lines = [[...table.header, ...names], ...table.rows.map((cells, i) => [...cells, ...values(predictions[i], names)])];
  return lines.map((cells) => `${cells.map(quote).join(",")}\r\n`).join("");
}

function values(row: Row | undefined, names: readonly string[]): string[] {
  return names.map((name) => cellText(row?.[name] ?? null));
}

/** A cell as CSV has it, a vector as a JSON list. */
export function cellText(value: Cell): string {
  if (value === null) return "";
  return typeof value === "object" ? JSON.stringify(Array.from<number | null>(value)) : String(value);
}

function quote(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** A first line and two rows that the model would take, to start from. */
export function example(rows: readonly Row[]): string {
  const names = Object.keys(rows[0] ?? {});
  return [names, ...rows.map((row) => values(row, names))].map((cells) => cells.map(quote).join(",")).join("\n");
}
