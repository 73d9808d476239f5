/** From a site's address to an `Edge` that answers. */

import type { PyodideInterface } from "pyodide";
import { PythonModel } from "../engine/python";
import type { Progress, Stage } from "../messages";
import { sha256 } from "../site/hash";
import { type Manifest, modelFiles, parseManifest, runtimeFiles, wheelsFor } from "../site/manifest";
import { Files, fetchManifest } from "./files";
import { type Edge, bootPython, installWheels, makeEdge, warmUp } from "./runtime";
import { detectSimd } from "./simd";

export interface Booted {
  manifest: Manifest;
  edge: Edge;
  /** The model itself, for tensors. */
  tensors: PythonModel;
}

export async function boot(site: string, onProgress: (progress: Progress) => void): Promise<Booted> {
  let stage: Stage = "manifest";
  let bytes = { loaded: 0, total: 0 };
  const report = (): void => onProgress({ stage, ...bytes });
  const enter = (next: Stage): void => {
    stage = next;
    report();
  };
  report();

  const manifestBytes = await fetchManifest(site);
  const manifestText = new TextDecoder().decode(manifestBytes);
  const manifest = parseManifest(manifestText);
  const wheels = wheelsFor(manifest, detectSimd());
  const files = new Files(site, manifest, await sha256(manifestBytes), "low", (loaded, total) => {
    bytes = { loaded, total };
    report();
  });
  files.prefetch([...Object.values(runtimeFiles(manifest)), ...wheels, ...modelFiles(manifest)]);

  enter("download");
  const { wasm } = runtimeFiles(manifest);
  void files.get(wasm).then(() => stage === "download" && enter("runtime"), () => {});
  const python = await bootPython(site, manifest, files);
  enter("wheel");
  await installWheels(python, wheels, files);
  enter("model");
  const edge = await makeEdge(python, manifest, manifestText, files);
  files.release();
  void files.dropOthers().catch(() => {}); // only tidiness: tried again at the next start
  enter("warm-up");
  warmUp(python, edge);
  enter("ready");
  return { manifest, edge, tensors: tensorsOf(python, edge) };
}

function tensorsOf(python: PyodideInterface, edge: Edge): PythonModel {
  const { pipeline } = edge;
  try {
    return new PythonModel(python, pipeline.session.copy());
  } finally {
    pipeline.destroy();
  }
}
