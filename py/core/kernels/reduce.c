/* Reductions over any axes.
 *
 * reduce_*: element type, kept rank, reduced rank, kept dims, kept strides, reduced dims, reduced
 * strides (elements). The output has the kept axes in order, contiguous, in the input's type.
 * Accumulators are doubles or 64-bit integers; contiguous float32 is summed in short blocks of
 * vectors first. */
#include "vmath.h"
#include "walk.h"

#include <math.h>

enum { SUM, MEAN, MAX, MIN, PROD, L1, L2, SUM_SQUARE, LOG_SUM, LOG_SUM_EXP };

enum { FORMAT, KEPT, REDUCED, DIMS };

enum { CHUNK = 64 }; /* outputs that are gathered side by side */

static bool is_number(int64_t format) {
    return sl_itemsize(format) && format != 'e' && format != 'w' && format != '?';
}

static const char *check_reduce(const sl_args *a) {
    SL_TRY(a->n_in == 1 && a->n_out == 1 && a->n_p >= DIMS,
           "wrong number of operands or parameters");
    const int64_t *p = a->p, kept = p[KEPT], reduced = p[REDUCED], size = sl_itemsize(p[FORMAT]);
    SL_TRY(is_number(p[FORMAT]), "the element type is not a number");
    SL_TRY(kept >= 0 && reduced >= 0 && kept <= SL_MAX_RANK && reduced <= SL_MAX_RANK &&
               kept + reduced <= SL_MAX_RANK && a->n_p == DIMS + 2 * (kept + reduced),
           "rank does not fit the parameters");
    int64_t dims[SL_MAX_RANK], strides[SL_MAX_RANK];
    const int64_t *d = p + DIMS;
    memcpy(dims, d, (size_t)kept * sizeof *dims);
    memcpy(strides, d + kept, (size_t)kept * sizeof *strides);
    memcpy(dims + kept, d + 2 * kept, (size_t)reduced * sizeof *dims);
    memcpy(strides + kept, d + 2 * kept + reduced, (size_t)reduced * sizeof *strides);
    const int64_t total = sl_size(dims, kept + reduced);
    SL_TRY(sl_holds(&a->out[0], sl_size(dims, kept), size), "the output is too small");
    SL_TRY(sl_size(dims + kept, reduced) >= 0 && sl_holds(&a->in[0], total, size) &&
               sl_reaches(&a->in[0], dims, strides, kept + reduced, 0, size),
           "the input is too small");
    return NULL;
}

/* A run of `n` elements `along` apart for each of `width` outputs `across` apart, folded into the
 * accumulators. */
#define FOLD(expression)                                                                           \
    {                                                                                              \
        for (int64_t r = 0; r < n; r++) {                                                          \
            const number *row = x + r * along;                                                     \
            for (int64_t j = 0; j < width; j++) {                                                  \
                const wide v = (wide)row[j * across], t = acc[j];                                  \
                acc[j] = (expression);                                                             \
            }                                                                                      \
        }                                                                                          \
        break;                                                                                     \
    }

#define FOLDS(name, type, accumulator, plus, times, magnitude)                                     \
    static void name(int op, const type *x, int64_t width, int64_t across, int64_t n,              \
                     int64_t along, accumulator *acc, const accumulator *top) {                    \
        typedef type number;                                                                       \
        typedef accumulator wide;                                                                  \
        switch (op) {                                                                              \
        case MAX: FOLD(v > t || v != v ? v : t)                                                    \
        case MIN: FOLD(v < t || v != v ? v : t)                                                    \
        case PROD: FOLD(times(t, v))                                                               \
        case L1: FOLD(plus(t, magnitude(v)))                                                       \
        case L2:                                                                                   \
        case SUM_SQUARE: FOLD(plus(t, times(v, v)))                                                \
        case LOG_SUM_EXP: FOLD(plus(t, (wide)exp((double)(v - top[j]))))                           \
        default: FOLD(plus(t, v))                                                                  \
        }                                                                                          \
    }

static inline double real_plus(double a, double b) {
    return a + b;
}
static inline double real_times(double a, double b) {
    return a * b;
}
static inline int64_t whole_plus(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
static inline int64_t whole_times(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a * (uint64_t)b);
}
static inline int64_t whole_abs(int64_t v) {
    return v < 0 ? (int64_t)(0 - (uint64_t)v) : v;
}
static inline uint64_t bits_plus(uint64_t a, uint64_t b) {
    return a + b;
}
static inline uint64_t bits_times(uint64_t a, uint64_t b) {
    return a * b;
}
static inline uint64_t bits_abs(uint64_t v) {
    return v;
}

FOLDS(fold_f32, float, double, real_plus, real_times, fabs)

/* A whole row of float32 for one output: short runs in vectors, each run's result in the double. */
static void fold_row(int op, const float *x, size_t n, double *acc) {
    enum { RUN = 64 * VF };
    for (size_t done = 0; done < n; done += RUN) {
        const float *run = x + done;
        const size_t length = n - done < RUN ? n - done : RUN;
        const bool extreme = op == MAX || op == MIN;
        vf a = extreme ? vf_set(run[0]) : vf_set(0), b = a;
        size_t i = 0;
#define STEP(e)                                                                                    \
    {                                                                                              \
        for (; i + 2 * VF <= length; i += 2 * VF) {                                                \
            vf v = vf_load(run + i), t = a;                                                        \
            a = e;                                                                                 \
            v = vf_load(run + i + VF);                                                             \
            t = b;                                                                                 \
            b = e;                                                                                 \
        }                                                                                          \
        break;                                                                                     \
    }
        switch (op) {
        case MAX: STEP(vf_max(t, v))
        case MIN: STEP(vf_min(t, v))
        case L1: STEP(t + vf_abs(v))
        case L2:
        case SUM_SQUARE: STEP(t + v * v)
        default: STEP(t + v)
        }
#undef STEP
        float lanes[2 * VF];
        vf_store(lanes, a);
        vf_store(lanes + VF, b);
        /* The lanes hold magnitudes and squares already: fold them as plain sums. */
        fold_f32(extreme ? op : SUM, lanes, 1, 1, 2 * VF, 1, acc, NULL);
        fold_f32(op, run + i, 1, 1, (int64_t)(length - i), 1, acc, NULL);
    }
}

static void fold_reals(int op, const float *x, int64_t width, int64_t across, int64_t n,
                       int64_t along, double *acc, const double *top) {
    const bool row = width == 1 && along == 1 && n >= 2 * VF && op != PROD && op != LOG_SUM_EXP;
    if (row)
        fold_row(op, x, (size_t)n, acc);
    else
        fold_f32(op, x, width, across, n, along, acc, top);
}

/* Runs the walk over the kept axes, CHUNK outputs of the innermost one at a time. */
#define REDUCE(name, type, accumulator, fold, lowest, highest, finish)                             \
    static void name(int op, const sl_call *call) {                                                \
        const int64_t *p = call->p, kept = p[KEPT], reduced = p[REDUCED];                          \
        const int64_t *kd = p + DIMS, *ks = kd + kept, *rd = ks + kept, *rs = rd + reduced;        \
        const int64_t n = reduced ? rd[reduced - 1] : 1, along = reduced ? rs[reduced - 1] : 0;    \
        const int64_t width = kept ? kd[kept - 1] : 1, across = kept ? ks[kept - 1] : 0;           \
        const int64_t count = sl_size(rd, reduced);                                                \
        type *out = call->out[0];                                                                  \
        sl_walk outer, inner;                                                                      \
        if (width == 0 || !sl_walk_start(&outer, kept ? kept - 1 : 0, kd, ks, NULL, NULL)) return; \
        do {                                                                                       \
            for (int64_t from = 0; from < width; from += CHUNK) {                                  \
                const int64_t some = width - from < CHUNK ? width - from : CHUNK;                  \
                const type *x = (const type *)call->in[0] + outer.at[0] + from * across;           \
                accumulator acc[CHUNK], top[CHUNK];                                                \
                const bool two = op == LOG_SUM_EXP;                                                \
                for (int pass = two ? 0 : 1; pass < 2; pass++) {                                   \
                    const int step = pass == 0 ? MAX : op;                                         \
                    const accumulator start = step == MAX    ? (accumulator)lowest                 \
                                              : step == MIN  ? (accumulator)highest                \
                                              : step == PROD ? 1                                   \
                                                             : 0;                                  \
                    for (int64_t j = 0; j < some; j++)                                             \
                        acc[j] = start;                                                            \
                    if (count &&                                                                   \
                        sl_walk_start(&inner, reduced ? reduced - 1 : 0, rd, rs, NULL, NULL)) {    \
                        do {                                                                       \
                            fold(step, x + inner.at[0], some, across, n, along, acc, top);         \
                        } while (sl_walk_next(&inner));                                            \
                    }                                                                              \
                    if (pass == 0) {                                                               \
                        for (int64_t j = 0; j < some; j++)                                         \
                            top[j] = acc[j] - acc[j] == 0 ? acc[j] : 0;                            \
                    }                                                                              \
                }                                                                                  \
                for (int64_t j = 0; j < some; j++)                                                 \
                    *out++ = (type)finish(op, acc[j], two ? top[j] : 0, count);                    \
            }                                                                                      \
        } while (sl_walk_next(&outer));                                                            \
    }

static double finish_real(int op, double total, double top, int64_t count) {
    switch (op) {
    case MEAN: return total / (double)count;
    case L2: return sqrt(total);
    case LOG_SUM: return log(total);
    case LOG_SUM_EXP: return log(total) + top;
    default: return total;
    }
}

static int64_t finish_whole(int op, int64_t total, int64_t top, int64_t count) {
    (void)top;
    switch (op) {
    case MEAN: return count ? total / count : 0;
    case L2: return (int64_t)sqrt((double)total);
    case LOG_SUM: return (int64_t)log((double)total);
    default: return total;
    }
}

static uint64_t finish_bits(int op, uint64_t total, uint64_t top, int64_t count) {
    (void)top;
    switch (op) {
    case MEAN: return count ? total / (uint64_t)count : 0;
    case L2: return (uint64_t)sqrt((double)total);
    case LOG_SUM: return (uint64_t)log((double)total);
    default: return total;
    }
}

#define REAL_KIND(name, type, fold)                                                                \
    REDUCE(name, type, double, fold, -SL_INFINITY, SL_INFINITY, finish_real)
#define WHOLE_KIND(name, type, least, most)                                                        \
    FOLDS(name##_fold, type, int64_t, whole_plus, whole_times, whole_abs)                          \
    REDUCE(name, type, int64_t, name##_fold, least, most, finish_whole)
#define BITS_KIND(name, type, most)                                                                \
    FOLDS(name##_fold, type, uint64_t, bits_plus, bits_times, bits_abs)                            \
    REDUCE(name, type, uint64_t, name##_fold, 0, most, finish_bits)

REAL_KIND(reduce_f32, float, fold_reals)
FOLDS(fold_f64, double, double, real_plus, real_times, fabs)
REAL_KIND(reduce_f64, double, fold_f64)
WHOLE_KIND(reduce_i8, int8_t, INT8_MIN, INT8_MAX)
WHOLE_KIND(reduce_i16, int16_t, INT16_MIN, INT16_MAX)
WHOLE_KIND(reduce_i32, int32_t, INT32_MIN, INT32_MAX)
WHOLE_KIND(reduce_i64, int64_t, INT64_MIN, INT64_MAX)
BITS_KIND(reduce_u8, uint8_t, UINT8_MAX)
BITS_KIND(reduce_u16, uint16_t, UINT16_MAX)
BITS_KIND(reduce_u32, uint32_t, UINT32_MAX)
BITS_KIND(reduce_u64, uint64_t, UINT64_MAX)

static const char *run_reduce(const sl_call *call) {
    const int op = call->kernel->variant;
    switch (call->p[FORMAT]) {
    case 'f': reduce_f32(op, call); break;
    case 'd': reduce_f64(op, call); break;
    case 'b': reduce_i8(op, call); break;
    case 'h': reduce_i16(op, call); break;
    case 'i': reduce_i32(op, call); break;
    case 'q': reduce_i64(op, call); break;
    case 'B': reduce_u8(op, call); break;
    case 'H': reduce_u16(op, call); break;
    case 'I': reduce_u32(op, call); break;
    default: reduce_u64(op, call);
    }
    return NULL;
}

static const char *check_real_reduce(const sl_args *a) {
    SL_TRY(a->n_p >= DIMS && (a->p[FORMAT] == 'f' || a->p[FORMAT] == 'd'),
           "the element type is not f or d");
    return check_reduce(a);
}

const sl_kernel SL_NAME(sl_reduce)[] = {
    {"reduce_sum", check_reduce, run_reduce, SUM},
    {"reduce_mean", check_reduce, run_reduce, MEAN},
    {"reduce_max", check_reduce, run_reduce, MAX},
    {"reduce_min", check_reduce, run_reduce, MIN},
    {"reduce_prod", check_reduce, run_reduce, PROD},
    {"reduce_l1", check_reduce, run_reduce, L1},
    {"reduce_l2", check_reduce, run_reduce, L2},
    {"reduce_sum_square", check_reduce, run_reduce, SUM_SQUARE},
    {"reduce_log_sum", check_reduce, run_reduce, LOG_SUM},
    {"reduce_log_sum_exp", check_real_reduce, run_reduce, LOG_SUM_EXP},
    SL_END,
};
