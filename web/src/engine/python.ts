/** A model that Python's `Session` holds, run from JavaScript: tensors in, tensors out. */

import type { PyodideInterface } from "pyodide";
import type { PyBuffer, PyProxy } from "pyodide/ffi";
import { type CallSpec, PreparedCall } from "./call";
import { FeedError, type Feeds, type InputInfo, type Numbers, type Results, type TensorType, fed, viewOf } from "./tensor";

/** `strandline.runtime.door` as JavaScript sees it. */
interface Door extends PyProxy {
  inputs(session: PyProxy): string;
  outputs(session: PyProxy): string;
  prepare(session: PyProxy, types: string): PyProxy | undefined;
  addresses(prepared: PyProxy): string;
  run(session: PyProxy, types: string, values: PyProxy): PyProxy;
}

interface Addresses extends CallSpec {
  entry: number;
  address: number;
  places: { inputs: number[]; outputs: number[] };
}

/** What of Emscripten's module is used; Pyodide keeps it behind an underscore. */
interface Module {
  memory: WebAssembly.Memory;
  wasmTable: WebAssembly.Table;
}

interface Held {
  prepared: PyProxy | null;
  call: PreparedCall | null;
}

/** Calls kept at once; each holds the memory of its plan's inputs, outputs and intermediate values. */
const KEPT = 16;

export class PythonModel {
  readonly inputs: readonly InputInfo[];
  /** The outputs' names in the model's order. */
  readonly outputs: readonly string[];
  readonly #python: PyodideInterface;
  readonly #module: Module;
  readonly #door: Door;
  readonly #session: PyProxy;
  readonly #held = new Map<string, Held>();

  /** `session` is a proxy of a `strandline.runtime.Session`, and from now on this object's. */
  constructor(python: PyodideInterface, session: PyProxy) {
    this.#python = python;
    this.#module = (python as unknown as { _module: Module })._module;
    this.#door = python.pyimport("strandline.runtime.door") as Door;
    this.#session = session;
    this.inputs = JSON.parse(this.#door.inputs(session)) as InputInfo[];
    this.outputs = JSON.parse(this.#door.outputs(session)) as string[];
  }

  /**
   * Predicts. A plan that is one call of the core runs without Python; others go through `Session.run`.
   * Throws `FeedError` when the feeds are not the model's inputs.
   */
  run(feeds: Feeds): Results {
    for (const name of Object.keys(feeds)) {
      if (!this.inputs.some((info) => info.name === name)) {
        throw new FeedError(`the model has no input '${name}'; its inputs are ${this.inputs.map((i) => `'${i.name}'`).join(", ")}`);
      }
    }
    const given = this.inputs.map((info) => fed(info, feeds[info.name]));
    const key = given.map(({ dtype, dims }) => `${dtype}:${dims.join()}`).join(";");
    const held = this.#held.get(key) ?? this.#prepare(key, given.map(({ dtype, dims }) => ({ dtype, shape: [...dims] })));
    if (held.call !== null) return held.call.run(given.map(({ data }) => data));
    const types = JSON.stringify(given.map(({ dtype, dims }) => ({ dtype, shape: dims })));
    return this.#through(types, given.map(({ data }) => (Array.isArray(data) ? JSON.stringify(data) : bytesOf(data))));
  }

  close(): void {
    for (const { prepared } of this.#held.values()) prepared?.destroy();
    this.#held.clear();
    this.#session.destroy();
    this.#door.destroy();
  }

  #prepare(key: string, types: TensorType[]): Held {
    const oldest = this.#held.keys().next();
    if (this.#held.size >= KEPT && !oldest.done) {
      this.#held.get(oldest.value)?.prepared?.destroy();
      this.#held.delete(oldest.value);
    }
    const prepared = this.#door.prepare(this.#session, JSON.stringify(types)) ?? null;
    const held = { prepared, call: prepared && this.#call(prepared) };
    this.#held.set(key, held);
    return held;
  }

  #call(prepared: PyProxy): PreparedCall {
    const { entry, address, places, ...spec } = JSON.parse(this.#door.addresses(prepared)) as Addresses;
    const { memory, wasmTable } = this.#module;
    const run = wasmTable.get(entry) as (address: number) => number;
    return new PreparedCall(spec, { memory, ...places, run: () => run(address), error: address });
  }

  #through(types: string, values: (string | Uint8Array)[]): Results {
    const list = this.#python.toPy(values) as PyProxy; // a typed array itself is no buffer to Python
    let answers: PyProxy | undefined;
    try {
      answers = this.#door.run(this.#session, types, list);
      const results: Results = {};
      for (const answer of answers as unknown as Iterable<PyProxy>) {
        const [name, dtype, shape, value] = answer.toJs() as [string, string | undefined, number[], PyBuffer | Uint8Array | string];
        results[name] = typeof value === "string" ? (JSON.parse(value) as unknown[]) : { data: elements(dtype ?? "uint8", value as Uint8Array), dims: shape };
        answer.destroy();
      }
      return results;
    } finally {
      answers?.destroy();
      list.destroy();
    }
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Numbers): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function elements(dtype: string, bytes: Uint8Array): Numbers {
  const copy = bytes.slice();
  const View = viewOf(dtype);
  return new View(copy.buffer, 0, copy.byteLength / View.BYTES_PER_ELEMENT);
}
