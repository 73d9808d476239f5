#include "tile.h"

/* Adds the bias and clamps a row of sums while they are still in registers. */
SL_INLINE void finish_row(vf *acc, size_t n, const epilogue *e, size_t row) {
    const float *bias = e->bias ? e->bias + row * e->bias_row : NULL;
    SL_UNROLLED
    for (size_t v = 0; v < NV; v++) {
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

/* What finish_row can't do, over a tile that has been stored. */
static __attribute__((noinline)) void finish_stored(size_t m, size_t n, float *c, size_t c_row,
                                                    const epilogue *e) {
    for (size_t i = 0; i < m; i++, c += c_row) {
        const float *residual = e->residual ? e->residual + i * c_row : NULL;
        for (size_t j = 0; j < n; j += VF) {
            const size_t count = smaller(VF, n - j);
            vf x = vf_load_first(c + j, count);
            if (residual) x += vf_load_first(residual + j, count);
            vf_store_first(c + j, vf_activate(x, e->activation, e->a, e->b), count);
        }
    }
}

SL_INLINE void store_row(const vf *acc, float *c, size_t n) {
    if (n == NR) {
        SL_UNROLLED
        for (size_t v = 0; v < NV; v++)
            vf_store(c + v * VF, acc[v]);
        return;
    }
    float lanes[NR];
    SL_UNROLLED
    for (size_t v = 0; v < NV; v++)
        vf_store(lanes + v * VF, acc[v]);
    memcpy(c, lanes, n * sizeof(float));
}

SL_INLINE void load_row(vf *acc, const float *c, size_t n) {
    if (n == NR) {
        SL_UNROLLED
        for (size_t v = 0; v < NV; v++)
            acc[v] = vf_load(c + v * VF);
        return;
    }
    float lanes[NR] = {0};
    memcpy(lanes, c, n * sizeof(float));
    SL_UNROLLED
    for (size_t v = 0; v < NV; v++)
        acc[v] = vf_load(lanes + v * VF);
}

/* `rows` and `packed` are constants where this is inlined; m <= rows of them are stored. */
SL_INLINE void tile(const size_t rows, const bool packed, size_t m, size_t n, size_t k,
                    const float *a, size_t a_row, const float *b, size_t b_row, float *c,
                    size_t c_row, bool fresh, const epilogue *done) {
    vf acc[MR][NV];
    SL_UNROLLED
    for (size_t i = 0; i < rows; i++) {
        SL_UNROLLED
        for (size_t v = 0; v < NV; v++)
            acc[i][v] = vf_set(0);
    }
    if (!fresh) {
        SL_UNROLLED
        for (size_t i = 0; i < rows; i++) {
            if (i < m) load_row(acc[i], c + i * c_row, n);
        }
    }
    const size_t step = packed ? MR : 1, row = packed ? 1 : a_row;
    for (size_t p = 0; p < k; p++) {
        vf column[NV];
        SL_UNROLLED
        for (size_t v = 0; v < NV; v++)
            column[v] = vf_load(b + v * VF);
        SL_UNROLLED
        for (size_t i = 0; i < rows; i++) {
            const vf x = vf_set(a[i * row]);
            SL_UNROLLED
            for (size_t v = 0; v < NV; v++)
                acc[i][v] = vf_fma(x, column[v], acc[i][v]);
        }
        a += step;
        b += b_row;
    }
    SL_UNROLLED
    for (size_t i = 0; i < rows; i++) {
        if (i < m) {
            if (done) finish_row(acc[i], n, done, i);
            store_row(acc[i], c + i * c_row, n);
        }
    }
    if (done && !done->in_registers) finish_stored(m, n, c, c_row, done);
}

#define ROWS(count)                                                                                \
    static __attribute__((noinline)) void tile_##count(                                            \
        size_t n, size_t k, const float *a, size_t a_row, const float *b, size_t b_row, float *c,  \
        size_t c_row, bool fresh, const epilogue *done) {                                          \
        tile(count, false, count, n, k, a, a_row, b, b_row, c, c_row, fresh, done);                \
    }

ROWS(1)
ROWS(2)
ROWS(3)
ROWS(4)
ROWS(5)
ROWS(6)
#if MR == 12
ROWS(8)
ROWS(10)
ROWS(12)
#endif

static __attribute__((noinline)) void tile_packed(size_t m, size_t n, size_t k, const float *a,
                                                  const float *b, size_t b_row, float *c,
                                                  size_t c_row, bool fresh, const epilogue *done) {
    tile(MR, true, m, n, k, a, 1, b, b_row, c, c_row, fresh, done);
}

void SL_NAME(sl_tile)(size_t m, size_t n, size_t k, const float *a, size_t a_row, bool packed,
                      const float *b, size_t b_row, float *c, size_t c_row, bool fresh,
                      const epilogue *done) {
    if (packed) {
        tile_packed(m, n, k, a, b, b_row, c, c_row, fresh, done);
        return;
    }
    epilogue rest;
    while (m) {
        size_t rows;
#define CASE(count)                                                                                \
    {                                                                                              \
        rows = count;                                                                              \
        tile_##count(n, k, a, a_row, b, b_row, c, c_row, fresh, done);                             \
    }
#if MR == 12
        if (m >= 12)
            CASE(12)
        else if (m >= 10)
            CASE(10)
        else if (m >= 8)
            CASE(8)
        else
#endif
            if (m >= 6)
            CASE(6)
        else if (m == 5)
            CASE(5)
        else if (m == 4)
            CASE(4)
        else if (m == 3)
            CASE(3)
        else if (m == 2)
            CASE(2)
        else
            CASE(1)
#undef CASE
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
