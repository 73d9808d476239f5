/* One filter sliding over one plane. */
#ifndef SL_SLIDE_H
#define SL_SLIDE_H

#include "plane.h"
#include "tile.h"

enum { WIDEST = 64 };           /* columns of a depthwise window */
enum { ROWS = 4, ABREAST = 2 }; /* rows, and vectors of a row, that slide together: sums overlap */

/* `vectors` vectors of `rows` rows of output from y on, whose windows' top left taps are at `top`:
 * `step` floats from row to row. The last vector has `last` columns. */
SL_INLINE void slide_some(const size_t rows, const size_t vectors, const float *top, int64_t step,
                          int64_t row, const int64_t *columns, const int64_t k_h, const int64_t k_w,
                          const float *weights, float bias, const epilogue *e, float *y,
                          int64_t width, size_t last) {
    vf sum[ROWS * ABREAST];
    SL_UNROLLED
    for (size_t i = 0; i < rows * vectors; i++)
        sum[i] = vf_set(bias);
    for (int64_t ky = 0; ky < k_h; ky++, top += row, weights += k_w) {
        for (int64_t kx = 0; kx < k_w; kx++) {
            const vf weight = vf_set(weights[kx]);
            const float *tap = top + columns[kx];
            SL_UNROLLED
            for (size_t i = 0; i < rows * vectors; i++) {
                const float *from = tap + (int64_t)(i / vectors) * step + i % vectors * VF;
                sum[i] = vf_fma(weight, vf_load(from), sum[i]);
            }
        }
    }
    const vf low = vf_set(e->low), high = vf_set(e->high);
    SL_UNROLLED
    for (size_t i = 0; i < rows * vectors; i++) {
        float *to = y + (int64_t)(i / vectors) * width + i % vectors * VF;
        const vf clamped = vf_lower(high, vf_higher(low, sum[i]));
        if (i % vectors + 1 < vectors || last == VF)
            vf_store(to, clamped);
        else
            vf_store_first(to, clamped, last);
    }
}

/* `rows` rows of output. `k_h` and `k_w` are constants where this is inlined for the usual sizes;
 * the activation is a clamp to [low, high]. */
SL_INLINE void slide_rows(const size_t rows, const float *top, const plane_shape *s,
                          const int64_t *w, const int64_t k_h, const int64_t k_w,
                          const int64_t *columns, const float *weights, float bias,
                          const epilogue *e, float *y) {
    const int64_t row = w[D_H] * s->row, step = w[S_H] * s->row, width = w[OUT_W];
    int64_t ox = 0;
    for (; ox + ABREAST * VF <= width; ox += ABREAST * VF)
        slide_some(rows, ABREAST, top + ox, step, row, columns, k_h, k_w, weights, bias, e, y + ox,
                   width, VF);
    for (; ox < width; ox += VF)
        slide_some(rows, 1, top + ox, step, row, columns, k_h, k_w, weights, bias, e, y + ox, width,
                   smaller(VF, (size_t)(width - ox)));
}

SL_INLINE void slide_by(const float *plane, const plane_shape *s, const int64_t *w,
                        const int64_t k_h, const int64_t k_w, const int64_t *columns,
                        const float *weights, float bias, const epilogue *e, float *y) {
    int64_t oy = 0;
    while (oy < w[OUT_H]) {
        /* The last rows are taken with some that are done already: the same sums again. */
        if (w[OUT_H] >= ROWS && oy > w[OUT_H] - ROWS) oy = w[OUT_H] - ROWS;
        const float *top = plane + oy * w[S_H] * s->row;
        float *to = y + oy * w[OUT_W];
        if (w[OUT_H] >= ROWS) {
            slide_rows(ROWS, top, s, w, k_h, k_w, columns, weights, bias, e, to);
            oy += ROWS;
        } else {
            slide_rows(1, top, s, w, k_h, k_w, columns, weights, bias, e, to);
            oy++;
        }
    }
}

/* y[OUT_H, OUT_W] = clamp(bias + the filter's sums) over a plane whose columns column_at gives. */
static inline void slide(const float *plane, const plane_shape *s, const int64_t *w,
                         const int64_t *columns, const float *weights, float bias,
                         const epilogue *e, float *y) {
    if (w[K_H] == 3 && w[K_W] == 3)
        slide_by(plane, s, w, 3, 3, columns, weights, bias, e, y);
    else if (w[K_H] == 5 && w[K_W] == 5)
        slide_by(plane, s, w, 5, 5, columns, weights, bias, e, y);
    else
        slide_by(plane, s, w, w[K_H], w[K_W], columns, weights, bias, e, y);
}

#endif
