/* Products of matrices of 8-bit integers, summed exactly in 32 bits.
 *
 * B is packed once (pack_b_i8) into panels of NR columns, A row by row into words. */
#include "int8.h"
#include "walk.h"

enum { BLOCK_ROWS = 48 }; /* rows of A that are packed at a time: a multiple of every MR */

/* pack_b_i8: K, N, batch, row stride, column stride, batch stride (elements, not negative), whether
 * signed, taps. pack_w_i8: the same in panels of MR_I8 columns, as conv2d_i8 broadcasts its
 * weights. With more than one tap rows come as [K / 4 / taps, 4, taps], and lie as [K / 4 / taps,
 * taps, 4]. */
static const char *check_packed(const sl_args *a, int64_t panel) {
    SL_SHAPE(a, 1, 1, 8);
    const int64_t dims[3] = {a->p[2], a->p[0], a->p[1]}, strides[3] = {a->p[5], a->p[3], a->p[4]};
    SL_TRY(strides[0] >= 0 && strides[1] >= 0 && strides[2] >= 0, "a stride is negative");
    SL_TRY(sl_holds(&a->out[0], sl_size3(packed_bytes(a->p[0], a->p[1], panel), a->p[2], 1), 1),
           "the packed output is too small");
    SL_TRY(sl_reaches(&a->in[0], dims, strides, 3, 0, 1), "the matrix is too small");
    SL_TRY(a->p[7] == 1 || (a->p[7] > 1 && a->p[7] < INT32_MAX && a->p[0] % (4 * a->p[7]) == 0),
           "the taps do not divide K");
    return NULL;
}

static const char *check_pack_b(const sl_args *a) {
    return check_packed(a, NR);
}
static const char *check_pack_w(const sl_args *a) {
    return check_packed(a, MR_I8);
}

/* Where row p of what is packed comes from. */
static inline size_t source_of(size_t p, size_t taps) {
    return taps == 1 ? p : (p / (4 * taps) * 4 + p % 4) * taps + p / 4 % taps;
}

static void pack_panel(int how, form f, const uint8_t *b, size_t row, size_t column, size_t k,
                       size_t taps, size_t width, size_t panel, int32_t *sums, uint8_t *to) {
    const size_t group = how == PAIRS ? 2 : 4, groups = groups_of(how, k);
    for (size_t j = 0; j < panel; j++) {
        uint32_t sum = 0;
        for (size_t p = 0; p < groups * group; p++) {
            const bool there = j < width && p < k;
            const int32_t v = there ? value_of(b[source_of(p, taps) * row + j * column], f) : 0;
            const size_t place = (p / group * panel + j) * group + p % group;
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
    const size_t row = (size_t)call->p[3], column = (size_t)call->p[4], taps = (size_t)call->p[7];
    const int64_t panel = call->kernel->variant;
    const size_t width = (size_t)panel;
    const size_t size = (size_t)packed_bytes(call->p[0], call->p[1], panel);
    const int how = way();
    const form f = form_of_b(how, call->p[6] != 0);
    const size_t bytes = groups_of(how, k) * width * 4;
    for (size_t i = 0; i < batch; i++) {
        const uint8_t *b = (const uint8_t *)call->in[0] + i * (size_t)call->p[5];
        int32_t *sums = (int32_t *)((uint8_t *)call->out[0] + i * size);
        uint8_t *to = (uint8_t *)(sums + padded(call->p[1], panel));
        for (size_t left = 0; left < n; left += width, to += bytes)
            pack_panel(how, f, b + left * column, row, column, k, taps, smaller(width, n - left),
                       width, sums + left, to);
    }
    return NULL;
}

/* ---- The product */

/* A's rows lie one after the other. */
TILE(pairs_1, , sum_pairs, 1, NV, groups, 1)
TILE(pairs_half, , sum_pairs, MR_I8 / 2, NV, groups, 1)
TILE(pairs_all, , sum_pairs, MR_I8, NV, groups, 1)
#if defined(VNNI)
TILE(quads_1, VNNI, sum_quads, 1, NV, groups, 1)
TILE(quads_half, VNNI, sum_quads, MR_I8 / 2, NV, groups, 1)
TILE(quads_all, VNNI, sum_quads, MR_I8, NV, groups, 1)
#endif

/* c[rows, NR] = the raw sums of products of `rows` <= MR_I8 rows of packed A (more may be read and
 * written, up to MR_I8). */
static void tile(int how, size_t rows, size_t groups, const int32_t *a, const int32_t *b,
                 int32_t *c) {
#define CHOOSE(name)                                                                               \
    (rows == 1           ? name##_1(groups, a, b, c)                                               \
     : rows <= MR_I8 / 2 ? name##_half(groups, a, b, c)                                            \
                         : name##_all(groups, a, b, c))
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

/* One row of a tile, of `width` columns. */
static void finish_row(const finish *f, const panel_finish *here, const int32_t *sums,
                       int32_t row_sum, size_t width, void *c) {
    const int32_t y_zero = byte_at(f->y_zero, f->y_signed);
    const vf low = vf_set((float)(f->low - y_zero)), high = vf_set((float)(f->high - y_zero));
    vi all[NV];
    for (size_t v = 0; v < NV; v++) {
        const size_t j = v * VF, some = j < width ? smaller(VF, width - j) : 0;
        const vi sum =
            (vi)((vu) * (const words *)(sums + j) + (vu) * (const words *)(here->part + j) -
                 (vu) * (const words *)(here->zero + j) * (uint32_t)row_sum);
        const vf factor = vf_load(here->factor + j);
        if (f->mode == QUANTIZED) {
            const vi moved = (vi)((vu)sum + (vu) * (const words *)(here->whole_bias + j));
            all[v] = to_steps(__builtin_convertvector(moved, vf) * factor, low, high, y_zero);
            continue;
        }
        vf x = (vf)sum;
        if (f->mode == REAL) {
            x = __builtin_convertvector(sum, vf) * factor + vf_load(here->real_bias + j);
            x = vf_activate(x, f->activation, f->a, f->b);
        }
        vf_store_first((float *)c + j, x, some);
    }
    if (f->mode == QUANTIZED) store_first_bytes(c, all, width);
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

/* Rows of packed A times packed B, finished into C, whose elements have `size` bytes. */
static void product(const finish *f, size_t rows, const int32_t *a, const int32_t *row_sums,
                    const void *packed, uint8_t *c, size_t size) {
    const size_t groups = groups_of(f->how, f->k);
    const int32_t *columns = packed;
    const int32_t *b = columns + padded((int64_t)f->n, NR);
    int32_t sums[MR_I8 * NR];
    panel_finish here;
    for (size_t left = 0; left < f->n; left += NR) {
        const size_t width = smaller(NR, f->n - left);
        prepare(f, left, width, columns + left, &here);
        for (size_t top = 0; top < rows; top += MR_I8) {
            const size_t count = smaller(MR_I8, rows - top);
            tile(f->how, count, groups, a + top * groups, b, sums);
            for (size_t i = 0; i < count; i++)
                finish_row(f, &here, sums + i * NR, row_sums[top + i], width,
                           c + ((top + i) * f->n + left) * size);
        }
        b += groups * NR;
    }
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
    const int64_t *dims = p + DIMS, size = packed_bytes(p[K], p[N], NR);
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
    const size_t size = p[MODE] == QUANTIZED ? 1 : 4, one = (size_t)packed_bytes(p[K], p[N], NR);
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
            product(&f, rows, scratch, row_sums, b, c, size);
            c += rows * n * size;
        }
    } while (sl_walk_next(&w));
    return NULL;
}

const sl_kernel SL_NAME(sl_int8)[] = {
    {"pack_b_i8", check_pack_b, run_pack, NR},
    {"pack_w_i8", check_pack_w, run_pack, MR_I8},
    {"gemm_i8", check_gemm, run_gemm, 0},
    SL_END,
};
