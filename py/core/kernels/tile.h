/* The tile that all matrix products are made of: MR rows by NR columns held in registers while k
 * runs.
 *
 * B comes in panels of NR columns, row after row (k-major), so a tile reads it in order. Each
 * result is summed over k in order with one accumulator whatever the tile's shape, so a row's
 * result does not depend on how many rows come with it. */
#ifndef SL_TILE_H
#define SL_TILE_H

#include "activate.h"
#include "kernel.h"

#if VF == 16
#define MR 12
#define KC 192
#elif defined(__wasm_simd128__) && !defined(__wasm_relaxed_simd__) && !defined(SL_STANDALONE)
/* Products need a register of their own before they are added; browsers leave fifteen. The core
 * that runs packed plans keeps to the tiles for which their constants were packed. */
#define MR 4
#define KC 256
#else
#define MR 6
#define KC 256
#endif
#define NV 2
#define NR (NV * VF)

typedef struct {
    const float *bias; /* bias[i * bias_row + j * bias_col], or NULL; bias_col is 0 or 1 */
    size_t bias_row, bias_col;
    const float *residual; /* added before the activation; laid out as C, or NULL */
    int64_t activation;
    float a, b;
    bool in_registers; /* no residual, and the activation is a clamp to [low, high] */
    float low, high;
} epilogue;

static inline epilogue sl_epilogue(const float *bias, int64_t bias_row, int64_t bias_col,
                                   const float *residual, const int64_t *activation) {
    epilogue e = {bias,
                  (size_t)bias_row,
                  (size_t)bias_col,
                  residual,
                  activation[0],
                  (float)sl_real(activation[1]),
                  (float)sl_real(activation[2]),
                  !residual,
                  -SL_INFINITY,
                  SL_INFINITY};
    if (residual) return e;
    if (e.activation == SL_ACT_RELU)
        e.low = 0;
    else if (e.activation == SL_ACT_CLIP)
        e.low = e.a, e.high = e.b;
    else
        e.in_registers = e.activation == SL_ACT_NONE;
    return e;
}

/* The epilogue of the rows and columns from (i, j) on; C's rows are c_row apart. */
static inline epilogue sl_epilogue_at(const epilogue *e, size_t i, size_t j, size_t c_row) {
    epilogue here = *e;
    if (here.bias) here.bias += i * here.bias_row + j * here.bias_col;
    if (here.residual) here.residual += i * c_row + j;
    return here;
}

/* C[m, n] (+)= A[m, k] B[k, n] for n <= NR and, when A is packed, 0 < m <= MR. A[i][k] is at
 * a + i * a_row + k in rows, at a + k * MR + i packed (missing rows are zero); B[k][j] is at
 * b + k * b_row + j, and all NR columns of B may be read. `fresh`: start from zero, else from C.
 * `done`: the sum is complete, apply the epilogue (NULL: none). */
void SL_NAME(sl_tile)(size_t m, size_t n, size_t k, const float *a, size_t a_row, bool packed,
                      const float *b, size_t b_row, float *c, size_t c_row, bool fresh,
                      const epilogue *done);

/* C[n] (+)= A[k] B[k, n] of one row, B in panels for all n: four panels at a time, so that enough
 * accumulators are in flight. Bit for bit what tiles give. */
void SL_NAME(sl_gemv)(size_t n, size_t k, const float *a, const float *b, float *c, bool fresh,
                      const epilogue *e);

/* What a tile can't do in registers, over values that are stored: adds the residual, activates. */
void SL_NAME(sl_finish)(size_t m, size_t n, float *c, size_t c_row, const epilogue *e);

/* Copies A[m, k] (rows a_row apart) into tiles of MR rows, k-major, missing rows zero. */
void SL_NAME(sl_pack_a)(size_t m, size_t k, const float *a, size_t a_row, float *packed);

/* One row of n columns into its place in every panel of `depth` rows; the last panel is padded with
 * zeros. */
SL_INLINE void sl_into_panels(float *to, const float *line, int64_t n, int64_t depth) {
    int64_t j = 0;
    for (; j + NR <= n; j += NR, to += depth * NR) {
        SL_UNROLLED
        for (int64_t v = 0; v < NV; v++)
            vf_store(to + v * VF, vf_load(line + j + v * VF));
    }
    if (j == n) return;
    SL_UNROLLED
    for (int64_t v = 0; v < NV; v++) {
        const int64_t left = n - j - v * VF;
        vf_store(to + v * VF, left >= VF ? vf_load(line + j + v * VF)
                              : left > 0 ? vf_load_first(line + j + v * VF, (size_t)left)
                                         : vf_set(0));
    }
}

static inline size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

#endif
