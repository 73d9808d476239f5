import { describe, expect, it } from "vitest";
import { FIRST_MS, LONGEST_MS, LONGEST_RETRY_AFTER_MS, backoff, retryAfter } from "../src/outbox/backoff";

describe("backoff", () => {
  it("doubles, and stays within the upper half of its ceiling", () => {
    for (let failures = 1; failures < 8; failures++) {
      const ceiling = FIRST_MS * 2 ** (failures - 1);
      expect(backoff(failures, 0)).toBe(ceiling / 2);
      expect(backoff(failures, 0.999999)).toBeLessThanOrEqual(ceiling);
    }
  });

  it("does not grow for ever", () => {
    expect(backoff(60, 0.999999)).toBeLessThanOrEqual(LONGEST_MS);
    expect(backoff(2000, 0)).toBe(LONGEST_MS / 2);
  });
});

describe("retryAfter", () => {
  const now = Date.parse("2025-07-01T09:00:00Z");

  it("reads seconds and dates", () => {
    expect(retryAfter("7", now)).toBe(7000);
    expect(retryAfter("Tue, 01 Jul 2025 09:00:30 GMT", now)).toBe(30_000);
  });

  it("takes a date that has passed as no wait", () => {
    expect(retryAfter("Tue, 01 Jul 2025 08:00:00 GMT", now)).toBe(0);
  });

  it("ignores what it can't read and caps what is too long", () => {
    expect(retryAfter(null, now)).toBeNull();
    expect(retryAfter("soon", now)).toBeNull();
    expect(retryAfter("999999999", now)).toBe(LONGEST_RETRY_AFTER_MS);
  });
});
