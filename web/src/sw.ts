/**
 * The service worker: the whole site on the device, one version at a time.
 *
 * Pages are answered from the current version's cache, so that they open at once and without a network, and all files of
 * a page are of one version. Every navigation also asks the network for manifest.json; when it is another one, all
 * of its files are fetched into a new cache, then the pointer moves, the pages are told, and the next
 * navigation shows the new version. The worker (worker/files.ts) checks the SHA-256 of what it runs.
 */

import { cacheName, pointerCache, route, siteFolder, sitePath, staleCaches } from "./site/cache";
import { hex, sha256 } from "./site/hash";
import { type Manifest, parseManifest } from "./site/manifest";

declare const self: ServiceWorkerGlobalScope;

interface Version {
  hash: string;
  manifest: Manifest;
  cache: Cache;
}

const site = siteFolder(self.registration.scope);
const POINTER = new URL("manifest.json", site).href;
const PARALLEL = 4;

let current: Promise<Version | null> | null = null;
let updating: Promise<void> | null = null;

/** The version that the pointer names, if all of it is here. */
function currentVersion(): Promise<Version | null> {
  current ??= (async () => {
    const pointer = await (await caches.open(pointerCache(site))).match(POINTER);
    if (pointer === undefined) return null;
    const bytes = await pointer.arrayBuffer();
    const hash = await sha256(bytes);
    const cache = await caches.open(cacheName(site, hash));
    return { hash, manifest: parseManifest(new TextDecoder().decode(bytes)), cache };
  })();
  return current;
}

/** Asks the network for the manifest; fetches and switches to its version when it is not the current one. */
function update(): Promise<void> {
  updating ??= fetchUpdate().finally(() => (updating = null));
  return updating;
}

async function fetchUpdate(): Promise<void> {
  const response = await fetch(POINTER, { cache: "no-cache" });
  if (!response.ok) throw new Error(`manifest.json: the server answered ${response.status}`);
  const bytes = await response.arrayBuffer();
  const hash = hex(await crypto.subtle.digest("SHA-256", bytes));
  if (hash === (await currentVersion())?.hash) return;
  const manifest = parseManifest(new TextDecoder().decode(bytes));
  const cache = await caches.open(cacheName(site, hash));
  await precache(cache, manifest);
  const first = (await currentVersion()) === null;
  const pointer = await caches.open(pointerCache(site));
  await pointer.put(POINTER, new Response(bytes, { headers: { "Content-Type": "application/json" } }));
  current = null;
  if (!first) await tell({ kind: "update", version: manifest.version });
}

/** Fetches what the cache lacks. A file that is not what the manifest says fails the whole update. */
async function precache(cache: Cache, manifest: Manifest): Promise<void> {
  const queue = Object.entries(manifest.files).filter(([path]) => path !== "sw.js");
  const next = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const [path, { sha256: expected }] = file;
      const url = new URL(path.split("/").map(encodeURIComponent).join("/"), site).href;
      if ((await cache.match(url)) === undefined) await fetchInto(cache, url, expected);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, next));
}

async function fetchInto(cache: Cache, url: string, expected: string): Promise<void> {
  for (const mode of ["default", "reload"] as const) {
    const response = await fetch(url, { cache: mode });
    if (!response.ok) throw new Error(`${url}: the server answered ${response.status}`);
    const bytes = await response.clone().arrayBuffer();
    if ((await sha256(bytes)) === expected) return cache.put(url, response);
  }
  throw new Error(`${url} does not have the SHA-256 that manifest.json promises`);
}

async function tell(message: { kind: "update"; version: string }): Promise<void> {
  for (const client of await self.clients.matchAll({ includeUncontrolled: true })) client.postMessage(message);
}

async function respond(request: Request, path: string | null): Promise<Response> {
  const version = await currentVersion().catch(() => null);
  if (version === null) return fetch(request);
  switch (route(request, path, version.manifest.files)) {
    case "network":
      return fetch(request);
    case "manifest":
      return (await (await caches.open(pointerCache(site))).match(POINTER)) ?? fetch(request);
    case "page":
      return (await version.cache.match(new URL("index.html", site))) ?? fetch(request);
    case "file":
      return (await version.cache.match(request.url, { ignoreSearch: true })) ?? fetch(request);
  }
}

async function dropStale(): Promise<void> {
  const version = await currentVersion();
  if (version === null) return;
  const stale = staleCaches(await caches.keys(), site, version.hash);
  await Promise.all(stale.map((name) => caches.delete(name)));
}

self.addEventListener("install", (event) => {
  event.waitUntil(update().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(dropStale().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const path = sitePath(site, event.request.url);
  if (path === null || event.request.method !== "GET") return;
  event.respondWith(respond(event.request, path));
  if (event.request.mode === "navigate") {
    // Offline this fails, and the version that is here stays.
    event.waitUntil(dropStale().then(update).catch(() => {}));
  }
});
