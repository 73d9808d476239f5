/* Elementwise functions of two operands with broadcasting, and where.
 * Parameters: element type of the operands, rank, dims[rank], strides of a[rank], strides of
 * b[rank] (elements; 0 repeats an axis). The output is contiguous; comparisons give bool,
 * everything else the operands' type. */
#include "elementwise.h"
#include "simd.h"
#include "walk.h"

#include <math.h>

enum { FORMAT, RANK, DIMS };

static const char *check_pair(const sl_args *a, int64_t out_size) {
    SL_TRY(a->n_in == 2 && a->n_out == 1 && a->n_p >= 2, "wrong number of operands or parameters");
    int64_t rank = a->p[RANK], size = sl_itemsize(a->p[FORMAT]);
    SL_TRY(rank >= 1 && rank <= SL_MAX_RANK && a->n_p == 2 + 3 * rank,
           "rank does not fit the parameters");
    const int64_t *dims = a->p + DIMS;
    SL_TRY(sl_holds(&a->out[0], sl_size(dims, rank), out_size), "the output is too small");
    SL_TRY(sl_reaches(&a->in[0], dims, dims + rank, rank, 0, size),
           "the first operand is too small");
    SL_TRY(sl_reaches(&a->in[1], dims, dims + 2 * rank, rank, 0, size),
           "the second operand is too small");
    return NULL;
}

static bool one_of(int64_t format, const char *formats) {
    return format > 0 && format < 128 && strchr(formats, (int)format);
}

static const char *check_number(const sl_args *a) {
    SL_TRY(a->n_p >= 2 && one_of(a->p[FORMAT], "bBhHiIqQfd"), "the element type is not a number");
    return check_pair(a, sl_itemsize(a->p[FORMAT]));
}

static const char *check_compare(const sl_args *a) {
    SL_TRY(a->n_p >= 2 && one_of(a->p[FORMAT], "?bBhHiIqQfd"), "the element type has no order");
    return check_pair(a, 1);
}

static const char *check_bits(const sl_args *a) {
    SL_TRY(a->n_p >= 2 && one_of(a->p[FORMAT], "?bBhHiIqQ"), "the element type has no bits");
    return check_pair(a, sl_itemsize(a->p[FORMAT]));
}

/* One row: three loops whose strides the compiler knows, and one for the rest. `v` and `w` are the
 * elements. */
#define ROW(type, result, expression)                                                              \
    {                                                                                              \
        const type *x = (const type *)a;                                                           \
        const type *y = (const type *)b;                                                           \
        result *z = (result *)out;                                                                 \
        if (sa == 1 && sb == 1) {                                                                  \
            SL_INDEPENDENT                                                                         \
            for (size_t i = 0; i < n; i++) {                                                       \
                const type v = x[i], w = y[i];                                                     \
                z[i] = (result)(expression);                                                       \
            }                                                                                      \
        } else if (sa == 1 && sb == 0) {                                                           \
            const type w = y[0];                                                                   \
            SL_INDEPENDENT                                                                         \
            for (size_t i = 0; i < n; i++) {                                                       \
                const type v = x[i];                                                               \
                z[i] = (result)(expression);                                                       \
            }                                                                                      \
        } else if (sa == 0 && sb == 1) {                                                           \
            const type v = x[0];                                                                   \
            SL_INDEPENDENT                                                                         \
            for (size_t i = 0; i < n; i++) {                                                       \
                const type w = y[i];                                                               \
                z[i] = (result)(expression);                                                       \
            }                                                                                      \
        } else {                                                                                   \
            SL_SCALAR                                                                              \
            for (size_t i = 0; i < n; i++) {                                                       \
                const type v = x[(ptrdiff_t)i * sa], w = y[(ptrdiff_t)i * sb];                     \
                z[i] = (result)(expression);                                                       \
            }                                                                                      \
        }                                                                                          \
        break;                                                                                     \
    }

/* Types too rare for three loops. */
#define RARE_ROW(type, result, expression)                                                         \
    {                                                                                              \
        const type *x = (const type *)a;                                                           \
        const type *y = (const type *)b;                                                           \
        result *z = (result *)out;                                                                 \
        SL_SCALAR                                                                                  \
        for (size_t i = 0; i < n; i++) {                                                           \
            const type v = x[(ptrdiff_t)i * sa], w = y[(ptrdiff_t)i * sb];                         \
            z[i] = (result)(expression);                                                           \
        }                                                                                          \
        break;                                                                                     \
    }

typedef void row_fn(int op, const void *a, const void *b, void *out, size_t n, ptrdiff_t sa,
                    ptrdiff_t sb);

/* The remainder with the divisor's sign, as Python's. */
static double floored_mod(double v, double w) {
    double r = fmod(v, w);
    return r != 0 && (r < 0) != (w < 0) ? r + w : r;
}

#define REAL(name, type, power, remainder)                                                         \
    static void name(int op, const void *a, const void *b, void *out, size_t n, ptrdiff_t sa,      \
                     ptrdiff_t sb) {                                                               \
        switch (op) {                                                                              \
        case ADD: ROW(type, type, v + w)                                                           \
        case SUB: ROW(type, type, v - w)                                                           \
        case MUL: ROW(type, type, v * w)                                                           \
        case DIV: ROW(type, type, v / w)                                                           \
        case MIN: ROW(type, type, v < w || v != v ? v : w)                                         \
        case MAX: ROW(type, type, v > w || v != v ? v : w)                                         \
        case PRELU: ROW(type, type, v < 0 ? v * w : v)                                             \
        case POW: RARE_ROW(type, type, power(v, w))                                                \
        case FMOD: RARE_ROW(type, type, remainder(v, w))                                           \
        case MOD: RARE_ROW(type, type, floored_mod(v, w))                                          \
        case EQUAL: ROW(type, uint8_t, v == w)                                                     \
        case LESS: ROW(type, uint8_t, v < w)                                                       \
        case LESS_EQUAL: ROW(type, uint8_t, v <= w)                                                \
        }                                                                                          \
    }
REAL(row_f32, float, powf, fmodf)
REAL(row_f64, double, pow, fmod)

/* x^y by squaring, wrapping; a negative power of anything but 1 and -1 is 0. */
static uint64_t whole_power(int64_t x, int64_t y, bool is_signed) {
    uint64_t base = (uint64_t)x, result = 1;
    if (is_signed && y < 0) return x == 1 ? 1 : x == -1 ? (y & 1 ? (uint64_t)-1 : 1) : 0;
    for (uint64_t e = (uint64_t)y; e; e >>= 1) {
        if (e & 1) result *= base;
        base *= base;
    }
    return result;
}

static inline bool negative(int64_t v) {
    return v < 0;
}

/* Division by zero gives 0, the lowest value by -1 wraps: no input may stop the process. */
#define WHOLE(name, type, wide, is_signed, LOOP)                                                   \
    static type name##_div(type v, type w) {                                                       \
        if (w == 0) return 0;                                                                      \
        return is_signed && w == (type) - 1 ? (type)(0 - (wide)v) : (type)(v / w);                 \
    }                                                                                              \
    static type name##_rem(type v, type w) {                                                       \
        return w == 0 || (is_signed && w == (type) - 1) ? 0 : (type)(v % w);                       \
    }                                                                                              \
    static type name##_mod(type v, type w) {                                                       \
        type r = name##_rem(v, w);                                                                 \
        return is_signed && r != 0 && negative(r) != negative(w) ? (type)(r + w) : r;              \
    }                                                                                              \
    static void name(int op, const void *a, const void *b, void *out, size_t n, ptrdiff_t sa,      \
                     ptrdiff_t sb) {                                                               \
        const unsigned bits = 8 * sizeof(type);                                                    \
        switch (op) {                                                                              \
        case ADD: LOOP(type, type, (wide)v + (wide)w)                                              \
        case SUB: LOOP(type, type, (wide)v - (wide)w)                                              \
        case MUL: LOOP(type, type, (wide)v * (wide)w)                                              \
        case MIN: LOOP(type, type, v < w ? v : w)                                                  \
        case MAX: LOOP(type, type, v > w ? v : w)                                                  \
        case DIV: RARE_ROW(type, type, name##_div(v, w))                                           \
        case FMOD: RARE_ROW(type, type, name##_rem(v, w))                                          \
        case MOD: RARE_ROW(type, type, name##_mod(v, w))                                           \
        case POW: RARE_ROW(type, type, whole_power((int64_t)v, (int64_t)w, is_signed))             \
        case PRELU: RARE_ROW(type, type, is_signed && negative(v) ? (wide)v * (wide)w : (wide)v)   \
        case AND: RARE_ROW(type, type, v & w)                                                      \
        case OR: RARE_ROW(type, type, v | w)                                                       \
        case XOR: RARE_ROW(type, type, v ^ w)                                                      \
        case SHIFT_LEFT: RARE_ROW(type, type, (uint64_t)w < bits ? (wide)v << w : 0)               \
        case SHIFT_RIGHT: RARE_ROW(type, type, (uint64_t)w < bits ? v >> w : 0)                    \
        case EQUAL: LOOP(type, uint8_t, v == w)                                                    \
        case LESS: LOOP(type, uint8_t, v < w)                                                      \
        case LESS_EQUAL: LOOP(type, uint8_t, v <= w)                                               \
        }                                                                                          \
    }
WHOLE(row_i8, int8_t, uint32_t, true, RARE_ROW)
WHOLE(row_u8, uint8_t, uint32_t, false, ROW)
WHOLE(row_i16, int16_t, uint32_t, true, RARE_ROW)
WHOLE(row_u16, uint16_t, uint32_t, false, RARE_ROW)
WHOLE(row_i32, int32_t, uint32_t, true, ROW)
WHOLE(row_u32, uint32_t, uint32_t, false, RARE_ROW)
WHOLE(row_i64, int64_t, uint64_t, true, ROW)
WHOLE(row_u64, uint64_t, uint64_t, false, RARE_ROW)

static row_fn *row_of(int64_t format) {
    switch (format) {
    case 'f': return row_f32;
    case 'd': return row_f64;
    case 'b': return row_i8;
    case 'h': return row_i16;
    case 'H': return row_u16;
    case 'i': return row_i32;
    case 'I': return row_u32;
    case 'q': return row_i64;
    case 'Q': return row_u64;
    default: return row_u8;
    }
}

static bool gives_bool(int op) {
    return op == EQUAL || op == LESS || op == LESS_EQUAL;
}

static const char *run_binary(const sl_call *call) {
    const int64_t *p = call->p;
    const int op = call->kernel->variant;
    const int64_t rank = p[RANK], last = rank - 1, size = sl_itemsize(p[FORMAT]);
    const int64_t *dims = p + DIMS, *sa = dims + rank, *sb = sa + rank;
    const size_t n = (size_t)dims[last];
    const char *a = call->in[0], *b = call->in[1];
    char *out = call->out[0];
    const size_t step = n * (size_t)(gives_bool(op) ? 1 : size);
    row_fn *row = row_of(p[FORMAT]);
    sl_walk w;
    if (n == 0 || !sl_walk_start(&w, last, dims, sa, sb, NULL)) return NULL;
    do {
        row(op, a + w.at[0] * size, b + w.at[1] * size, out, n, (ptrdiff_t)sa[last],
            (ptrdiff_t)sb[last]);
        out += step;
    } while (sl_walk_next(&w));
    return NULL;
}

/* where: itemsize, rank, dims, strides of the condition (bool), of the first and of the second
 * operand. */
static const char *check_where(const sl_args *a) {
    SL_TRY(a->n_in == 3 && a->n_out == 1 && a->n_p >= 2, "wrong number of operands or parameters");
    int64_t size = a->p[0], rank = a->p[RANK];
    SL_TRY(size == 1 || size == 2 || size == 4 || size == 8, "itemsize is not 1, 2, 4 or 8");
    SL_TRY(rank >= 1 && rank <= SL_MAX_RANK && a->n_p == 2 + 4 * rank,
           "rank does not fit the parameters");
    const int64_t *dims = a->p + DIMS;
    SL_TRY(sl_holds(&a->out[0], sl_size(dims, rank), size), "the output is too small");
    for (int i = 0; i < 3; i++) {
        SL_TRY(sl_reaches(&a->in[i], dims, dims + (i + 1) * rank, rank, 0, i ? size : 1),
               "an operand is too small");
    }
    return NULL;
}

#define CHOOSE(type)                                                                               \
    {                                                                                              \
        const type *x = (const type *)yes;                                                         \
        const type *y = (const type *)no;                                                          \
        type *z = (type *)out;                                                                     \
        for (size_t i = 0; i < n; i++) {                                                           \
            const ptrdiff_t at = (ptrdiff_t)i;                                                     \
            const type v = x[at * s1], w = y[at * s2];                                             \
            z[i] = condition[at * s0] ? v : w;                                                     \
        }                                                                                          \
        break;                                                                                     \
    }

static const char *run_where(const sl_call *call) {
    const int64_t *p = call->p;
    const int64_t size = p[0], rank = p[RANK], last = rank - 1;
    const int64_t *dims = p + DIMS, *sc = dims + rank, *sx = sc + rank, *sy = sx + rank;
    const size_t n = (size_t)dims[last];
    const ptrdiff_t s0 = (ptrdiff_t)sc[last], s1 = (ptrdiff_t)sx[last], s2 = (ptrdiff_t)sy[last];
    char *out = call->out[0];
    sl_walk w;
    if (n == 0 || !sl_walk_start(&w, last, dims, sc, sx, sy)) return NULL;
    do {
        const uint8_t *condition = (const uint8_t *)call->in[0] + w.at[0];
        const char *yes = (const char *)call->in[1] + w.at[1] * size;
        const char *no = (const char *)call->in[2] + w.at[2] * size;
        switch (size) {
        case 1: CHOOSE(uint8_t)
        case 2: CHOOSE(uint16_t)
        case 4: CHOOSE(uint32_t)
        default: CHOOSE(uint64_t)
        }
        out += n * (size_t)size;
    } while (sl_walk_next(&w));
    return NULL;
}

const sl_kernel SL_NAME(sl_binary)[] = {
    {"add", check_number, run_binary, ADD},
    {"sub", check_number, run_binary, SUB},
    {"mul", check_number, run_binary, MUL},
    {"div", check_number, run_binary, DIV},
    {"min", check_number, run_binary, MIN},
    {"max", check_number, run_binary, MAX},
    {"pow", check_number, run_binary, POW},
    {"mod", check_number, run_binary, MOD},   /* the divisor's sign */
    {"fmod", check_number, run_binary, FMOD}, /* the dividend's sign */
    {"prelu", check_number, run_binary, PRELU},
    {"equal", check_compare, run_binary, EQUAL},
    {"less", check_compare, run_binary, LESS},
    {"less_equal", check_compare, run_binary, LESS_EQUAL},
    {"and", check_bits, run_binary, AND},
    {"or", check_bits, run_binary, OR},
    {"xor", check_bits, run_binary, XOR},
    {"shift_left", check_bits, run_binary, SHIFT_LEFT},
    {"shift_right", check_bits, run_binary, SHIFT_RIGHT},
    {"where", check_where, run_where, 0},
    SL_END,
};
