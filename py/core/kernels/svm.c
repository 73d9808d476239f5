/* What support vector machines and neighbours are made of: distances between all pairs of rows, and
 * one-against-one decisions. */
#include "kernel.h"
#include "tile.h"
#include "vmath.h"

/* cdist_f32: M, N, K, metric. Inputs rows X [M, K], and rows V [N, K] as pack_b_f32 packs their
 * transpose; output [M, N]: the squared Euclidean distance, the Euclidean, or the sum of absolute
 * differences. Differences are taken before they are squared, so that near rows lose nothing. */
enum { SQUARED, EUCLIDEAN, MANHATTAN, METRICS };
enum { CDIST_ROWS = 4 };

static const char *check_cdist(const sl_args *a) {
    SL_SHAPE(a, 2, 1, 4);
    const int64_t *p = a->p;
    SL_TRY(p[3] >= SQUARED && p[3] < METRICS, "the metric is unknown");
    SL_TRY(p[1] >= 0 && p[1] <= INT64_MAX / 2, "the rows are too many");
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[0], p[2], 1), 4), "the rows are too small");
    SL_TRY(sl_holds(&a->in[1], sl_size3(p[2], (p[1] + NR - 1) / NR, NR), 4),
           "the packed rows are too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[0], p[1], 1), 4), "the output is too small");
    return NULL;
}

/* `rows` (a constant) rows of X against one panel. */
SL_INLINE void cdist_tile(const size_t rows, size_t n, size_t k, const float *x, const float *panel,
                          const int64_t metric, float *out, size_t out_row) {
    vf sums[CDIST_ROWS][NV];
    SL_UNROLLED
    for (size_t i = 0; i < rows; i++) {
        SL_UNROLLED
        for (size_t v = 0; v < NV; v++)
            sums[i][v] = vf_set(0);
    }
    for (size_t q = 0; q < k; q++) {
        SL_UNROLLED
        for (size_t i = 0; i < rows; i++) {
            SL_UNROLLED
            for (size_t v = 0; v < NV; v++) {
                const vf difference = vf_set(x[i * k + q]) - vf_load(panel + q * NR + v * VF);
                sums[i][v] = metric == MANHATTAN ? sums[i][v] + vf_abs(difference)
                                                 : vf_fma(difference, difference, sums[i][v]);
            }
        }
    }
    SL_UNROLLED
    for (size_t i = 0; i < rows; i++) {
        SL_UNROLLED
        for (size_t v = 0; v < NV; v++) {
            const vf sum = metric == EUCLIDEAN ? vf_sqrt(sums[i][v]) : sums[i][v];
            if (n > v * VF)
                vf_store_first(out + i * out_row + v * VF, sum, smaller(VF, n - v * VF));
        }
    }
}

SL_INLINE void cdist(const size_t rows, size_t n, size_t k, const float *x, const float *panel,
                     int64_t metric, float *out, size_t out_row) {
    if (metric == MANHATTAN)
        cdist_tile(rows, n, k, x, panel, MANHATTAN, out, out_row);
    else if (metric == EUCLIDEAN)
        cdist_tile(rows, n, k, x, panel, EUCLIDEAN, out, out_row);
    else
        cdist_tile(rows, n, k, x, panel, SQUARED, out, out_row);
}

static const char *run_cdist(const sl_call *call) {
    const int64_t *p = call->p;
    const size_t m = (size_t)p[0], n = (size_t)p[1], k = (size_t)p[2];
    const float *x = call->in[0], *panel = call->in[1];
    float *out = call->out[0];
    for (size_t j = 0; j < n; j += NR, panel += k * NR) {
        const size_t columns = smaller(NR, n - j);
        size_t i = 0;
        for (; i + CDIST_ROWS <= m; i += CDIST_ROWS)
            cdist(CDIST_ROWS, columns, k, x + i * k, panel, p[3], out + i * n + j, n);
        for (; i < m; i++)
            cdist(1, columns, k, x + i * k, panel, p[3], out + i * n + j, n);
    }
    return NULL;
}

/* svm_margins_f32: rows, classes, support vectors of each class. Inputs kernel values [rows,
 * vectors], coefficients [classes - 1, vectors], an offset for each pair of classes in order (0 and
 * 1, 0 and 2, ...); outputs margins [rows, pairs], votes [rows, classes]. The pair (i, j) weighs
 * the vectors of class i by row j - 1 of the coefficients, those of class j by row i; class i wins
 * where the margin is positive. */
static int64_t pairs_of(int64_t classes) {
    return classes * (classes - 1) / 2;
}

static const char *check_margins(const sl_args *a) {
    SL_TRY(a->n_in == 3 && a->n_out == 2 && a->n_p >= 3, "wrong number of operands or parameters");
    const int64_t *p = a->p, classes = p[1];
    SL_TRY(classes > 0 && classes < 1 << 15 && a->n_p == 2 + classes,
           "the classes do not fit the parameters");
    int64_t vectors = 0;
    for (int64_t i = 0; i < classes; i++)
        SL_TRY(p[2 + i] >= 0 && !__builtin_add_overflow(vectors, p[2 + i], &vectors),
               "the support vectors are impossibly many");
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[0], vectors, 1), 4), "the kernel values are too few");
    SL_TRY(sl_holds(&a->in[1], sl_size3(classes - 1, vectors, 1), 4),
           "the coefficients are too few");
    SL_TRY(sl_holds(&a->in[2], pairs_of(classes), 4), "the offsets are too few");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[0], pairs_of(classes), 1), 4),
           "the output of margins is too small");
    SL_TRY(sl_holds(&a->out[1], sl_size3(p[0], classes, 1), 4), "the output of votes is too small");
    return NULL;
}

static float dot(const float *a, const float *b, size_t n) {
    vf sum = vf_set(0);
    size_t i = 0;
    for (; i + VF <= n; i += VF)
        sum = vf_fma(vf_load(a + i), vf_load(b + i), sum);
    sum = vf_fma(vf_load_first(a + i, n - i), vf_load_first(b + i, n - i), sum);
    return vf_sum(sum);
}

static const char *run_margins(const sl_call *call) {
    const int64_t *p = call->p, classes = p[1], *counts = p + 2;
    size_t vectors = 0;
    for (int64_t i = 0; i < classes; i++)
        vectors += (size_t)counts[i];
    const float *values = call->in[0], *coefficients = call->in[1], *offsets = call->in[2];
    float *margins = call->out[0], *votes = call->out[1];
    for (int64_t row = 0; row < p[0]; row++, values += vectors, votes += classes) {
        for (int64_t i = 0; i < classes; i++)
            votes[i] = 0;
        const float *offset = offsets;
        size_t start = 0;
        for (int64_t i = 0; i < classes; start += (size_t)counts[i++]) {
            size_t other = start + (size_t)counts[i];
            for (int64_t j = i + 1; j < classes; other += (size_t)counts[j++]) {
                const float *own = coefficients + (size_t)(j - 1) * vectors + start;
                const float *others = coefficients + (size_t)i * vectors + other;
                const float margin = dot(values + start, own, (size_t)counts[i]) +
                                     dot(values + other, others, (size_t)counts[j]) + *offset++;
                votes[margin > 0 ? i : j] += 1;
                *margins++ = margin;
            }
        }
    }
    return NULL;
}

/* svm_couple_f32: rows, classes. Inputs margins [rows, pairs], slopes [pairs], shifts [pairs];
 * outputs probabilities [rows, classes] and a scratch of classes * (classes + 2) doubles. Platt's
 * sigmoid gives each pair's probability; they are coupled by the second method of T.-F. Wu, C.-J.
 * Lin, R. C. Weng, "Probability estimates for multi-class classification by pairwise coupling",
 * JMLR 2004. */
static const char *check_couple(const sl_args *a) {
    SL_SHAPE(a, 3, 2, 2);
    const int64_t rows = a->p[0], classes = a->p[1];
    SL_TRY(classes > 0 && classes < 1 << 15, "the classes are none or too many");
    const int64_t pairs = pairs_of(classes);
    SL_TRY(sl_holds(&a->in[0], sl_size3(rows, pairs, 1), 4), "the margins are too few");
    SL_TRY(sl_holds(&a->in[1], pairs, 4) && sl_holds(&a->in[2], pairs, 4),
           "the slopes or shifts are too few");
    SL_TRY(sl_holds(&a->out[0], sl_size3(rows, classes, 1), 4), "the output is too small");
    SL_TRY(sl_holds(&a->out[1], classes * (classes + 2), 8), "the scratch is too small");
    return NULL;
}

/* The fixed point p of one row's matrix q; qp is scratch. */
static void couple(int64_t n, const double *q, double *p, double *qp) {
    for (int64_t t = 0; t < n; t++)
        p[t] = 1.0 / (double)n;
    for (int64_t round = 0; round < (n > 100 ? n : 100); round++) {
        double level = 0, worst = 0;
        for (int64_t t = 0; t < n; t++) {
            qp[t] = 0;
            for (int64_t j = 0; j < n; j++)
                qp[t] += q[t * n + j] * p[j];
            level += p[t] * qp[t];
        }
        for (int64_t t = 0; t < n; t++) {
            const double error = qp[t] > level ? qp[t] - level : level - qp[t];
            worst = error > worst ? error : worst;
        }
        if (worst < 0.005 / (double)n) return;
        for (int64_t t = 0; t < n; t++) {
            const double own = q[t * n + t], step = (level - qp[t]) / own, whole = 1 + step;
            p[t] += step;
            level = (level + step * (step * own + 2 * qp[t])) / whole / whole;
            for (int64_t j = 0; j < n; j++) {
                qp[j] = (qp[j] + step * q[t * n + j]) / whole;
                p[j] /= whole;
            }
        }
    }
}

static float pair_probability(float margin, float slope, float shift) {
    const float p = vf_sigmoid(vf_set(-(margin * slope + shift)))[0];
    return p < 1e-7f ? 1e-7f : p > 1 - 1e-7f ? 1 - 1e-7f : p;
}

static const char *run_couple(const sl_call *call) {
    const int64_t rows = call->p[0], n = call->p[1];
    const float *margins = call->in[0], *slopes = call->in[1], *shifts = call->in[2];
    float *out = call->out[0];
    double *q = call->out[1], *p = q + n * n, *qp = p + n;
    for (int64_t row = 0; row < rows; row++, out += n) {
        for (int64_t i = 0; i < n; i++)
            q[i * n + i] = 0;
        for (int64_t i = 0, pair = 0; i < n; i++) {
            for (int64_t j = i + 1; j < n; j++, pair++) {
                const double wins = pair_probability(*margins++, slopes[pair], shifts[pair]);
                const double loses = 1 - wins;
                q[i * n + i] += loses * loses;
                q[j * n + j] += wins * wins;
                q[i * n + j] = q[j * n + i] = -wins * loses;
            }
        }
        couple(n, q, p, qp);
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)p[i];
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_svm)[] = {
    {"cdist_f32", check_cdist, run_cdist, 0},
    {"svm_margins_f32", check_margins, run_margins, 0},
    {"svm_couple_f32", check_couple, run_couple, 0},
    SL_END,
};
