/**
 * Where a packed site is kept in Cache Storage: one cache per site and version of its manifest, and one small
 * cache per site that says which version is current. Pure functions; the service worker and the worker share them.
 */

const PREFIX = "strandline";

/** The cache of one version: `manifestHash` is the SHA-256 of manifest.json's bytes. */
export function cacheName(site: string, manifestHash: string): string {
  return `${PREFIX} ${site} ${manifestHash}`;
}

/** The cache that holds only the pointer to the current version. */
export function pointerCache(site: string): string {
  return `${PREFIX} ${site} current`;
}

/** The caches of this site, of those in `names`, that are neither the pointer nor the current version. */
export function staleCaches(names: readonly string[], site: string, currentHash: string): string[] {
  const keep = new Set([cacheName(site, currentHash), pointerCache(site)]);
  return names.filter((name) => {
    const [prefix, place, hash, ...rest] = name.split(" ");
    return prefix === PREFIX && place === site && hash !== undefined && rest.length === 0 && !keep.has(name);
  });
}

/** The site's folder as an absolute URL that ends with a slash, without query or fragment. */
export function siteFolder(url: string | URL): string {
  const folder = new URL(".", url);
  folder.search = "";
  folder.hash = "";
  return folder.href;
}

/** The path inside the site of a request's URL (no leading slash, `""` for the folder), or null if it is outside. */
export function sitePath(site: string, url: string): string | null {
  const address = new URL(url);
  const plain = address.origin + address.pathname;
  if (!plain.startsWith(site)) return null;
  try {
    return decodeURIComponent(plain.slice(site.length));
  } catch {
    return null; // not UTF-8: no file of ours
  }
}

export type Route = "page" | "manifest" | "file" | "network";

/** How the service worker answers a request inside the site. */
export function route(
  request: { method: string; mode: string; cache: string },
  path: string | null,
  files: Readonly<Record<string, unknown>>,
): Route {
  if (request.method !== "GET" || path === null) return "network";
  if (request.cache === "reload" || request.cache === "no-store") return "network";
  if (path === "manifest.json") return "manifest";
  if (path === "sw.js") return "network";
  if (Object.hasOwn(files, path)) return "file";
  return request.mode === "navigate" ? "page" : "network";
}
