/** The packed site's `manifest.json`: what is in the site, with the SHA-256 of every file. */

export const MANIFEST_SCHEMA = "strandline.manifest/1";

export interface FileRef {
  file: string;
  sha256: string;
}

export interface NumericFeature {
  name: string;
  kind: "numeric";
  default?: number | null;
  min?: number | null;
  max?: number | null;
}

export interface CategoricalFeature {
  name: string;
  kind: "categorical";
  default?: string | null;
  categories?: string[];
}

export interface VectorFeature {
  name: string;
  kind: "vector";
  default?: number[] | null;
  dimensions: number;
}

export type Feature = NumericFeature | CategoricalFeature | VectorFeature;

export interface Feed {
  input: string;
  dtype: string;
  columns: string[];
  /** How many numbers of a row each column has; absent: one each. */
  widths?: number[];
}

export interface Output {
  name: string;
  kind: "numeric" | "categorical" | "vector";
  from: string;
  column?: number;
}

export interface Manifest {
  schema: typeof MANIFEST_SCHEMA;
  name: string;
  version: string;
  strandline: string;
  created: string;
  model: FileRef & { needs_numpy: boolean };
  features: Feature[];
  feeds: Feed[];
  outputs: Output[];
  reference: FileRef;
  /** Columns that split the rows; those that are no features are asked for besides. */
  segments?: CategoricalFeature[];
  /** Names for `model.count`. */
  counters?: string[];
  /** What labels are of, when they come; absent where the site was packed without. */
  target?: string;
  preprocess: FileRef | null;
  collector: { url: string; key: string } | null;
  /** The plan for one row, for the core without Python; null when the core alone can't run the model. */
  plan?: FileRef | null;
  window: { rows: number; seconds: number };
  runtime: {
    pyodide: string;
    wheels: { simd128: string; relaxed: string | null; numpy: string | null };
    core?: { simd128?: string; relaxed?: string };
  };
  files: Record<string, { sha256: string; bytes: number }>;
}

/** Reads a manifest; throws an `Error` that says what the text is instead. */
export function parseManifest(text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("manifest.json is not JSON: is this address the folder of a packed site?");
  }
  const manifest = value as Partial<Manifest> | null;
  if (manifest?.schema !== MANIFEST_SCHEMA) {
    const found = JSON.stringify(manifest?.schema ?? null);
    throw new Error(`manifest.json has schema ${found}, this page reads "${MANIFEST_SCHEMA}": pack the site again`);
  }
  return manifest as Manifest;
}

/** The columns of a row: the model's features, and those that only split the rows. */
export function columnsOf({ features, segments = [] }: Manifest): Feature[] {
  const names = new Set(features.map(({ name }) => name));
  return [...features, ...segments.filter(({ name }) => !names.has(name))];
}

export interface Simd {
  simd128: boolean;
  relaxed: boolean;
}

export interface RuntimeFiles {
  loader: string;
  script: string;
  wasm: string;
  stdlib: string;
}

export function runtimeFiles(manifest: Manifest): RuntimeFiles {
  const folder = manifest.runtime.pyodide;
  return {
    loader: `${folder}pyodide.mjs`,
    script: `${folder}pyodide.asm.mjs`,
    wasm: `${folder}pyodide.asm.wasm`,
    stdlib: `${folder}python_stdlib.zip`,
  };
}

/** The wheels to load here, in order: NumPy's first where the plan needs it. */
export function wheelsFor(manifest: Manifest, simd: Simd): string[] {
  if (!simd.simd128) {
    throw new Error("this browser's WebAssembly has no SIMD: use a browser from 2023 or later");
  }
  const { simd128, relaxed, numpy } = manifest.runtime.wheels;
  const own = simd.relaxed && relaxed !== null ? relaxed : simd128;
  if (!manifest.model.needs_numpy) return [own];
  if (numpy === null) {
    throw new Error("the model needs NumPy here but the site has no NumPy wheel: pack the site again");
  }
  return [numpy, own];
}

/** The plan and the core that runs it here before Python does; null when the site has none for this browser. */
export function earlyFiles(manifest: Manifest, simd: Simd): { plan: string; core: string } | null {
  const { simd128, relaxed } = manifest.runtime.core ?? {};
  const core = simd.relaxed && relaxed !== undefined ? relaxed : simd.simd128 ? simd128 : undefined;
  return manifest.plan && core !== undefined ? { plan: manifest.plan.file, core } : null;
}

/** The files that the Python side reads through `Edge(manifest, read)`. */
export function modelFiles(manifest: Manifest): string[] {
  const refs = [manifest.model, manifest.reference, manifest.preprocess];
  return refs.filter((ref) => ref !== null).map((ref) => ref.file);
}
