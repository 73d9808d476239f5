/* Normalisation of rows of float32 to mean 0 and variance 1: LayerNorm, RMSNorm, InstanceNorm and
 * GroupNorm.
 *
 * Sums run in vectors over short blocks, and over the blocks in doubles; the variance is that of
 * the deviations from the mean, so that a large mean costs no digits. */
#include "kernel.h"
#include "vmath.h"

#include <math.h>

enum { BLOCK = 2048 };

static double sum_row(const float *x, size_t n) {
    double total = 0;
    for (size_t from = 0; from < n; from += BLOCK) {
        const float *block = x + from;
        const size_t count = n - from < BLOCK ? n - from : BLOCK;
        vf a = vf_set(0), b = vf_set(0);
        size_t i = 0;
        for (; i + 2 * VF <= count; i += 2 * VF) {
            a += vf_load(block + i);
            b += vf_load(block + i + VF);
        }
        for (; i < count; i += VF)
            a += vf_load_first(block + i, count - i < VF ? count - i : VF);
        total += vf_sum(a + b);
    }
    return total;
}

/* The sum of (x - mean)^2. */
static double square_row(const float *x, size_t n, float mean) {
    const vf middle = vf_set(mean);
    double total = 0;
    for (size_t from = 0; from < n; from += BLOCK) {
        const float *block = x + from;
        const size_t count = n - from < BLOCK ? n - from : BLOCK;
        vf a = vf_set(0), b = vf_set(0);
        size_t i = 0;
        for (; i + 2 * VF <= count; i += 2 * VF) {
            const vf u = vf_load(block + i) - middle, v = vf_load(block + i + VF) - middle;
            a = vf_fma(u, u, a);
            b = vf_fma(v, v, b);
        }
        for (; i < count; i++) {
            const float u = block[i] - mean;
            total += (double)(u * u);
        }
        total += vf_sum(a + b);
    }
    return total;
}

/* y = (x - mean) * factor * scale + shift; scale and shift may be NULL. */
static void affine_row(const float *x, float *y, size_t n, float mean, float factor,
                       const float *scale, const float *shift) {
    const vf middle = vf_set(mean), times = vf_set(factor);
    size_t i = 0;
    for (; i + VF <= n; i += VF) {
        vf v = (vf_load(x + i) - middle) * times;
        if (scale) v *= vf_load(scale + i);
        if (shift) v += vf_load(shift + i);
        vf_store(y + i, v);
    }
    for (; i < n; i++) {
        float v = (x[i] - mean) * factor;
        if (scale) v *= scale[i];
        if (shift) v += shift[i];
        y[i] = v;
    }
}

/* layer_norm_f32: rows, n, epsilon, whether the mean is subtracted (else RMSNorm). Inputs X [rows,
 * n], an addend of X's size or absent, scale [n] or absent, shift [n] or absent; outputs Y, and
 * where present X + addend [rows, n], the means [rows], the inverse deviations [rows]. */
enum { ROWS, WIDTH, EPSILON, CENTRED, NORM_PARAMS };

static const char *check_layer_norm(const sl_args *a) {
    SL_SHAPE(a, 4, 4, NORM_PARAMS);
    const int64_t rows = a->p[ROWS], n = a->p[WIDTH], size = sl_size3(rows, n, 1);
    SL_TRY(sl_holds(&a->in[0], size, 4), "X is too small");
    SL_TRY(!sl_present(&a->in[1]) || sl_holds(&a->in[1], size, 4), "the addend is too small");
    for (int i = 2; i < 4; i++)
        SL_TRY(!sl_present(&a->in[i]) || sl_holds(&a->in[i], n, 4),
               "the scale or the shift is too small");
    SL_TRY(sl_holds(&a->out[0], size, 4), "Y is too small");
    SL_TRY(!sl_present(&a->out[1]) || sl_holds(&a->out[1], size, 4), "the sum is too small");
    for (int i = 2; i < 4; i++)
        SL_TRY(!sl_present(&a->out[i]) || sl_holds(&a->out[i], rows, 4),
               "the means or the deviations are too small");
    return NULL;
}

static const char *run_layer_norm(const sl_call *call) {
    const size_t rows = (size_t)call->p[ROWS], n = (size_t)call->p[WIDTH];
    const double epsilon = sl_real(call->p[EPSILON]);
    const float *x = call->in[0], *addend = call->in[1], *scale = call->in[2], *shift = call->in[3];
    float *y = call->out[0], *sum = call->out[1], *means = call->out[2], *inverses = call->out[3];
    for (size_t row = 0; row < rows; row++, x += n, y += n) {
        const float *source = x;
        if (addend || sum) {
            float *to = sum ? sum : y;
            size_t i = 0;
            for (; i + VF <= n; i += VF)
                vf_store(to + i, addend ? vf_load(x + i) + vf_load(addend + i) : vf_load(x + i));
            for (; i < n; i++)
                to[i] = addend ? x[i] + addend[i] : x[i];
            source = to;
            if (addend) addend += n;
            if (sum) sum += n;
        }
        const float mean = call->p[CENTRED] && n ? (float)(sum_row(source, n) / (double)n) : 0.0f;
        const double variance = n ? square_row(source, n, mean) / (double)n : 0;
        const float factor = (float)(1 / sqrt(variance + epsilon));
        affine_row(source, y, n, mean, factor, scale, shift);
        if (means) means[row] = mean;
        if (inverses) inverses[row] = factor;
    }
    return NULL;
}

/* group_norm_f32: batch, groups, channels of a group, elements of a channel, epsilon. Inputs X
 * [batch, groups * channels, elements], scale and shift [groups * channels]; output Y. */
enum { BATCH, GROUPS, CHANNELS, AREA, GROUP_EPSILON, GROUP_PARAMS };

static const char *check_group_norm(const sl_args *a) {
    SL_SHAPE(a, 3, 1, GROUP_PARAMS);
    const int64_t *p = a->p, channels = sl_size3(p[GROUPS], p[CHANNELS], 1);
    const int64_t size = sl_size(p, 4);
    SL_TRY(channels >= 0 && sl_holds(&a->in[0], size, 4), "X is too small");
    for (int i = 1; i < 3; i++)
        SL_TRY(sl_holds(&a->in[i], channels, 4), "the scale or the shift is too small");
    SL_TRY(sl_holds(&a->out[0], size, 4), "Y is too small");
    return NULL;
}

static const char *run_group_norm(const sl_call *call) {
    const size_t batch = (size_t)call->p[BATCH], groups = (size_t)call->p[GROUPS];
    const size_t channels = (size_t)call->p[CHANNELS], area = (size_t)call->p[AREA];
    const double epsilon = sl_real(call->p[GROUP_EPSILON]);
    const size_t n = channels * area;
    const float *x = call->in[0], *scale = call->in[1], *shift = call->in[2];
    float *y = call->out[0];
    if (n == 0) return NULL;
    for (size_t i = 0; i < batch; i++) {
        for (size_t g = 0; g < groups; g++) {
            const float mean = (float)(sum_row(x, n) / (double)n);
            const double variance = square_row(x, n, mean) / (double)n;
            const float inverse = (float)(1 / sqrt(variance + epsilon));
            for (size_t c = g * channels; c < (g + 1) * channels; c++, x += area, y += area) {
                const float factor = inverse * scale[c];
                const vf middle = vf_set(mean), times = vf_set(factor), plus = vf_set(shift[c]);
                size_t j = 0;
                for (; j + VF <= area; j += VF)
                    vf_store(y + j, (vf_load(x + j) - middle) * times + plus);
                for (; j < area; j++)
                    y[j] = (x[j] - mean) * factor + shift[c];
            }
        }
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_normalize)[] = {
    {"layer_norm_f32", check_layer_norm, run_layer_norm, 0},
    {"group_norm_f32", check_group_norm, run_group_norm, 0},
    SL_END,
};
