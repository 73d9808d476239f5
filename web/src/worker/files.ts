/**
 * The site's files as bytes whose SHA-256 is the manifest's, from the version's cache or from the network. A cached
 * file that no longer has its hash is fetched again; a fetched one that has it not is fetched once more past the HTTP
 * cache, because a host may still serve yesterday's file beside today's manifest.
 */

import { cacheName, pointerCache, staleCaches } from "../site/cache";
import { sha256 } from "../site/hash";
import type { Manifest } from "../site/manifest";

export type Bytes = Uint8Array<ArrayBuffer>;

export class Files {
  readonly #site: string;
  readonly #manifest: Manifest;
  readonly #hash: string;
  readonly #cache: Promise<Cache | null>;
  readonly #priority: RequestPriority;
  readonly #onBytes: (loaded: number, total: number) => void;
  readonly #open = new Map<string, Promise<Bytes>>();
  #loaded = 0;
  #total = 0;

  constructor(
    site: string,
    manifest: Manifest,
    manifestHash: string,
    priority: RequestPriority,
    onBytes: (loaded: number, total: number) => void = () => {},
  ) {
    this.#site = site;
    this.#manifest = manifest;
    this.#hash = manifestHash;
    // Without Cache Storage (private modes, full disks) the site still works; it only loads again every time.
    this.#cache = caches.open(cacheName(site, manifestHash)).catch(() => null);
    this.#priority = priority;
    this.#onBytes = onBytes;
  }

  /** Starts to fetch `paths` together; `get` waits for each. */
  prefetch(paths: readonly string[]): void {
    this.#total += paths.reduce((sum, path) => sum + this.#entry(path).bytes, 0);
    for (const path of paths) {
      const bytes = this.#fetch(path);
      bytes.catch(() => {}); // reported where the file is used
      this.#open.set(path, bytes);
    }
  }

  /** A prefetched file's bytes. */
  get(path: string): Promise<Bytes> {
    return this.#open.get(path) ?? Promise.reject(new Error(`${path} was not asked for`));
  }

  /** Forgets the bytes: Python holds on to the model's, the others are not needed any more. */
  release(): void {
    this.#open.clear();
  }

  /** Deletes other versions' files. Where there is a service worker, that is its own affair: it may be fetching one. */
  async dropOthers(): Promise<void> {
    const names = await caches.keys();
    if (names.includes(pointerCache(this.#site))) return;
    await Promise.all(staleCaches(names, this.#site, this.#hash).map((name) => caches.delete(name)));
  }

  url(path: string): string {
    return new URL(path.split("/").map(encodeURIComponent).join("/"), this.#site).href;
  }

  #entry(path: string): { sha256: string; bytes: number } {
    const entry = this.#manifest.files[path];
    if (entry === undefined) throw new Error(`manifest.json names ${path} but has no hash for it: pack the site again`);
    return entry;
  }

  async #fetch(path: string): Promise<Bytes> {
    const { sha256: expected, bytes: size } = this.#entry(path);
    const url = this.url(path);
    const cache = await this.#cache;
    const cached = await cache?.match(url);
    if (cached !== undefined) {
      const bytes = await this.#read(cached, size);
      if ((await sha256(bytes)) === expected) return bytes;
      this.#count(-bytes.byteLength);
      await cache?.delete(url);
    }
    for (const mode of ["default", "reload"] as const) {
      const response = await fetchFile(url, path, { cache: mode, priority: this.#priority });
      const headers = { "Content-Type": response.headers.get("Content-Type") ?? "application/octet-stream" };
      const bytes = await this.#read(response, size);
      if ((await sha256(bytes)) === expected) {
        await cache?.put(url, new Response(bytes, { headers })).catch(() => {}); // no room: works without
        return bytes;
      }
      this.#count(-bytes.byteLength);
    }
    throw new Error(
      `${path} does not have the SHA-256 that manifest.json promises: the copy is damaged or half of an update; ` +
        "upload the whole packed site again",
    );
  }

  /** The body's first `size` bytes, or fewer if there are fewer, which their hash then judges. They are never there twice. */
  async #read(response: Response, size: number): Promise<Bytes> {
    const bytes = new Uint8Array(size);
    let filled = 0;
    const reader = response.body?.getReader();
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      const wanted = part.value.subarray(0, size - filled);
      bytes.set(wanted, filled);
      filled += wanted.byteLength;
      this.#count(wanted.byteLength);
    }
    return bytes.subarray(0, filled);
  }

  #count(bytes: number): void {
    this.#loaded += bytes;
    this.#onBytes(this.#loaded, this.#total);
  }
}

async function fetchFile(url: string, path: string, options: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Error(`${path} can't be fetched: no network, and this device has no copy of it yet`);
  }
  if (!response.ok) throw new Error(`${path} can't be fetched: the server answered ${response.status}`);
  return response;
}

/** The bytes of a site's manifest.json, revalidated. */
export async function fetchManifest(site: string): Promise<Bytes> {
  const url = new URL("manifest.json", site);
  let response: Response;
  try {
    response = await fetch(url, { cache: "no-cache" });
  } catch {
    throw new Error("manifest.json can't be fetched: no network, and this device has no copy of the site yet");
  }
  if (!response.ok) {
    throw new Error(`manifest.json can't be fetched from ${url.href}: the server answered ${response.status}`);
  }
  return new Uint8Array(await response.arrayBuffer());
}
