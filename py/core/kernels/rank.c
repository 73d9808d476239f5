/* Along one axis of [before, n, after]: argmax, argmin, top_k, softmax, log_softmax, cumsum. */
#include "kernel.h"
#include "softmax.h"
#include "vmath.h"

#include <math.h>

enum { FORMAT, BEFORE, COUNT, AFTER, EXTRA };

enum { MIN, MAX, SOFTMAX, LOG_SOFTMAX };

enum { CHUNK = 64 };

static bool one_of(int64_t format, const char *formats) {
    return format > 0 && format < 128 && strchr(formats, (int)format);
}

/* argmax, argmin: element type, before, n, after, whether the last of equals wins. int64 places
 * out. */
static const char *check_arg(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 5);
    const int64_t *p = a->p;
    SL_TRY(one_of(p[FORMAT], "bBhHiIqQfd"), "the element type is not a number");
    SL_TRY(p[COUNT] > 0 || sl_size3(p[BEFORE], p[AFTER], 1) == 0, "nothing to choose from");
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[BEFORE], p[COUNT], p[AFTER]), sl_itemsize(p[FORMAT])),
           "the input is too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[BEFORE], p[AFTER], 1), 8), "the output is too small");
    return NULL;
}

#define ARG(type)                                                                                  \
    {                                                                                              \
        const type *x = call->in[0];                                                               \
        for (int64_t b = 0; b < before; b++, x += n * after) {                                     \
            for (int64_t j = 0; j < after; j++) {                                                  \
                type best = x[j];                                                                  \
                int64_t place = 0;                                                                 \
                for (int64_t i = 1; i < n; i++) {                                                  \
                    const type v = x[i * after + j];                                               \
                    const bool wins = call->kernel->variant == MAX ? v > best : v < best;          \
                    if (wins || (last && v == best)) best = v, place = i;                          \
                }                                                                                  \
                *out++ = place;                                                                    \
            }                                                                                      \
        }                                                                                          \
        break;                                                                                     \
    }

static const char *run_arg(const sl_call *call) {
    const int64_t *p = call->p, before = p[BEFORE], n = p[COUNT], after = p[AFTER];
    const bool last = p[EXTRA] != 0;
    int64_t *out = call->out[0];
    if (sl_size3(before, n, after) == 0) return NULL;
    switch (p[FORMAT]) {
    case 'f': ARG(float)
    case 'd': ARG(double)
    case 'b': ARG(int8_t)
    case 'h': ARG(int16_t)
    case 'i': ARG(int32_t)
    case 'q': ARG(int64_t)
    case 'B': ARG(uint8_t)
    case 'H': ARG(uint16_t)
    case 'I': ARG(uint32_t)
    default: ARG(uint64_t)
    }
    return NULL;
}

/* top_k: element type, before, n, after, k, largest. Outputs values and int64 places [before, k,
 * after], best first; equals in the order of their places. */
enum { K = EXTRA, LARGEST };

static const char *check_top_k(const sl_args *a) {
    SL_SHAPE(a, 1, 2, 6);
    const int64_t *p = a->p, size = sl_itemsize(p[FORMAT]);
    SL_TRY(one_of(p[FORMAT], "fdiq"), "the element type is not f, d, i or q");
    SL_TRY(p[K] >= 0 && p[K] <= p[COUNT], "k is out of range");
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[BEFORE], p[COUNT], p[AFTER]), size),
           "the input is too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[BEFORE], p[K], p[AFTER]), size),
           "the first output is too small");
    SL_TRY(sl_holds(&a->out[1], sl_size3(p[BEFORE], p[K], p[AFTER]), 8),
           "the second output is too small");
    return NULL;
}

/* A heap in the outputs themselves, the worst of the chosen on top, taken down from the end into
 * order. */
#define TOP_K(name, type)                                                                          \
    static bool name##_ahead(type v, int64_t i, type w, int64_t j, bool largest) {                 \
        return v == w ? i < j : largest ? v > w : v < w;                                           \
    }                                                                                              \
    static void name##_sink(type *v, int64_t *at, int64_t step, int64_t top, int64_t n,            \
                            bool largest) {                                                        \
        const type value = v[top * step];                                                          \
        const int64_t place = at[top * step];                                                      \
        for (int64_t child; (child = 2 * top + 1) < n; top = child) {                              \
            const int64_t other = child + 1;                                                       \
            if (other < n && name##_ahead(v[child * step], at[child * step], v[other * step],      \
                                          at[other * step], largest))                              \
                child = other;                                                                     \
            if (!name##_ahead(value, place, v[child * step], at[child * step], largest)) break;    \
            v[top * step] = v[child * step];                                                       \
            at[top * step] = at[child * step];                                                     \
        }                                                                                          \
        v[top * step] = value;                                                                     \
        at[top * step] = place;                                                                    \
    }                                                                                              \
    static void name(const type *x, int64_t n, int64_t step, type *v, int64_t *at, int64_t k,      \
                     bool largest) {                                                               \
        for (int64_t i = 0; i < k; i++)                                                            \
            v[i * step] = x[i * step], at[i * step] = i;                                           \
        for (int64_t i = k / 2 - 1; i >= 0; i--)                                                   \
            name##_sink(v, at, step, i, k, largest);                                               \
        for (int64_t i = k; i < n && k; i++) {                                                     \
            if (!name##_ahead(x[i * step], i, v[0], at[0], largest)) continue;                     \
            v[0] = x[i * step];                                                                    \
            at[0] = i;                                                                             \
            name##_sink(v, at, step, 0, k, largest);                                               \
        }                                                                                          \
        for (int64_t end = k - 1; end > 0; end--) {                                                \
            const type value = v[0];                                                               \
            const int64_t place = at[0];                                                           \
            v[0] = v[end * step];                                                                  \
            at[0] = at[end * step];                                                                \
            v[end * step] = value;                                                                 \
            at[end * step] = place;                                                                \
            name##_sink(v, at, step, 0, end, largest);                                             \
        }                                                                                          \
    }
TOP_K(top_f32, float)
TOP_K(top_f64, double)
TOP_K(top_i32, int32_t)
TOP_K(top_i64, int64_t)

#define EACH_LINE(name, type)                                                                      \
    {                                                                                              \
        const type *x = call->in[0];                                                               \
        type *v = call->out[0];                                                                    \
        for (int64_t b = 0; b < before; b++, x += n * after, v += k * after, at += k * after) {    \
            for (int64_t j = 0; j < after; j++)                                                    \
                name(x + j, n, after, v + j, at + j, k, p[LARGEST] != 0);                          \
        }                                                                                          \
        break;                                                                                     \
    }

static const char *run_top_k(const sl_call *call) {
    const int64_t *p = call->p, before = p[BEFORE], n = p[COUNT], after = p[AFTER], k = p[K];
    int64_t *at = call->out[1];
    if (sl_size3(before, k, after) == 0) return NULL;
    switch (p[FORMAT]) {
    case 'f': EACH_LINE(top_f32, float)
    case 'd': EACH_LINE(top_f64, double)
    case 'i': EACH_LINE(top_i32, int32_t)
    default: EACH_LINE(top_i64, int64_t)
    }
    return NULL;
}

/* softmax, log_softmax: element type, before, n, after. */
static const char *check_softmax(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 4);
    const int64_t *p = a->p, total = sl_size3(p[BEFORE], p[COUNT], p[AFTER]);
    SL_TRY(p[FORMAT] == 'f' || p[FORMAT] == 'd', "the element type is not f or d");
    SL_TRY(sl_holds(&a->in[0], total, sl_itemsize(p[FORMAT])), "the input is too small");
    SL_TRY(sl_holds(&a->out[0], total, sl_itemsize(p[FORMAT])), "the output is too small");
    return NULL;
}

#define SOFTMAX_LINES(name, type, power, logarithm_of)                                             \
    static void name(const type *x, type *y, int64_t n, int64_t after, int64_t width,              \
                     bool logarithm) {                                                             \
        type top[CHUNK], total[CHUNK];                                                             \
        for (int64_t j = 0; j < width; j++)                                                        \
            top[j] = -SL_INFINITY, total[j] = 0;                                                   \
        for (int64_t i = 0; i < n; i++) {                                                          \
            for (int64_t j = 0; j < width; j++) {                                                  \
                const type v = x[i * after + j];                                                   \
                top[j] = v > top[j] || v != v ? v : top[j];                                        \
            }                                                                                      \
        }                                                                                          \
        for (int64_t i = 0; i < n; i++) {                                                          \
            for (int64_t j = 0; j < width; j++) {                                                  \
                const type v = x[i * after + j] - top[j], e = power(v);                            \
                total[j] += e;                                                                     \
                y[i * after + j] = logarithm ? v : e;                                              \
            }                                                                                      \
        }                                                                                          \
        for (int64_t j = 0; j < width; j++)                                                        \
            total[j] = logarithm ? logarithm_of(total[j]) : total[j];                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            for (int64_t j = 0; j < width; j++) {                                                  \
                type *v = &y[i * after + j];                                                       \
                *v = logarithm ? *v - total[j] : *v / total[j];                                    \
            }                                                                                      \
        }                                                                                          \
    }

static float power_f32(float x) {
    float lanes[VF];
    vf_store(lanes, vf_exp(vf_set(x)));
    return lanes[0];
}

SOFTMAX_LINES(softmax_f32, float, power_f32, logf)
SOFTMAX_LINES(softmax_f64, double, exp, log)

static const char *run_softmax(const sl_call *call) {
    const int64_t *p = call->p, before = p[BEFORE], n = p[COUNT], after = p[AFTER];
    const bool logarithm = call->kernel->variant == LOG_SOFTMAX;
    if (sl_size3(before, n, after) == 0) return NULL;
    if (p[FORMAT] == 'f' && after == 1) {
        softmax_rows(call->in[0], call->out[0], (size_t)before, (size_t)n, logarithm);
        return NULL;
    }
    for (int64_t b = 0; b < before; b++) {
        const int64_t start = b * n * after;
        for (int64_t j = 0; j < after; j += CHUNK) {
            const int64_t width = after - j < CHUNK ? after - j : CHUNK;
            if (p[FORMAT] == 'f')
                softmax_f32((const float *)call->in[0] + start + j,
                            (float *)call->out[0] + start + j, n, after, width, logarithm);
            else
                softmax_f64((const double *)call->in[0] + start + j,
                            (double *)call->out[0] + start + j, n, after, width, logarithm);
        }
    }
    return NULL;
}

/* cumsum: element type, before, n, after, exclusive, reverse. */
enum { EXCLUSIVE = EXTRA, REVERSE };

static const char *check_cumsum(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 6);
    const int64_t *p = a->p, total = sl_size3(p[BEFORE], p[COUNT], p[AFTER]);
    SL_TRY(one_of(p[FORMAT], "fdiIqQ"), "the element type is not f, d, i, I, q or Q");
    SL_TRY(sl_holds(&a->in[0], total, sl_itemsize(p[FORMAT])), "the input is too small");
    SL_TRY(sl_holds(&a->out[0], total, sl_itemsize(p[FORMAT])), "the output is too small");
    return NULL;
}

#define CUMSUM(type)                                                                               \
    {                                                                                              \
        for (int64_t b = 0; b < before; b++) {                                                     \
            for (int64_t j = 0; j < after; j++) {                                                  \
                const type *x = (const type *)call->in[0] + b * n * after + j;                     \
                type *y = (type *)call->out[0] + b * n * after + j, total = 0;                     \
                for (int64_t i = 0; i < n; i++) {                                                  \
                    const int64_t at = (p[REVERSE] ? n - 1 - i : i) * after;                       \
                    const type before_it = total;                                                  \
                    total += x[at];                                                                \
                    y[at] = p[EXCLUSIVE] ? before_it : total;                                      \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        break;                                                                                     \
    }

static const char *run_cumsum(const sl_call *call) {
    const int64_t *p = call->p, before = p[BEFORE], n = p[COUNT], after = p[AFTER];
    if (sl_size3(before, n, after) == 0) return NULL;
    switch (p[FORMAT]) {
    case 'f': CUMSUM(float)
    case 'd': CUMSUM(double)
    case 'i':
    case 'I': CUMSUM(uint32_t)
    default: CUMSUM(uint64_t)
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_rank)[] = {
    {"argmax", check_arg, run_arg, MAX},
    {"argmin", check_arg, run_arg, MIN},
    {"top_k", check_top_k, run_top_k, 0},
    {"softmax", check_softmax, run_softmax, SOFTMAX},
    {"log_softmax", check_softmax, run_softmax, LOG_SOFTMAX},
    {"cumsum", check_cumsum, run_cumsum, 0},
    SL_END,
};
