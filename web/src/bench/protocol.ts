import { type Tensor, viewOf } from "../engine/tensor";
import { memoryBytes } from "./memory";

/** What the benchmark's driver and its two workers say to each other; results come back under the same `id`. */

export interface TensorSpec {
  name: string;
  /** NumPy name of the element type, or "string". */
  dtype: string;
  shape: number[];
  /** Where the little-endian elements are (JSON text for strings), relative to the page. */
  url: string;
}

export interface CaseSpec {
  model: string;
  feeds: TensorSpec[];
  /** Instead of a model: rounds of the register-only loop. */
  loop?: number;
  /** Instead of a model: a product of two matrices by NumPy; rows, columns, depth. */
  matmul?: [number, number, number];
}

export type Request =
  | { id: number; kind: "boot"; options: Record<string, string> }
  | { id: number; kind: "open"; spec: CaseSpec }
  | { id: number; kind: "time"; calls: number }
  | { id: number; kind: "outputs" }
  | { id: number; kind: "feed"; feeds: TensorSpec[] }
  | { id: number; kind: "plan" }
  | { id: number; kind: "memory" }
  | { id: number; kind: "close" };

/** One output read back, numbers as JSON numbers (NaN and infinities as strings). */
export interface OutputData {
  name: string;
  shape: number[];
  values: (number | string | null)[];
}

export interface MemoryUse {
  /** Of all WebAssembly memories in this worker; they never shrink. */
  bytes: number;
  /** What Python holds in objects; null without Python. */
  blocks: number | null;
}

export type Reply = { id: number; value: unknown } | { id: number; error: string };

/** Handle requests one after another with `handlers`, each by its kind. */
export function serve(handlers: {
  boot(options: Record<string, string>): Promise<unknown>;
  open(spec: CaseSpec): Promise<number>;
  time(calls: number): number | Promise<number>;
  outputs(): OutputData[] | Promise<OutputData[]>;
  /** Other inputs for the case that is open. */
  feed(feeds: TensorSpec[]): Promise<void>;
  /** Seconds until there is a plan for the shapes of the present inputs. */
  plan?(): number;
  /** Blocks that Python holds. */
  blocks?(): number;
  close(): void | Promise<void>;
}): void {
  const answer = async (request: Request): Promise<unknown> => {
    switch (request.kind) {
      case "boot":
        return handlers.boot(request.options);
      case "open":
        return handlers.open(request.spec);
      case "time":
        return handlers.time(request.calls);
      case "outputs":
        return handlers.outputs();
      case "feed":
        return handlers.feed(request.feeds);
      case "plan":
        return handlers.plan?.() ?? null;
      case "memory":
        return { bytes: memoryBytes(), blocks: handlers.blocks?.() ?? null } satisfies MemoryUse;
      case "close":
        return handlers.close();
    }
  };
  let queue = Promise.resolve();
  self.addEventListener("message", (event: MessageEvent<Request>) => {
    const { id } = event.data;
    queue = queue.then(async () => {
      try {
        self.postMessage({ id, value: await answer(event.data) } satisfies Reply);
      } catch (error) {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        self.postMessage({ id, error: text } satisfies Reply);
      }
    });
  });
}

export async function fetchBytes(url: string): Promise<ArrayBuffer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return response.arrayBuffer();
}

/** A feed's bytes as both runtimes take them. */
export function typedFeed(spec: TensorSpec, bytes: ArrayBuffer): Tensor & { dims: number[] } {
  if (spec.dtype === "string") {
    return { data: JSON.parse(new TextDecoder().decode(bytes)) as string[], dims: spec.shape };
  }
  const View = viewOf(spec.dtype);
  return { data: new View(bytes, 0, bytes.byteLength / View.BYTES_PER_ELEMENT), dims: spec.shape };
}

/** Elements for JSON. */
export function plain(data: ArrayLike<number | bigint | string>): (number | string)[] {
  return Array.from(data, (v) =>
    typeof v === "bigint" ? Number(v) : typeof v === "number" && !Number.isFinite(v) ? String(v) : v,
  );
}
