/* One channel of an image, copied so that a window slides over it without a single test: borders
 * filled in, and columns sorted by their place within the stride, so that a step of the output is a
 * step of one float in memory whatever the stride. Column x of row y is at y * row + (x % stride) *
 * phase + x / stride. */
#ifndef SL_PLANE_H
#define SL_PLANE_H

#include "kernel.h"
#include "simd.h"

/* Input height and width, kernel, strides, dilations, padding above and to the left, output height
 * and width. */
enum { IN_H, IN_W, K_H, K_W, S_H, S_W, D_H, D_W, P_T, P_L, OUT_H, OUT_W, WINDOW };

enum { SLACK = VF }; /* floats that a vector may read past a phase's end */

static const char *check_window(const int64_t *w) {
    for (int i = 0; i < WINDOW; i++)
        SL_TRY(w[i] >= 0 && w[i] < INT32_MAX, "a size of the window is out of range");
    SL_TRY(w[K_H] > 0 && w[K_W] > 0 && w[S_H] > 0 && w[S_W] > 0 && w[D_H] > 0 && w[D_W] > 0,
           "a size of the window is not positive");
    return NULL;
}

/* Floats of a plane; -1 when that overflows. */
static inline int64_t plane_floats(const int64_t *w) {
    int64_t rows, columns;
    if (w[OUT_H] == 0 || w[OUT_W] == 0) return 0;
    if (__builtin_mul_overflow(w[OUT_H] - 1, w[S_H], &rows) ||
        __builtin_mul_overflow(w[OUT_W] - 1, w[S_W], &columns))
        return -1;
    rows += (w[K_H] - 1) * w[D_H] + 1;
    columns += (w[K_W] - 1) * w[D_W] + 1;
    const int64_t phase = (columns + w[S_W] - 1) / w[S_W] + SLACK;
    return sl_size3(rows, phase, w[S_W]);
}

typedef struct {
    int64_t rows, columns, phase, row;
} plane_shape;

static inline plane_shape plane_of(const int64_t *w) {
    plane_shape s;
    s.rows = (w[OUT_H] - 1) * w[S_H] + (w[K_H] - 1) * w[D_H] + 1;
    s.columns = (w[OUT_W] - 1) * w[S_W] + (w[K_W] - 1) * w[D_W] + 1;
    s.phase = (s.columns + w[S_W] - 1) / w[S_W] + SLACK;
    s.row = s.phase * w[S_W];
    return s;
}

/* Floats from the top left tap of a window to its column kx. */
static inline int64_t column_at(const plane_shape *s, const int64_t *w, int64_t kx) {
    const int64_t x = kx * w[D_W];
    return x % w[S_W] * s->phase + x / w[S_W];
}

/* Where in a row of the plane the image's columns of phase p go, one after the other; `first` is
 * the smallest of them. */
static inline int64_t phase_start(const plane_shape *s, const int64_t *w, int64_t p,
                                  int64_t *first) {
    int64_t x = (p - w[P_L]) % w[S_W];
    if (x < 0) x += w[S_W];
    *first = x;
    return p * s->phase + (x + w[P_L]) / w[S_W];
}

static inline void fill_plane(float *plane, const plane_shape *s, const float *image,
                              const int64_t *w, float border) {
    const int64_t stride = w[S_W], right = s->columns - w[P_L];
    const int64_t count = right < w[IN_W] ? right : w[IN_W];
    const int64_t lead = s->rows < w[P_T] ? s->rows : w[P_T];
    const int64_t tail = w[IN_H] + w[P_T] < s->rows ? w[IN_H] + w[P_T] : s->rows;
    for (int64_t y = 0; y < s->rows; y++, plane += s->row) {
        if (y < lead || y >= tail) {
            for (int64_t i = 0; i < s->row; i++)
                plane[i] = border;
            continue;
        }
        const float *line = image + (y - w[P_T]) * w[IN_W];
        if (stride == 1) {
            const int64_t end = count > 0 ? w[P_L] + count : 0;
            for (int64_t i = 0; i < w[P_L] && i < s->row; i++)
                plane[i] = border;
            if (count > 0) vf_copy(plane + w[P_L], line, (size_t)count);
            for (int64_t i = end; i < s->row; i++)
                plane[i] = border;
            continue;
        }
        for (int64_t i = 0; i < s->row; i++)
            plane[i] = border;
        for (int64_t p = 0; p < stride; p++) {
            int64_t x;
            float *to = plane + phase_start(s, w, p, &x);
            for (; x < count; x += stride)
                *to++ = line[x];
        }
    }
}

#endif
