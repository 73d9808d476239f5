/* Pooling over windows, and normalisation across channels. */
#include "plane.h"
#include "tile.h"

enum { MAX, AVERAGE };
enum { WIDEST = 256 }; /* columns of a window */

/* max_pool2d_f32, average_pool2d_f32: planes, the window (plane.h), padding below and to the right
 * that counts in an average (-1: padding does not count). Input X [planes, H, W]; outputs Y and a
 * scratch: a plane, and OUT_W floats. */
enum { PLANES, W, P_B = W + WINDOW, P_R, PARAMS };

static const char *check_pool(const sl_args *a) {
    SL_SHAPE(a, 1, 2, PARAMS);
    const int64_t *p = a->p, *w = p + W;
    const char *wrong = check_window(w);
    if (wrong) return wrong;
    SL_TRY(p[P_B] >= -1 && p[P_B] < INT32_MAX && p[P_R] >= -1 && p[P_R] < INT32_MAX,
           "a padding is out of range");
    SL_TRY(w[K_W] <= WIDEST, "the window is too wide");
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[PLANES], w[IN_H], w[IN_W]), 4), "the input is too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[PLANES], w[OUT_H], w[OUT_W]), 4),
           "the output is too small");
    const int64_t floats = plane_floats(w);
    SL_TRY(floats >= 0 && floats < INT64_MAX / 2 && sl_holds(&a->out[1], floats + w[OUT_W], 4),
           "the scratch is too small");
    return NULL;
}

/* How many taps of the window at output place `o` count along one axis. */
static int64_t counted(int64_t o, int64_t kernel, int64_t stride, int64_t dilation, int64_t begin,
                       int64_t size, int64_t end) {
    const int64_t low = end < 0 ? 0 : -begin, high = end < 0 ? size : size + end;
    int64_t count = 0;
    for (int64_t k = 0; k < kernel; k++) {
        const int64_t at = o * stride - begin + k * dilation;
        count += at >= low && at < high;
    }
    return count;
}

/* Slides over the plane; k_h and k_w are constants for the usual sizes. A maximum is NaN where one
 * of its values is. */
SL_INLINE vf pool_some(const float *top, int64_t row, const int64_t *columns, const int64_t k_h,
                       const int64_t k_w, const bool average) {
    vf total = vf_set(average ? 0 : -SL_INFINITY);
    for (int64_t ky = 0; ky < k_h; ky++, top += row) {
        for (int64_t kx = 0; kx < k_w; kx++) {
            const vf v = vf_load(top + columns[kx]);
            total = average ? total + v : vf_max(total, v);
        }
    }
    return total;
}

SL_INLINE void pool(const float *plane, const plane_shape *s, const int64_t *p, const int64_t k_h,
                    const int64_t k_w, const bool average, const int64_t *columns,
                    const float *counts, float *y) {
    const int64_t *w = p + W;
    for (int64_t oy = 0; oy < w[OUT_H]; oy++, y += w[OUT_W]) {
        const float *top = plane + oy * w[S_H] * s->row;
        float rows = 1;
        if (average) rows = (float)counted(oy, w[K_H], w[S_H], w[D_H], w[P_T], w[IN_H], p[P_B]);
        for (int64_t ox = 0; ox < w[OUT_W]; ox += VF) {
            const size_t left = (size_t)(w[OUT_W] - ox), some = left < VF ? left : VF;
            vf total = pool_some(top + ox, w[D_H] * s->row, columns, k_h, k_w, average);
            if (average) total /= rows * vf_load_first(counts + ox, some);
            vf_store_first(y + ox, total, some);
        }
    }
}

static const char *run_pool(const sl_call *call) {
    const int64_t *p = call->p, *w = p + W;
    const bool average = call->kernel->variant == AVERAGE;
    const float *x = call->in[0];
    float *y = call->out[0], *plane = call->out[1];
    if (w[OUT_H] == 0 || w[OUT_W] == 0) return NULL;
    const plane_shape s = plane_of(w);
    float *counts = plane + s.rows * s.row;
    int64_t columns[WIDEST];
    for (int64_t kx = 0; kx < w[K_W]; kx++)
        columns[kx] = column_at(&s, w, kx);
    for (int64_t ox = 0; ox < w[OUT_W]; ox++)
        counts[ox] = (float)counted(ox, w[K_W], w[S_W], w[D_W], w[P_L], w[IN_W], p[P_R]);
    for (int64_t i = 0; i < p[PLANES]; i++, x += w[IN_H] * w[IN_W], y += w[OUT_H] * w[OUT_W]) {
        fill_plane(plane, &s, x, w, average ? 0 : -SL_INFINITY);
        if (average)
            pool(plane, &s, p, w[K_H], w[K_W], true, columns, counts, y);
        else if (w[K_H] == 3 && w[K_W] == 3)
            pool(plane, &s, p, 3, 3, false, columns, counts, y);
        else if (w[K_H] == 2 && w[K_W] == 2)
            pool(plane, &s, p, 2, 2, false, columns, counts, y);
        else
            pool(plane, &s, p, w[K_H], w[K_W], false, columns, counts, y);
    }
    return NULL;
}

/* lrn_f32: N, C, elements per channel, size, alpha, beta, bias. Y = X / (bias + alpha / size * sum
 * of X^2 over `size` channels around)^beta. */
enum { LRN_N, LRN_C, LRN_AREA, LRN_SIZE, LRN_ALPHA, LRN_BETA, LRN_BIAS, LRN_PARAMS };

static const char *check_lrn(const sl_args *a) {
    SL_SHAPE(a, 1, 1, LRN_PARAMS);
    const int64_t *p = a->p, total = sl_size3(p[LRN_N], p[LRN_C], p[LRN_AREA]);
    SL_TRY(p[LRN_SIZE] > 0 && p[LRN_SIZE] < INT32_MAX, "the size is out of range");
    SL_TRY(sl_holds(&a->in[0], total, 4) && sl_holds(&a->out[0], total, 4),
           "the operands are too small");
    return NULL;
}

static const char *run_lrn(const sl_call *call) {
    const int64_t *p = call->p, channels = p[LRN_C], area = p[LRN_AREA];
    const int64_t before = (p[LRN_SIZE] - 1) / 2, behind = p[LRN_SIZE] - 1 - before;
    const float scale = (float)(sl_real(p[LRN_ALPHA]) / (double)p[LRN_SIZE]),
                beta = (float)sl_real(p[LRN_BETA]);
    const float bias = (float)sl_real(p[LRN_BIAS]);
    if (channels == 0 || area == 0) return NULL;
    for (int64_t n = 0; n < p[LRN_N]; n++) {
        const float *x = (const float *)call->in[0] + n * channels * area;
        float *y = (float *)call->out[0] + n * channels * area;
        for (int64_t c = 0; c < channels; c++) {
            const int64_t low = c < before ? 0 : c - before,
                          high = c + behind < channels ? c + behind : channels - 1;
            for (int64_t i = 0; i < area; i += VF) {
                const size_t count = area - i < VF ? (size_t)(area - i) : VF;
                vf sum = vf_set(0);
                for (int64_t k = low; k <= high; k++) {
                    const vf v = vf_load_first(x + k * area + i, count);
                    sum = vf_fma(v, v, sum);
                }
                const vf power = vf_exp(-beta * vf_log(bias + scale * sum));
                vf_store_first(y + c * area + i, vf_load_first(x + c * area + i, count) * power,
                               count);
            }
        }
    }
    return NULL;
}

/* scale_shift_f32: N, C, elements per channel, activation, its a and b. Inputs X, a scale and a
 * shift per channel. Y = activation(X * scale + shift). */
enum { SS_N, SS_C, SS_AREA, SS_ACTIVATION, SS_PARAMS = SS_ACTIVATION + 3 };

static const char *check_scale_shift(const sl_args *a) {
    SL_SHAPE(a, 3, 1, SS_PARAMS);
    const int64_t *p = a->p, total = sl_size3(p[SS_N], p[SS_C], p[SS_AREA]);
    SL_TRY(sl_holds(&a->in[0], total, 4) && sl_holds(&a->out[0], total, 4),
           "the operands are too small");
    SL_TRY(sl_holds(&a->in[1], p[SS_C], 4) && sl_holds(&a->in[2], p[SS_C], 4),
           "the scales or shifts are too few");
    SL_TRY(p[SS_ACTIVATION] >= 0 && p[SS_ACTIVATION] < SL_ACTIVATION_COUNT, "unknown activation");
    return NULL;
}

static const char *run_scale_shift(const sl_call *call) {
    const int64_t *p = call->p;
    const size_t area = (size_t)p[SS_AREA];
    const float *x = call->in[0], *scales = call->in[1], *shifts = call->in[2];
    float *y = call->out[0];
    const epilogue e = sl_epilogue(NULL, 0, 0, NULL, p + SS_ACTIVATION);
    const vf low = vf_set(e.low), high = vf_set(e.high);
    if (area == 0 || p[SS_C] == 0) return NULL;
    for (int64_t i = 0; i < p[SS_N] * p[SS_C]; i++, x += area, y += area) {
        const vf scale = vf_set(scales[i % p[SS_C]]), shift = vf_set(shifts[i % p[SS_C]]);
        for (size_t j = 0; j < area; j += VF) {
            const size_t some = smaller(VF, area - j);
            const vf v = vf_load_first(x + j, some) * scale + shift;
            vf_store_first(y + j, vf_lower(high, vf_higher(low, v)), some);
        }
        if (!e.in_registers) SL_NAME(sl_finish)(1, area, y, 0, &e);
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_pool)[] = {
    {"max_pool2d_f32", check_pool, run_pool, MAX},
    {"average_pool2d_f32", check_pool, run_pool, AVERAGE},
    {"lrn_f32", check_lrn, run_lrn, 0},
    {"scale_shift_f32", check_scale_shift, run_scale_shift, 0},
    SL_END,
};
