#include "tile.h"

/* Adds the bias and clamps a row of sums while they are still in registers. */
SL_INLINE void finish_row(vf *acc, const size_t vectors, size_t n, const epilogue *e, size_t row) {
    const float *bias = e->bias ? e->bias + row * e->bias_row : NULL;
    SL_UNROLLED
    for (size_t v = 0; v < vectors; v++) {
        if (bias && !e->bias_col) {
            acc[v] += bias[0];
        } else if (bias) {
            const size_t left = n > v * VF ? n - v * VF : 0;
            acc[v] += left >= VF ? vf_load(bias + v * VF)
                                 : vf_load_first(bias + smaller(v * VF, n), left);
        }
        acc[v] = vf_lower(vf_set(e->high), vf_higher(vf_set(e->low), acc[v]));
    }
}

/* `activation` is a constant where this is inlined. */
SL_INLINE void finish_rows(size_t m, size_t n, float *c, size_t c_row, const epilogue *e,
                           const int64_t activation) {
    const float a = e->a, b = e->b;
    for (size_t i = 0; i < m; i++, c += c_row) {
        const float *residual = e->residual ? e->residual + i * c_row : NULL;
        size_t j = 0;
        for (; j + VF <= n; j += VF) {
            vf x = vf_load(c + j);
            if (residual) x += vf_load(residual + j);
            vf_store(c + j, vf_activate(x, activation, a, b));
        }
        if (j < n) {
            vf x = vf_load_first(c + j, n - j);
            if (residual) x += vf_load_first(residual + j, n - j);
            vf_store_first(c + j, vf_activate(x, activation, a, b), n - j);
        }
    }
}

void SL_NAME(sl_finish)(size_t m, size_t n, float *c, size_t c_row, const epilogue *e) {
    switch (e->activation) {
#define CASE(id, name)                                                                             \
    case SL_ACT_##id: finish_rows(m, n, c, c_row, e, SL_ACT_##id); break;
        SL_ACTIVATIONS(CASE)
#undef CASE
    }
}

SL_INLINE void store_row(const vf *acc, const size_t vectors, float *c, size_t n) {
    SL_UNROLLED
    for (size_t v = 0; v < vectors; v++) {
        if (n >= (v + 1) * VF)
            vf_store(c + v * VF, acc[v]);
        else if (n > v * VF)
            vf_store_first(c + v * VF, acc[v], n - v * VF);
    }
}

SL_INLINE void load_row(vf *acc, const size_t vectors, const float *c, size_t n) {
    SL_UNROLLED
    for (size_t v = 0; v < vectors; v++) {
        if (n >= (v + 1) * VF)
            acc[v] = vf_load(c + v * VF);
        else if (n > v * VF)
            acc[v] = vf_load_first(c + v * VF, n - v * VF);
    }
}

/* `rows`, `vectors` and `packed` are constants where this is inlined; m <= rows are stored, and
 * n <= vectors * VF columns. */
SL_INLINE void tile(const size_t rows, const size_t vectors, const bool packed, size_t m, size_t n,
                    size_t k, const float *a, size_t a_row, const float *b, size_t b_row, float *c,
                    size_t c_row, bool fresh, const epilogue *done) {
    vf acc[MR][NV];
    SL_UNROLLED
    for (size_t i = 0; i < rows; i++) {
        SL_UNROLLED
        for (size_t v = 0; v < vectors; v++)
            acc[i][v] = vf_set(0);
    }
    if (!fresh) {
        SL_UNROLLED
        for (size_t i = 0; i < rows; i++) {
            if (i < m) load_row(acc[i], vectors, c + i * c_row, n);
        }
    }
    if (done && done->residual) { /* short rows far apart: nothing else fetches them in time */
        for (size_t i = 0; i < m; i++) {
            __builtin_prefetch(done->residual + i * c_row);
            __builtin_prefetch(done->residual + i * c_row + VF);
        }
    }
    const size_t step = packed ? MR : 1, row = packed ? 1 : a_row;
    for (size_t p = 0; p < k; p++) {
        vf column[NV];
        SL_UNROLLED
        for (size_t v = 0; v < vectors; v++)
            column[v] = vf_load(b + v * VF);
        SL_UNROLLED
        for (size_t i = 0; i < rows; i++) {
            const vf x = vf_set(a[i * row]);
            SL_UNROLLED
            for (size_t v = 0; v < vectors; v++)
                acc[i][v] = vf_fma(x, column[v], acc[i][v]);
        }
        a += step;
        b += b_row;
    }
    SL_UNROLLED
    for (size_t i = 0; i < rows; i++) {
        if (i < m) {
            if (done) finish_row(acc[i], vectors, n, done, i);
            store_row(acc[i], vectors, c + i * c_row, n);
        }
    }
    if (done && !done->in_registers) SL_NAME(sl_finish)(m, n, c, c_row, done);
}

typedef void tile_fn(size_t m, size_t n, size_t k, const float *a, size_t a_row, const float *b,
                     size_t b_row, float *c, size_t c_row, bool fresh, const epilogue *done);

#define TILE(name, rows, vectors, packed)                                                          \
    static __attribute__((noinline)) void name(                                                    \
        size_t m, size_t n, size_t k, const float *a, size_t a_row, const float *b, size_t b_row,  \
        float *c, size_t c_row, bool fresh, const epilogue *done) {                                \
        tile(rows, vectors, packed, packed ? m : rows, n, k, a, a_row, b, b_row, c, c_row, fresh,  \
             done);                                                                                \
    }
/* Narrow ones for what is left at the right, where a whole tile would be half in vain. */
#define TILES(rows)                                                                                \
    TILE(wide_##rows, rows, NV, false)                                                             \
    TILE(narrow_##rows, rows, 1, false)

/* Packed tiles come in heights of this many rows, and multiples of it. */
#define PART (MR == 4 ? 2 : MR / 3)

TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILE(packed_wide_1, PART, NV, true)
TILE(packed_wide_2, PART * 2, NV, true)
TILE(packed_narrow_1, PART, 1, true)
TILE(packed_narrow_2, PART * 2, 1, true)
#if MR > 4
TILES(5)
TILES(6)
TILE(packed_wide_3, MR, NV, true)
TILE(packed_narrow_3, MR, 1, true)
#endif
#if MR == 12
TILES(8)
TILES(10)
TILES(12)
#endif

static tile_fn *const unpacked_tiles[2][MR + 1] = {
#if MR == 12
    {NULL, wide_1, wide_2, wide_3, wide_4, wide_5, wide_6, wide_6, wide_8, wide_8, wide_10, wide_10,
     wide_12},
    {NULL, narrow_1, narrow_2, narrow_3, narrow_4, narrow_5, narrow_6, narrow_6, narrow_8, narrow_8,
     narrow_10, narrow_10, narrow_12},
#elif MR == 6
    {NULL, wide_1, wide_2, wide_3, wide_4, wide_5, wide_6},
    {NULL, narrow_1, narrow_2, narrow_3, narrow_4, narrow_5, narrow_6},
#else
    {NULL, wide_1, wide_2, wide_3, wide_4},
    {NULL, narrow_1, narrow_2, narrow_3, narrow_4},
#endif
};

static tile_fn *const packed_tiles[2][MR / PART] = {
#if MR > 4
    {packed_wide_1, packed_wide_2, packed_wide_3},
    {packed_narrow_1, packed_narrow_2, packed_narrow_3},
#else
    {packed_wide_1, packed_wide_2},
    {packed_narrow_1, packed_narrow_2},
#endif
};

void SL_NAME(sl_tile)(size_t m, size_t n, size_t k, const float *a, size_t a_row, bool packed,
                      const float *b, size_t b_row, float *c, size_t c_row, bool fresh,
                      const epilogue *done) {
    const bool narrow = n <= VF;
    if (packed) {
        packed_tiles[narrow][(m - 1) / PART](m, n, k, a, 1, b, b_row, c, c_row, fresh, done);
        return;
    }
    epilogue rest;
    while (m) {
        size_t rows = smaller(m, MR);
        if (rows > 6 && rows % 2) rows--; /* the taller ones come in twos */
        unpacked_tiles[narrow][rows](rows, n, k, a, a_row, b, b_row, c, c_row, fresh, done);
        m -= rows;
        a += rows * a_row;
        c += rows * c_row;
        if (done && m) { /* the epilogue of the rows below */
            rest = sl_epilogue_at(done, rows, 0, c_row);
            done = &rest;
        }
    }
}

void SL_NAME(sl_pack_a)(size_t m, size_t k, const float *a, size_t a_row, float *packed) {
    for (size_t top = 0; top < m; top += MR, packed += MR * k) {
        const size_t rows = smaller(MR, m - top);
        const float *from = a + top * a_row;
        if (rows < MR) memset(packed, 0, MR * k * sizeof(float));
        for (size_t i = 0; i < rows; i++) {
            for (size_t p = 0; p < k; p++)
                packed[p * MR + i] = from[i * a_row + p];
        }
    }
}
