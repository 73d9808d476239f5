/* Between float32 and 8- or 16-bit integers (or int32): QuantizeLinear, DequantizeLinear,
 * DynamicQuantizeLinear. Results round to nearest, ties to even, and saturate. */
#include "kernel.h"
#include "vmath.h"

enum { FORMAT, OUTER, CHANNELS, INNER, PARAMS };

static const char *check_linear(const sl_args *a, int whole, int real) {
    SL_SHAPE(a, 3, 1, PARAMS);
    const int64_t *p = a->p, size = sl_itemsize(p[FORMAT]);
    SL_TRY(p[FORMAT] == 'b' || p[FORMAT] == 'B' || p[FORMAT] == 'h' || p[FORMAT] == 'H' ||
               p[FORMAT] == 'i',
           "the quantized type is not 8 or 16 bits wide, nor int32");
    const int64_t n = sl_size3(p[OUTER], p[CHANNELS], p[INNER]);
    const sl_view *views[2] = {&a->in[0], &a->out[0]};
    SL_TRY(sl_holds(views[whole], n, size) && sl_holds(views[real], n, 4),
           "an operand is too small");
    SL_TRY(sl_holds(&a->in[1], p[CHANNELS], 4), "the scales are too small");
    SL_TRY(!sl_present(&a->in[2]) || sl_holds(&a->in[2], p[CHANNELS], size),
           "the zero points are too small");
    return NULL;
}

/* quantize_linear_f32, dequantize_linear_f32: the quantized type, elements before, along and after
 * the axis of the scales. Inputs X, scales and zero points (or absent) [channels]; output Y. */
static const char *check_quantize(const sl_args *a) {
    SL_TRY(a->n_p == PARAMS && a->p[FORMAT] != 'i', "float32 is not quantized to int32");
    return check_linear(a, 1, 0);
}
static const char *check_dequantize(const sl_args *a) {
    return check_linear(a, 0, 1);
}

static int32_t zero_at(const void *zeros, int64_t format, size_t i) {
    if (!zeros) return 0;
    switch (format) {
    case 'b': return ((const int8_t *)zeros)[i];
    case 'B': return ((const uint8_t *)zeros)[i];
    case 'h': return ((const int16_t *)zeros)[i];
    case 'H': return ((const uint16_t *)zeros)[i];
    default: return ((const int32_t *)zeros)[i];
    }
}

typedef struct {
    float low, high;
} bounds;

static bounds bounds_of(int64_t format) {
    switch (format) {
    case 'b': return (bounds){-128, 127};
    case 'B': return (bounds){0, 255};
    case 'h': return (bounds){-32768, 32767};
    default: return (bounds){0, 65535};
    }
}

static void quantize_run(const float *x, void *y, int64_t format, size_t n, float scale,
                         int32_t zero) {
    const bounds b = bounds_of(format);
    const vf low = vf_set(b.low - (float)zero), high = vf_set(b.high - (float)zero);
    for (size_t i = 0; i < n; i += VF) {
        const size_t count = n - i < VF ? n - i : VF;
        vf v = count == VF ? vf_load(x + i) : vf_load_first(x + i, count);
        v = vf_round(v / scale);
        v = vf_where(vf_is_nan(v), vf_set(0), v);
        const vi whole = __builtin_convertvector(vf_lower(vf_higher(v, low), high), vi) + zero;
        int32_t lanes[VF];
        memcpy(lanes, &whole, sizeof lanes);
        if (format == 'b' || format == 'B') {
            uint8_t *to = (uint8_t *)y + i;
            for (size_t j = 0; j < count; j++)
                to[j] = (uint8_t)lanes[j];
        } else {
            uint16_t *to = (uint16_t *)y + i;
            for (size_t j = 0; j < count; j++)
                to[j] = (uint16_t)lanes[j];
        }
    }
}

static const char *run_quantize(const sl_call *call) {
    const int64_t *p = call->p, format = p[FORMAT];
    const size_t channels = (size_t)p[CHANNELS], inner = (size_t)p[INNER];
    const size_t size = (size_t)sl_itemsize(format);
    const float *x = call->in[0], *scales = call->in[1];
    uint8_t *y = call->out[0];
    for (int64_t o = 0; o < p[OUTER]; o++) {
        for (size_t c = 0; c < channels; c++, x += inner, y += inner * size)
            quantize_run(x, y, format, inner, scales[c], zero_at(call->in[2], format, c));
    }
    return NULL;
}

#define RESTORE(type)                                                                              \
    {                                                                                              \
        const type *from = (const type *)x + at;                                                   \
        for (size_t i = 0; i < inner; i++)                                                         \
            y[at + i] = (float)((int64_t)from[i] - zero) * scale;                                  \
        break;                                                                                     \
    }
#define RESTORE_SHORT(type)                                                                        \
    {                                                                                              \
        const type *from = (const type *)x + at;                                                   \
        for (size_t i = 0; i < inner; i++)                                                         \
            y[at + i] = (float)((int32_t)from[i] - zero) * scale;                                  \
        break;                                                                                     \
    }

static const char *run_dequantize(const sl_call *call) {
    const int64_t *p = call->p, format = p[FORMAT];
    const size_t channels = (size_t)p[CHANNELS], inner = (size_t)p[INNER];
    const void *x = call->in[0];
    const float *scales = call->in[1];
    float *y = call->out[0];
    size_t at = 0;
    for (int64_t o = 0; o < p[OUTER]; o++) {
        for (size_t c = 0; c < channels; c++, at += inner) {
            const float scale = scales[c];
            const int32_t zero = zero_at(call->in[2], format, c);
            switch (format) {
            case 'b': RESTORE_SHORT(int8_t)
            case 'B': RESTORE_SHORT(uint8_t)
            case 'h': RESTORE_SHORT(int16_t)
            case 'H': RESTORE_SHORT(uint16_t)
            default: RESTORE(int32_t)
            }
        }
    }
    return NULL;
}

/* dynamic_quantize_u8: n. Input X [n]; outputs Y [n] (uint8), the scale [1], the zero point [1].
 * The range is that of X and 0. */
static const char *check_dynamic(const sl_args *a) {
    SL_SHAPE(a, 1, 3, 1);
    SL_TRY(sl_holds(&a->in[0], a->p[0], 4), "X is too small");
    SL_TRY(sl_holds(&a->out[0], a->p[0], 1) && sl_holds(&a->out[1], 1, 4) &&
               sl_holds(&a->out[2], 1, 1),
           "an output is too small");
    return NULL;
}

static const char *run_dynamic(const sl_call *call) {
    const size_t n = (size_t)call->p[0];
    const float *x = call->in[0];
    vf least = vf_set(0), most = vf_set(0);
    float low = 0, high = 0, lanes[VF];
    size_t i = 0;
    for (; i + VF <= n; i += VF) {
        const vf v = vf_load(x + i);
        least = vf_lower(v, least);
        most = vf_higher(v, most);
    }
    for (; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    vf_store(lanes, least);
    for (size_t j = 0; j < VF; j++)
        low = lanes[j] < low ? lanes[j] : low;
    vf_store(lanes, most);
    for (size_t j = 0; j < VF; j++)
        high = lanes[j] > high ? lanes[j] : high;
    float scale = (high - low) / 255;
    /* Nothing but zeros: any scale will do, and 1 divides. */
    if (!(scale > 0)) scale = 1;
    float zero = -low / scale;
    zero = zero < 255 ? zero : 255;
    vf rounded = vf_round(vf_set(zero));
    vf_store(lanes, rounded);
    *(float *)call->out[1] = scale;
    *(uint8_t *)call->out[2] = (uint8_t)lanes[0];
    quantize_run(x, call->out[0], 'B', n, scale, (int32_t)lanes[0]);
    return NULL;
}

const sl_kernel SL_NAME(sl_quantize)[] = {
    {"quantize_linear_f32", check_quantize, run_quantize, 0},
    {"dequantize_linear_f32", check_dequantize, run_dequantize, 0},
    {"dynamic_quantize_u8", check_dynamic, run_dynamic, 0},
    SL_END,
};
