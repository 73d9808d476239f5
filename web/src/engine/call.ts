/**
 * A prepared call: a plan whose memory lies ready. Feeds are written straight into the WebAssembly memory, one function
 * of the core is called, results are copied out. Python's and the standalone core's plans are both run by this.
 */

import { FeedError, type Numbers, type Results, type Tensor, type TensorType, viewOf, sizeOf } from "./tensor";

/** A call in words, as `strandline.runtime.prepared` describes it. */
export interface CallSpec {
  inputs: (TensorType & { name: string })[];
  /** The program's inputs, as places in `inputs`. */
  take: number[];
  /** The program's outputs. */
  outputs: TensorType[];
  /** The model's outputs: which of the program's each is (which input, for ~from), and a ZipMap's labels. */
  results: { name: string; from: number; labels: string[] | null }[];
  /** The strings by their code; null when nothing is a string. */
  texts: string[] | null;
}

/** Where a call's memory is, and how it is run. */
export interface Place {
  memory: { readonly buffer: ArrayBufferLike };
  /** Addresses of the inputs (0: not read), and of the program's outputs. */
  inputs: readonly number[];
  outputs: readonly number[];
  /** Runs the program; 0 when it refused the data. */
  run: () => number;
  /** The address of the sentence that says why. */
  error: number;
}

const ERROR_BYTES = 160;

export class PreparedCall {
  readonly spec: CallSpec;
  readonly #place: Place;
  readonly #texts: Texts | null;
  #inputs: (Numbers | null)[] = [];
  #outputs: Numbers[] = [];
  #buffer: ArrayBufferLike | null = null;

  constructor(spec: CallSpec, place: Place) {
    this.spec = spec;
    this.#place = place;
    this.#texts = spec.texts === null ? null : new Texts(spec.texts);
  }

  /** Predicts: elements of the inputs in the model's order, in; outputs by name, out, as copies. */
  run(feeds: readonly (Numbers | readonly string[])[]): Results {
    const tensors = this.tensors(feeds);
    const results: Results = {};
    this.spec.results.forEach(({ name, labels }, i) => {
      const tensor = tensors[i] as Tensor;
      results[name] = labels === null ? tensor : zipped(labels, tensor);
    });
    return results;
  }

  /** As `run`, outputs in the model's order, and a ZipMap's as the tensor of its scores. */
  tensors(feeds: readonly (Numbers | readonly string[])[]): Tensor[] {
    const place = this.#place;
    if (place.memory.buffer !== this.#buffer) this.#look(); // memory that grew leaves old views empty
    this.#texts?.forget();
    for (let i = 0; i < this.#inputs.length; i++) {
      const view = this.#inputs[i];
      if (view !== null && view !== undefined) this.#write(i, view, feeds[i]);
    }
    const done = place.run() !== 0;
    if (place.memory.buffer !== this.#buffer) this.#look();
    if (!done) throw new Error(this.#sentence() || "there is no memory for the call");
    return this.spec.results.map(({ from }) => (from < 0 ? this.#fed(~from, feeds[~from]) : this.#read(from)));
  }

  /** The element type of a result. */
  dtype(result: number): string {
    const from = this.spec.results[result]?.from ?? 0;
    return (from < 0 ? this.spec.inputs[~from] : this.spec.outputs[from])?.dtype ?? "";
  }

  #look(): void {
    const { memory, inputs, outputs } = this.#place;
    const at = ({ dtype, shape }: TensorType, address: number): Numbers => {
      const View = viewOf(dtype);
      return new View(memory.buffer, address, sizeOf(shape));
    };
    this.#buffer = memory.buffer;
    this.#inputs = this.spec.inputs.map((type, i) => (inputs[i] === 0 ? null : at(type, inputs[i] as number)));
    this.#outputs = this.spec.outputs.map((type, i) => at(type, outputs[i] as number));
  }

  #write(i: number, view: Numbers, data: Numbers | readonly string[] | undefined): void {
    if (data === undefined || data.length !== view.length) {
      const { name } = this.spec.inputs[i] as { name: string };
      throw new FeedError(`input '${name}' takes ${view.length} elements, but got ${data?.length ?? "nothing"}`);
    }
    if (this.#texts !== null && Array.isArray(data)) this.#texts.encode(data, view as Int32Array);
    else (view as Float32Array).set(data as Float32Array);
  }

  #fed(index: number, data: Numbers | readonly string[] | undefined): Tensor {
    const { shape } = this.spec.inputs[index] as TensorType;
    return { data: (data ?? []).slice() as Numbers | string[], dims: shape };
  }

  #read(index: number): Tensor {
    const type = this.spec.outputs[index] as TensorType;
    const view = this.#outputs[index] as Numbers;
    if (type.dtype !== "string") return { data: view.slice(), dims: type.shape };
    return { data: (this.#texts as Texts).decode(view as Int32Array), dims: type.shape };
  }

  #sentence(): string {
    const bytes = new Uint8Array(this.#place.memory.buffer, this.#place.error, ERROR_BYTES).slice();
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(bytes.subarray(0, end < 0 ? ERROR_BYTES : end));
  }
}

/** Strings by number. Those that the session does not know get negative codes for one run. */
class Texts {
  readonly #known: readonly string[];
  readonly #codes: ReadonlyMap<string, number>;
  #unknown: string[] = [];
  readonly #local = new Map<string, number>();

  constructor(known: readonly string[]) {
    this.#known = known;
    this.#codes = new Map(known.map((text, code) => [text, code]));
  }

  forget(): void {
    if (this.#unknown.length === 0) return;
    this.#unknown = [];
    this.#local.clear();
  }

  encode(texts: readonly string[], codes: Int32Array): void {
    for (let i = 0; i < texts.length; i++) {
      const text = texts[i] as string;
      let code = this.#codes.get(text) ?? this.#local.get(text);
      if (code === undefined) {
        code = -this.#unknown.push(text);
        this.#local.set(text, code);
      }
      codes[i] = code;
    }
  }

  decode(codes: Int32Array): string[] {
    return Array.from(codes, (code) => (code >= 0 ? this.#known[code] : this.#unknown[-1 - code]) ?? "");
  }
}

/** ONNX's ZipMap: per row an object from class label to score. */
function zipped(labels: readonly string[], { data }: Tensor): Record<string, unknown>[] {
  const rows: Record<string, unknown>[] = [];
  for (let at = 0; at < data.length; at += labels.length) {
    rows.push(Object.fromEntries(labels.map((label, i) => [label, data[at + i]])));
  }
  return rows;
}
