/* What the kernels of 8-bit products share: how bytes are stored, the inner products, and what
 * becomes of the sums.
 *
 * One operand is broadcast word by word, the other comes in panels of NR columns; a word holds a
 * group of elements along k, and a step multiplies words of one with the groups of a panel's
 * columns. Two ways to do so:
 *
 *   PAIRS    groups of two 16-bit integers: pmaddwd, i32x4.dot_i16x8, or NEON's widening products
 *   QUADS    groups of four, u8 by i8: AVX-512 VNNI's vpdpbusd, where the processor has it
 *
 * WASM's relaxed dot product is left alone. V8 11 gives wrong sums; Chromium 156 gives right ones,
 * but on processors without AVX-VNNI takes 1.3 times as long as pairs, and would be needed twice,
 * since it has seven bits for one of the operands.
 *
 * Whatever way, bytes are stored as they are or moved by 128, and zero points are taken off at the
 * end by means of the sums along k of both operands. */
#ifndef SL_INT8_H
#define SL_INT8_H

#include "tile.h"

/* Rows of a tile of integers: with 128 bits products of pairs need a register of their own, and
 * packed plans are for all such instruction sets. */
#if VF == 4
#define MR_I8 4
#else
#define MR_I8 MR
#endif

enum { PAIRS, QUADS };
#if defined(__AVX512F__) && defined(__x86_64__)
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#endif

static inline int way(void) {
#if defined(VNNI)
    return __builtin_cpu_supports("avx512vnni") ? QUADS : PAIRS;
#else
    return PAIRS;
#endif
}

/* How bytes are stored: flipped by 0x80, which moves their values by `shift`. A is what comes in a
 * run, B the weights: for QUADS the one becomes unsigned, the other signed. */
typedef struct {
    uint8_t flip;
    int32_t shift;
    bool is_signed; /* as they are stored */
} form;

static inline form form_of_a(int how, bool is_signed) {
    if (how == QUADS) return (form){is_signed ? 0x80 : 0, is_signed ? 128 : 0, false};
    return (form){0, 0, is_signed};
}

static inline form form_of_b(int how, bool is_signed) {
    if (how == QUADS) return (form){is_signed ? 0 : 0x80, is_signed ? 0 : -128, true};
    return (form){0, 0, is_signed};
}

static inline int32_t value_of(uint8_t byte, form f) {
    const uint8_t stored = byte ^ f.flip;
    return f.is_signed ? (int8_t)stored : stored;
}

static inline int32_t zero_of(const uint8_t *zero, bool is_signed, form f) {
    if (!zero) return f.shift;
    return (is_signed ? (int8_t)*zero : *zero) + f.shift;
}

static inline size_t groups_of(int how, size_t k) {
    return how == PAIRS ? (k + 1) / 2 : (k + 3) / 4;
}

typedef int32_t words __attribute__((vector_size(4 * VF), aligned(4), may_alias));

SL_INLINE vi splat(int32_t x) {
    return (vi){0} + x;
}

SL_INLINE vi add_pairs(vi sum, vi a, vi b) {
#if defined(__AVX512F__)
    return sum + (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return sum + (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE4_1__)
    return sum + (vi)_mm_madd_epi16((__m128i)a, (__m128i)b);
#elif defined(__wasm_simd128__)
    return sum + (vi)wasm_i32x4_dot_i16x8((v128_t)a, (v128_t)b);
#else
    const int16x8_t x = (int16x8_t)a, y = (int16x8_t)b;
    return sum + (vi)vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)),
                                vmull_s16(vget_high_s16(x), vget_high_s16(y)));
#endif
}

/* sums[rows, vectors] += products over groups of k: word g of row i is a[i * row + g * step], b is
 * a panel. rows and vectors are constants where this is inlined. */
#define SUM(name, attribute, ADD)                                                                  \
    SL_INLINE attribute void name(const size_t rows, const size_t vectors, size_t groups,          \
                                  const int32_t *a, size_t row, size_t step, const int32_t *b,     \
                                  vi sums[MR_I8][NV]) {                                            \
        for (size_t g = 0; g < groups; g++, b += NR, a += step) {                                  \
            vi column[NV];                                                                         \
            SL_UNROLLED                                                                            \
            for (size_t v = 0; v < vectors; v++)                                                   \
                column[v] = *(const words *)(b + v * VF);                                          \
            SL_UNROLLED                                                                            \
            for (size_t i = 0; i < rows; i++) {                                                    \
                const vi x = splat(a[i * row]);                                                    \
                SL_UNROLLED                                                                        \
                for (size_t v = 0; v < vectors; v++)                                               \
                    sums[i][v] = ADD(sums[i][v], x, column[v]);                                    \
            }                                                                                      \
        }                                                                                          \
    }

SUM(sum_pairs, , add_pairs)
#if defined(VNNI)
/* The words that are broadcast are A's in a product of matrices, B's in a convolution. */
SL_INLINE VNNI vi add_quads(vi sum, vi a, vi b) {
    return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
}
SL_INLINE VNNI vi add_quads_of_b(vi sum, vi b, vi a) {
    return add_quads(sum, a, b);
}
SUM(sum_quads, VNNI, add_quads)
SUM(sum_quads_of_b, VNNI, add_quads_of_b)
#endif

/* c[rows, NR] = the sums of a tile; what is in vectors that were not asked for is left alone. */
#define TILE(name, attribute, sum, rows, vectors, row, step)                                       \
    static __attribute__((noinline)) attribute void name(size_t groups, const int32_t *a,          \
                                                         const int32_t *b, int32_t *c) {           \
        vi sums[MR_I8][NV];                                                                        \
        SL_UNROLLED                                                                                \
        for (size_t i = 0; i < rows; i++) {                                                        \
            SL_UNROLLED                                                                            \
            for (size_t v = 0; v < vectors; v++)                                                   \
                sums[i][v] = splat(0);                                                             \
        }                                                                                          \
        sum(rows, vectors, groups, a, row, step, b, sums);                                         \
        SL_UNROLLED                                                                                \
        for (size_t i = 0; i < rows; i++) {                                                        \
            SL_UNROLLED                                                                            \
            for (size_t v = 0; v < vectors; v++)                                                   \
                *(words *)(c + i * NR + v * VF) = sums[i][v];                                      \
        }                                                                                          \
    }

/* ---- Packed: for each matrix the sums of its columns, then panels of `panel` columns, at most two
 * bytes for each element */

static inline int64_t padded(int64_t n, int64_t panel) {
    return n < 0 || n > INT32_MAX ? -1 : (n + panel - 1) / panel * panel;
}

static inline int64_t packed_bytes(int64_t k, int64_t n, int64_t panel) {
    if (k < 0 || k > INT32_MAX) return -1;
    return sl_size3(padded(n, panel), (k + 3) / 4 * 8 + 4, 1);
}

/* ---- What becomes of the sums */

enum { WHOLE, REAL, QUANTIZED };

/* Sum, less the zero points' part, as int32; or times a_scale * scale[j] plus a float bias, through
 * an activation; or with an int32 bias times that factor, rounded, moved by y_zero and clamped. */
typedef struct {
    int how;
    int64_t mode, activation, low, high;
    float a, b;
    form a_form, b_form;
    bool a_signed, b_signed, y_signed;
    const uint8_t *a_zero, *b_zero, *y_zero;
    size_t b_zeros, scales; /* how many: 1 or N */
    const float *a_scale, *scale;
    const void *bias;
    size_t n, k;
} finish;

typedef struct {
    int32_t part[NR], zero[NR]; /* sum + part - zero * (A's row sum) is the product */
    float factor[NR], real_bias[NR];
    int32_t whole_bias[NR];
} panel_finish;

static inline void prepare(const finish *f, size_t left, size_t width, const int32_t *columns,
                           panel_finish *here) {
    const uint32_t a_zero = (uint32_t)zero_of(f->a_zero, f->a_signed, f->a_form);
    memset(here, 0, sizeof *here);
    for (size_t j = 0; j < width; j++) {
        const uint8_t *at = f->b_zero ? f->b_zero + (f->b_zeros > 1 ? left + j : 0) : NULL;
        const int32_t zero = zero_of(at, f->b_signed, f->b_form);
        here->zero[j] = zero;
        here->part[j] =
            (int32_t)((uint32_t)f->k * a_zero * (uint32_t)zero - a_zero * (uint32_t)columns[j]);
        if (f->mode == WHOLE) continue;
        here->factor[j] = (f->a_scale ? f->a_scale[0] : 1) * f->scale[f->scales > 1 ? left + j : 0];
        if (f->bias && f->mode == REAL) here->real_bias[j] = ((const float *)f->bias)[left + j];
        if (f->bias && f->mode == QUANTIZED)
            here->whole_bias[j] = ((const int32_t *)f->bias)[left + j];
    }
}

/* VF bytes as 32-bit integers. */
SL_INLINE vi widen(const uint8_t *p, bool is_signed) {
#if defined(__AVX512F__)
    const __m128i v = _mm_loadu_si128((const __m128i *)p);
    return (vi)(is_signed ? _mm512_cvtepi8_epi32(v) : _mm512_cvtepu8_epi32(v));
#elif defined(__AVX2__)
    const __m128i v = _mm_loadl_epi64((const __m128i *)p);
    return (vi)(is_signed ? _mm256_cvtepi8_epi32(v) : _mm256_cvtepu8_epi32(v));
#elif defined(__SSE4_1__)
    const __m128i v = _mm_loadu_si32(p);
    return (vi)(is_signed ? _mm_cvtepi8_epi32(v) : _mm_cvtepu8_epi32(v));
#elif defined(__wasm_simd128__)
    const v128_t v = wasm_v128_load32_zero(p);
    return (vi)(is_signed ? wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(v))
                          : wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(v)));
#else
    return is_signed ? (vi){(int8_t)p[0], (int8_t)p[1], (int8_t)p[2], (int8_t)p[3]}
                     : (vi){p[0], p[1], p[2], p[3]};
#endif
}

/* The first n <= VF of them; the others are 0. */
SL_INLINE vi widen_first(const uint8_t *p, bool is_signed, size_t n) {
    if (n >= VF) return widen(p, is_signed);
    uint8_t some[VF] = {0};
    SL_SCALAR
    for (size_t i = 0; i < n; i++)
        some[i] = p[i];
    return widen(some, is_signed);
}

static inline int32_t byte_at(const uint8_t *p, bool is_signed) {
    return p ? (is_signed ? (int8_t)*p : *p) : 0;
}

/* x rounded to the nearest integer, ties to even, within [low, high], plus `zero`. The bounds are
 * small integers: 1.5 * 2^23 + x has that integer in its lowest bits. */
SL_INLINE vi to_steps(vf x, vf low, vf high, int32_t zero) {
    const vf moved = vf_lower(vf_higher(x, low), high) + 0x1.8p23f;
    return (vi)moved + (zero - 0x4b400000);
}

/* The lowest bytes of NR words. */
SL_INLINE void store_bytes(uint8_t *to, const vi *v) {
#if defined(__AVX512F__)
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8((__m512i)v[0]));
    _mm_storeu_si128((__m128i *)(to + VF), _mm512_cvtepi32_epi8((__m512i)v[1]));
#elif defined(__AVX2__)
    const __m256i low = (__m256i)(v[0] & 255), high = (__m256i)(v[1] & 255);
    const __m256i pairs = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
    _mm_storeu_si128((__m128i *)to, _mm_packus_epi16(_mm256_castsi256_si128(pairs),
                                                     _mm256_extracti128_si256(pairs, 1)));
#elif defined(__SSE4_1__)
    const __m128i pairs = _mm_packus_epi32((__m128i)(v[0] & 255), (__m128i)(v[1] & 255));
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(pairs, pairs));
#elif defined(__wasm_simd128__)
    const v128_t pairs = wasm_u16x8_narrow_i32x4((v128_t)(v[0] & 255), (v128_t)(v[1] & 255));
    wasm_v128_store64_lane(to, wasm_u8x16_narrow_i16x8(pairs, pairs), 0);
#else
    const int16x8_t pairs = vcombine_s16(vmovn_s32((int32x4_t)v[0]), vmovn_s32((int32x4_t)v[1]));
    vst1_u8(to, vmovn_u16((uint16x8_t)pairs));
#endif
}

SL_INLINE void store_first_bytes(uint8_t *to, const vi *v, size_t n) {
    uint8_t all[NR];
    if (n >= NR) {
        store_bytes(to, v);
        return;
    }
    store_bytes(all, v);
    SL_SCALAR
    for (size_t j = 0; j < n; j++)
        to[j] = all[j];
}

/* What gemm_i8 and conv2d_i8 share: mode, whether A, B and the output are signed, low and high,
 * activation, its a and b; then the numbers of B's zero points and of scales. Inputs after A and
 * packed B: zero points of A (one) and B, A's scale (one) or absent, scales, bias [N] or absent,
 * the output's zero point; absent zero points are 0. */
enum { MODE, A_SIGNED, B_SIGNED, Y_SIGNED, LOW, HIGH, ACT, B_ZEROS = ACT + 3, SCALES, SHARED };
enum { A_ZERO = 2, B_ZERO, A_SCALE, SCALE, BIAS, Y_ZERO, INPUTS };

static inline const char *check_finish(const sl_args *a, const int64_t *p, int64_t n) {
    SL_TRY(p[MODE] >= WHOLE && p[MODE] <= QUANTIZED, "unknown kind of output");
    SL_TRY(p[ACT] >= 0 && p[ACT] < SL_ACTIVATION_COUNT, "unknown activation");
    SL_TRY(p[LOW] >= -128 && p[HIGH] <= 255 && p[LOW] <= p[HIGH], "impossible bounds");
    SL_TRY(p[B_ZEROS] == 1 || p[B_ZEROS] == n, "an impossible number of zero points");
    SL_TRY(p[SCALES] == 1 || p[SCALES] == n, "an impossible number of scales");
    SL_TRY(!sl_present(&a->in[A_ZERO]) || sl_holds(&a->in[A_ZERO], 1, 1), "A has no zero point");
    SL_TRY(!sl_present(&a->in[B_ZERO]) || sl_holds(&a->in[B_ZERO], p[B_ZEROS], 1),
           "B's zero points are too small");
    SL_TRY(!sl_present(&a->in[Y_ZERO]) || sl_holds(&a->in[Y_ZERO], 1, 1),
           "the output has no zero point");
    SL_TRY(!sl_present(&a->in[A_SCALE]) || sl_holds(&a->in[A_SCALE], 1, 4), "A has no scale");
    SL_TRY(p[MODE] == WHOLE || sl_holds(&a->in[SCALE], p[SCALES], 4), "the scales are too small");
    SL_TRY(!sl_present(&a->in[BIAS]) || sl_holds(&a->in[BIAS], n, 4), "the bias is too small");
    return NULL;
}

static inline finish finish_of(const sl_call *call, const int64_t *p, size_t n, size_t k) {
    finish f = {.how = way(),
                .mode = p[MODE],
                .activation = p[ACT],
                .low = p[LOW],
                .high = p[HIGH],
                .a = (float)sl_real(p[ACT + 1]),
                .b = (float)sl_real(p[ACT + 2]),
                .a_signed = p[A_SIGNED] != 0,
                .b_signed = p[B_SIGNED] != 0,
                .y_signed = p[Y_SIGNED] != 0,
                .a_zero = call->in[A_ZERO],
                .b_zero = call->in[B_ZERO],
                .y_zero = call->in[Y_ZERO],
                .b_zeros = (size_t)p[B_ZEROS],
                .scales = (size_t)p[SCALES],
                .a_scale = call->in[A_SCALE],
                .scale = call->in[SCALE],
                .bias = call->in[BIAS],
                .n = n,
                .k = k};
    f.a_form = form_of_a(f.how, f.a_signed);
    f.b_form = form_of_b(f.how, f.b_signed);
    return f;
}

#endif
