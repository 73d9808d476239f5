/* Included ahead of every source file (see CMakeLists.txt): a build that lost its flags must fail,
 * not be slow. */
#ifndef SL_GUARDS_H
#define SL_GUARDS_H

#ifdef __OPTIMIZE_SIZE__
#error                                                                                             \
    "strandline: compiled for size; a later -Os/-Oz won. Put -O3 last: CFLAGS=-O3 (build/wasm.py does)."
#endif

#if defined(__EMSCRIPTEN__) && !defined(__wasm_simd128__)
#error "strandline: WASM without SIMD. Put -msimd128 into CFLAGS (build/wasm.py does)."
#endif

#endif
