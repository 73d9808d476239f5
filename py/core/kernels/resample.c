/* Images made larger: the scattering half of a transposed convolution, and interpolation. */
#include "plane.h"
#include "tile.h"

/* col2im2d_f32: N, M, the window (plane.h, over the result: its "input" is what is spread), an
 * activation with its a and b. X [N, M, K_H, K_W, IN_H, IN_W] holds what each element of an image
 * spreads to each tap of its window; Y is the sums, plus a bias per channel, activated. */
enum { CI_N, CI_M, CI_W, CI_ACTIVATION = CI_W + WINDOW, CI_PARAMS = CI_ACTIVATION + 3 };

static const char *check_col2im(const sl_args *a) {
    SL_SHAPE(a, 2, 1, CI_PARAMS);
    const int64_t *p = a->p, *w = p + CI_W;
    const char *wrong = check_window(w);
    if (wrong) return wrong;
    const int64_t planes = sl_size3(p[CI_N], p[CI_M], 1);
    const int64_t taps = w[K_H] * w[K_W], area = w[IN_H] * w[IN_W];
    SL_TRY(planes >= 0 && sl_holds(&a->in[0], sl_size3(planes, taps, area), 4),
           "the input is too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(planes, w[OUT_H], w[OUT_W]), 4),
           "the output is too small");
    SL_TRY(!sl_present(&a->in[1]) || sl_holds(&a->in[1], p[CI_M], 4), "the bias is too small");
    SL_TRY(p[CI_ACTIVATION] >= 0 && p[CI_ACTIVATION] < SL_ACTIVATION_COUNT, "unknown activation");
    return NULL;
}

/* Elements [low, high) of `n` that fall within [0, size) as element * stride + offset. */
static void within(int64_t n, int64_t stride, int64_t offset, int64_t size, int64_t *low,
                   int64_t *high) {
    *low = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    *high = size <= offset ? 0 : (size - offset - 1) / stride + 1;
    if (*high > n) *high = n;
}

static void spread(const int64_t *w, const float *x, float *y) {
    for (int64_t ky = 0; ky < w[K_H]; ky++) {
        int64_t top, bottom;
        const int64_t down = ky * w[D_H] - w[P_T];
        within(w[IN_H], w[S_H], down, w[OUT_H], &top, &bottom);
        for (int64_t kx = 0; kx < w[K_W]; kx++, x += w[IN_H] * w[IN_W]) {
            int64_t left, right;
            const int64_t across = kx * w[D_W] - w[P_L];
            within(w[IN_W], w[S_W], across, w[OUT_W], &left, &right);
            for (int64_t i = top; i < bottom; i++) {
                const float *from = x + i * w[IN_W];
                float *to = y + (i * w[S_H] + down) * w[OUT_W] + across;
                for (int64_t j = left; j < right; j++)
                    to[j * w[S_W]] += from[j];
            }
        }
    }
}

static const char *run_col2im(const sl_call *call) {
    const int64_t *p = call->p, *w = p + CI_W;
    const int64_t image = w[K_H] * w[K_W] * w[IN_H] * w[IN_W], area = w[OUT_H] * w[OUT_W];
    const float *x = call->in[0], *bias = call->in[1];
    float *y = call->out[0];
    const epilogue e = sl_epilogue(NULL, 0, 0, NULL, p + CI_ACTIVATION);
    for (int64_t i = 0; i < p[CI_N] * p[CI_M]; i++, x += image, y += area) {
        const float start = bias ? bias[i % p[CI_M]] : 0;
        for (int64_t j = 0; j < area; j++)
            y[j] = start;
        spread(w, x, y);
        if (e.activation != SL_ACT_NONE) SL_NAME(sl_finish)(1, (size_t)area, y, 0, &e);
    }
    return NULL;
}

/* resize2d_f32: planes, IN_H, IN_W, OUT_H, OUT_W, taps of a row, taps of a column. Inputs X, then
 * for rows and for columns the places that an output takes (int64 [OUT, taps]) and their weights
 * (floats, or absent: 1). Output Y and a scratch of IN_W floats. */
enum { R_PLANES, R_IN_H, R_IN_W, R_OUT_H, R_OUT_W, R_ROWS, R_COLUMNS, R_PARAMS };

static bool all_within(const sl_view *places, int64_t count, int64_t size) {
    const int64_t *at = places->data;
    for (int64_t i = 0; i < count; i++) {
        if (at[i] < 0 || at[i] >= size) return false;
    }
    return true;
}

static const char *check_axis(const sl_view *places, const sl_view *weights, int64_t outputs,
                              int64_t taps, int64_t size) {
    const int64_t count = sl_size3(outputs, taps, 1);
    SL_TRY(taps > 0 && sl_holds(places, count, 8), "the places are too few");
    SL_TRY(places->data, "the places are not constant");
    SL_TRY(all_within(places, count, size), "a place lies outside the image");
    SL_TRY(sl_present(weights) ? sl_holds(weights, count, 4) : taps == 1,
           "the weights are too few");
    return NULL;
}

static const char *check_resize(const sl_args *a) {
    SL_SHAPE(a, 5, 2, R_PARAMS);
    const int64_t *p = a->p;
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[R_PLANES], p[R_IN_H], p[R_IN_W]), 4),
           "the input is too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[R_PLANES], p[R_OUT_H], p[R_OUT_W]), 4),
           "the output is too small");
    SL_TRY(sl_holds(&a->out[1], p[R_IN_W], 4), "the scratch is too small");
    const char *wrong = check_axis(&a->in[1], &a->in[2], p[R_OUT_H], p[R_ROWS], p[R_IN_H]);
    return wrong ? wrong : check_axis(&a->in[3], &a->in[4], p[R_OUT_W], p[R_COLUMNS], p[R_IN_W]);
}

/* The weighted sum of a plane's rows. */
static void blend(float *row, const float *plane, size_t width, const int64_t *places,
                  const float *weights, int64_t taps) {
    for (int64_t k = 0; k < taps; k++) {
        const float *from = plane + places[k] * (int64_t)width, weight = weights[k];
        for (size_t j = 0; j < width; j++)
            row[j] = (k ? row[j] : 0) + weight * from[j];
    }
}

static const char *run_resize(const sl_call *call) {
    const int64_t *p = call->p, *rows = call->in[1], *columns = call->in[3];
    const int64_t row_taps = p[R_ROWS], taps = p[R_COLUMNS], width = p[R_IN_W];
    const float *x = call->in[0], *down = call->in[2], *across = call->in[4];
    float *y = call->out[0], *scratch = call->out[1];
    if (p[R_OUT_H] == 0 || p[R_OUT_W] == 0) return NULL;
    for (int64_t n = 0; n < p[R_PLANES]; n++, x += p[R_IN_H] * width) {
        for (int64_t i = 0; i < p[R_OUT_H]; i++, y += p[R_OUT_W]) {
            if (!down && i && rows[i] == rows[i - 1]) {
                vf_copy(y, y - p[R_OUT_W], (size_t)p[R_OUT_W]);
                continue;
            }
            const float *row = scratch;
            if (down)
                blend(scratch, x, (size_t)width, rows + i * row_taps, down + i * row_taps,
                      row_taps);
            else
                row = x + rows[i] * width;
            for (int64_t j = 0; j < p[R_OUT_W]; j++) {
                const int64_t *at = columns + j * taps;
                if (!across) {
                    y[j] = row[*at];
                    continue;
                }
                float sum = 0;
                for (int64_t k = 0; k < taps; k++)
                    sum += across[j * taps + k] * row[at[k]];
                y[j] = sum;
            }
        }
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_resample)[] = {
    {"col2im2d_f32", check_col2im, run_col2im, 0},
    {"resize2d_f32", check_resize, run_resize, 0},
    SL_END,
};
