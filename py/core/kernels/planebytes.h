/* A channel of an image of bytes as plane.h has it; vectors of 16 bytes. */
#ifndef SL_PLANE_BYTES_H
#define SL_PLANE_BYTES_H

#include "plane.h"

enum { VB = 16 }; /* bytes of a vector; that many may be touched past a plane's end */

typedef uint8_t vb __attribute__((vector_size(VB)));
typedef uint8_t vb_unaligned __attribute__((vector_size(VB), aligned(1), may_alias));

SL_INLINE vb vb_load(const uint8_t *p) {
    return *(const vb_unaligned *)p;
}
SL_INLINE void vb_store(uint8_t *p, vb v) {
    *(vb_unaligned *)p = v;
}

/* The first n <= VB bytes, the others 0. */
SL_INLINE vb vb_load_first(const uint8_t *p, size_t n) {
    if (n >= VB) return vb_load(p);
    uint8_t some[VB] = {0};
    SL_SCALAR
    for (size_t i = 0; i < n; i++)
        some[i] = p[i];
    return vb_load(some);
}

/* The first n bytes, all VB if there are more. */
SL_INLINE void vb_store_first(uint8_t *p, vb v, size_t n) {
    if (n >= VB) {
        vb_store(p, v);
        return;
    }
    uint8_t all[VB];
    vb_store(all, v);
    SL_SCALAR
    for (size_t i = 0; i < n; i++)
        p[i] = all[i];
}

typedef uint64_t eight_unaligned __attribute__((aligned(1), may_alias));

/* Copies n bytes, and none besides. */
SL_INLINE void vb_copy(uint8_t *to, const uint8_t *from, size_t n) {
    if (n >= VB) {
        for (size_t i = 0; i + VB < n; i += VB)
            vb_store(to + i, vb_load(from + i));
        vb_store(to + n - VB, vb_load(from + n - VB));
    } else if (n >= 8) {
        const uint64_t first = *(const eight_unaligned *)from;
        const uint64_t last = *(const eight_unaligned *)(from + n - 8);
        *(eight_unaligned *)to = first;
        *(eight_unaligned *)(to + n - 8) = last;
    } else {
        SL_SCALAR
        for (size_t i = 0; i < n; i++)
            to[i] = from[i];
    }
}

#if defined(__clang__) || __GNUC__ >= 12
#define SL_ZIP(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SL_ZIP(a, b, ...) __builtin_shuffle(a, b, (__typeof__(a)){__VA_ARGS__})
#endif

/* Every second byte. */
SL_INLINE vb vb_evens(vb a, vb b) {
    return SL_ZIP(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}

/* Rows [first, first + rows) of a plane. What no window of a stride meets is left alone. */
static inline void fill_bytes(uint8_t *plane, const plane_shape *s, const uint8_t *image,
                              const int64_t *w, int64_t first, int64_t rows, uint8_t border) {
    const int64_t tall = (w[K_H] - 1) * w[D_H], wide = (w[K_W] - 1) * w[D_W];
    const int64_t right = s->columns - w[P_L], count = right < w[IN_W] ? right : w[IN_W];
    const vb edge = (vb){0} + border;
    for (int64_t y = first; y < first + rows; y++, plane += s->row) {
        if (y % w[S_H] > tall) continue;
        const bool inside = y >= w[P_T] && y - w[P_T] < w[IN_H] && count > 0;
        if (!inside || w[P_L] || s->columns > count) {
            for (int64_t i = 0; i < s->row; i += VB)
                vb_store(plane + i, edge);
        }
        if (!inside) continue;
        const uint8_t *line = image + (y - w[P_T]) * w[IN_W];
        if (w[S_W] == 1) {
            vb_copy(plane + w[P_L], line, (size_t)count);
            continue;
        }
        for (int64_t p = 0; p < w[S_W] && p <= wide; p++) {
            int64_t x;
            uint8_t *to = plane + phase_start(s, w, p, &x);
            for (; w[S_W] == 2 && x + 2 * VB <= count; x += 2 * VB, to += VB)
                vb_store(to, vb_evens(vb_load(line + x), vb_load(line + x + VB)));
            for (; x < count; x += w[S_W])
                *to++ = line[x];
        }
    }
}

#endif
