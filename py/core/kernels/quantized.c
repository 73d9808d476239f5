/* Functions of quantized tensors, element by element: bytes in, bytes out. */
#include "int8.h"
#include "walk.h"

enum { ADD, MUL };
enum { A_FORMAT, B_FORMAT, Y_FORMAT, LOWEST, HIGHEST, RANK, DIMS };
enum { A, A_STEP, A_ORIGIN, B, B_STEP, B_ORIGIN, Y_STEP, Y_ORIGIN, OPERANDS };

/* add_i8, mul_i8: the element types of A and B (int8, uint8, or float32, which has no scale) and of
 * Y, its bounds, rank, dims, strides of A and of B (elements; the last ones 0 or 1). Inputs: each
 * of A, B and Y's parameters with a scale and a zero point [1] or absent. Y is computed in float32,
 * as between DequantizeLinear and QuantizeLinear. */
static const char *check_binary(const sl_args *a) {
    SL_TRY(a->n_in == OPERANDS && a->n_out == 1 && a->n_p >= DIMS,
           "wrong number of operands or parameters");
    const int64_t *p = a->p, rank = p[RANK];
    SL_TRY(rank >= 1 && rank <= SL_MAX_RANK && a->n_p == DIMS + 3 * rank,
           "rank does not fit the parameters");
    const int64_t *dims = p + DIMS, *sa = dims + rank, *sb = sa + rank;
    for (int i = A_FORMAT; i <= Y_FORMAT; i++)
        SL_TRY(p[i] == 'b' || p[i] == 'B' || (p[i] == 'f' && i != Y_FORMAT),
               "an element type is not served");
    SL_TRY(p[LOWEST] >= -128 && p[HIGHEST] <= 255 && p[LOWEST] <= p[HIGHEST], "impossible bounds");
    SL_TRY((sa[rank - 1] == 0 || sa[rank - 1] == 1) && (sb[rank - 1] == 0 || sb[rank - 1] == 1),
           "a last stride is neither 0 nor 1");
    SL_TRY(sl_holds(&a->out[0], sl_size(dims, rank), 1), "the output is too small");
    SL_TRY(sl_reaches(&a->in[A], dims, sa, rank, 0, sl_itemsize(p[A_FORMAT])), "A is too small");
    SL_TRY(sl_reaches(&a->in[B], dims, sb, rank, 0, sl_itemsize(p[B_FORMAT])), "B is too small");
    SL_TRY(p[A_FORMAT] == 'f' || sl_holds(&a->in[A_STEP], 1, 4), "A has no scale");
    SL_TRY(p[B_FORMAT] == 'f' || sl_holds(&a->in[B_STEP], 1, 4), "B has no scale");
    SL_TRY(sl_holds(&a->in[Y_STEP], 1, 4), "Y has no scale");
    static const int origins[] = {A_ORIGIN, B_ORIGIN, Y_ORIGIN};
    for (int i = 0; i < 3; i++)
        SL_TRY(!sl_present(&a->in[origins[i]]) || sl_holds(&a->in[origins[i]], 1, 1),
               "a zero point is too small");
    return NULL;
}

typedef struct {
    int64_t format, size, stride;
    float scale;
    int32_t zero;
} operand;

static operand operand_of(const sl_call *call, int64_t format, int64_t stride, int at) {
    const float *scale = call->in[at + 1];
    return (operand){format, sl_itemsize(format), stride, format == 'f' ? 1 : *scale,
                     format == 'f' ? 0 : byte_at(call->in[at + 2], format == 'b')};
}

SL_INLINE vf real(const operand *o, const uint8_t *x, size_t i, size_t n) {
    if (o->format == 'f') {
        const float *from = (const float *)(const void *)x;
        return o->stride ? vf_load_first(from + i, n) : vf_set(*from);
    }
    const vi v =
        o->stride ? widen_first(x + i, o->format == 'b', n) : splat(byte_at(x, o->format == 'b'));
    return __builtin_convertvector(v - o->zero, vf) * o->scale;
}

static const char *run_binary(const sl_call *call) {
    const int64_t *p = call->p, rank = p[RANK], last = rank - 1;
    const int64_t *dims = p + DIMS, *sa = dims + rank, *sb = sa + rank;
    const operand a = operand_of(call, p[A_FORMAT], sa[last], A);
    const operand b = operand_of(call, p[B_FORMAT], sb[last], B);
    const bool adds = call->kernel->variant == ADD;
    const int32_t zero = byte_at(call->in[Y_ORIGIN], p[Y_FORMAT] == 'b');
    const vf low = vf_set((float)(p[LOWEST] - zero)), high = vf_set((float)(p[HIGHEST] - zero));
    const vf scale = vf_set(*(const float *)call->in[Y_STEP]);
    const size_t n = (size_t)dims[last];
    uint8_t *y = call->out[0];
    sl_walk w;
    if (n == 0 || !sl_walk_start(&w, last, dims, sa, sb, NULL)) return NULL;
    do {
        const uint8_t *from_a = (const uint8_t *)call->in[A] + w.at[0] * a.size;
        const uint8_t *from_b = (const uint8_t *)call->in[B] + w.at[1] * b.size;
        for (size_t i = 0; i < n; i += NR) {
            vi all[NV];
            for (size_t v = 0; v < NV; v++) {
                const size_t at = i + v * VF, some = at < n ? smaller(VF, n - at) : 0;
                const vf x = real(&a, from_a, at, some), z = real(&b, from_b, at, some);
                const vf sum = adds ? x + z : x * z;
                all[v] =
                    to_steps(vf_where(vf_is_nan(sum), vf_set(0), sum / scale), low, high, zero);
            }
            store_first_bytes(y + i, all, smaller(NR, n - i));
        }
        y += n;
    } while (sl_walk_next(&w));
    return NULL;
}

/* map_bytes: n. Inputs X [n] and a table [256]; Y[i] = table[X[i]], X read as unsigned. */
static const char *check_map(const sl_args *a) {
    SL_SHAPE(a, 2, 1, 1);
    SL_TRY(sl_holds(&a->in[0], a->p[0], 1) && sl_holds(&a->out[0], a->p[0], 1),
           "an operand is too small");
    SL_TRY(sl_holds(&a->in[1], 256, 1), "the table is too small");
    return NULL;
}

static const char *run_map(const sl_call *call) {
    const uint8_t *x = call->in[0], *table = call->in[1];
    uint8_t *y = call->out[0];
    for (int64_t i = 0; i < call->p[0]; i++)
        y[i] = table[x[i]];
    return NULL;
}

const sl_kernel SL_NAME(sl_quantized)[] = {
    {"add_i8", check_binary, run_binary, ADD},
    {"mul_i8", check_binary, run_binary, MUL},
    {"map_bytes", check_map, run_map, 0},
    SL_END,
};
