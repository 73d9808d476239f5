/* Matrix products: C = activation(A B + bias + residual), batched. Factors on A B or the bias are
 * the packing's business.
 *
 * gemm_f32 takes B packed by pack_b_f32: panels of NR columns, k-major, the last one padded with
 * zeros; pack_b_f32's output has batch * ceil(N / NR) * NR * K floats. NR belongs to the
 * instruction set (`sl_panel`), so packed constants do too. gemm_f64 takes B as it is. */
#include "tile.h"
#include "walk.h"

#define SCRATCH (192 * 192) /* floats, the same for all instruction sets */
#define MC (SCRATCH / KC / MR * MR)

extern const int64_t SL_NAME(sl_panel);
const int64_t SL_NAME(sl_panel) = NR;

static int64_t packed_size(int64_t k, int64_t n) {
    if (n < 0 || n > INT64_MAX / 2) return -1;
    return sl_size3(k, (n + NR - 1) / NR, NR);
}

/* pack_b_f32: K, N, batch, row stride, column stride, batch stride (elements, not negative), a
 * factor. */
static const char *check_pack(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 7);
    const int64_t dims[3] = {a->p[2], a->p[0], a->p[1]}, strides[3] = {a->p[5], a->p[3], a->p[4]};
    int64_t one = packed_size(a->p[0], a->p[1]);
    SL_TRY(strides[0] >= 0 && strides[1] >= 0 && strides[2] >= 0, "a stride is negative");
    SL_TRY(sl_holds(&a->out[0], sl_size3(one, a->p[2], 1), 4), "the packed output is too small");
    SL_TRY(sl_reaches(&a->in[0], dims, strides, 3, 0, 4), "the matrix is too small");
    return NULL;
}

static const char *run_pack(const sl_call *call) {
    const size_t k = (size_t)call->p[0], n = (size_t)call->p[1], batch = (size_t)call->p[2];
    const size_t row = (size_t)call->p[3], column = (size_t)call->p[4];
    const float factor = (float)sl_real(call->p[6]);
    float *to = call->out[0];
    if (k == 0 || n == 0) return NULL;
    for (size_t i = 0; i < batch; i++) {
        const float *from = (const float *)call->in[0] + i * (size_t)call->p[5];
        for (size_t left = 0; left < n; left += NR) {
            const size_t width = smaller(NR, n - left);
            for (size_t p = 0; p < k; p++, to += NR) {
                const float *source = from + p * row + left * column;
                for (size_t j = 0; j < width; j++)
                    to[j] = source[j * column] * factor;
                for (size_t j = width; j < NR; j++)
                    to[j] = 0;
            }
        }
    }
    return NULL;
}

/* gemm_f32: M, N, K, row stride of A, bias row stride, bias column stride (0 or 1), activation, its
 * a and b, batch rank, batch dims, batch strides of A (elements), of B (matrices). Inputs A, packed
 * B, bias or absent, residual (as C) or absent; outputs C and, where A is to be packed, a scratch
 * of 36864 floats. */
enum { M, N, K, A_ROW, BIAS_ROW, BIAS_COL, ACTIVATION, BATCH_RANK = ACTIVATION + 3, BATCH };

static const char *check_gemm(const sl_args *a) {
    SL_TRY(a->n_in == 4 && a->n_out == 2 && a->n_p >= BATCH,
           "wrong number of operands or parameters");
    const int64_t *p = a->p, rank = p[BATCH_RANK];
    SL_TRY(rank >= 0 && rank <= SL_MAX_RANK - 3 && a->n_p == BATCH + 3 * rank,
           "rank does not fit the parameters");
    SL_TRY(p[ACTIVATION] >= 0 && p[ACTIVATION] < SL_ACTIVATION_COUNT, "unknown activation");
    SL_TRY(p[M] >= 0 && p[N] >= 0 && p[K] >= 0 && p[A_ROW] >= 0, "a size is negative");
    const int64_t *dims = p + BATCH, batch = sl_size(dims, rank), b_size = packed_size(p[K], p[N]);
    int64_t full[SL_MAX_RANK], strides[SL_MAX_RANK];
    memcpy(full, dims, (size_t)rank * sizeof *full);
    full[rank] = p[M], full[rank + 1] = p[K];
    memcpy(strides, dims + rank, (size_t)rank * sizeof *strides);
    strides[rank] = p[A_ROW], strides[rank + 1] = 1;
    SL_TRY(sl_reaches(&a->in[0], full, strides, rank + 2, 0, 4), "A is too small");
    full[rank] = b_size;
    for (int64_t i = 0; i < rank; i++) {
        SL_TRY(!__builtin_mul_overflow(dims[2 * rank + i], b_size, &strides[i]),
               "a batch stride overflows");
    }
    strides[rank] = 1;
    SL_TRY(b_size >= 0 && sl_reaches(&a->in[1], full, strides, rank + 1, 0, 4),
           "packed B is too small");
    int64_t c_size = sl_size3(batch, p[M], p[N]);
    SL_TRY(sl_holds(&a->out[0], c_size, 4), "C is too small");
    if (sl_present(&a->in[2])) {
        const int64_t area[2] = {p[M], p[N]}, steps[2] = {p[BIAS_ROW], p[BIAS_COL]};
        SL_TRY(p[BIAS_ROW] >= 0 && (p[BIAS_COL] == 0 || p[BIAS_COL] == 1),
               "the bias has impossible strides");
        SL_TRY(sl_reaches(&a->in[2], area, steps, 2, 0, 4), "the bias is too small");
    }
    SL_TRY(!sl_present(&a->in[3]) || sl_holds(&a->in[3], c_size, 4), "the residual is too small");
    SL_TRY(!sl_present(&a->out[1]) || sl_holds(&a->out[1], SCRATCH, 4), "the scratch is too small");
    return NULL;
}

void SL_NAME(sl_gemv)(size_t n, size_t k, const float *a, const float *b, float *c, bool fresh,
                      const epilogue *e) {
    enum { PANELS = 4 };
    const size_t panel = k * NR;
    size_t j = 0;
    for (; j + PANELS * NR <= n; j += PANELS * NR, b += PANELS * panel) {
        vf acc[PANELS][NV];
        SL_UNROLLED
        for (size_t q = 0; q < PANELS; q++) {
            SL_UNROLLED
            for (size_t v = 0; v < NV; v++)
                acc[q][v] = fresh ? vf_set(0) : vf_load(c + j + q * NR + v * VF);
        }
        for (size_t p = 0; p < k; p++) {
            const vf x = vf_set(a[p]);
            SL_UNROLLED
            for (size_t q = 0; q < PANELS; q++) {
                SL_UNROLLED
                for (size_t v = 0; v < NV; v++)
                    acc[q][v] = vf_fma(x, vf_load(b + q * panel + p * NR + v * VF), acc[q][v]);
            }
        }
        SL_UNROLLED
        for (size_t q = 0; q < PANELS; q++) {
            SL_UNROLLED
            for (size_t v = 0; v < NV; v++)
                vf_store(c + j + q * NR + v * VF, acc[q][v]);
        }
    }
    for (size_t left = 0; left < j; left += NR) { /* sums are stored; finish them */
        const epilogue here = sl_epilogue_at(e, 0, left, 0);
        SL_NAME(sl_tile)(1, NR, 0, a, 0, false, b, NR, c + left, 0, false, &here);
    }
    for (; j < n; j += NR, b += panel) {
        const epilogue here = sl_epilogue_at(e, 0, j, 0);
        SL_NAME(sl_tile)(1, smaller(NR, n - j), k, a, 0, false, b, NR, c + j, 0, fresh, &here);
    }
}

static void gemm(size_t m, size_t n, size_t k, const float *a, size_t a_row, const float *b,
                 float *c, float *scratch, const epilogue *e) {
    if (m == 1) {
        SL_NAME(sl_gemv)(n, k, a, b, c, true, e);
        return;
    }
    /* k in blocks, so that a panel's block stays in the first cache while the rows pass; with a
     * scratch also the rows, packed, so that they stay in the second one. */
    const bool packed = scratch && m > MR;
    const size_t height = packed ? MC : m;
    size_t done = 0;
    do {
        const size_t depth = m <= MR ? k : smaller(KC, k - done);
        const bool last = done + depth >= k;
        for (size_t top = 0; top < m; top += height) {
            const size_t bottom = smaller(top + height, m);
            if (packed)
                SL_NAME(sl_pack_a)(bottom - top, depth, a + top * a_row + done, a_row, scratch);
            for (size_t j = 0; j < n; j += NR) {
                const float *panel = b + j * k + done * NR;
                for (size_t i = top; i < bottom; i += MR) {
                    const epilogue here = sl_epilogue_at(e, i, j, n);
                    const float *rows = packed ? scratch + (i - top) * depth : a + i * a_row + done;
                    SL_NAME(sl_tile)(smaller(MR, m - i), smaller(NR, n - j), depth, rows, a_row,
                                     packed, panel, NR, c + i * n + j, n, done == 0,
                                     last ? &here : NULL);
                }
            }
        }
        done += depth;
    } while (done < k);
}

static const char *run_gemm(const sl_call *call) {
    const int64_t *p = call->p, rank = p[BATCH_RANK];
    const size_t m = (size_t)p[M], n = (size_t)p[N], k = (size_t)p[K];
    const float *a = call->in[0], *b = call->in[1], *residual = call->in[3];
    float *c = call->out[0], *scratch = call->out[1];
    const size_t b_size = (n + NR - 1) / NR * NR * k;
    sl_walk w;
    if (m == 0 || n == 0 ||
        !sl_walk_start(&w, rank, p + BATCH, p + BATCH + rank, p + BATCH + 2 * rank, NULL))
        return NULL;
    do {
        const epilogue e =
            sl_epilogue(call->in[2], p[BIAS_ROW], p[BIAS_COL], residual, p + ACTIVATION);
        gemm(m, n, k, a + w.at[0], (size_t)p[A_ROW], b + (size_t)w.at[1] * b_size, c, scratch, &e);
        c += m * n;
        if (residual) residual += m * n;
    } while (sl_walk_next(&w));
    return NULL;
}

/* gemm_f64: M, N, K, row stride of A, row and column stride of B, bias row and column stride,
 * alpha, beta. Inputs A, B, bias or absent; output C. */
enum { D_A_ROW = 3, D_B_ROW, D_B_COL, D_BIAS_ROW, D_BIAS_COL, D_ALPHA, D_BETA, D_PARAMS };

static const char *check_gemm_f64(const sl_args *a) {
    SL_SHAPE(a, 3, 1, D_PARAMS);
    const int64_t *p = a->p;
    const int64_t a_dims[2] = {p[M], p[K]}, a_steps[2] = {p[D_A_ROW], 1};
    const int64_t b_dims[2] = {p[K], p[N]}, b_steps[2] = {p[D_B_ROW], p[D_B_COL]};
    const int64_t c_dims[2] = {p[M], p[N]}, c_steps[2] = {p[D_BIAS_ROW], p[D_BIAS_COL]};
    SL_TRY(sl_reaches(&a->in[0], a_dims, a_steps, 2, 0, 8), "A is too small");
    SL_TRY(sl_reaches(&a->in[1], b_dims, b_steps, 2, 0, 8), "B is too small");
    SL_TRY(!sl_present(&a->in[2]) || sl_reaches(&a->in[2], c_dims, c_steps, 2, 0, 8),
           "the bias is too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[M], p[N], 1), 8), "C is too small");
    return NULL;
}

static const char *run_gemm_f64(const sl_call *call) {
    const int64_t *p = call->p;
    const ptrdiff_t m = (ptrdiff_t)p[M], n = (ptrdiff_t)p[N], k = (ptrdiff_t)p[K];
    const ptrdiff_t b_row = (ptrdiff_t)p[D_B_ROW], b_col = (ptrdiff_t)p[D_B_COL];
    const double *b = call->in[1], *bias = call->in[2];
    const double alpha = sl_real(p[D_ALPHA]), beta = sl_real(p[D_BETA]);
    double *c = call->out[0];
    for (ptrdiff_t i = 0; i < m; i++, c += n) {
        const double *a = (const double *)call->in[0] + i * (ptrdiff_t)p[D_A_ROW];
        memset(c, 0, (size_t)n * sizeof *c);
        for (ptrdiff_t q = 0; q < k; q++) {
            const double x = a[q], *row = b + q * b_row;
            if (b_col == 1) {
                SL_INDEPENDENT
                for (ptrdiff_t j = 0; j < n; j++)
                    c[j] += x * row[j];
            } else {
                for (ptrdiff_t j = 0; j < n; j++)
                    c[j] += x * row[j * b_col];
            }
        }
        for (ptrdiff_t j = 0; j < n; j++) {
            const double offset =
                bias ? beta * bias[i * (ptrdiff_t)p[D_BIAS_ROW] + j * (ptrdiff_t)p[D_BIAS_COL]] : 0;
            c[j] = alpha * c[j] + offset;
        }
    }
    return NULL;
}

/* fma_peak_f32: rounds. What products can't exceed: each round multiplies and adds SUMS vectors
 * that never leave the registers. The output, 16 floats, keeps them alive. No operand's size bounds
 * the rounds, so MOST_ROUNDS does: a run always ends. */
enum { SUMS = 12, MOST_ROUNDS = 1 << 24 };

static const char *check_peak(const sl_args *a) {
    SL_SHAPE(a, 0, 1, 1);
    SL_TRY(a->p[0] >= 0 && a->p[0] <= MOST_ROUNDS, "the rounds are not within 0 and 2^24");
    SL_TRY(sl_holds(&a->out[0], 16, 4), "the output is too small");
    return NULL;
}

static const char *run_peak(const sl_call *call) {
    const vf factor = vf_set(0.999f), addend = vf_set(0.001f);
    vf sums[SUMS];
    SL_UNROLLED
    for (size_t i = 0; i < SUMS; i++)
        sums[i] = vf_set((float)i);
    for (int64_t round = 0; round < call->p[0]; round++) {
        SL_UNROLLED
        for (size_t i = 0; i < SUMS; i++)
            sums[i] = vf_fma(sums[i], factor, addend);
    }
    vf sum = vf_set(0);
    SL_UNROLLED
    for (size_t i = 0; i < SUMS; i++)
        sum += sums[i];
    vf_store(call->out[0], sum);
    return NULL;
}

const sl_kernel SL_NAME(sl_gemm)[] = {
    {"pack_b_f32", check_pack, run_pack, 0},
    {"gemm_f32", check_gemm, run_gemm, 0},
    {"gemm_f64", check_gemm_f64, run_gemm_f64, 0},
    {"fma_peak_f32", check_peak, run_peak, 0},
    SL_END,
};
