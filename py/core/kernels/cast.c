/* cast: source type, target type, count. Between all element types.
 *
 * Real to whole truncates towards zero; beyond int64 it saturates and NaN is 0 (as WASM's trunc_sat
 * does), and narrower types keep the low bits of that. Real to bool asks whether it is not 0. */
#include "half.h"
#include "kernel.h"

enum { BLOCK = 256 };

static const char *check_cast(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 3);
    int64_t from = sl_itemsize(a->p[0]), to = sl_itemsize(a->p[1]);
    SL_TRY(from && to, "unknown element type");
    SL_TRY(sl_holds(&a->in[0], a->p[2], from), "the input is too small");
    SL_TRY(sl_holds(&a->out[0], a->p[2], to), "the output is too small");
    return NULL;
}

static bool is_real(int64_t format) {
    return format == 'f' || format == 'd' || format == 'e' || format == 'w';
}

#define LOAD(format, type, convert)                                                                \
    case format: {                                                                                 \
        const type *x = source;                                                                    \
        for (size_t i = 0; i < n; i++)                                                             \
            block[i] = convert(x[i]);                                                              \
        break;                                                                                     \
    }

static void load_reals(int64_t format, const void *source, size_t n, double *block) {
    switch (format) {
        LOAD('f', float, (double))
        LOAD('d', double, (double))
        LOAD('e', uint16_t, sl_half_to_float)
        LOAD('w', uint16_t, sl_bfloat_to_float)
    }
}

static void load_wholes(int64_t format, const void *source, size_t n, int64_t *block) {
    switch (format) {
        LOAD('b', int8_t, (int64_t))
        LOAD('B', uint8_t, (int64_t))
        LOAD('?', uint8_t, 0 !=)
        LOAD('h', int16_t, (int64_t))
        LOAD('H', uint16_t, (int64_t))
        LOAD('i', int32_t, (int64_t))
        LOAD('I', uint32_t, (int64_t))
        LOAD('q', int64_t, (int64_t))
        LOAD('Q', uint64_t, (int64_t))
    }
}

#define STORE(format, type, convert)                                                               \
    case format: {                                                                                 \
        type *y = target;                                                                          \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = (type)convert(block[i]);                                                        \
        break;                                                                                     \
    }

/* To float, the last bit telling of an inexact result, so that rounding once more to 8 or 11 bits
 * comes out right. */
static float towards_odd(double v) {
    float f = (float)v;
    if ((double)f == v || v != v || (sl_bits_of(f) & 1)) return f;
    uint32_t bits = sl_bits_of(f);
    bool away = (v < 0 ? -v : v) < (double)sl_float_of(bits & 0x7fffffff);
    return sl_float_of(away ? bits - 1 : bits + 1);
}

static uint16_t to_half(double v) {
    return sl_half_from_float(towards_odd(v));
}
static uint16_t to_bfloat(double v) {
    return sl_bfloat_from_float(towards_odd(v));
}

static int64_t truncated(double v) {
    if (v >= 0x1p63) return INT64_MAX;
    if (v < -0x1p63) return INT64_MIN;
    return v != v ? 0 : (int64_t)v;
}

static uint64_t truncated_u64(double v) {
    if (v >= 0x1p64) return UINT64_MAX;
    return v >= 0x1p63 ? (uint64_t)v : (uint64_t)truncated(v);
}

static void store_reals(int64_t format, const double *block, size_t n, void *target) {
    switch (format) {
        STORE('f', float, (float))
        STORE('d', double, (double))
        STORE('e', uint16_t, to_half)
        STORE('w', uint16_t, to_bfloat)
        STORE('b', int8_t, truncated)
        STORE('B', uint8_t, truncated)
        STORE('?', uint8_t, 0 !=)
        STORE('h', int16_t, truncated)
        STORE('H', uint16_t, truncated)
        STORE('i', int32_t, truncated)
        STORE('I', uint32_t, truncated)
        STORE('q', int64_t, truncated)
        STORE('Q', uint64_t, truncated_u64)
    }
}

static void store_wholes(int64_t format, const int64_t *block, size_t n, void *target) {
    switch (format) {
        STORE('f', float, (float))
        STORE('d', double, (double))
        STORE('e', uint16_t, to_half)
        STORE('w', uint16_t, to_bfloat)
        STORE('b', int8_t, (int8_t))
        STORE('B', uint8_t, (uint8_t))
        STORE('?', uint8_t, 0 !=)
        STORE('h', int16_t, (int16_t))
        STORE('H', uint16_t, (uint16_t))
        STORE('i', int32_t, (int32_t))
        STORE('I', uint32_t, (uint32_t))
        STORE('q', int64_t, (int64_t))
        STORE('Q', uint64_t, (uint64_t))
    }
}

static uint16_t half_of_unsigned(uint64_t v) {
    return to_half((double)v);
}
static uint16_t bfloat_of_unsigned(uint64_t v) {
    return to_bfloat((double)v);
}

/* uint64 above the int64 range, to a real type. */
static void store_unsigned(int64_t format, const int64_t *block, size_t n, void *target) {
    switch (format) {
        STORE('f', float, (uint64_t))
        STORE('d', double, (uint64_t))
        STORE('e', uint16_t, half_of_unsigned)
        STORE('w', uint16_t, bfloat_of_unsigned)
    }
}

#define DIRECT(name, type_from, type_to, convert)                                                  \
    static void name(const type_from *restrict x, size_t n, type_to *restrict y) {                 \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = convert(x[i]);                                                                  \
    }

DIRECT(half_to_float, uint16_t, float, sl_half_to_float)
DIRECT(half_from_float, float, uint16_t, sl_half_from_float)
DIRECT(bfloat_to_float, uint16_t, float, sl_bfloat_to_float)
DIRECT(bfloat_from_float, float, uint16_t, sl_bfloat_from_float)

/* Between float and the halves, where the time goes when a model has them. */
static bool cast_half(int64_t from, int64_t to, const void *source, size_t n, void *target) {
    if (from == 'e' && to == 'f')
        half_to_float(source, n, target);
    else if (from == 'f' && to == 'e')
        half_from_float(source, n, target);
    else if (from == 'w' && to == 'f')
        bfloat_to_float(source, n, target);
    else if (from == 'f' && to == 'w')
        bfloat_from_float(source, n, target);
    else
        return false;
    return true;
}

static const char *run_cast(const sl_call *call) {
    const int64_t from = call->p[0], to = call->p[1];
    const size_t total = (size_t)call->p[2], from_size = (size_t)sl_itemsize(from),
                 to_size = (size_t)sl_itemsize(to);
    const char *source = call->in[0];
    char *target = call->out[0];
    if (cast_half(from, to, source, total, target)) return NULL;
    for (size_t done = 0; done < total; done += BLOCK) {
        const size_t n = total - done < BLOCK ? total - done : BLOCK;
        if (is_real(from)) {
            double block[BLOCK];
            load_reals(from, source, n, block);
            store_reals(to, block, n, target);
        } else {
            int64_t block[BLOCK];
            load_wholes(from, source, n, block);
            if (from == 'Q' && is_real(to))
                store_unsigned(to, block, n, target);
            else
                store_wholes(to, block, n, target);
        }
        source += n * from_size;
        target += n * to_size;
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_cast)[] = {
    {"cast", check_cast, run_cast, 0},
    SL_END,
};
