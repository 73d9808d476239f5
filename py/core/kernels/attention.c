/* Scaled dot-product attention: Y = softmax(scale Q K^T + mask) V, for a stack of heads.
 *
 * The scores of a few queries at a time stay in the first cache, so that they never become a
 * tensor. K and V are packed once per head into the panels that the tile of the matrix products
 * reads; operands are read and written through strides, so heads need no transposing. */
#include "tile.h"
#include "walk.h"

#include <math.h>

enum { QUERIES = MR };

/* M (queries), S (keys), D, DV, strides in elements: Q's row, K's key and feature, V's row, Y's
 * row, the mask's row and column; scale; keys that the first query sees (each next one sees one
 * more), -1 for all; whether queries that see no key give 0 instead of NaN; batch rank, batch dims,
 * batch strides of Q, K, V, mask, Y. Inputs Q, K, V, mask (added) or absent; outputs Y, a scratch
 * of panels(S) D + S panels(DV) + 2 MR panels(S) floats, panels(n) being n rounded up to NR. */
enum { M, S, D, DV, Q_ROW, K_ROW, K_COL, V_ROW, Y_ROW, MASK_ROW, MASK_COL };
enum { SCALE = MASK_COL + 1, VISIBLE, ZERO, RANK, DIMS };

static int64_t panels(int64_t n) {
    return n < 0 || n > INT64_MAX / 2 ? -1 : (n + NR - 1) / NR * NR;
}

static bool reaches(const sl_view *v, const int64_t *p, int operand, int64_t rows, int64_t row,
                    int64_t columns, int64_t column) {
    int64_t dims[SL_MAX_RANK], strides[SL_MAX_RANK];
    const int64_t rank = p[RANK], *batch = p + DIMS;
    memcpy(dims, batch, (size_t)rank * sizeof *dims);
    memcpy(strides, batch + (1 + operand) * rank, (size_t)rank * sizeof *strides);
    for (int64_t i = 0; i < rank; i++) {
        if (strides[i] < 0) return false;
    }
    dims[rank] = rows, strides[rank] = row;
    dims[rank + 1] = columns, strides[rank + 1] = column;
    return row >= 0 && column >= 0 && sl_reaches(v, dims, strides, rank + 2, 0, 4);
}

static const char *check_attention(const sl_args *a) {
    SL_TRY(a->n_in == 4 && a->n_out == 2 && a->n_p >= DIMS,
           "wrong number of operands or parameters");
    const int64_t *p = a->p;
    SL_TRY(p[RANK] >= 0 && p[RANK] <= SL_MAX_RANK - 2 && a->n_p == DIMS + 6 * p[RANK],
           "rank does not fit the parameters");
    SL_TRY(p[M] >= 0 && p[S] >= 0 && p[D] >= 0 && p[DV] >= 0, "a size is negative");
    SL_TRY(p[VISIBLE] >= -1, "an impossible number of visible keys");
    SL_TRY(reaches(&a->in[0], p, 0, p[M], p[Q_ROW], p[D], 1), "Q is too small");
    SL_TRY(reaches(&a->in[1], p, 1, p[S], p[K_ROW], p[D], p[K_COL]), "K is too small");
    SL_TRY(reaches(&a->in[2], p, 2, p[S], p[V_ROW], p[DV], 1), "V is too small");
    SL_TRY(!sl_present(&a->in[3]) || reaches(&a->in[3], p, 3, p[M], p[MASK_ROW], p[S], p[MASK_COL]),
           "the mask is too small");
    SL_TRY(reaches(&a->out[0], p, 4, p[M], p[Y_ROW], p[DV], 1), "Y is too small");
    const int64_t keys = sl_size3(panels(p[S]), p[D], 1),
                  scores = sl_size3(panels(p[S]), QUERIES, 1);
    const int64_t values = sl_size3(panels(p[DV]), p[S], 1);
    int64_t need;
    SL_TRY(keys >= 0 && values >= 0 && scores >= 0 &&
               !__builtin_add_overflow(keys, values, &need) &&
               !__builtin_add_overflow(need, scores, &need) && sl_holds(&a->out[1], need, 4),
           "the scratch is too small");
    return NULL;
}

/* B[k, n], times a factor, as panels of NR columns, k-major. */
static void pack(size_t k, size_t n, const float *b, size_t row, size_t column, float factor,
                 float *to) {
    for (size_t left = 0; left < n; left += NR, to += k * NR) {
        const size_t width = smaller(NR, n - left);
        const float *from = b + left * column;
        if (row == 1) { /* columns lie in order: read along them */
            if (width < NR) memset(to, 0, k * NR * sizeof *to);
            for (size_t j = 0; j < width; j++) {
                for (size_t p = 0; p < k; p++)
                    to[p * NR + j] = from[j * column + p] * factor;
            }
            continue;
        }
        for (size_t p = 0; p < k; p++) {
            float *line = to + p * NR;
            for (size_t j = 0; j < width; j++)
                line[j] = from[p * row + j * column] * factor;
            for (size_t j = width; j < NR; j++)
                line[j] = 0;
        }
    }
}

/* softmax(x + mask) in place over the first `seen` of n keys; the others get 0. */
static void softmax_row(float *x, size_t n, size_t seen, const float *mask, size_t mask_column,
                        bool zero) {
    vf most = vf_set(-SL_INFINITY);
    float top = -SL_INFINITY;
    size_t i = 0;
    if (mask && mask_column == 1) {
        for (; i + VF <= seen; i += VF) {
            const vf v = vf_load(x + i) + vf_load(mask + i);
            vf_store(x + i, v);
            most = vf_max(most, v);
        }
    } else if (!mask || mask_column == 0) {
        const vf plus = vf_set(mask ? mask[0] : 0);
        for (; i + VF <= seen; i += VF) {
            const vf v = vf_load(x + i) + plus;
            vf_store(x + i, v);
            most = vf_max(most, v);
        }
    }
    for (; i < seen; i++) {
        if (mask) x[i] += mask[i * mask_column];
        top = x[i] > top || x[i] != x[i] ? x[i] : top;
    }
    float lanes[VF];
    vf_store(lanes, most);
    for (size_t j = 0; j < VF; j++)
        top = lanes[j] > top || lanes[j] != lanes[j] ? lanes[j] : top;
    vf sums = vf_set(0);
    for (i = 0; i + VF <= seen; i += VF) {
        const vf e = vf_exp(vf_load(x + i) - top);
        vf_store(x + i, e);
        sums += e;
    }
    if (i < seen) { /* lanes past the end would add e^-top */
        float tail[VF] = {0};
        vf_store_first(x + i, vf_exp(vf_load_first(x + i, seen - i) - top), seen - i);
        memcpy(tail, x + i, (seen - i) * sizeof *tail);
        sums += vf_load(tail);
    }
    const float total = vf_sum(sums);
    if (!(total > 0)) { /* no key is seen, or a score is NaN */
        for (i = 0; i < n; i++)
            x[i] = zero ? 0 : SL_NAN;
        return;
    }
    const float inverse = 1 / total;
    for (i = 0; i < seen; i++)
        x[i] *= inverse;
    for (; i < n; i++)
        x[i] = 0;
}

/* C[m, n] = A[m, k] B[k, n] over B's panels; whole panels of C are written where `whole`. */
static void product(size_t m, size_t n, size_t k, const float *a, size_t a_row, const float *b,
                    float *c, size_t c_row, bool whole) {
    for (size_t j = 0; j < n; j += NR) {
        for (size_t i = 0; i < m; i += MR)
            SL_NAME(sl_tile)(smaller(MR, m - i), whole ? NR : smaller(NR, n - j), k, a + i * a_row,
                             a_row, false, b + j * k, NR, c + i * c_row + j, c_row, true, NULL);
    }
}

static void head(const int64_t *p, const float *q, const float *k, const float *v,
                 const float *mask, float *y, float *scratch) {
    const size_t m = (size_t)p[M], s = (size_t)p[S], d = (size_t)p[D], dv = (size_t)p[DV];
    const size_t q_row = (size_t)p[Q_ROW], y_row = (size_t)p[Y_ROW];
    const size_t width = (s + NR - 1) / NR * NR;
    float *keys = scratch, *values = keys + width * d;
    float *scores = values + (dv + NR - 1) / NR * NR * s;
    pack(d, s, k, (size_t)p[K_COL], (size_t)p[K_ROW], (float)sl_real(p[SCALE]), keys);
    pack(s, dv, v, (size_t)p[V_ROW], 1, 1, values);
    for (size_t top = 0; top < m; top += QUERIES) {
        const size_t rows = smaller(QUERIES, m - top);
        product(rows, s, d, q + top * q_row, q_row, keys, scores, width, true);
        for (size_t i = 0; i < rows; i++) {
            size_t seen = s;
            if (p[VISIBLE] >= 0) {
                const size_t first = smaller((size_t)p[VISIBLE], s);
                seen = smaller(first + top + i, s);
            }
            const float *here = mask ? mask + (top + i) * (size_t)p[MASK_ROW] : NULL;
            softmax_row(scores + i * width, s, seen, here, (size_t)p[MASK_COL], p[ZERO] != 0);
        }
        product(rows, dv, s, scores, width, values, y + top * y_row, y_row, false);
    }
}

static const char *run_attention(const sl_call *call) {
    const int64_t *p = call->p, rank = p[RANK], *dims = p + DIMS, *strides = dims + rank;
    const float *q = call->in[0], *k = call->in[1], *v = call->in[2], *mask = call->in[3];
    float *y = call->out[0];
    sl_walk w, other; /* two walks of the same axes: three operands each */
    if (p[M] == 0 || p[DV] == 0 ||
        !sl_walk_start(&w, rank, dims, strides, strides + rank, strides + 2 * rank))
        return NULL;
    sl_walk_start(&other, rank, dims, strides + 3 * rank, strides + 4 * rank, NULL);
    do {
        head(p, q + w.at[0], k + w.at[1], v + w.at[2], mask ? mask + other.at[0] : NULL,
             y + other.at[1], call->out[1]);
        sl_walk_next(&other);
    } while (sl_walk_next(&w));
    return NULL;
}

const sl_kernel SL_NAME(sl_attention)[] = {
    {"attention_f32", check_attention, run_attention, 0},
    SL_END,
};
