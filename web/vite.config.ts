import { defineConfig } from "vitest/config";

// Four builds into one folder: the packed site's page, the collector's dashboard, the benchmark's page, and the
// service worker, which must be a single file without imports at the site's root.
const inputs: Record<string, Record<string, string>> = {
  site: { page: "index.html", strandline: "src/strandline.ts" },
  dashboard: { dashboard: "dashboard.html" },
  bench: { bench: "bench.html" },
  sw: { sw: "src/sw.ts" },
};
const stableNames = new Set(["strandline", "sw"]);

export default defineConfig(({ mode }) => ({
  base: "./",
  publicDir: false,
  build: {
    outDir: "dist",
    emptyOutDir: mode === "site",
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    rollupOptions: {
      input: inputs[mode] ?? {},
      preserveEntrySignatures: "strict",
      output: {
        entryFileNames: (chunk) =>
          stableNames.has(chunk.name) ? "[name].js" : "assets/[name]-[hash].js",
        chunkFileNames: `assets/${mode}-[name]-[hash].js`,
        assetFileNames: `assets/${mode}-[name]-[hash][extname]`,
      },
    },
  },
  worker: {
    format: "es",
    rollupOptions: { output: { entryFileNames: `assets/${mode}-[name]-[hash].js` } },
  },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
}));
