/** When to try again. */

export const FIRST_MS = 1_000;
export const LONGEST_MS = 5 * 60_000;
/** A server may ask for a pause, but not for one that outlasts the visit by days. */
export const LONGEST_RETRY_AFTER_MS = 60 * 60_000;

/**
 * The pause after the n-th failure in a row (n ≥ 1): exponential, with "equal jitter", i.e. uniform in the upper half, so
 * that devices which failed together don't return together, and none returns at once. `random` is in [0, 1).
 */
export function backoff(failures: number, random: number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, failures - 1));
  return Math.round(ceiling / 2 + (random * ceiling) / 2);
}

/** `Retry-After` in milliseconds from `now`: delta seconds or an HTTP date; null when absent or unreadable. */
export function retryAfter(header: string | null, now: number): number | null {
  if (header === null) return null;
  const text = header.trim();
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  if (Number.isNaN(wait)) return null;
  return Math.min(Math.max(0, wait), LONGEST_RETRY_AFTER_MS);
}
