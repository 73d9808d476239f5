/* Elementwise functions of one operand.
 * Parameters: element type, count, a, b (reals for float types, integers for integer types; what
 * they mean is said at each function, most ignore them). */
#include "elementwise.h"
#include "vmath.h"

#include <math.h>

static const char *check_unary(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 4);
    int64_t size = sl_itemsize(a->p[0]);
    SL_TRY(size && a->p[0] != 'e' && a->p[0] != 'w',
           "the element type has no elementwise functions");
    SL_TRY(sl_holds(&a->in[0], a->p[1], size), "the input is too small");
    SL_TRY(sl_holds(&a->out[0], a->p[1], size), "the output is too small");
    return NULL;
}

static const char *check_real(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 4);
    SL_TRY(a->p[0] == 'f' || a->p[0] == 'd', "the element type is not f or d");
    return check_unary(a);
}

static const char *check_whole(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 4);
    SL_TRY(a->p[0] != 'f' && a->p[0] != 'd', "the element type is not whole");
    return check_unary(a);
}

/* Real in, bool out. */
static const char *check_predicate(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 4);
    SL_TRY(a->p[0] == 'f' || a->p[0] == 'd', "the element type is not f or d");
    SL_TRY(sl_holds(&a->in[0], a->p[1], sl_itemsize(a->p[0])), "the input is too small");
    SL_TRY(sl_holds(&a->out[0], a->p[1], 1), "the output is too small");
    return NULL;
}

/* Applies an expression of `v` to x, whole vectors first. */
#define MAP(expression)                                                                            \
    {                                                                                              \
        size_t i = 0;                                                                              \
        for (; i + VF <= n; i += VF) {                                                             \
            vf v = vf_load(x + i);                                                                 \
            vf_store(y + i, expression);                                                           \
        }                                                                                          \
        if (i < n) {                                                                               \
            vf v = vf_load_first(x + i, n - i);                                                    \
            vf_store_first(y + i, expression, n - i);                                              \
        }                                                                                          \
        break;                                                                                     \
    }

#define EACH(expression)                                                                           \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            const number v = x[i];                                                                 \
            y[i] = (expression);                                                                   \
        }                                                                                          \
        break;                                                                                     \
    }

SL_INLINE vf vf_expm1_negative(vf v) { /* e^v - 1 for v <= 0, without cancellation near 0 */
    vf small = vf_expm1_reduced(v);
    return vf_where(v > -0.34f, small, vf_exp(v) - 1.0f);
}

void SL_NAME(sl_map_f32)(int op, const float *x, float *y, size_t n, float a, float b) {
    typedef float number;
    const vf zero = vf_set(0), one = vf_set(1);
    switch (op) {
    case NEG: MAP(-v)
    case ABS: MAP(vf_abs(v))
    case SIGN: MAP(vf_where(v == zero, v, vf_where(vf_is_nan(v), v, vf_signed(one, v))))
    case SQRT: MAP(vf_sqrt(v))
    case RECIPROCAL: MAP(1.0f / v)
    case FLOOR: MAP(vf_floor(v))
    case CEIL: MAP(vf_ceil(v))
    case ROUND: MAP(vf_round(v))
    case EXP: MAP(vf_exp(v))
    case LOG: MAP(vf_log(v))
    case TANH: MAP(vf_tanh(v))
    case SIGMOID: MAP(vf_sigmoid(v))
    case ERF: MAP(vf_erf(v))
    case SOFTPLUS: MAP(vf_softplus(v))
    case SOFTSIGN: MAP(v / (1.0f + vf_abs(v)))
    case RELU: MAP(vf_higher(zero, v))
    case LEAKY_RELU: MAP(vf_where(v < zero, v * a, v))
    case ELU: MAP(vf_where(v < zero, a * vf_expm1_negative(v), v))
    case SELU: MAP(vf_where(v <= zero, b * (a * vf_expm1_negative(v)), b * v))
    case CELU: MAP(vf_where(v < zero, a * vf_expm1_negative(v / a), v))
    case HARD_SIGMOID: MAP(vf_higher(zero, vf_lower(one, v * a + b)))
    case HARD_SWISH: MAP(v * vf_higher(zero, vf_lower(one, v * (1.0f / 6) + 0.5f)))
    case GELU: MAP(0.5f * v * (1.0f + vf_erf(v * 0x1.6a09e6p-1f)))
    case GELU_TANH: MAP(vf_gelu_tanh(v))
    case MISH: MAP(v * vf_tanh(vf_softplus(v)))
    case SWISH: MAP(v * vf_sigmoid(a * v))
    case THRESHOLDED_RELU: MAP(vf_where(v > vf_set(a), v, zero))
    case SHRINK: MAP(vf_where(v < vf_set(-a), v + b, vf_where(v > vf_set(a), v - b, zero)))
    case CLIP: MAP(vf_lower(vf_set(b), vf_higher(vf_set(a), v)))
    case SIN: EACH(sinf(v))
    case COS: EACH(cosf(v))
    case TAN: EACH(tanf(v))
    case ASIN: EACH(asinf(v))
    case ACOS: EACH(acosf(v))
    case ATAN: EACH(atanf(v))
    case SINH: EACH(sinhf(v))
    case COSH: EACH(coshf(v))
    case ASINH: EACH(asinhf(v))
    case ACOSH: EACH(acoshf(v))
    case ATANH: EACH(atanhf(v))
    }
}

static double softplus(double v) {
    return (v > 0 ? v : 0) + log1p(exp(-fabs(v)));
}

static void map_f64(int op, const double *x, double *y, size_t n, double a, double b) {
    typedef double number;
    switch (op) {
    case NEG: EACH(-v)
    case ABS: EACH(fabs(v))
    case SIGN: EACH(v > 0 ? 1 : v < 0 ? -1 : v)
    case SQRT: EACH(sqrt(v))
    case RECIPROCAL: EACH(1 / v)
    case FLOOR: EACH(floor(v))
    case CEIL: EACH(ceil(v))
    case ROUND: EACH(nearbyint(v))
    case EXP: EACH(exp(v))
    case LOG: EACH(log(v))
    case TANH: EACH(tanh(v))
    case SIGMOID: EACH(1 / (1 + exp(-v)))
    case ERF: EACH(erf(v))
    case SOFTPLUS: EACH(v != v ? v : softplus(v))
    case SOFTSIGN: EACH(v / (1 + fabs(v)))
    case RELU: EACH(v < 0 ? 0 : v)
    case LEAKY_RELU: EACH(v < 0 ? v * a : v)
    case ELU: EACH(v < 0 ? a * expm1(v) : v)
    case SELU: EACH(v <= 0 ? b * (a * expm1(v)) : b * v)
    case CELU: EACH(v < 0 ? a * expm1(v / a) : v)
    case HARD_SIGMOID: EACH(v * a + b < 0 ? 0 : v * a + b > 1 ? 1 : v * a + b)
    case HARD_SWISH: EACH(v * (v < -3 ? 0 : v > 3 ? 1 : v / 6 + 0.5))
    case GELU: EACH(0.5 * v * (1 + erf(v * 0x1.6a09e667f3bcdp-1)))
    case GELU_TANH: EACH(0.5 * v * (1 + tanh(0x1.9884533d43651p-1 * (v + 0.044715 * v * v * v))))
    case MISH: EACH(v * tanh(softplus(v)))
    case SWISH: EACH(v / (1 + exp(-a * v)))
    case THRESHOLDED_RELU: EACH(v > a ? v : 0)
    case SHRINK: EACH(v < -a ? v + b : v > a ? v - b : 0)
    case CLIP: EACH(v < a ? a : v > b ? b : v)
    case SIN: EACH(sin(v))
    case COS: EACH(cos(v))
    case TAN: EACH(tan(v))
    case ASIN: EACH(asin(v))
    case ACOS: EACH(acos(v))
    case ATAN: EACH(atan(v))
    case SINH: EACH(sinh(v))
    case COSH: EACH(cosh(v))
    case ASINH: EACH(asinh(v))
    case ACOSH: EACH(acosh(v))
    case ATANH: EACH(atanh(v))
    }
}

#define WHOLE(name, type, wide)                                                                    \
    static void name(int op, const type *x, type *y, size_t n, int64_t low, int64_t high) {        \
        typedef type number;                                                                       \
        const type a = (type)low, b = (type)high;                                                  \
        switch (op) {                                                                              \
        case NEG: EACH((type)(0 - (wide)v))                                                        \
        case ABS: EACH((type)(v > 0 ? (wide)v : 0 - (wide)v))                                      \
        case SIGN: EACH((type)(v > 0 ? 1 : v == 0 ? 0 : -1))                                       \
        case RELU: EACH(v > 0 ? v : 0)                                                             \
        case CLIP: EACH(v < a ? a : v > b ? b : v)                                                 \
        case NOT: EACH((type)!v)                                                                   \
        case BIT_NOT: EACH((type)~v)                                                               \
        }                                                                                          \
    }
WHOLE(map_i8, int8_t, uint32_t)
WHOLE(map_u8, uint8_t, uint32_t)
WHOLE(map_i16, int16_t, uint32_t)
WHOLE(map_u16, uint16_t, uint32_t)
WHOLE(map_i32, int32_t, uint32_t)
WHOLE(map_u32, uint32_t, uint32_t)
WHOLE(map_i64, int64_t, uint64_t)
WHOLE(map_u64, uint64_t, uint64_t)

static const char *run_unary(const sl_call *call) {
    const void *x = call->in[0];
    void *y = call->out[0];
    const size_t n = (size_t)call->p[1];
    const int64_t a = call->p[2], b = call->p[3];
    const int op = call->kernel->variant;
    switch (call->p[0]) {
    case 'f': SL_NAME(sl_map_f32)(op, x, y, n, (float)sl_real(a), (float)sl_real(b)); break;
    case 'd': map_f64(op, x, y, n, sl_real(a), sl_real(b)); break;
    case 'b': map_i8(op, x, y, n, a, b); break;
    case 'h': map_i16(op, x, y, n, a, b); break;
    case 'i': map_i32(op, x, y, n, a, b); break;
    case 'q': map_i64(op, x, y, n, a, b); break;
    case 'H': map_u16(op, x, y, n, a, b); break;
    case 'I': map_u32(op, x, y, n, a, b); break;
    case 'Q': map_u64(op, x, y, n, a, b); break;
    default: map_u8(op, x, y, n, a, b);
    }
    return NULL;
}

/* isinf: a says whether -inf counts, b whether +inf does. */
static const char *run_predicate(const sl_call *call) {
    const size_t n = (size_t)call->p[1];
    const bool negative = sl_real(call->p[2]) != 0, positive = sl_real(call->p[3]) != 0;
    uint8_t *y = call->out[0];
#define TEST(type)                                                                                 \
    {                                                                                              \
        const type *x = call->in[0];                                                               \
        if (call->kernel->variant == ISNAN) {                                                      \
            for (size_t i = 0; i < n; i++)                                                         \
                y[i] = x[i] != x[i];                                                               \
        } else {                                                                                   \
            for (size_t i = 0; i < n; i++)                                                         \
                y[i] = (negative && x[i] == -SL_INFINITY) || (positive && x[i] == SL_INFINITY);    \
        }                                                                                          \
    }
    if (call->p[0] == 'f')
        TEST(float)
    else
        TEST(double)
#undef TEST
    return NULL;
}

#define ANY(name, op) {name, check_unary, run_unary, op}
#define REAL(name, op) {name, check_real, run_unary, op}
#define INT(name, op) {name, check_whole, run_unary, op}

const sl_kernel SL_NAME(sl_unary)[] = {
    ANY("neg", NEG),
    ANY("abs", ABS),
    ANY("sign", SIGN),
    ANY("relu", RELU),
    ANY("clip", CLIP), /* a: low, b: high */
    REAL("sqrt", SQRT),
    REAL("reciprocal", RECIPROCAL),
    REAL("floor", FLOOR),
    REAL("ceil", CEIL),
    REAL("round", ROUND),
    REAL("exp", EXP),
    REAL("log", LOG),
    REAL("tanh", TANH),
    REAL("sigmoid", SIGMOID),
    REAL("erf", ERF),
    REAL("softplus", SOFTPLUS),
    REAL("softsign", SOFTSIGN),
    REAL("leaky_relu", LEAKY_RELU),     /* a: slope */
    REAL("elu", ELU),                   /* a: alpha */
    REAL("selu", SELU),                 /* a: alpha, b: gamma */
    REAL("celu", CELU),                 /* a: alpha */
    REAL("hard_sigmoid", HARD_SIGMOID), /* a: slope, b: offset */
    REAL("hard_swish", HARD_SWISH),
    REAL("gelu", GELU),
    REAL("gelu_tanh", GELU_TANH),
    REAL("mish", MISH),
    REAL("swish", SWISH),                       /* a: alpha */
    REAL("thresholded_relu", THRESHOLDED_RELU), /* a: threshold */
    REAL("shrink", SHRINK),                     /* a: lambda, b: bias */
    REAL("sin", SIN),
    REAL("cos", COS),
    REAL("tan", TAN),
    REAL("asin", ASIN),
    REAL("acos", ACOS),
    REAL("atan", ATAN),
    REAL("sinh", SINH),
    REAL("cosh", COSH),
    REAL("asinh", ASINH),
    REAL("acosh", ACOSH),
    REAL("atanh", ATANH),
    INT("not", NOT),
    INT("bit_not", BIT_NOT),
    {"isnan", check_predicate, run_predicate, ISNAN},
    {"isinf", check_predicate, run_predicate, ISINF},
    SL_END,
};
