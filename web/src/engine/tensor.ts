/** Tensors as JavaScript has them: typed arrays with dimensions; strings as plain arrays. */

export type Numbers =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

export interface Tensor {
  /** In row-major order. bool: 0 and 1; float16 and bfloat16: their bits; strings: an array of them. */
  data: Numbers | string[];
  dims: readonly number[];
}

/** What is fed: a tensor, or its elements alone where the model's declaration leaves no more than one size open. */
export type Feed = Tensor | Numbers | readonly number[] | readonly string[];
export type Feeds = Record<string, Feed>;

/** An output: a tensor, or what ONNX's maps and sequences are in JSON (ZipMap: one object per row, by label). */
export type Result = Tensor | unknown[];
export type Results = Record<string, Result>;

/** Element type and dimensions. */
export interface TensorType {
  dtype: string;
  shape: number[];
}

/** An input as the model declares it: null for a free size, and for what it does not declare. */
export interface InputInfo {
  name: string;
  dtype: string | null;
  shape: (number | null)[] | null;
}

/** The feeds do not fit the model's inputs. */
export class FeedError extends Error {
  override name = "FeedError";
}

type View = { new (buffer: ArrayBufferLike, offset: number, length: number): Numbers; readonly BYTES_PER_ELEMENT: number; readonly name: string };

const VIEWS: Record<string, View> = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  string: Int32Array, // codes
};

/** The typed array of an element type; those of eight bits or fewer have a byte for each element. */
export function viewOf(dtype: string): View {
  return VIEWS[dtype] ?? (dtype.startsWith("int") ? Int8Array : Uint8Array);
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A feed with its dimensions, checked against the declaration. Throws `FeedError`. */
export function fed(info: InputInfo, feed: Feed | undefined): Tensor & { dtype: string } {
  if (feed === undefined) throw new FeedError(`no value was fed for input '${info.name}'`);
  const bare = Array.isArray(feed) || ArrayBuffer.isView(feed);
  const given = bare ? feed : (feed as Tensor).data;
  const texts = Array.isArray(given) && typeof given[0] === "string";
  const dtype = info.dtype ?? (texts ? "string" : Array.isArray(given) ? "float32" : dtypeOf(given as Numbers));
  const data = typed(info, dtype, given as Numbers | readonly (number | string)[]);
  const dims = bare ? inferred(info, data.length) : (feed as Tensor).dims;
  if (sizeOf(dims) !== data.length) {
    throw new FeedError(`input '${info.name}' has ${data.length} elements, but dims ${JSON.stringify(dims)}`);
  }
  const wanted = info.shape;
  const fits = wanted === null || (wanted.length === dims.length && wanted.every((w, i) => w === null || w === dims[i]));
  if (!fits) {
    const shape = wanted.map((size) => size ?? "?").join(", ");
    throw new FeedError(`input '${info.name}' has shape [${shape}], but got [${dims.join(", ")}]`);
  }
  return { dtype, data, dims };
}

function typed(info: InputInfo, dtype: string, given: Numbers | readonly (number | string)[]): Numbers | string[] {
  if (dtype === "string") {
    if (Array.isArray(given) && given.every((v) => typeof v === "string")) return given as string[];
    throw new FeedError(`input '${info.name}' expects strings: give it an array of them`);
  }
  const View = viewOf(dtype) as unknown as { new (values: ArrayLike<number>): Numbers; name: string };
  if (given instanceof View) return given;
  if (Array.isArray(given) && !dtype.endsWith("int64") && given.every((v) => typeof v === "number")) {
    return new View(given as number[]);
  }
  throw new FeedError(`input '${info.name}' expects ${dtype}: give it a ${View.name}`);
}

function dtypeOf(data: Numbers): string {
  const found = Object.entries(VIEWS).find(([, view]) => data instanceof view);
  return found?.[0] ?? "float32";
}

function inferred(info: InputInfo, length: number): number[] {
  const { shape } = info;
  const open = shape?.filter((size) => size === null).length ?? 2;
  if (shape === null || open > 1) {
    throw new FeedError(`input '${info.name}' leaves ${shape === null ? "its shape" : `${open} sizes`} open: give it as { data, dims }`);
  }
  const fixed = sizeOf(shape.map((size) => size ?? 1));
  const size = fixed === 0 ? 0 : length / fixed;
  if (open === 0 ? length !== fixed : !Number.isInteger(size)) {
    const wanted = open === 0 ? `${fixed}` : `a multiple of ${fixed}`;
    throw new FeedError(`input '${info.name}' takes ${wanted} elements, but got ${length}`);
  }
  return shape.map((known) => known ?? size);
}
