/* Convolutions by 3x3 with stride 1 in the manner of Winograd: Lavin and Gray, Fast Algorithms for
 * Convolutional Neural Networks (2016), F(4x4, 3x3). A tile of 4x4 outputs costs 36 products per
 * channel and filter instead of 144; they are 36 matrix products, filters by channels by tiles.
 *
 * Sums are taken of values up to a hundred times as large as the result, so errors are some ten
 * times those of the plain sum; a NaN or an infinity makes NaN of its whole tile. */
#include "image.h"

enum {
    OUT = 4,          /* outputs of a tile in a row and in a column */
    IN = 6,           /* inputs */
    POINTS = IN * IN, /* products */
    FILTERS = 4 * MR, /* rows of products that are kept at a time */
    ROWS = PARAMS,    /* rows of tiles that are transformed at a time */
    WINOGRAD_PARAMS
};

/* pack_winograd_f32: filters, channels. [M, C, 3, 3] becomes 36 matrices [M, C] as pack_a_f32 has
 * them. */
static const char *check_pack(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 2);
    const int64_t *p = a->p;
    SL_TRY(p[0] >= 0 && p[0] < INT32_MAX, "a size is out of range");
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[0], p[1], 9), 4), "the weights are too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(POINTS, packed_rows(p[0]), p[1]), 4),
           "the packed output is too small");
    return NULL;
}

/* Three taps of MR filters at the points 0, 1, -1, 2, -2 and infinity. */
static void evaluate(const double (*g)[MR], size_t step, double (*to)[MR]) {
    for (size_t i = 0; i < MR; i++) {
        const double first = g[0][i], second = g[step][i], third = g[2 * step][i];
        to[0][i] = first / 4;
        to[1][i] = -(first + second + third) / 6;
        to[2][i] = -(first - second + third) / 6;
        to[3][i] = first / 24 + second / 12 + third / 6;
        to[4][i] = first / 24 - second / 12 + third / 6;
        to[5][i] = third;
    }
}

static const char *run_pack(const sl_call *call) {
    const size_t filters = (size_t)call->p[0], channels = (size_t)call->p[1];
    const size_t rows = (size_t)packed_rows(call->p[0]), matrix = rows * channels;
    const float *from = call->in[0];
    float *to = call->out[0];
    for (size_t top = 0; top < rows; top += MR) {
        const size_t there = smaller(MR, filters - top);
        for (size_t c = 0; c < channels; c++, to += MR) {
            double taps[9][MR] = {0}, half[3 * IN][MR], whole[IN][MR];
            for (size_t m = 0; m < there; m++) {
                for (size_t i = 0; i < 9; i++)
                    taps[i][m] = from[((top + m) * channels + c) * 9 + i];
            }
            for (size_t x = 0; x < 3; x++)
                evaluate((const double (*)[MR])taps + x, 3, half + x * IN);
            for (size_t y = 0; y < IN; y++) {
                evaluate((const double (*)[MR])half + y, IN, whole);
                for (size_t x = 0; x < IN; x++) {
                    float *at = to + (y * IN + x) * matrix;
                    for (size_t m = 0; m < MR; m++)
                        at[m] = (float)whole[x][m];
                }
            }
        }
    }
    return NULL;
}

/* winograd_f32: parameters as conv2d_f32's (3x3, no strides, dilations or groups), then how many
 * rows of tiles are transformed at a time. Weights from pack_winograd_f32. The scratch holds what
 * `layout_of` says. */
typedef struct {
    int64_t down, across;  /* tiles of the image */
    int64_t columns, line; /* of a block of tiles: in whole panels, with room for a vector */
    int64_t points, inputs,
        products; /* where in the scratch these begin; the plane is before them */
    int64_t floats;
} layout;

/* False when a size overflows. */
static bool layout_of(const int64_t *p, layout *at) {
    const int64_t *w = p + W;
    at->down = (w[OUT_H] + OUT - 1) / OUT;
    at->across = (w[OUT_W] + OUT - 1) / OUT;
    const int64_t height = OUT * p[ROWS] + 2, phase = at->across + 1 + SLACK;
    const int64_t tiles = sl_size3(p[ROWS], at->across, 1);
    if (tiles < 0 || tiles > INT32_MAX) return false;
    at->columns = (tiles + NR - 1) / NR * NR;
    at->line = at->columns + VF;
    const int64_t inputs = sl_size3(POINTS, p[C], at->columns);
    at->points = sl_size3(height, phase, OUT);
    if (at->points < 0 || inputs < 0) return false;
    at->inputs = at->points + POINTS * at->line;
    return !__builtin_add_overflow(at->inputs, inputs, &at->products) &&
           !__builtin_add_overflow(at->products, POINTS * FILTERS * at->line, &at->floats);
}

static const char *check_winograd(const sl_args *a) {
    const char *wrong = check_images(a, WINOGRAD_PARAMS);
    if (wrong) return wrong;
    const int64_t *p = a->p, *w = p + W;
    layout at;
    SL_TRY(p[GROUPS] == 1 && w[K_H] == 3 && w[K_W] == 3 && w[S_H] == 1 && w[S_W] == 1 &&
               w[D_H] == 1 && w[D_W] == 1,
           "not a plain window of 3x3");
    SL_TRY(p[ROWS] > 0 && p[ROWS] < INT32_MAX / OUT, "the rows of tiles are out of range");
    SL_TRY(layout_of(p, &at), "a size overflows");
    SL_TRY(sl_holds(&a->in[1], sl_size3(POINTS, packed_rows(p[M]), p[C]), 4),
           "the weights are too small");
    SL_TRY(sl_holds(&a->out[1], at.floats, 4), "the scratch is too small");
    return NULL;
}

SL_INLINE void transform_input(const vf *d, vf *to) {
    const vf a = vf_fma(vf_set(-4), d[2], d[4]), b = vf_fma(vf_set(-4), d[1], d[3]);
    const vf c = d[4] - d[2], e = (d[3] - d[1]) * 2.0f;
    to[0] = vf_fma(vf_set(4), d[0], vf_fma(vf_set(-5), d[2], d[4]));
    to[1] = a + b;
    to[2] = a - b;
    to[3] = c + e;
    to[4] = c - e;
    to[5] = vf_fma(vf_set(4), d[1], vf_fma(vf_set(-5), d[3], d[5]));
}

SL_INLINE void transform_output(const vf *m, vf *to) {
    const vf a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
    to[0] = m[0] + a + c;
    to[1] = vf_fma(vf_set(2), d, b);
    to[2] = vf_fma(vf_set(4), c, a);
    to[3] = vf_fma(vf_set(8), d, b) + m[5];
}

/* A row of tiles of one channel, from its plane to a row of each point's matrix. */
static void transform_row(const float *top, const plane_shape *s, int64_t tiles, float *points,
                          int64_t line) {
    for (int64_t t = 0; t < tiles; t += VF, top += VF, points += VF) {
        vf half[IN][IN];
        for (int64_t x = 0; x < IN; x++) {
            const float *column = top + x % OUT * s->phase + x / OUT;
            vf d[IN], to[IN];
            SL_UNROLLED
            for (int64_t y = 0; y < IN; y++)
                d[y] = vf_load(column + y * s->row);
            transform_input(d, to);
            SL_UNROLLED
            for (int64_t y = 0; y < IN; y++)
                half[y][x] = to[y];
        }
        float *to = points;
        for (int64_t y = 0; y < IN; y++) {
            vf whole[IN];
            transform_input(half[y], whole);
            SL_UNROLLED
            for (int64_t x = 0; x < IN; x++, to += line)
                vf_store(to, whole[x]);
        }
    }
}

/* Rows [top, top + rows) of tiles, all channels, into the panels of 36 matrices [C, tiles]. */
static void transform_block(const int64_t *p, const layout *at, const float *image, int64_t top,
                            int64_t rows, float *scratch) {
    int64_t w[WINDOW];
    memcpy(w, p + W, sizeof w);
    w[K_H] = w[K_W] = IN, w[S_H] = w[S_W] = OUT;
    w[P_T] -= top * OUT, w[OUT_H] = rows, w[OUT_W] = at->across;
    const plane_shape s = plane_of(w);
    const int64_t tiles = rows * at->across, channels = p[C];
    float *points = scratch + at->points, *inputs = scratch + at->inputs;
    for (int64_t c = 0; c < channels; c++, image += w[IN_H] * w[IN_W]) {
        fill_plane(scratch, &s, image, w, 0);
        for (int64_t r = 0; r < rows; r++)
            transform_row(scratch + r * OUT * s.row, &s, at->across, points + r * at->across,
                          at->line);
        for (int64_t f = 0; f < POINTS; f++)
            sl_into_panels(inputs + f * channels * at->columns + c * NR, points + f * at->line,
                           tiles, channels);
    }
}

/* A row of tiles of one filter, from the products to four rows of the output. */
static void finish_row(const int64_t *w, const float *products, int64_t step, int64_t tiles,
                       int64_t height, float bias, const epilogue *e, float *y) {
    const vf low = vf_set(e->low), high = vf_set(e->high);
    for (int64_t t = 0; t < tiles; t += VF, products += VF) {
        vf half[OUT][IN];
        for (int64_t x = 0; x < IN; x++) {
            vf m[IN], to[OUT];
            SL_UNROLLED
            for (int64_t i = 0; i < IN; i++)
                m[i] = vf_load(products + (i * IN + x) * step);
            transform_output(m, to);
            SL_UNROLLED
            for (int64_t i = 0; i < OUT; i++)
                half[i][x] = to[i];
        }
        for (int64_t i = 0; i < height; i++) {
            vf to[OUT], row[OUT];
            transform_output(half[i], to);
            SL_UNROLLED
            for (int64_t x = 0; x < OUT; x++)
                to[x] = vf_lower(high, vf_higher(low, to[x] + bias));
            const vf even_low = vf_zip_low(to[0], to[2]), even_high = vf_zip_high(to[0], to[2]);
            const vf odd_low = vf_zip_low(to[1], to[3]), odd_high = vf_zip_high(to[1], to[3]);
            row[0] = vf_zip_low(even_low, odd_low);
            row[1] = vf_zip_high(even_low, odd_low);
            row[2] = vf_zip_low(even_high, odd_high);
            row[3] = vf_zip_high(even_high, odd_high);
            const int64_t left = w[OUT_W] - OUT * t;
            float *place = y + i * w[OUT_W] + OUT * t;
            SL_UNROLLED
            for (int64_t x = 0; x < OUT; x++) {
                const int64_t rest = left - x * VF;
                if (rest >= VF)
                    vf_store(place + x * VF, row[x]);
                else if (rest > 0)
                    vf_store_first(place + x * VF, row[x], (size_t)rest);
            }
        }
    }
}

/* Filters [m, m + count) of the block that transform_block has left in the scratch. */
static void finish_block(const int64_t *p, const layout *at, const float *weights, size_t m,
                         size_t count, int64_t top, int64_t rows, float *scratch, float *y,
                         const epilogue *e) {
    const int64_t *w = p + W;
    const size_t channels = (size_t)p[C], matrix = (size_t)packed_rows(p[M]) * channels;
    const size_t tiles = (size_t)(rows * at->across), line = (size_t)at->line;
    const float *inputs = scratch + at->inputs;
    float *products = scratch + at->products;
    for (size_t f = 0; f < POINTS; f++) {
        const float *panels = inputs + f * channels * (size_t)at->columns;
        for (size_t i = 0; i < count; i += MR) {
            const float *a = weights + f * matrix + (m + i) * channels;
            float *c = products + (f * FILTERS + i) * line;
            for (size_t j = 0; j < tiles; j += NR)
                SL_NAME(sl_tile)(smaller(MR, count - i), smaller(NR, tiles - j), channels, a, 0,
                                 true, panels + j * channels, NR, c + j, line, true, NULL);
        }
    }
    const int64_t area = w[OUT_H] * w[OUT_W];
    for (size_t i = 0; i < count; i++) {
        for (int64_t r = 0; r < rows; r++) {
            const int64_t from = (top + r) * OUT, left = w[OUT_H] - from;
            finish_row(w, products + i * line + (size_t)(r * at->across), FILTERS * at->line,
                       at->across, left < OUT ? left : OUT, e->bias ? e->bias[m + i] : 0, e,
                       y + (int64_t)(m + i) * area + from * w[OUT_W]);
        }
    }
}

static const char *run_winograd(const sl_call *call) {
    const int64_t *p = call->p, *w = p + W;
    const int64_t area = w[OUT_H] * w[OUT_W], size = p[M] * area;
    const float *x = call->in[0], *weights = call->in[1], *residual = call->in[3];
    float *y = call->out[0], *scratch = call->out[1];
    layout at;
    if (size == 0 || !layout_of(p, &at)) return NULL;
    /* Vectors run past the last tile; what they meet there must be no denormal numbers. */
    memset(scratch + at.products, 0, (size_t)(at.floats - at.products) * sizeof *scratch);
    const epilogue e = sl_epilogue(call->in[2], 1, 0, residual, p + ACTIVATION);
    for (int64_t image = 0; image < p[N]; image++, x += p[C] * w[IN_H] * w[IN_W], y += size) {
        for (int64_t top = 0; top < at.down; top += p[ROWS]) {
            const int64_t rows = at.down - top < p[ROWS] ? at.down - top : p[ROWS];
            transform_block(p, &at, x, top, rows, scratch);
            for (size_t m = 0; m < (size_t)p[M]; m += FILTERS)
                finish_block(p, &at, weights, m, smaller(FILTERS, (size_t)p[M] - m), top, rows,
                             scratch, y, &e);
        }
        if (e.in_registers) continue;
        epilogue rest = e;
        if (residual) rest.residual = residual + image * size;
        SL_NAME(sl_finish)(1, (size_t)size, y, 0, &rest);
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_winograd)[] = {
    {"pack_winograd_f32", check_pack, run_pack, 0},
    {"winograd_f32", check_winograd, run_winograd, 0},
    SL_END,
};
