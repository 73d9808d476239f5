/* One filter sliding over one plane. */
#ifndef SL_SLIDE_H
#define SL_SLIDE_H

#include "plane.h"
#include "tile.h"

enum { WIDEST = 64 }; /* columns of a depthwise window */
enum { ABREAST = 2 }; /* vectors that slide side by side, so that sums overlap */

/* `vectors` vectors of output from y on, whose windows' top left taps are at `top`. */
SL_INLINE void slide_some(const size_t vectors, const float *top, int64_t row,
                          const int64_t *columns, const int64_t k_h, const int64_t k_w,
                          const float *weights, float bias, vf *sum) {
    SL_UNROLLED
    for (size_t v = 0; v < vectors; v++)
        sum[v] = vf_set(bias);
    for (int64_t ky = 0; ky < k_h; ky++, top += row, weights += k_w) {
        for (int64_t kx = 0; kx < k_w; kx++) {
            const vf weight = vf_set(weights[kx]);
            SL_UNROLLED
            for (size_t v = 0; v < vectors; v++)
                sum[v] = vf_fma(weight, vf_load(top + columns[kx] + v * VF), sum[v]);
        }
    }
}

/* `k_h` and `k_w` are constants where this is inlined for the usual sizes; the activation is a
 * clamp to [low, high]. */
SL_INLINE void slide_by(const float *plane, const plane_shape *s, const int64_t *w,
                        const int64_t k_h, const int64_t k_w, const int64_t *columns,
                        const float *weights, float bias, const epilogue *e, float *y) {
    const int64_t row = w[D_H] * s->row;
    const vf low = vf_set(e->low), high = vf_set(e->high);
    for (int64_t oy = 0; oy < w[OUT_H]; oy++, y += w[OUT_W]) {
        const float *top = plane + oy * w[S_H] * s->row;
        vf sum[ABREAST];
        int64_t ox = 0;
        for (; ox + ABREAST * VF <= w[OUT_W]; ox += ABREAST * VF) {
            slide_some(ABREAST, top + ox, row, columns, k_h, k_w, weights, bias, sum);
            SL_UNROLLED
            for (size_t v = 0; v < ABREAST; v++)
                vf_store(y + ox + v * VF, vf_lower(high, vf_higher(low, sum[v])));
        }
        for (; ox < w[OUT_W]; ox += VF) {
            slide_some(1, top + ox, row, columns, k_h, k_w, weights, bias, sum);
            vf_store_first(y + ox, vf_lower(high, vf_higher(low, sum[0])),
                           smaller(VF, (size_t)(w[OUT_W] - ox)));
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
