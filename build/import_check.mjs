// Load wheels into Pyodide under Node and run an expression: node import_check.mjs PYODIDE_DIR EXPRESSION WHEEL…
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";

// Browsers have the relaxed instructions on by default; Node has from version 21 on.
if (Number(process.versions.node.split(".")[0]) < 21) {
  setFlagsFromString("--experimental-wasm-relaxed-simd");
}

const [runtime, expression, ...wheels] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(join(runtime, "pyodide.mjs")).href);
const pyodide = await loadPyodide({ indexURL: runtime });
try {
  for (const wheel of wheels) {
    pyodide.unpackArchive(new Uint8Array(readFileSync(wheel)), "wheel");
  }
  console.log(String(pyodide.runPython(expression)));
} catch (error) {
  // Only the message: a stack of Pyodide's minified sources is a megabyte long.
  console.error(error.message);
  process.exitCode = 1;
}
