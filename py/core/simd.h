/* One float vector, `vf` of VF lanes, over whatever the instruction set has: 4 lanes on wasm, SSE
 * and NEON, 8 on AVX2, 16 on AVX-512. Arithmetic and comparison are the compilers' vector
 * extensions; only what those lack is spelled here. Include only from kernels/, which are compiled
 * once per instruction set. */
#ifndef SL_SIMD_H
#define SL_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define VF 16
#elif defined(__AVX2__)
#define VF 8
#else
#define VF 4
#endif

typedef float vf __attribute__((vector_size(4 * VF)));
typedef int32_t vi __attribute__((vector_size(4 * VF)));
typedef uint32_t vu
    __attribute__((vector_size(4 * VF))); /* for arithmetic on bits, which may wrap */
typedef float vf_unaligned __attribute__((vector_size(4 * VF), aligned(4), may_alias));
typedef int32_t vi_unaligned __attribute__((vector_size(4 * VF), aligned(4), may_alias));

#define SL_INLINE static inline __attribute__((always_inline))

/* Before a loop: its iterations touch each element once, so that operands may be the very same
 * memory; its count is a small constant; it is too rare to be worth the bytes that vectors take in
 * the WASM file. */
#if defined(__clang__)
#define SL_SCALAR _Pragma("clang loop vectorize(disable) unroll(disable)")
#define SL_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#define SL_UNROLLED _Pragma("clang loop unroll(full)")
#else
#define SL_SCALAR
#define SL_INDEPENDENT _Pragma("GCC ivdep")
#define SL_UNROLLED _Pragma("GCC unroll 16")
#endif

#if defined(__clang__)
#define SL_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SL_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif

SL_INLINE vf vf_load(const float *p) {
    return *(const vf_unaligned *)p;
}
SL_INLINE void vf_store(float *p, vf v) {
    *(vf_unaligned *)p = v;
}
SL_INLINE vi vi_load(const int32_t *p) {
    return *(const vi_unaligned *)p;
}

SL_INLINE vf vf_where(vi mask, vf yes, vf no) {
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}
SL_INLINE vf vf_abs(vf v) {
    return (vf)((vi)v & 0x7fffffff);
}
/* The magnitude of `v`, which is not negative, with the sign of `sign`. */
SL_INLINE vf vf_signed(vf v, vf sign) {
    return (vf)((vi)v | ((vi)sign & (int32_t)0x80000000));
}
SL_INLINE vi vf_is_nan(vf v) {
    return v != v;
}

#if defined(__AVX512F__)
#include <immintrin.h>
SL_INLINE vf vf_set(float x) {
    return (vf)_mm512_set1_ps(x);
}
SL_INLINE vf vf_fma(vf a, vf b, vf c) {
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
SL_INLINE vf vf_round(vf v) {
    return (vf)_mm512_roundscale_ps((__m512)v, 0);
}
SL_INLINE vf vf_floor(vf v) {
    return (vf)_mm512_roundscale_ps((__m512)v, 9);
}
SL_INLINE vf vf_ceil(vf v) {
    return (vf)_mm512_roundscale_ps((__m512)v, 10);
}
SL_INLINE vf vf_sqrt(vf v) {
    return (vf)_mm512_sqrt_ps((__m512)v);
}
SL_INLINE vf vf_lower(vf a, vf b) {
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
}
SL_INLINE vf vf_higher(vf a, vf b) {
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
}
#elif defined(__AVX2__)
#include <immintrin.h>
SL_INLINE vf vf_set(float x) {
    return (vf)_mm256_set1_ps(x);
}
SL_INLINE vf vf_fma(vf a, vf b, vf c) {
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
SL_INLINE vf vf_round(vf v) {
    return (vf)_mm256_round_ps((__m256)v, 8);
}
SL_INLINE vf vf_floor(vf v) {
    return (vf)_mm256_round_ps((__m256)v, 9);
}
SL_INLINE vf vf_ceil(vf v) {
    return (vf)_mm256_round_ps((__m256)v, 10);
}
SL_INLINE vf vf_sqrt(vf v) {
    return (vf)_mm256_sqrt_ps((__m256)v);
}
SL_INLINE vf vf_lower(vf a, vf b) {
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
}
SL_INLINE vf vf_higher(vf a, vf b) {
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
}
#elif defined(__SSE4_1__)
#include <immintrin.h>
SL_INLINE vf vf_set(float x) {
    return (vf)_mm_set1_ps(x);
}
SL_INLINE vf vf_fma(vf a, vf b, vf c) {
    return a * b + c;
}
SL_INLINE vf vf_round(vf v) {
    return (vf)_mm_round_ps((__m128)v, 8);
}
SL_INLINE vf vf_floor(vf v) {
    return (vf)_mm_round_ps((__m128)v, 9);
}
SL_INLINE vf vf_ceil(vf v) {
    return (vf)_mm_round_ps((__m128)v, 10);
}
SL_INLINE vf vf_sqrt(vf v) {
    return (vf)_mm_sqrt_ps((__m128)v);
}
SL_INLINE vf vf_lower(vf a, vf b) {
    return (vf)_mm_min_ps((__m128)a, (__m128)b);
}
SL_INLINE vf vf_higher(vf a, vf b) {
    return (vf)_mm_max_ps((__m128)a, (__m128)b);
}
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
SL_INLINE vf vf_set(float x) {
    return (vf)wasm_f32x4_splat(x);
}
#if defined(__wasm_relaxed_simd__)
SL_INLINE vf vf_fma(vf a, vf b, vf c) {
    return (vf)wasm_f32x4_relaxed_madd((v128_t)a, (v128_t)b, (v128_t)c);
}
#else
SL_INLINE vf vf_fma(vf a, vf b, vf c) {
    return a * b + c;
}
#endif
SL_INLINE vf vf_round(vf v) {
    return (vf)wasm_f32x4_nearest((v128_t)v);
}
SL_INLINE vf vf_floor(vf v) {
    return (vf)wasm_f32x4_floor((v128_t)v);
}
SL_INLINE vf vf_ceil(vf v) {
    return (vf)wasm_f32x4_ceil((v128_t)v);
}
SL_INLINE vf vf_sqrt(vf v) {
    return (vf)wasm_f32x4_sqrt((v128_t)v);
}
/* pmin(a, b) is b < a ? b : a: with the operands exchanged, the processors' own minps. */
SL_INLINE vf vf_lower(vf a, vf b) {
    return (vf)wasm_f32x4_pmin((v128_t)b, (v128_t)a);
}
SL_INLINE vf vf_higher(vf a, vf b) {
    return (vf)wasm_f32x4_pmax((v128_t)b, (v128_t)a);
}
#elif defined(__ARM_NEON)
#include <arm_neon.h>
SL_INLINE vf vf_set(float x) {
    return (vf)vdupq_n_f32(x);
}
SL_INLINE vf vf_fma(vf a, vf b, vf c) {
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
SL_INLINE vf vf_round(vf v) {
    return (vf)vrndnq_f32((float32x4_t)v);
}
SL_INLINE vf vf_floor(vf v) {
    return (vf)vrndmq_f32((float32x4_t)v);
}
SL_INLINE vf vf_ceil(vf v) {
    return (vf)vrndpq_f32((float32x4_t)v);
}
SL_INLINE vf vf_sqrt(vf v) {
    return (vf)vsqrtq_f32((float32x4_t)v);
}
SL_INLINE vf vf_lower(vf a, vf b) {
    return vf_where(a < b, a, b);
}
SL_INLINE vf vf_higher(vf a, vf b) {
    return vf_where(a > b, a, b);
}
#else
#error                                                                                             \
    "strandline: no 128-bit SIMD for this processor; add it to simd.h (SSE4.1, NEON and wasm simd128 are there)."
#endif

/* The first n <= VF lanes; the others load as zero and are not stored. No call to memcpy, which
 * from a WASM side module leads into another module. */
#if defined(__AVX512F__)
SL_INLINE vf vf_load_first(const float *p, size_t n) {
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
SL_INLINE void vf_store_first(float *p, vf v, size_t n) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
#elif defined(__AVX2__)
SL_INLINE __m256i vf_first_lanes(size_t n) {
    static const int32_t lanes[2 * VF] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(lanes + VF - n));
}
SL_INLINE vf vf_load_first(const float *p, size_t n) {
    return (vf)_mm256_maskload_ps(p, vf_first_lanes(n));
}
SL_INLINE void vf_store_first(float *p, vf v, size_t n) {
    _mm256_maskstore_ps(p, vf_first_lanes(n), (__m256)v);
}
#else
SL_INLINE vf vf_load_first(const float *p, size_t n) {
    switch (n) {
    case 0: return vf_set(0);
    case 1: return (vf){p[0], 0, 0, 0};
    case 2: return (vf){p[0], p[1], 0, 0};
    case 3: return (vf){p[0], p[1], p[2], 0};
    default: return vf_load(p);
    }
}
SL_INLINE void vf_store_first(float *p, vf v, size_t n) {
    if (n >= VF) {
        vf_store(p, v);
        return;
    }
    if (n > 2) p[2] = v[2];
    if (n > 1) p[1] = v[1];
    if (n > 0) p[0] = v[0];
}
#endif

/* vf_lower(a, b) is a < b ? a : b and vf_higher(a, b) is a > b ? a : b: a NaN in `a` gives b, one
 * in `b` stays. These two keep a NaN from either side, as ONNX's Min, Max and Clip do. */
SL_INLINE vf vf_min(vf a, vf b) {
    return vf_where(vf_is_nan(a), a, vf_lower(a, b));
}
SL_INLINE vf vf_max(vf a, vf b) {
    return vf_where(vf_is_nan(a), a, vf_higher(a, b));
}

/* Copies n floats; rows of an image are too short for a call. */
SL_INLINE void vf_copy(float *to, const float *from, size_t n) {
    if (n < VF) {
        vf_store_first(to, vf_load_first(from, n), n);
        return;
    }
    for (size_t i = 0; i + VF < n; i += VF)
        vf_store(to + i, vf_load(from + i));
    vf_store(to + n - VF, vf_load(from + n - VF));
}

/* Elements of a and b in turn: from their lower halves, from their upper halves. */
#if VF == 16
#define SL_LOW_HALVES 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define SL_HIGH_HALVES 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif VF == 8
#define SL_LOW_HALVES 0, 8, 1, 9, 2, 10, 3, 11
#define SL_HIGH_HALVES 4, 12, 5, 13, 6, 14, 7, 15
#else
#define SL_LOW_HALVES 0, 4, 1, 5
#define SL_HIGH_HALVES 2, 6, 3, 7
#endif
SL_INLINE vf vf_zip_low(vf a, vf b) {
    return SL_SHUFFLE(a, b, SL_LOW_HALVES);
}
SL_INLINE vf vf_zip_high(vf a, vf b) {
    return SL_SHUFFLE(a, b, SL_HIGH_HALVES);
}

SL_INLINE float vf_sum(vf v) {
    float lanes[VF], sum = 0;
    vf_store(lanes, v);
    for (int width = VF / 2; width; width /= 2) {
        for (int i = 0; i < width; i++)
            lanes[i] += lanes[i + width];
    }
    sum = lanes[0];
    return sum;
}

#endif
