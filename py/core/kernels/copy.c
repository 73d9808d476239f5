/* Moving elements: copy_nd (transpose, slice, concat, expand, tile, the inside of a pad) and fill.
 */
#include "walk.h"

/* copy_nd: itemsize, rank, dims[rank], source strides[rank], source offset, target strides[rank],
 * target offset (strides and offsets in elements; target strides positive or of an axis of size 1;
 * the innermost axis last). */
enum { ITEMSIZE, RANK, DIMS };

static const char *check_copy(const sl_args *a) {
    SL_TRY(a->n_in == 1 && a->n_out == 1 && a->n_p >= 2, "wrong number of operands or parameters");
    int64_t size = a->p[ITEMSIZE], rank = a->p[RANK];
    SL_TRY(size == 1 || size == 2 || size == 4 || size == 8, "itemsize is not 1, 2, 4 or 8");
    SL_TRY(rank >= 1 && rank <= SL_MAX_RANK && a->n_p == 4 + 3 * rank,
           "rank does not fit the parameters");
    const int64_t *dims = a->p + DIMS, *source = dims + rank, *target = source + rank + 1;
    SL_TRY(sl_holds(&a->out[0], sl_size(dims, rank), size), "the copy is larger than its target");
    SL_TRY(sl_reaches(&a->in[0], dims, source, rank, source[rank], size),
           "the copy reads outside its source");
    SL_TRY(sl_reaches(&a->out[0], dims, target, rank, target[rank], size),
           "the copy writes outside its target");
    return NULL;
}

#define COPY_ROW(type)                                                                             \
    {                                                                                              \
        const type *from = (const type *)source;                                                   \
        type *to = (type *)target;                                                                 \
        if (to_stride == 1 && from_stride == 0) {                                                  \
            type value = *from;                                                                    \
            for (int64_t i = 0; i < n; i++)                                                        \
                to[i] = value;                                                                     \
        } else {                                                                                   \
            for (int64_t i = 0; i < n; i++)                                                        \
                to[i * to_stride] = from[i * from_stride];                                         \
        }                                                                                          \
        return;                                                                                    \
    }

static void copy_row(const char *source, char *target, int64_t n, int64_t from_stride,
                     int64_t to_stride, int64_t size) {
    if (from_stride == 1 && to_stride == 1) {
        memcpy(target, source, (size_t)(n * size));
        return;
    }
    switch (size) {
    case 1: COPY_ROW(uint8_t)
    case 2: COPY_ROW(uint16_t)
    case 4: COPY_ROW(uint32_t)
    default: COPY_ROW(uint64_t)
    }
}

/* The last two axes where the source runs along the first of them: in tiles, so that both sides
 * stay in cache. */
#define COPY_TILES(type)                                                                           \
    {                                                                                              \
        const type *from = (const type *)source;                                                   \
        type *to = (type *)target;                                                                 \
        for (int64_t r0 = 0; r0 < rows; r0 += TILE) {                                              \
            int64_t r1 = r0 + TILE < rows ? r0 + TILE : rows;                                      \
            for (int64_t c0 = 0; c0 < cols; c0 += TILE) {                                          \
                int64_t c1 = c0 + TILE < cols ? c0 + TILE : cols;                                  \
                for (int64_t r = r0; r < r1; r++) {                                                \
                    for (int64_t c = c0; c < c1; c++)                                              \
                        to[r * to_row + c * to_col] = from[r * from_row + c * from_col];           \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        return;                                                                                    \
    }

enum { TILE = 16 };

static void copy_tiles(const char *source, char *target, int64_t rows, int64_t cols,
                       int64_t from_row, int64_t from_col, int64_t to_row, int64_t to_col,
                       int64_t size) {
    switch (size) {
    case 1: COPY_TILES(uint8_t)
    case 2: COPY_TILES(uint16_t)
    case 4: COPY_TILES(uint32_t)
    default: COPY_TILES(uint64_t)
    }
}

static const char *run_copy(const sl_call *call) {
    const int64_t *p = call->p;
    int64_t size = p[ITEMSIZE], rank = p[RANK], last = rank - 1;
    const int64_t *dims = p + DIMS, *from = dims + rank, *to = from + rank + 1;
    const char *source = (const char *)call->in[0] + from[rank] * size;
    char *target = (char *)call->out[0] + to[rank] * size;
    if (dims[last] == 0) return NULL;
    bool tiles = rank >= 2 && from[last] != 1 && (from[last - 1] == 1 || from[last - 1] == -1) &&
                 dims[last - 1] > 1;
    int64_t inner = tiles ? 2 : 1;
    sl_walk w;
    if (tiles && dims[last - 1] == 0) return NULL;
    if (!sl_walk_start(&w, rank - inner, dims, from, to, NULL)) return NULL;
    do {
        const char *s = source + w.at[0] * size;
        char *t = target + w.at[1] * size;
        if (tiles)
            copy_tiles(s, t, dims[last - 1], dims[last], from[last - 1], from[last], to[last - 1],
                       to[last], size);
        else
            copy_row(s, t, dims[last], from[last], to[last], size);
    } while (sl_walk_next(&w));
    return NULL;
}

/* fill: itemsize, count, the element's bits. */
static const char *check_fill(const sl_args *a) {
    SL_SHAPE(a, 0, 1, 3);
    int64_t size = a->p[0];
    SL_TRY(size == 1 || size == 2 || size == 4 || size == 8, "itemsize is not 1, 2, 4 or 8");
    SL_TRY(sl_holds(&a->out[0], a->p[1], size), "the output is too small");
    return NULL;
}

static const char *run_fill(const sl_call *call) {
    int64_t size = call->p[0], n = call->p[1];
    uint64_t bits = (uint64_t)call->p[2];
    if (n)
        copy_row((const char *)&bits, call->out[0], n, 0, 1,
                 size); /* little-endian: the low bytes come first */
    return NULL;
}

/* range: element type (f, d, h, i, q), count, start, step (reals for f and d, else integers). */
static const char *check_range(const sl_args *a) {
    SL_SHAPE(a, 0, 1, 4);
    const int64_t format = a->p[0];
    SL_TRY(format == 'f' || format == 'd' || format == 'h' || format == 'i' || format == 'q',
           "the element type is not f, d, h, i or q");
    SL_TRY(sl_holds(&a->out[0], a->p[1], sl_itemsize(format)), "the output is too small");
    return NULL;
}

#define COUNT_UP(type, wide, read)                                                                 \
    {                                                                                              \
        type *y = call->out[0];                                                                    \
        const wide start = (wide)read(p[2]), step = (wide)read(p[3]);                              \
        for (int64_t i = 0; i < p[1]; i++)                                                         \
            y[i] = (type)(start + (wide)i * step);                                                 \
        break;                                                                                     \
    }

static const char *run_range(const sl_call *call) {
    const int64_t *p = call->p;
    switch (p[0]) {
    case 'f': COUNT_UP(float, double, sl_real)
    case 'd': COUNT_UP(double, double, sl_real)
    case 'h': COUNT_UP(int16_t, uint64_t, )
    case 'i': COUNT_UP(int32_t, uint64_t, )
    default: COUNT_UP(int64_t, uint64_t, )
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_copy)[] = {
    {"copy_nd", check_copy, run_copy, 0},
    {"fill", check_fill, run_fill, 0},
    {"range", check_range, run_range, 0},
    SL_END,
};
