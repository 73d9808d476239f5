/* Filters of one channel each, and maxima, over planes of 8-bit integers. */
#include "int8.h"
#include "planebytes.h"
#include "slide.h"

/* depthwise2d_i8: N, C, M (a multiple of C), the window (plane.h), whether X and Y are signed, low
 * and high, number of scales (1 or M). Inputs X, weights as float32 less their zero point [M, K,
 * K], X's zero point or absent, scales, bias or absent (float32 whole numbers) [M], Y's zero point
 * or absent. Outputs Y and a scratch of floats: a channel, a plane, a filter's sums. Sums are exact
 * while they stay within 2^24, which lowering sees to. */
enum { N, C, M, W, X_SIGNED = W + WINDOW, Y_SIGNED_, LOW_, HIGH_, N_SCALES, PARAMS };
enum { X, WEIGHTS, X_ZERO, SCALES_, BIAS_, Y_ZERO_, N_INPUTS };

static int64_t depthwise_floats(const int64_t *w) {
    const int64_t plane = plane_floats(w), in = sl_size3(w[IN_H], w[IN_W], 1);
    const int64_t out = sl_size3(w[OUT_H], w[OUT_W], 1), most = INT64_MAX / 4;
    if (plane < 0 || in < 0 || out < 0 || plane > most || in > most || out > most) return -1;
    return in + VF + plane + out + NR;
}

static const char *check_depthwise(const sl_args *a) {
    SL_SHAPE(a, N_INPUTS, 2, PARAMS);
    const int64_t *p = a->p, *w = p + W;
    for (int i = 0; i < W; i++)
        SL_TRY(p[i] >= 0 && p[i] < INT32_MAX, "a size is out of range");
    SL_TRY(p[C] > 0 && p[M] % p[C] == 0, "not depthwise");
    const char *wrong = check_window(w);
    if (wrong) return wrong;
    SL_TRY(w[K_W] <= WIDEST, "the window is too wide");
    const int64_t x[4] = {p[N], p[C], w[IN_H], w[IN_W]}, y[4] = {p[N], p[M], w[OUT_H], w[OUT_W]};
    SL_TRY(sl_holds(&a->in[X], sl_size(x, 4), 1), "X is too small");
    SL_TRY(sl_holds(&a->in[WEIGHTS], sl_size3(p[M], w[K_H], w[K_W]), 4),
           "the weights are too small");
    SL_TRY(!sl_present(&a->in[X_ZERO]) || sl_holds(&a->in[X_ZERO], 1, 1), "X has no zero point");
    SL_TRY(!sl_present(&a->in[Y_ZERO_]) || sl_holds(&a->in[Y_ZERO_], 1, 1), "Y has no zero point");
    SL_TRY(p[N_SCALES] == 1 || p[N_SCALES] == p[M], "an impossible number of scales");
    SL_TRY(sl_holds(&a->in[SCALES_], p[N_SCALES], 4), "the scales are too small");
    SL_TRY(!sl_present(&a->in[BIAS_]) || sl_holds(&a->in[BIAS_], p[M], 4), "the bias is too small");
    SL_TRY(p[LOW_] >= -128 && p[HIGH_] <= 255 && p[LOW_] <= p[HIGH_], "impossible bounds");
    SL_TRY(sl_holds(&a->out[0], sl_size(y, 4), 1), "Y is too small");
    SL_TRY(sl_holds(&a->out[1], depthwise_floats(w), 4), "the scratch is too small");
    return NULL;
}

static const char *run_depthwise(const sl_call *call) {
    const int64_t *p = call->p, *w = p + W;
    const size_t in = (size_t)(w[IN_H] * w[IN_W]), out = (size_t)(w[OUT_H] * w[OUT_W]);
    const int64_t taps = w[K_H] * w[K_W], multiplier = p[M] / p[C];
    const float *scales = call->in[SCALES_], *bias = call->in[BIAS_];
    const int32_t x_zero = byte_at(call->in[X_ZERO], p[X_SIGNED] != 0);
    const int32_t y_zero = byte_at(call->in[Y_ZERO_], p[Y_SIGNED_] != 0);
    const vf low = vf_set((float)(p[LOW_] - y_zero)), high = vf_set((float)(p[HIGH_] - y_zero));
    const epilogue e = {.low = -SL_INFINITY, .high = SL_INFINITY};
    float *image = call->out[1], *plane = image + in + VF, *sums;
    const uint8_t *x = call->in[X];
    uint8_t *y = call->out[0];
    if (out == 0 || multiplier == 0) return NULL;
    const plane_shape s = plane_of(w);
    sums = plane + s.rows * s.row;
    int64_t columns[WIDEST];
    for (int64_t kx = 0; kx < w[K_W]; kx++)
        columns[kx] = column_at(&s, w, kx);
    for (int64_t i = 0; i < p[N] * p[C]; i++, x += in) {
        for (size_t j = 0; j < in; j += VF) {
            const vi v = widen_first(x + j, p[X_SIGNED] != 0, smaller(VF, in - j)) - x_zero;
            vf_store(image + j, __builtin_convertvector(v, vf));
        }
        fill_plane(plane, &s, image, w, 0);
        for (int64_t j = 0; j < multiplier; j++, y += out) {
            const int64_t m = i % p[C] * multiplier + j;
            const vf factor = vf_set(scales[p[N_SCALES] > 1 ? m : 0]);
            slide(plane, &s, w, columns, (const float *)call->in[WEIGHTS] + m * taps,
                  bias ? bias[m] : 0, &e, sums);
            for (size_t at = 0; at < out; at += NR) {
                vi all[NV];
                for (size_t v = 0; v < NV; v++)
                    all[v] = to_steps(vf_load(sums + at + v * VF) * factor, low, high, y_zero);
                store_first_bytes(y + at, all, smaller(NR, out - at));
            }
        }
    }
    return NULL;
}

/* max_pool2d_i8: planes, the window (plane.h), whether X is signed. Input X [planes, H, W]; outputs
 * Y and a scratch of bytes: a plane and 16. */
enum { PLANES, POOL_W, POOL_SIGNED = POOL_W + WINDOW, POOL_PARAMS };

static const char *check_max_pool(const sl_args *a) {
    SL_SHAPE(a, 1, 2, POOL_PARAMS);
    const int64_t *p = a->p, *w = p + POOL_W;
    const char *wrong = check_window(w);
    if (wrong) return wrong;
    const int64_t plane = plane_floats(w);
    SL_TRY(w[K_W] <= WIDEST, "the window is too wide");
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[PLANES], w[IN_H], w[IN_W]), 1), "the input is too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[PLANES], w[OUT_H], w[OUT_W]), 1),
           "the output is too small");
    SL_TRY(plane >= 0 && plane < INT64_MAX - VB && sl_holds(&a->out[1], plane + VB, 1),
           "the scratch is too small");
    return NULL;
}

SL_INLINE vb vb_max(vb a, vb b) {
#if defined(__SSE4_1__)
    return (vb)_mm_max_epu8((__m128i)a, (__m128i)b);
#elif defined(__wasm_simd128__)
    return (vb)wasm_u8x16_max((v128_t)a, (v128_t)b);
#else
    return (vb)vmaxq_u8((uint8x16_t)a, (uint8x16_t)b);
#endif
}

static const char *run_max_pool(const sl_call *call) {
    const int64_t *p = call->p, *w = p + POOL_W;
    const uint8_t flip = p[POOL_SIGNED] ? 0x80 : 0, *x = call->in[0];
    uint8_t *y = call->out[0], *plane = call->out[1];
    if (w[OUT_H] == 0 || w[OUT_W] == 0) return NULL;
    const plane_shape s = plane_of(w);
    int64_t columns[WIDEST];
    for (int64_t kx = 0; kx < w[K_W]; kx++)
        columns[kx] = column_at(&s, w, kx);
    for (int64_t i = 0; i < p[PLANES]; i++, x += w[IN_H] * w[IN_W]) {
        fill_bytes(plane, &s, x, w, 0, s.rows, flip);
        for (int64_t oy = 0; oy < w[OUT_H]; oy++, y += w[OUT_W]) {
            const uint8_t *top = plane + oy * w[S_H] * s.row;
            for (int64_t ox = 0; ox < w[OUT_W]; ox += VB) {
                vb most = {0};
                for (int64_t ky = 0; ky < w[K_H]; ky++) {
                    const uint8_t *line = top + ky * w[D_H] * s.row + ox;
                    for (int64_t kx = 0; kx < w[K_W]; kx++)
                        most = vb_max(most, vb_load(line + columns[kx]) ^ flip);
                }
                vb_store_first(y + ox, most ^ flip, (size_t)(w[OUT_W] - ox));
            }
        }
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_image_i8)[] = {
    {"depthwise2d_i8", check_depthwise, run_depthwise, 0},
    {"max_pool2d_i8", check_max_pool, run_max_pool, 0},
    SL_END,
};
