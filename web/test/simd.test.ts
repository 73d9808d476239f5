import { describe, expect, it } from "vitest";
import { RELAXED_PROBE, SIMD128_PROBE, detectSimd } from "../src/worker/simd";

describe("detectSimd", () => {
  it("asks with modules that an engine with SIMD takes", () => {
    expect(WebAssembly.validate(SIMD128_PROBE)).toBe(true);
    expect(detectSimd().simd128).toBe(true);
  });

  it("asks for what it names: a body without the instruction's operands is refused", () => {
    const broken = SIMD128_PROBE.slice();
    broken[broken.length - 2] = 0x61; // i8x16.neg → still valid; i8x16.add (0x6e) wants two operands
    expect(WebAssembly.validate(broken)).toBe(true);
    broken[broken.length - 2] = 0x6e;
    expect(WebAssembly.validate(broken)).toBe(false);
  });

  it("differs from the relaxed probe, and reports each engine's answer", () => {
    const only = (wanted: Uint8Array) => (bytes: Uint8Array) => bytes === wanted;
    expect(detectSimd(only(SIMD128_PROBE))).toEqual({ simd128: true, relaxed: false });
    expect(detectSimd(only(RELAXED_PROBE))).toEqual({ simd128: false, relaxed: true });
  });
});
