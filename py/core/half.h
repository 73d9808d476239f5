/* float16 and bfloat16 by integer arithmetic: the same bits on every processor. */
#ifndef SL_HALF_H
#define SL_HALF_H

#include <stdint.h>
#include <string.h>

static inline float sl_float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t sl_bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Conversions compute all cases and pick one, comparing signed integers, so that loops over them
 * become vector code. */
static inline float sl_half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, body = half & 0x7fff;
    uint32_t normal = (body << 13) + (112u << 23), endless = 0x7f800000 | (body & 0x3ff) << 13;
    /* Zero or subnormal: body * 2^-24 without a subnormal float on the way. */
    uint32_t small = sl_bits_of(sl_float_of(0x3f000000 | body) - 0.5f);
    uint32_t finite = (int32_t)body < 0x0400 ? small : normal;
    return sl_float_of(sign | ((int32_t)body >= 0x7c00 ? endless : finite));
}

/* Rounds to nearest, ties to even; NaN stays quiet. */
static inline uint16_t sl_half_from_float(float value) {
    uint32_t bits = sl_bits_of(value), sign = bits >> 16 & 0x8000, body = bits & 0x7fffffff;
    uint32_t normal = (body - (112u << 23) + 0xfff + (body >> 13 & 1)) >> 13;
    /* Below 2^-14: adding 0.5 leaves the rounded half in the low bits. */
    uint32_t small = sl_bits_of(sl_float_of(body) + 0.5f) - 0x3f000000;
    uint32_t endless = (int32_t)body > 0x7f800000 ? 0x7e00 | (body >> 13 & 0x1ff) : 0x7c00;
    uint32_t finite = (int32_t)body < 0x38800000 ? small : normal;
    /* 65520 and above is infinite. */
    return (uint16_t)(sign | ((int32_t)body >= 0x477ff000 ? endless : finite));
}

static inline float sl_bfloat_to_float(uint16_t half) {
    return sl_float_of((uint32_t)half << 16);
}

static inline uint16_t sl_bfloat_from_float(float value) {
    uint32_t bits = sl_bits_of(value), rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
}

#endif
