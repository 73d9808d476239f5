/** Which WebAssembly SIMD this engine takes, asked by behaviour: does it validate a module that uses it? */

import type { Simd } from "../site/manifest";

/** A module with one function of type () → v128, whose body is `code`. */
function probe(code: readonly number[]): Uint8Array<ArrayBuffer> {
  const body = [0x00, ...code, 0x0b]; // no locals … end
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version 1
    ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // types: () → v128
    ...[0x03, 0x02, 0x01, 0x00], // functions: one of type 0
    ...[0x0a, body.length + 2, 0x01, body.length, ...body], // code
  ]);
}

const SPLAT = [0x41, 0x00, 0xfd, 0x0f]; // i32.const 0, i8x16.splat
const POPCOUNT = [0xfd, 0x62]; // i8x16.popcnt
const RELAXED_MADD = [0xfd, 0x85, 0x02]; // f32x4.relaxed_madd

export const SIMD128_PROBE = probe([...SPLAT, ...POPCOUNT]);
export const RELAXED_PROBE = probe([...SPLAT, ...SPLAT, ...SPLAT, ...RELAXED_MADD]);

export function detectSimd(validate: (bytes: Uint8Array<ArrayBuffer>) => boolean = WebAssembly.validate): Simd {
  return { simd128: validate(SIMD128_PROBE), relaxed: validate(RELAXED_PROBE) };
}
