/** Pyodide from the site's own files, and the Python `Edge` in it. Nothing is fetched that was not checked before. */

import type { PyodideInterface, loadPyodide as LoadPyodide } from "pyodide";
import type { PyProxy } from "pyodide/ffi";
import { info } from "pyodide/pyodide-lock.json";
import { type Manifest, modelFiles, runtimeFiles } from "../site/manifest";
import type { Files } from "./files";

/** `strandline.bundle.edge.Edge` as JavaScript sees it; every text is JSON. */
export interface Edge {
  pipeline: PyProxy & { session: PyProxy };
  predict(rows: string, batch: string): string;
  predict_csv(text: string): string;
  label(labels: string): void;
  quality(): string | null | undefined;
  drift(): string;
  count(counter: string, by: number): void;
  observe(measured: string): void;
  pending(): number;
  empty(): boolean;
  peek_window(report: string): string | null | undefined;
  take_window(report: string): string | null | undefined;
}

/** Python's side of the door: `get(path)` gives a buffer, from which Python copies what it wants; `memory()` gives megabytes. */
const MAKE_EDGE = `
def make(manifest, get, memory):
    from strandline.bundle.edge import Edge
    from strandline.runtime.door import Held
    return Edge(manifest, lambda path: Held(get(path)), memory=memory)
make
`;

/** One prediction that no profile counts, so that the first one that counts finds its plan made and its code compiled. */
const WARM_UP = `
def warm_up(edge):
    edge.pipeline.predict({f.name: [f.default] for f in edge.manifest.features})
warm_up
`;

/** Boots the interpreter; its files are fetched under way. */
export async function bootPython(site: string, manifest: Manifest, files: Files): Promise<PyodideInterface> {
  const { loader, script, wasm, stdlib } = runtimeFiles(manifest);
  await Promise.all([files.get(loader), files.get(script)]); // checked before they are run
  const [{ loadPyodide }, { default: createPyodideModule }] = await Promise.all([
    import(/* @vite-ignore */ files.url(loader)) as Promise<{ loadPyodide: typeof LoadPyodide }>,
    import(/* @vite-ignore */ files.url(script)) as Promise<{ default: CreateModule }>,
  ]);
  const types = new Map([
    [files.url(wasm), { path: wasm, type: "application/wasm" }],
    [files.url(stdlib), { path: stdlib, type: "application/zip" }],
  ]);
  return answering(
    async (url) => {
      const known = types.get(url);
      if (known === undefined) throw new TypeError(`Pyodide asked for ${url}, which is not part of its boot`);
      return new Response(await files.get(known.path), { headers: { "Content-Type": known.type } });
    },
    () =>
      loadPyodide({
        indexURL: new URL(manifest.runtime.pyodide, site).href,
        packageBaseUrl: site, // never a CDN: the wheels come with the site
        lockFileContents: EMPTY_LOCK,
        createPyodideModule,
      }),
  );
}

type CreateModule = NonNullable<NonNullable<Parameters<typeof LoadPyodide>[0]>["createPyodideModule"]>;

/** Pyodide checks the lock's ABI; there are no packages to find in it. */
const EMPTY_LOCK = JSON.stringify({ info, packages: {} });

/**
 * Runs `task` while `fetch` is answered by `answer`: Pyodide has no other door for bytes that are here already.
 * Rejects as soon as an answer does; Pyodide itself would wait for its WebAssembly forever.
 */
async function answering<T>(answer: (url: string) => Promise<Response>, task: () => Promise<T>): Promise<T> {
  const original = globalThis.fetch;
  let fail: (reason: unknown) => void;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  globalThis.fetch = (input) => {
    const reply = answer(input instanceof Request ? input.url : new URL(input).href);
    reply.catch((reason: unknown) => fail(reason));
    return reply;
  };
  try {
    return await Promise.race([task(), failed]);
  } finally {
    globalThis.fetch = original;
  }
}

/** Puts wheels into site-packages, without an installer. */
export async function installWheels(python: PyodideInterface, paths: readonly string[], files: Files): Promise<void> {
  for (const path of paths) python.unpackArchive(await files.get(path), "wheel");
}

export async function makeEdge(
  python: PyodideInterface,
  manifest: Manifest,
  manifestText: string,
  files: Files,
): Promise<Edge> {
  const held = new Map<string, Uint8Array>();
  for (const path of modelFiles(manifest)) held.set(path, await files.get(path));
  const make = python.runPython(MAKE_EDGE);
  try {
    const get = (path: string): Uint8Array => {
      const bytes = held.get(path);
      if (bytes === undefined) throw new Error(`the model reads ${path}, which manifest.json does not name`);
      return bytes;
    };
    return make(manifestText, get, () => megabytes(python)) as Edge;
  } finally {
    make.destroy();
  }
}

/** What the runtime's WebAssembly memory holds; it never shrinks. */
function megabytes(python: PyodideInterface): number {
  const { HEAPU8 } = (python as unknown as { _module: { HEAPU8: Uint8Array } })._module;
  return HEAPU8.byteLength / 2 ** 20;
}

/** Makes the first prediction fast. A model that refuses the form's defaults is as good as any other: it only stays cold. */
export function warmUp(python: PyodideInterface, edge: Edge): void {
  const run = python.runPython(WARM_UP);
  try {
    run(edge);
  } catch (error) {
    console.debug("strandline: not warmed up", error);
  } finally {
    run.destroy();
  }
}
