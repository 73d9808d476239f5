/* Transcendental functions over a vf: polynomials on a reduced range, clamped, with no call into
 * libm.
 *
 * Coefficients are fits of this project (Lawson-weighted least squares in the relative error,
 * rounded to float one after another from the lowest power). Errors stay within 1.5 ulp for exp and
 * log, 2.5 for tanh, erf and sigmoid and 3 for softplus, with and without a fused multiply-add
 * (tests/core/test_vmath.py measures it). */
#ifndef SL_VMATH_H
#define SL_VMATH_H

#include "simd.h"

#define SL_INFINITY __builtin_inff()
#define SL_NAN __builtin_nanf("")

/* e^r - 1 for |r| <= ln(2) / 2, given r. */
SL_INLINE vf vf_expm1_reduced(vf r) {
    vf p = vf_set(0x1.6a4748p-10f);
    p = vf_fma(p, r, vf_set(0x1.1239a2p-7f));
    p = vf_fma(p, r, vf_set(0x1.5558b6p-5f));
    p = vf_fma(p, r, vf_set(0x1.555492p-3f));
    p = vf_fma(p, r, vf_set(0x1.fffffcp-2f));
    return vf_fma(p * r, r, r);
}

/* 2^n for whole n in [-252, 254], in two steps so that results below 2^-126 round once. */
SL_INLINE vf vf_scale(vf v, vi n) {
    vi half = n >> 1;
    return v * (vf)((half + 127) << 23) * (vf)((n - half + 127) << 23);
}

SL_INLINE vf vf_exp(vf x) {
    /* Past these the result is infinity or zero; NaN passes, being the second operand. */
    vf c = vf_higher(vf_set(-104.0f), vf_lower(vf_set(89.0f), x));
    vf n = vf_round(c * vf_set(0x1.715476p+0f));
    /* ln 2 in two parts, the first with so few bits that n times it is exact. */
    vf r = vf_fma(n, vf_set(-0x1.62e4p-1f), c);
    r = vf_fma(n, vf_set(-0x1.7f7d1cp-20f), r);
    vf m = vf_expm1_reduced(r) + 1.0f;
    vi whole = __builtin_convertvector(vf_where(vf_is_nan(x), vf_set(0), n), vi);
    return vf_where(vf_is_nan(x), x, vf_scale(m, whole));
}

SL_INLINE vf vf_sigmoid(vf x) {
    vf e = vf_exp(-vf_abs(x));
    return vf_where(x < 0.0f, e, vf_set(1)) / (1.0f + e);
}

/* log(1 + f) for sqrt(1/2) - 1 <= f <= sqrt(2) - 1, plus e * ln 2. */
SL_INLINE vf vf_log_reduced(vf f, vf e) {
    vf p = vf_set(0x1.14733ep-4f);
    p = vf_fma(p, f, vf_set(-0x1.de01dcp-4f));
    p = vf_fma(p, f, vf_set(0x1.e6c00ap-4f));
    p = vf_fma(p, f, vf_set(-0x1.fc28cap-4f));
    p = vf_fma(p, f, vf_set(0x1.233ba2p-3f));
    p = vf_fma(p, f, vf_set(-0x1.555c44p-3f));
    p = vf_fma(p, f, vf_set(0x1.99a476p-3f));
    p = vf_fma(p, f, vf_set(-0x1.000006p-2f));
    p = vf_fma(p, f, vf_set(0x1.555548p-2f));
    vf square = f * f;
    vf low = vf_fma(p * f, square, vf_fma(e, vf_set(0x1.7f7d1cp-20f), square * -0.5f));
    return vf_fma(e, vf_set(0x1.62e4p-1f), f + low);
}

SL_INLINE vf vf_log(vf x) {
    vi tiny = x < vf_set(0x1p-126f);
    vf v = vf_where(tiny, x * 0x1p25f, x);
    vi bits = (vi)((vu)v - 0x3f3504f3u); /* the bits of sqrt(1/2) */
    vf e = __builtin_convertvector((bits >> 23) - (tiny & 25), vf);
    vf m = (vf)((bits & 0x7fffff) + 0x3f3504f3);
    vf y = vf_log_reduced(m - 1.0f, e);
    y = vf_where(x == 0.0f, vf_set(-SL_INFINITY), y);
    y = vf_where(x < 0.0f, vf_set(SL_NAN), y);
    vi passes = vf_is_nan(x) | (x == vf_set(SL_INFINITY));
    return vf_where(passes, x, y);
}

/* log(1 + u) for 0 <= u <= 1. */
SL_INLINE vf vf_log1p_unit(vf u) {
    vi small = u <= vf_set(0.41421354f);
    /* Above, halve: log(1 + u) = ln 2 + log1p((u - 1) / 2). */
    vf f = vf_where(small, u, (u - 1.0f) * 0.5f);
    return vf_log_reduced(f, vf_where(small, vf_set(0), vf_set(1)));
}

SL_INLINE vf vf_softplus(vf x) {
    vf y = vf_higher(x, vf_set(0)) + vf_log1p_unit(vf_exp(-vf_abs(x)));
    return vf_where(vf_is_nan(x), x, y);
}

SL_INLINE vf vf_tanh(vf x) {
    vf a = vf_abs(x), s = x * x;
    vf p = vf_set(-0x1.750ce2p-8f);
    p = vf_fma(p, s, vf_set(0x1.51f8cep-6f));
    p = vf_fma(p, s, vf_set(-0x1.b835a4p-5f));
    p = vf_fma(p, s, vf_set(0x1.1106f6p-3f));
    p = vf_fma(p, s, vf_set(-0x1.555532p-2f));
    vf small = vf_fma(p * s, x, x);
    vf large = 1.0f - 2.0f / (vf_exp(a + a) + 1.0f);
    return vf_where(a < 0.625f, small, vf_signed(large, x));
}

SL_INLINE vf vf_erf(vf x) {
    vf a = vf_abs(x), s = x * x;
    vf p = vf_set(0x1.4771fcp-14f);
    p = vf_fma(p, s, vf_set(-0x1.a3515ep-11f));
    p = vf_fma(p, s, vf_set(0x1.53f224p-8f));
    p = vf_fma(p, s, vf_set(-0x1.b7f71ap-6f));
    p = vf_fma(p, s, vf_set(0x1.ce2ce6p-4f));
    p = vf_fma(p, s, vf_set(-0x1.81273ep-2f));
    p = vf_fma(p, s, vf_set(0x1.06eba8p-3f));
    vf small = vf_fma(p, x, x);
    /* 1 - e^-(t + t Q(t)); past 4 it is 1. */
    vf t = vf_lower(vf_set(4.0f), a);
    vf q = vf_set(0x1.29203ap-18f);
    q = vf_fma(q, t, vf_set(-0x1.49bc38p-15f));
    q = vf_fma(q, t, vf_set(-0x1.574a6cp-14f));
    q = vf_fma(q, t, vf_set(0x1.8bdcacp-9f));
    q = vf_fma(q, t, vf_set(-0x1.75e81ep-6f));
    q = vf_fma(q, t, vf_set(0x1.afbc36p-4f));
    q = vf_fma(q, t, vf_set(0x1.456702p-1f));
    q = vf_fma(q, t, vf_set(0x1.074e9ap-3f));
    vf large = 1.0f - vf_exp(-vf_fma(q, t, t));
    return vf_where(a < 1.0f, small, vf_signed(large, x));
}

SL_INLINE vf vf_gelu_tanh(vf v) {
    vf inner = 0x1.988454p-1f * (v + 0.044715f * v * v * v); /* sqrt(2 / pi) */
    return 0.5f * v * (1.0f + vf_tanh(inner));
}

#endif
