/* Products and convolutions of 8-bit integers, summed exactly in 32 bits.
 *
 * B is packed once (pack_b_i8) into panels of NR columns whose elements lie in groups along k, and
 * A row by row into words that hold one group each; a step multiplies a word of A with the groups
 * of a panel's columns. Two ways to do so:
 *
 *   PAIRS    groups of two 16-bit integers: pmaddwd, i32x4.dot_i16x8, or NEON's widening products
 *   QUADS    groups of four, u8 by i8: AVX-512 VNNI's vpdpbusd, where the processor has it
 *
 * WASM's relaxed dot product is left alone: with B's eighth bit apart it would be exact by the
 * standard, but V8 11 gives wrong sums, and without AVX-VNNI it takes longer than pairs.
 *
 * Whatever way, A and B are stored as they are or moved by 128, and zero points are taken off at
 * the end by means of the sums of A's rows and B's columns. */
#include "tile.h"
#include "walk.h"

#include <math.h>

enum { PAIRS, QUADS };
enum { BLOCK_ROWS = 48 }; /* rows of A that are packed at a time: a multiple of every MR */

#if defined(__AVX512F__) && defined(__x86_64__)
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#endif

static int way(void) {
#if defined(VNNI)
    return __builtin_cpu_supports("avx512vnni") ? QUADS : PAIRS;
#else
    return PAIRS;
#endif
}

/* How bytes are stored: flipped by 0x80, which moves their values by `shift`. */
typedef struct {
    uint8_t flip;
    int32_t shift;
    bool is_signed; /* as they are stored */
} form;

static form form_of_a(int how, bool is_signed) {
    if (how == QUADS) return (form){is_signed ? 0x80 : 0, is_signed ? 128 : 0, false};
    return (form){0, 0, is_signed};
}

static form form_of_b(int how, bool is_signed) {
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

/* ---- Packed B: for each matrix the sums of its columns [panels(N)], then the panels, at most two
 * bytes for each element */

static int64_t padded_columns(int64_t n) {
    return n < 0 || n > INT32_MAX ? -1 : (n + NR - 1) / NR * NR;
}

static int64_t packed_bytes(int64_t k, int64_t n) {
    if (k < 0 || k > INT32_MAX) return -1;
    return sl_size3(padded_columns(n), (k + 3) / 4 * 8 + 4, 1);
}

/* pack_b_i8: K, N, batch, row stride, column stride, batch stride (elements, not negative), whether
 * signed. */
static const char *check_pack(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 7);
    const int64_t dims[3] = {a->p[2], a->p[0], a->p[1]}, strides[3] = {a->p[5], a->p[3], a->p[4]};
    SL_TRY(strides[0] >= 0 && strides[1] >= 0 && strides[2] >= 0, "a stride is negative");
    SL_TRY(sl_holds(&a->out[0], sl_size3(packed_bytes(a->p[0], a->p[1]), a->p[2], 1), 1),
           "the packed output is too small");
    SL_TRY(sl_reaches(&a->in[0], dims, strides, 3, 0, 1), "the matrix is too small");
    return NULL;
}

static void pack_panel(int how, form f, const uint8_t *b, size_t row, size_t column, size_t k,
                       size_t width, int32_t *sums, uint8_t *to) {
    const size_t group = how == PAIRS ? 2 : 4, groups = groups_of(how, k);
    for (size_t j = 0; j < NR; j++) {
        uint32_t sum = 0;
        for (size_t p = 0; p < groups * group; p++) {
            const bool there = j < width && p < k;
            const int32_t v = there ? value_of(b[p * row + j * column], f) : 0;
            const size_t place = (p / group * NR + j) * group + p % group;
            sum += (uint32_t)v;
            if (how == PAIRS) {
                const int16_t wide = (int16_t)v;
                memcpy(to + 2 * place, &wide, 2);
            } else {
                to[place] = (uint8_t)v;
            }
        }
        sums[j] = (int32_t)sum;
    }
}

static const char *run_pack(const sl_call *call) {
    const size_t k = (size_t)call->p[0], n = (size_t)call->p[1], batch = (size_t)call->p[2];
    const size_t row = (size_t)call->p[3], column = (size_t)call->p[4];
    const size_t size = (size_t)packed_bytes(call->p[0], call->p[1]);
    const int how = way();
    const form f = form_of_b(how, call->p[6] != 0);
    const size_t panel = (size_t)groups_of(how, k) * NR * 4;
    for (size_t i = 0; i < batch; i++) {
        const uint8_t *b = (const uint8_t *)call->in[0] + i * (size_t)call->p[5];
        int32_t *sums = (int32_t *)((uint8_t *)call->out[0] + i * size);
        uint8_t *to = (uint8_t *)(sums + padded_columns(call->p[1]));
        for (size_t left = 0; left < n; left += NR, to += panel)
            pack_panel(how, f, b + left * column, row, column, k, smaller(NR, n - left),
                       sums + left, to);
    }
    return NULL;
}

/* ---- The tile */

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

/* `rows` is a constant where these are inlined. */
SL_INLINE void sum_pairs(const size_t rows, size_t groups, const int32_t *a, size_t a_row,
                         const int32_t *b, vi sums[MR][NV]) {
    for (size_t g = 0; g < groups; g++, b += NR) {
        vi column[NV];
        SL_UNROLLED
        for (size_t v = 0; v < NV; v++)
            column[v] = *(const words *)(b + v * VF);
        SL_UNROLLED
        for (size_t i = 0; i < rows; i++) {
            const vi x = splat(a[i * a_row + g]);
            SL_UNROLLED
            for (size_t v = 0; v < NV; v++)
                sums[i][v] = add_pairs(sums[i][v], x, column[v]);
        }
    }
}

#if defined(VNNI)
SL_INLINE VNNI void sum_quads(const size_t rows, size_t groups, const int32_t *a, size_t a_row,
                              const int32_t *b, vi sums[MR][NV]) {
    for (size_t g = 0; g < groups; g++, b += NR) {
        vi column[NV];
        SL_UNROLLED
        for (size_t v = 0; v < NV; v++)
            column[v] = *(const words *)(b + v * VF);
        SL_UNROLLED
        for (size_t i = 0; i < rows; i++) {
            const vi x = splat(a[i * a_row + g]);
            SL_UNROLLED
            for (size_t v = 0; v < NV; v++)
                sums[i][v] =
                    (vi)_mm512_dpbusd_epi32((__m512i)sums[i][v], (__m512i)x, (__m512i)column[v]);
        }
    }
}
#endif

#define TILE(name, attribute, rows, sum)                                                           \
    static __attribute__((noinline)) attribute void name(                                          \
        size_t groups, const int32_t *a, size_t a_row, const int32_t *b, int32_t *c) {             \
        vi sums[MR][NV];                                                                           \
        SL_UNROLLED                                                                                \
        for (size_t i = 0; i < rows; i++) {                                                        \
            SL_UNROLLED                                                                            \
            for (size_t v = 0; v < NV; v++)                                                        \
                sums[i][v] = splat(0);                                                             \
        }                                                                                          \
        sum(rows, groups, a, a_row, b, sums);                                                      \
        SL_UNROLLED                                                                                \
        for (size_t i = 0; i < rows; i++) {                                                        \
            SL_UNROLLED                                                                            \
            for (size_t v = 0; v < NV; v++)                                                        \
                *(words *)(c + i * NR + v * VF) = sums[i][v];                                      \
        }                                                                                          \
    }

TILE(pairs_1, , 1, sum_pairs)
TILE(pairs_half, , MR / 2, sum_pairs)
TILE(pairs_all, , MR, sum_pairs)
#if defined(VNNI)
TILE(quads_1, VNNI, 1, sum_quads)
TILE(quads_half, VNNI, MR / 2, sum_quads)
TILE(quads_all, VNNI, MR, sum_quads)
#endif
/* c[rows, NR] = the raw sums of products of `rows` <= MR rows of packed A (more may be read and
 * written, up to MR). */
static void tile(int how, size_t rows, size_t groups, const int32_t *a, const int32_t *b,
                 int32_t *c) {
#define CHOOSE(name)                                                                               \
    (rows == 1        ? name##_1(groups, a, groups, b, c)                                          \
     : rows <= MR / 2 ? name##_half(groups, a, groups, b, c)                                       \
                      : name##_all(groups, a, groups, b, c))
#if defined(VNNI)
    if (how == QUADS) {
        CHOOSE(quads);
        return;
    }
#endif
    (void)how;
    CHOOSE(pairs);
#undef CHOOSE
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

static void prepare(const finish *f, size_t left, size_t width, const int32_t *columns,
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

/* One row of a tile; `c` is its place in the output, whose columns are `step` elements apart. */
static void finish_row(const finish *f, const panel_finish *here, const int32_t *sums,
                       int32_t row_sum, size_t width, void *c, size_t step) {
    int32_t whole[NR];
    float real[NR];
    const int32_t y_zero = f->y_zero ? (f->y_signed ? (int8_t)*f->y_zero : *f->y_zero) : 0;
    const vf low = vf_set((float)(f->low - y_zero)), high = vf_set((float)(f->high - y_zero));
    for (size_t j = 0; j < NR; j += VF) {
        const vi v = *(const words *)(sums + j) + *(const words *)(here->part + j) -
                     *(const words *)(here->zero + j) * row_sum;
        if (f->mode == WHOLE) {
            *(words *)(whole + j) = v;
        } else if (f->mode == REAL) {
            vf x = __builtin_convertvector(v, vf) * vf_load(here->factor + j) +
                   vf_load(here->real_bias + j);
            vf_store(real + j, vf_activate(x, f->activation, f->a, f->b));
        } else {
            vf x = __builtin_convertvector(v + *(const words *)(here->whole_bias + j), vf) *
                   vf_load(here->factor + j);
            x = vf_lower(vf_higher(vf_round(x), low), high);
            *(words *)(whole + j) = __builtin_convertvector(x, vi) + y_zero;
        }
    }
    if (f->mode == QUANTIZED) {
        uint8_t *to = c;
        for (size_t j = 0; j < width; j++)
            to[j * step] = (uint8_t)whole[j];
    } else if (step == 1) {
        memcpy(c, f->mode == REAL ? (void *)real : (void *)whole, width * 4);
    } else {
        int32_t *to = c;
        const int32_t *from = f->mode == REAL ? (const int32_t *)(void *)real : whole;
        for (size_t j = 0; j < width; j++)
            memcpy(to + j * step, from + j, 4);
    }
}

/* A row of bytes as words; `to` has room for groups_of(k) of them. Gives the sum of its values. */
static int32_t pack_row(int how, form f, const uint8_t *a, size_t k, int32_t *to) {
    uint32_t sum = 0;
    const size_t groups = groups_of(how, k);
    if (groups) to[groups - 1] = 0;
    if (how == PAIRS) {
        int16_t *wide = (int16_t *)(void *)to;
        if (f.is_signed) {
            for (size_t p = 0; p < k; p++)
                wide[p] = (int8_t)a[p], sum += (uint32_t)(int32_t)(int8_t)a[p];
        } else {
            for (size_t p = 0; p < k; p++)
                wide[p] = a[p], sum += a[p];
        }
        return (int32_t)sum;
    }
    uint8_t *bytes = (uint8_t *)(void *)to;
    for (size_t p = 0; p < k; p++)
        bytes[p] = a[p] ^ f.flip;
    if (f.is_signed) {
        for (size_t p = 0; p < k; p++)
            sum += (uint32_t)(int32_t)(int8_t)bytes[p];
    } else {
        for (size_t p = 0; p < k; p++)
            sum += bytes[p];
    }
    return (int32_t)sum;
}

/* Rows of packed A times packed B, finished into C (element size `size`, steps in elements). */
static void product(const finish *f, size_t rows, const int32_t *a, const int32_t *row_sums,
                    const void *packed, uint8_t *c, size_t size, size_t c_row, size_t c_column) {
    const size_t groups = groups_of(f->how, f->k);
    const int32_t *columns = packed;
    const int32_t *b = columns + padded_columns((int64_t)f->n);
    int32_t sums[MR * NR];
    panel_finish here;
    for (size_t left = 0; left < f->n; left += NR) {
        const size_t width = smaller(NR, f->n - left);
        prepare(f, left, width, columns + left, &here);
        for (size_t top = 0; top < rows; top += MR) {
            const size_t count = smaller(MR, rows - top);
            tile(f->how, count, groups, a + top * groups, b, sums);
            for (size_t i = 0; i < count; i++)
                finish_row(f, &here, sums + i * NR, row_sums[top + i], width,
                           c + ((top + i) * c_row + left * c_column) * size, c_column);
        }
        b += groups * NR;
    }
}

/* What gemm_i8 and conv2d_i8 share: mode, whether A, B and the output are signed, low and high,
 * activation, its a and b; then the numbers of B's zero points and of scales. Inputs after A and
 * packed B: zero points of A (one) and B, A's scale (one) or absent, scales, bias [N] or absent,
 * the output's zero point; absent zero points are 0. */
enum { MODE, A_SIGNED, B_SIGNED, Y_SIGNED, LOW, HIGH, ACT, B_ZEROS = ACT + 3, SCALES, SHARED };
enum { A_ZERO = 2, B_ZERO, A_SCALE, SCALE, BIAS, Y_ZERO, INPUTS };

static const char *check_finish(const sl_args *a, const int64_t *p, int64_t n) {
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

static finish finish_of(const sl_call *call, const int64_t *p, size_t n, size_t k) {
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

static int64_t scratch_words(int64_t k) {
    return k < 0 || k > INT32_MAX ? -1 : sl_size3(BLOCK_ROWS, (k + 1) / 2 + 1, 1);
}

/* gemm_i8: the shared parameters, M, N, K, row stride of A, batch rank, batch dims, batch strides
 * of A (elements), of B (matrices). Outputs C [..., M, N] and a scratch of 48 (ceil(K / 2) + 1)
 * int32.
 */
enum { M = SHARED, N, K, A_ROW, RANK, DIMS };

static const char *check_gemm(const sl_args *a) {
    SL_TRY(a->n_in == INPUTS && a->n_out == 2 && a->n_p >= DIMS,
           "wrong number of operands or parameters");
    const int64_t *p = a->p, rank = p[RANK];
    SL_TRY(rank >= 0 && rank <= SL_MAX_RANK - 3 && a->n_p == DIMS + 3 * rank,
           "rank does not fit the parameters");
    SL_TRY(p[M] >= 0 && p[N] >= 0 && p[K] >= 0 && p[A_ROW] >= 0, "a size is negative");
    const int64_t *dims = p + DIMS, size = packed_bytes(p[K], p[N]);
    int64_t full[SL_MAX_RANK], strides[SL_MAX_RANK];
    memcpy(full, dims, (size_t)rank * sizeof *full);
    memcpy(strides, dims + rank, (size_t)rank * sizeof *strides);
    for (int64_t i = 0; i < 2 * rank; i++)
        SL_TRY(dims[rank + i] >= 0, "a batch stride is negative");
    full[rank] = p[M], full[rank + 1] = p[K];
    strides[rank] = p[A_ROW], strides[rank + 1] = 1;
    SL_TRY(sl_reaches(&a->in[0], full, strides, rank + 2, 0, 1), "A is too small");
    full[rank] = size, strides[rank] = 1;
    for (int64_t i = 0; i < rank; i++)
        SL_TRY(!__builtin_mul_overflow(dims[2 * rank + i], size, &strides[i]),
               "a batch stride overflows");
    SL_TRY(size >= 0 && sl_reaches(&a->in[1], full, strides, rank + 1, 0, 1),
           "packed B is too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(sl_size(dims, rank), p[M], p[N]),
                    p[MODE] == QUANTIZED ? 1 : 4),
           "C is too small");
    SL_TRY(sl_holds(&a->out[1], scratch_words(p[K]), 4), "the scratch is too small");
    return check_finish(a, p, p[N]);
}

static const char *run_gemm(const sl_call *call) {
    const int64_t *p = call->p, rank = p[RANK];
    const size_t m = (size_t)p[M], n = (size_t)p[N], k = (size_t)p[K], a_row = (size_t)p[A_ROW];
    const size_t size = p[MODE] == QUANTIZED ? 1 : 4, one = (size_t)packed_bytes(p[K], p[N]);
    const finish f = finish_of(call, p, n, k);
    const size_t groups = groups_of(f.how, k);
    uint8_t *c = call->out[0];
    int32_t *scratch = call->out[1], *row_sums = scratch + BLOCK_ROWS * groups;
    sl_walk w;
    if (m == 0 || n == 0 ||
        !sl_walk_start(&w, rank, p + DIMS, p + DIMS + rank, p + DIMS + 2 * rank, NULL))
        return NULL;
    do {
        const uint8_t *a = (const uint8_t *)call->in[0] + w.at[0];
        const uint8_t *b = (const uint8_t *)call->in[1] + (size_t)w.at[1] * one;
        for (size_t top = 0; top < m; top += BLOCK_ROWS) {
            const size_t rows = smaller(BLOCK_ROWS, m - top);
            for (size_t i = 0; i < rows; i++)
                row_sums[i] =
                    pack_row(f.how, f.a_form, a + (top + i) * a_row, k, scratch + i * groups);
            product(&f, rows, scratch, row_sums, b, c, size, n, 1);
            c += rows * n * size;
        }
    } while (sl_walk_next(&w));
    return NULL;
}

/* conv2d_i8: the shared parameters, batch, channels, output channels, groups, height, width, kernel
 * height and width, strides, dilations, padding at the top and left, output height and width.
 * Inputs as gemm_i8's, packed B being one matrix for each group, of the weights [channels of the
 * group * kernel area, output channels of the group]; zero points, scales and bias are those of all
 * output channels. Padding has the value of A's zero point. Outputs Y [batch, output channels,
 * height, width] and the scratch, with room for one more row of K bytes. */
enum { BATCH = SHARED, IN, OUT, GROUPS, H, W, KH, KW, SH, SW, DH, DW, TOP, LEFT, OH, OW, CONV };

static const char *check_conv(const sl_args *a) {
    SL_SHAPE(a, INPUTS, 2, CONV);
    const int64_t *p = a->p;
    for (int i = BATCH; i < CONV; i++)
        SL_TRY(p[i] >= 0 && p[i] < INT32_MAX, "a size is negative or too large");
    SL_TRY(p[GROUPS] > 0 && p[IN] % p[GROUPS] == 0 && p[OUT] % p[GROUPS] == 0,
           "channels do not divide into groups");
    SL_TRY(p[SH] > 0 && p[SW] > 0 && p[DH] > 0 && p[DW] > 0, "a stride is zero");
    const int64_t k = sl_size3(p[IN] / p[GROUPS], p[KH], p[KW]);
    const int64_t x[4] = {p[BATCH], p[IN], p[H], p[W]}, y[4] = {p[BATCH], p[OUT], p[OH], p[OW]};
    SL_TRY(sl_holds(&a->in[0], sl_size(x, 4), 1), "X is too small");
    SL_TRY(k >= 0 &&
               sl_holds(&a->in[1], sl_size3(packed_bytes(k, p[OUT] / p[GROUPS]), p[GROUPS], 1), 1),
           "the packed weights are too small");
    SL_TRY(sl_holds(&a->out[0], sl_size(y, 4), p[MODE] == QUANTIZED ? 1 : 4), "Y is too small");
    const int64_t words = scratch_words(k);
    SL_TRY(words >= 0 && sl_holds(&a->out[1], words + (k + 3) / 4, 4), "the scratch is too small");
    return check_finish(a, p, p[OUT]);
}

/* The bytes under the kernel at output pixel (oy, ox), channel after channel. */
static void gather(const int64_t *p, const uint8_t *x, size_t channels, int64_t oy, int64_t ox,
                   uint8_t zero, uint8_t *to) {
    const int64_t top = oy * p[SH] - p[TOP], left = ox * p[SW] - p[LEFT];
    const bool whole = left >= 0 && p[DW] == 1 && left + p[KW] <= p[W];
    for (size_t c = 0; c < channels; c++, x += p[H] * p[W]) {
        for (int64_t i = 0; i < p[KH]; i++, to += p[KW]) {
            const int64_t y = top + i * p[DH];
            if (y < 0 || y >= p[H]) {
                memset(to, zero, (size_t)p[KW]);
            } else if (whole) {
                for (int64_t j = 0; j < p[KW]; j++)
                    to[j] = x[y * p[W] + left + j];
            } else {
                for (int64_t j = 0; j < p[KW]; j++) {
                    const int64_t at = left + j * p[DW];
                    to[j] = at >= 0 && at < p[W] ? x[y * p[W] + at] : zero;
                }
            }
        }
    }
}

static const char *run_conv(const sl_call *call) {
    const int64_t *p = call->p;
    const size_t each_in = (size_t)(p[IN] / p[GROUPS]), each_out = (size_t)(p[OUT] / p[GROUPS]);
    const size_t k = each_in * (size_t)(p[KH] * p[KW]), area = (size_t)(p[OH] * p[OW]);
    const size_t plane = (size_t)(p[H] * p[W]), size = p[MODE] == QUANTIZED ? 1 : 4;
    const size_t one = (size_t)packed_bytes((int64_t)k, (int64_t)each_out);
    const finish all = finish_of(call, p, each_out, k);
    const size_t groups = groups_of(all.how, k);
    const uint8_t zero = all.a_zero ? *all.a_zero : 0, *x = call->in[0];
    uint8_t *y = call->out[0];
    int32_t *scratch = call->out[1], *row_sums = scratch + BLOCK_ROWS * groups;
    uint8_t *row = (uint8_t *)(row_sums + BLOCK_ROWS);
    if (each_out == 0) return NULL;
    for (int64_t image = 0; image < p[BATCH]; image++) {
        for (size_t g = 0; g < (size_t)p[GROUPS]; g++, x += each_in * plane) {
            finish f = all;
            const size_t first = g * each_out;
            if (f.b_zero && f.b_zeros > 1) f.b_zero += first;
            if (f.scale && f.scales > 1) f.scale += first;
            if (f.bias) f.bias = (const int32_t *)f.bias + first;
            const uint8_t *b = (const uint8_t *)call->in[1] + g * one;
            for (size_t from = 0; from < area; from += BLOCK_ROWS) {
                const size_t rows = smaller(BLOCK_ROWS, area - from);
                for (size_t i = 0; i < rows; i++) {
                    const int64_t pixel = (int64_t)(from + i);
                    gather(p, x, each_in, pixel / p[OW], pixel % p[OW], zero, row);
                    row_sums[i] = pack_row(f.how, f.a_form, row, k, scratch + i * groups);
                }
                product(&f, rows, scratch, row_sums, b, y + from * size, size, 1, area);
            }
            y += each_out * area * size;
        }
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_int8)[] = {
    {"pack_b_i8", check_pack, run_pack, 0},
    {"gemm_i8", check_gemm, run_gemm, 0},
    {"conv2d_i8", check_conv, run_conv, 0},
    SL_END,
};
