/* Two-dimensional convolutions of [N, C, H, W] by [M, C / groups, K, K].
 *
 * conv2d_f32 is a matrix product of packed weights with windows that are gathered as it goes;
 * depthwise2d_f32 slides over planes. Both add a bias per output channel, then a residual (laid out
 * as the output), then apply an activation. */
#include "image.h"
#include "slide.h"

#define SCRATCH (192 * 192)         /* floats, the same for all instruction sets */
#define NC (SCRATCH / KC / NR * NR) /* columns that are gathered at a time */

/* conv2d_f32: N, C, M, groups, the window (plane.h), activation, its a and b. Inputs X, weights
 * from pack_a_f32, bias or absent, residual or absent; outputs Y and a scratch of 36864 floats. */
static const char *check_conv(const sl_args *a) {
    const char *wrong = check_images(a, PARAMS);
    if (wrong) return wrong;
    const int64_t *p = a->p, *w = p + W;
    const int64_t k = sl_size3(p[C] / p[GROUPS], w[K_H], w[K_W]);
    SL_TRY(sl_holds(&a->in[1], sl_size3(k, packed_rows(p[M] / p[GROUPS]), p[GROUPS]), 4),
           "the weights are too small");
    SL_TRY(sl_holds(&a->out[1], SCRATCH, 4), "the scratch is too small");
    return NULL;
}

/* Output columns [low, high) whose tap kx falls inside the image. */
typedef struct {
    int64_t low, high;
} columns;

static columns inside(const int64_t *w, int64_t kx) {
    const int64_t shift = kx * w[D_W] - w[P_L];
    const int64_t low = shift >= 0 ? 0 : (-shift + w[S_W] - 1) / w[S_W];
    const int64_t high = w[IN_W] - shift <= 0 ? 0 : (w[IN_W] - shift - 1) / w[S_W] + 1;
    return (columns){low < w[OUT_W] ? low : w[OUT_W], high < low        ? low
                                                      : high < w[OUT_W] ? high
                                                                        : w[OUT_W]};
}

static inline int64_t clamped(int64_t x, int64_t low, int64_t high) {
    return x < low ? low : x > high ? high : x;
}

static inline void clear(float *to, int64_t n) {
    SL_SCALAR
    for (int64_t i = 0; i < n; i++)
        to[i] = 0;
}

/* Row (channel, ky, kx) of the gathered matrix: n columns from output place (oy, ox) on. */
static void gather_line(float *line, const float *image, const int64_t *w, int64_t ky, int64_t kx,
                        int64_t oy, int64_t ox, int64_t n) {
    const int64_t shift = kx * w[D_W] - w[P_L], stride = w[S_W];
    const columns valid = inside(w, kx);
    for (int64_t at = 0; at < n; oy++, ox = 0) {
        const int64_t run = n - at < w[OUT_W] - ox ? n - at : w[OUT_W] - ox;
        const int64_t y = oy * w[S_H] + ky * w[D_H] - w[P_T];
        const int64_t low = clamped(valid.low, ox, ox + run);
        const int64_t high = clamped(valid.high, low, ox + run);
        float *to = line + at;
        at += run;
        if (y < 0 || y >= w[IN_H]) {
            clear(to, run);
            continue;
        }
        const float *source = image + y * w[IN_W] + low * stride + shift;
        clear(to, low - ox);
        to += low - ox;
        if (stride == 1) {
            vf_copy(to, source, (size_t)(high - low));
            to += high - low;
        } else {
            for (int64_t x = low; x < high; x++, source += stride)
                *to++ = *source;
        }
        clear(to, ox + run - high);
    }
}

/* Whether the gathered matrix is the image. */
static bool is_plain(const int64_t *w) {
    return w[K_H] == 1 && w[K_W] == 1 && w[S_H] == 1 && w[S_W] == 1 && w[P_T] == 0 && w[P_L] == 0 &&
           w[OUT_W] == w[IN_W] && w[OUT_H] == w[IN_H];
}

/* Rows [k, k + depth) and columns [from, from + n) of the gathered matrix, in panels. */
static void gather(float *panels, const float *image, const int64_t *w, int64_t k, int64_t depth,
                   int64_t from, int64_t n) {
    float line[NC + NR];
    const int64_t taps = w[K_H] * w[K_W], area = w[IN_H] * w[IN_W];
    if (is_plain(w)) {
        for (int64_t i = 0; i < depth; i++)
            sl_into_panels(panels + i * NR, image + (k + i) * area + from, n, depth);
        return;
    }
    const int64_t oy = from / w[OUT_W], ox = from % w[OUT_W];
    int64_t channel = k / taps, ky = k % taps / w[K_W], kx = k % w[K_W];
    for (int64_t i = 0; i < depth; i++) {
        gather_line(line, image + channel * area, w, ky, kx, oy, ox, n);
        sl_into_panels(panels + i * NR, line, n, depth);
        if (++kx < w[K_W]) continue;
        kx = 0;
        if (++ky < w[K_H]) continue;
        ky = 0, channel++;
    }
}

static void convolve(const int64_t *p, const float *image, const float *weights, float *y,
                     float *panels, const epilogue *e) {
    const int64_t *w = p + W;
    const size_t m = (size_t)(p[M] / p[GROUPS]), pixels = (size_t)(w[OUT_H] * w[OUT_W]);
    const size_t k = (size_t)(p[C] / p[GROUPS] * w[K_H] * w[K_W]);
    for (size_t from = 0; from < pixels; from += NC) {
        const size_t n = smaller(NC, pixels - from);
        size_t done = 0;
        do {
            const size_t depth = smaller(KC, k - done);
            gather(panels, image, w, (int64_t)done, (int64_t)depth, (int64_t)from, (int64_t)n);
            for (size_t i = 0; i < m; i += MR) {
                const float *rows = weights + i * k + done * MR;
                for (size_t j = 0; j < n; j += NR) {
                    const epilogue here = sl_epilogue_at(e, i, from + j, pixels);
                    SL_NAME(sl_tile)(smaller(MR, m - i), smaller(NR, n - j), depth, rows, 0, true,
                                     panels + j * depth, NR, y + i * pixels + from + j, pixels,
                                     done == 0, done + depth == k ? &here : NULL);
                }
            }
            done += depth;
        } while (done < k);
    }
}

static const char *run_conv(const sl_call *call) {
    const int64_t *p = call->p, *w = p + W;
    const size_t m = (size_t)(p[M] / p[GROUPS]), area = (size_t)(w[IN_H] * w[IN_W]);
    const size_t channels = (size_t)(p[C] / p[GROUPS]), pixels = (size_t)(w[OUT_H] * w[OUT_W]);
    const size_t packed = (size_t)packed_rows((int64_t)m) * channels * (size_t)(w[K_H] * w[K_W]);
    const float *x = call->in[0], *bias = call->in[2], *residual = call->in[3];
    float *y = call->out[0];
    if (m == 0 || pixels == 0) return NULL;
    for (int64_t image = 0; image < p[N]; image++) {
        for (size_t g = 0; g < (size_t)p[GROUPS]; g++, x += channels * area, y += m * pixels) {
            const epilogue e =
                sl_epilogue(bias ? bias + g * m : NULL, 1, 0, residual, p + ACTIVATION);
            convolve(p, x, (const float *)call->in[1] + g * packed, y, call->out[1], &e);
            if (residual) residual += m * pixels;
        }
    }
    return NULL;
}

/* pack_a_f32: groups, rows, columns. Each group's [rows, columns] in tiles of MR rows, column after
 * column, the last one padded with zeros: groups * ceil(rows / MR) * MR * columns floats. */
static const char *check_pack(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 3);
    const int64_t *p = a->p;
    SL_TRY(p[1] >= 0 && p[1] < INT32_MAX, "a size is out of range");
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[0], p[1], p[2]), 4), "the matrix is too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[0], packed_rows(p[1]), p[2]), 4),
           "the packed output is too small");
    return NULL;
}

static const char *run_pack(const sl_call *call) {
    const size_t groups = (size_t)call->p[0], rows = (size_t)call->p[1],
                 columns = (size_t)call->p[2];
    const float *from = call->in[0];
    float *to = call->out[0];
    if (rows == 0 || columns == 0) return NULL;
    for (size_t g = 0; g < groups;
         g++, from += rows * columns, to += (size_t)packed_rows((int64_t)rows) * columns)
        SL_NAME(sl_pack_a)(rows, columns, from, columns, to);
    return NULL;
}

/* depthwise2d_f32: parameters as conv2d_f32's, groups being C. Weights as they come: [M, K, K]. The
 * scratch holds one plane. */
static const char *check_depthwise(const sl_args *a) {
    const char *wrong = check_images(a, PARAMS);
    if (wrong) return wrong;
    const int64_t *p = a->p, *w = p + W;
    SL_TRY(p[GROUPS] == p[C], "not depthwise");
    SL_TRY(w[K_W] <= WIDEST, "the window is too wide");
    SL_TRY(sl_holds(&a->in[1], sl_size3(p[M], w[K_H], w[K_W]), 4), "the weights are too small");
    SL_TRY(sl_holds(&a->out[1], plane_floats(w), 4), "the scratch is too small");
    return NULL;
}

static const char *run_depthwise(const sl_call *call) {
    const int64_t *p = call->p, *w = p + W;
    const int64_t pixels = w[OUT_H] * w[OUT_W], taps = w[K_H] * w[K_W], multiplier = p[M] / p[C];
    const float *x = call->in[0], *bias = call->in[2], *residual = call->in[3];
    float *y = call->out[0], *plane = call->out[1];
    if (pixels == 0 || multiplier == 0) return NULL;
    const plane_shape s = plane_of(w);
    epilogue e = sl_epilogue(NULL, 0, 0, residual, p + ACTIVATION);
    int64_t columns[WIDEST];
    for (int64_t kx = 0; kx < w[K_W]; kx++)
        columns[kx] = column_at(&s, w, kx);
    for (int64_t i = 0; i < p[N] * p[C]; i++, x += w[IN_H] * w[IN_W]) {
        fill_plane(plane, &s, x, w, 0);
        for (int64_t j = 0; j < multiplier; j++, y += pixels) {
            const int64_t m = i % p[C] * multiplier + j;
            const float *weights = (const float *)call->in[1] + m * taps;
            const float offset = bias ? bias[m] : 0;
            slide(plane, &s, w, columns, weights, offset, &e, y);
            if (e.in_registers) continue;
            SL_NAME(sl_finish)(1, (size_t)pixels, y, 0, &e);
            if (e.residual) e.residual += pixels;
        }
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_conv)[] = {
    {"pack_a_f32", check_pack, run_pack, 0},
    {"conv2d_f32", check_conv, run_conv, 0},
    {"depthwise2d_f32", check_depthwise, run_depthwise, 0},
    SL_END,
};
