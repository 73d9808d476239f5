import { describe, expect, it } from "vitest";
import { cacheName, pointerCache, route, siteFolder, sitePath, staleCaches } from "../src/site/cache";
import { sha256 } from "../src/site/hash";
import { type Manifest, modelFiles, parseManifest, runtimeFiles, wheelsFor } from "../src/site/manifest";

const site = "https://host.test/models/flights/";

describe("siteFolder and sitePath", () => {
  it("finds the folder, under any path", () => {
    for (const url of [site, `${site}index.html`, `${site}?a=1#b`, `${site}index.html?x`]) expect(siteFolder(url)).toBe(site);
  });

  it("finds the path inside the site, or nothing", () => {
    expect(sitePath(site, `${site}assets/a%20b.js?v=1`)).toBe("assets/a b.js");
    expect(sitePath(site, site)).toBe("");
    expect(sitePath(site, "https://host.test/models/other/x.js")).toBeNull();
    expect(sitePath(site, "https://elsewhere.test/models/flights/x.js")).toBeNull();
    expect(sitePath(site, `${site}%ff`)).toBeNull();
  });
});

describe("route", () => {
  const files = { "assets/a.js": {}, "index.html": {} };
  const get = (cache: string, mode = "cors") => ({ method: "GET", mode, cache });

  it("answers pages, the manifest and the site's files from the device", () => {
    expect(route(get("default", "navigate"), "", files)).toBe("page");
    expect(route(get("default", "navigate"), "some/deep/link", files)).toBe("page");
    expect(route(get("default", "navigate"), "index.html", files)).toBe("file");
    expect(route(get("no-cache"), "manifest.json", files)).toBe("manifest");
    expect(route(get("default"), "assets/a.js", files)).toBe("file");
  });

  it("leaves the rest to the network", () => {
    expect(route({ method: "POST", mode: "cors", cache: "default" }, "assets/a.js", files)).toBe("network");
    expect(route(get("reload"), "assets/a.js", files)).toBe("network");
    expect(route(get("default"), "sw.js", files)).toBe("network");
    expect(route(get("default"), "toString", files)).toBe("network");
    expect(route(get("default"), null, files)).toBe("network");
  });
});

describe("staleCaches", () => {
  it("names this site's old versions and nobody else's caches", () => {
    const old = cacheName(site, "aa");
    const now = cacheName(site, "bb");
    const other = cacheName("https://host.test/models/other/", "aa");
    const names = [old, now, other, pointerCache(site), "workbox-precache"];
    expect(staleCaches(names, site, "bb")).toEqual([old]);
  });
});

describe("sha256", () => {
  it("is SHA-256 in hexadecimal", async () => {
    expect(await sha256(new TextEncoder().encode("abc"))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });
});

describe("manifest", () => {
  const manifest = {
    schema: "strandline.manifest/1",
    model: { file: "model/model.onnx", sha256: "", needs_numpy: false },
    reference: { file: "model/reference.json", sha256: "" },
    preprocess: null,
    runtime: { pyodide: "pyodide/", wheels: { simd128: "wheels/s.whl", relaxed: "wheels/r.whl", numpy: "wheels/n.whl" } },
  } as unknown as Manifest;
  const both = { simd128: true, relaxed: true };

  it("is refused with a reason when it is something else", () => {
    expect(() => parseManifest("<html>")).toThrow(/not JSON/);
    expect(() => parseManifest('{"schema": "strandline.manifest/9"}')).toThrow(/manifest\/9.*pack the site again/);
    expect(() => parseManifest("null")).toThrow(/schema null/);
    expect(parseManifest(JSON.stringify(manifest))).toEqual(manifest);
  });

  it("names the wheel for this browser, NumPy's only when it is needed, and first", () => {
    expect(wheelsFor(manifest, both)).toEqual(["wheels/r.whl"]);
    expect(wheelsFor(manifest, { simd128: true, relaxed: false })).toEqual(["wheels/s.whl"]);
    const needs = { ...manifest, model: { ...manifest.model, needs_numpy: true } };
    expect(wheelsFor(needs, both)).toEqual(["wheels/n.whl", "wheels/r.whl"]);
    expect(() => wheelsFor(manifest, { simd128: false, relaxed: false })).toThrow(/SIMD/);
  });

  it("names the files that Python reads and that Pyodide is made of", () => {
    expect(modelFiles(manifest)).toEqual(["model/model.onnx", "model/reference.json"]);
    const withCode = { ...manifest, preprocess: { file: "model/preprocess.py", sha256: "" } };
    expect(modelFiles(withCode)).toContain("model/preprocess.py");
    expect(Object.values(runtimeFiles(manifest)).every((path) => path.startsWith("pyodide/"))).toBe(true);
  });
});
