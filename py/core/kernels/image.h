/* What the kernels of convolutions share: their parameters and what they check of them. */
#ifndef SL_IMAGE_H
#define SL_IMAGE_H

#include "plane.h"
#include "tile.h"

/* Batch, channels, filters, groups, the window (plane.h), an activation with its a and b. */
enum { N, C, M, GROUPS, W, ACTIVATION = W + WINDOW, PARAMS = ACTIVATION + 3 };

static const char *check_images(const sl_args *a, int64_t params) {
    SL_SHAPE(a, 4, 2, params);
    const int64_t *p = a->p, *w = p + W;
    for (int i = 0; i < W; i++)
        SL_TRY(p[i] >= 0 && p[i] < INT32_MAX, "a size is out of range");
    SL_TRY(p[GROUPS] > 0 && p[C] % p[GROUPS] == 0 && p[M] % p[GROUPS] == 0,
           "groups do not divide the channels");
    const char *wrong = check_window(w);
    if (wrong) return wrong;
    int64_t x, y;
    SL_TRY(!__builtin_mul_overflow(sl_size3(p[N], p[C], 1), w[IN_H] * w[IN_W], &x),
           "the input's size overflows");
    SL_TRY(!__builtin_mul_overflow(sl_size3(p[N], p[M], 1), w[OUT_H] * w[OUT_W], &y),
           "the output's size overflows");
    SL_TRY(sl_holds(&a->in[0], x, 4), "the input is too small");
    SL_TRY(sl_holds(&a->out[0], y, 4), "the output is too small");
    SL_TRY(!sl_present(&a->in[2]) || sl_holds(&a->in[2], p[M], 4), "the bias is too small");
    SL_TRY(!sl_present(&a->in[3]) || sl_holds(&a->in[3], y, 4), "the residual is too small");
    SL_TRY(p[ACTIVATION] >= 0 && p[ACTIVATION] < SL_ACTIVATION_COUNT, "unknown activation");
    return NULL;
}

static int64_t packed_rows(int64_t m) {
    return (m + MR - 1) / MR * MR;
}

#endif
