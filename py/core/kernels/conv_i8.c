/* Two-dimensional convolutions of 8-bit integers: a product of packed weights, which are broadcast,
 * with windows that are gathered as it goes, a panel's columns being pixels. */
#include "int8.h"
#include "planebytes.h"

/* conv2d_i8: the shared parameters, batch, channels, output channels, groups, the window (plane.h),
 * pixels that are gathered at a time, and whether k runs over four channels at a time, for each
 * over the taps (pack_w_i8's; else over channels, then taps). Inputs as gemm_i8's, packed B being
 * one matrix for each group from pack_w_i8, of the weights [channels of the group * kernel area,
 * output channels of the group]; zero points, scales and bias are those of all output channels.
 * Padding has the value of A's zero point. Outputs Y [batch, output channels, height, width] and a
 * scratch of int32. */
enum { BATCH = SHARED, IN, OUT, GROUPS, W, PIXELS = W + WINDOW, BY_FOUR, PARAMS };

/* Bytes of the part of a plane that so many pixels' windows meet; the plane's own size is proved.
 */
static int64_t plane_bytes(const int64_t *w, int64_t pixels) {
    if (w[OUT_H] == 0 || w[OUT_W] == 0) return 0;
    const plane_shape s = plane_of(w);
    const int64_t lines = (pixels + w[OUT_W] - 2) / w[OUT_W];
    const int64_t rows = lines * w[S_H] + (w[K_H] - 1) * w[D_H] + 1;
    return (rows < s.rows ? rows : s.rows) * s.row + VB;
}

/* Words of the scratch: panels, sums of their columns, four lines of bytes; or instead of these
 * four planes of bytes and two of words. */
static int64_t scratch_words(const int64_t *p, int64_t k) {
    const int64_t columns = padded(p[PIXELS], NR), plane = plane_floats(p + W);
    const int64_t panels = sl_size3((k + 1) / 2 + 1, columns, 1);
    if (k < 0 || panels < 0 || plane < 0 || plane > INT64_MAX / 8 || panels > INT64_MAX / 4)
        return -1;
    return panels + 2 * columns + VB + plane_bytes(p + W, p[PIXELS]) * (p[BY_FOUR] ? 3 : 1) +
           2 * VB;
}

static const char *check_conv(const sl_args *a) {
    SL_SHAPE(a, INPUTS, 2, PARAMS);
    const int64_t *p = a->p, *w = p + W;
    for (int i = BATCH; i < W; i++)
        SL_TRY(p[i] >= 0 && p[i] < INT32_MAX, "a size is negative or too large");
    SL_TRY(p[GROUPS] > 0 && p[IN] % p[GROUPS] == 0 && p[OUT] % p[GROUPS] == 0,
           "channels do not divide into groups");
    SL_TRY(p[PIXELS] > 0 && p[PIXELS] < INT32_MAX, "pixels at a time are out of range");
    SL_TRY(p[BY_FOUR] == 0 || (p[BY_FOUR] == 1 && p[IN] / p[GROUPS] % 4 == 0),
           "the channels of a group do not come in fours");
    const char *wrong = check_window(w);
    if (wrong) return wrong;
    const int64_t k = sl_size3(p[IN] / p[GROUPS], w[K_H], w[K_W]);
    const int64_t x[4] = {p[BATCH], p[IN], w[IN_H], w[IN_W]};
    const int64_t y[4] = {p[BATCH], p[OUT], w[OUT_H], w[OUT_W]};
    SL_TRY(sl_holds(&a->in[0], sl_size(x, 4), 1), "X is too small");
    SL_TRY(k >= 0 &&
               sl_holds(&a->in[1],
                        sl_size3(packed_bytes(k, p[OUT] / p[GROUPS], MR_I8), p[GROUPS], 1), 1),
           "the packed weights are too small");
    SL_TRY(sl_holds(&a->out[0], sl_size(y, 4), p[MODE] == QUANTIZED ? 1 : 4), "Y is too small");
    SL_TRY(sl_holds(&a->out[1], scratch_words(p, k), 4), "the scratch is too small");
    return check_finish(a, p, p[OUT]);
}

/* ---- Gathering */

typedef struct {
    int how;
    uint8_t flip;
    bool is_signed;
    size_t groups, n;
    int32_t *panels;
} block;

SL_INLINE vb zip_low(vb a, vb b) {
    return SL_ZIP(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
SL_INLINE vb zip_high(vb a, vb b) {
    return SL_ZIP(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
typedef uint16_t vh __attribute__((vector_size(VB)));
SL_INLINE vb zip_low_pairs(vb a, vb b) {
    return (vb)SL_ZIP((vh)a, (vh)b, 0, 8, 1, 9, 2, 10, 3, 11);
}
SL_INLINE vb zip_high_pairs(vb a, vb b) {
    return (vb)SL_ZIP((vh)a, (vh)b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/* The bytes above those of a 16-bit integer. */
SL_INLINE vb above(vb v, bool is_signed) {
    typedef int8_t signed_bytes __attribute__((vector_size(VB)));
    return is_signed ? (vb)((signed_bytes)v < 0) : (vb){0};
}

/* 16 columns of four lines as words; of two where they are PAIRS. */
SL_INLINE void zip(const block *b, vb v0, vb v1, vb v2, vb v3, vb quarters[4]) {
    if (b->how == PAIRS) {
        v2 = v1;
        v1 = above(v0, b->is_signed);
        v3 = above(v2, b->is_signed);
    }
    const vb low = zip_low(v0, v1), low_2 = zip_low(v2, v3);
    const vb high = zip_high(v0, v1), high_2 = zip_high(v2, v3);
    quarters[0] = zip_low_pairs(low, low_2), quarters[1] = zip_high_pairs(low, low_2);
    quarters[2] = zip_low_pairs(high, high_2), quarters[3] = zip_high_pairs(high, high_2);
}

/* Group g of all columns: `count` lines of bytes, the missing ones 0. */
static void into_panels(const block *b, size_t g, const uint8_t *const *line, size_t count) {
    for (size_t j = 0; j < b->n; j += VB) {
        const size_t some = smaller(VB, b->n - j);
        vb v[4], quarters[4];
        for (size_t i = 0; i < 4; i++)
            v[i] = i < count ? vb_load_first(line[i] + j, some) ^ b->flip : (vb){0};
        zip(b, v[0], v[1], v[2], v[3], quarters);
        for (size_t q = 0; q < 4; q++) {
            const size_t at = j + 4 * q;
            if (at >= b->n) break;
            int32_t *to = b->panels + at / NR * b->groups * NR + g * NR + at % NR;
            vb_store((uint8_t *)to, quarters[q]);
        }
    }
}

/* One tap of `n` windows from output place (oy, ox) on; up to VB - 1 bytes more are written. */
static void copy_line(uint8_t *to, const uint8_t *source, const plane_shape *s, const int64_t *w,
                      int64_t ox, int64_t n) {
    for (int64_t at = 0; at < n; ox = 0, source += w[S_H] * s->row) {
        const int64_t run = n - at < w[OUT_W] - ox ? n - at : w[OUT_W] - ox;
        for (int64_t i = 0; i < run; i += VB)
            vb_store(to + at + i, vb_load(source + ox + i));
        at += run;
    }
}

/* One tap of n windows from output place (oy, ox) on, as words, into group g. */
static void copy_words(const block *b, size_t g, const int32_t *source, const plane_shape *s,
                       const int64_t *w, int64_t ox) {
    for (size_t at = 0; at < b->n; ox = 0, source += w[S_H] * s->row) {
        const int32_t *from = source + ox;
        size_t run = smaller(b->n - at, (size_t)(w[OUT_W] - ox));
        while (run) {
            const size_t some = smaller(run, NR - at % NR);
            int32_t *to = b->panels + at / NR * b->groups * NR + g * NR + at % NR;
            vf_copy((float *)to, (const float *)from, some);
            at += some, from += some, run -= some;
        }
    }
}

/* The windows at pixels [from, from + n) of `channels` channels, four at a time: these are made
 * words once, which every tap copies. */
static void gather_by_four(const block *b, const uint8_t *image, const int64_t *w, int64_t channels,
                           int64_t from, uint8_t zero, uint8_t *planes, size_t length) {
    const plane_shape s = plane_of(w);
    const int64_t taps = w[K_H] * w[K_W], area = w[IN_H] * w[IN_W];
    const int64_t oy = from / w[OUT_W], last = (from + (int64_t)b->n - 1) / w[OUT_W];
    const int64_t rows = (last - oy) * w[S_H] + (w[K_H] - 1) * w[D_H] + 1;
    const size_t halves = b->how == PAIRS ? 2 : 1;
    int32_t *words_ = (int32_t *)(void *)(planes + 4 * length);
    size_t g = 0;
    for (int64_t c = 0; c < channels; c += 4, image += 4 * area) {
        for (int64_t i = 0; i < 4; i++)
            fill_bytes(planes + (size_t)i * length, &s, image + i * area, w, oy * w[S_H], rows,
                       zero);
        for (size_t j = 0; j < (size_t)(rows * s.row); j += VB) {
            vb v[4], quarters[4];
            for (size_t i = 0; i < 4; i++)
                v[i] = vb_load(planes + i * length + j) ^ b->flip;
            for (size_t h = 0; h < halves; h++) {
                zip(b, v[2 * h], v[2 * h + 1], v[2], v[3], quarters);
                for (size_t q = 0; q < 4; q++)
                    vb_store((uint8_t *)(words_ + h * length + j + 4 * q), quarters[q]);
            }
        }
        for (int64_t tap = 0; tap < taps; tap++) {
            const int64_t ky = tap / w[K_W], kx = tap % w[K_W];
            const int64_t at = ky * w[D_H] * s.row + column_at(&s, w, kx);
            for (size_t h = 0; h < halves; h++)
                copy_words(b, g++, words_ + h * length + (size_t)at, &s, w, from % w[OUT_W]);
        }
    }
}

static bool is_plain(const int64_t *w) {
    return w[K_H] == 1 && w[K_W] == 1 && w[S_H] == 1 && w[S_W] == 1 && w[P_T] == 0 && w[P_L] == 0 &&
           w[OUT_W] == w[IN_W] && w[OUT_H] == w[IN_H];
}

/* The windows at pixels [from, from + n) of `channels` channels. */
static void gather(const block *b, const uint8_t *image, const int64_t *w, int64_t channels,
                   int64_t from, uint8_t zero, uint8_t *lines, size_t length, uint8_t *plane) {
    const plane_shape s = plane_of(w);
    const int64_t n = (int64_t)b->n, taps = w[K_H] * w[K_W], area = w[IN_H] * w[IN_W];
    const int64_t oy = from / w[OUT_W], ox = from % w[OUT_W];
    const int64_t last = (from + n - 1) / w[OUT_W];
    const int64_t rows = (last - oy) * w[S_H] + (w[K_H] - 1) * w[D_H] + 1;
    const size_t each = b->how == PAIRS ? 2 : 4;
    const bool plain = is_plain(w);
    const uint8_t *line[4];
    size_t held = 0, g = 0;
    for (int64_t c = 0; c < channels; c++, image += area) {
        if (!plain) fill_bytes(plane, &s, image, w, oy * w[S_H], rows, zero);
        for (int64_t tap = 0; tap < taps; tap++) {
            if (plain) {
                line[held] = image + from;
            } else {
                const int64_t ky = tap / w[K_W], kx = tap % w[K_W];
                uint8_t *to = lines + held * length;
                copy_line(to, plane + ky * w[D_H] * s.row + column_at(&s, w, kx), &s, w, ox, n);
                line[held] = to;
            }
            if (++held < each) continue;
            into_panels(b, g++, line, each);
            held = 0;
        }
    }
    if (held) into_panels(b, g, line, held);
}

/* sums[columns] = the sums along k of the panels' columns. */
static void sum_columns(const block *b, int32_t *sums) {
    const int32_t *panel = b->panels;
    for (size_t j = 0; j < b->n; j += NR) {
        for (size_t i = 0; i < NR; i++)
            sums[j + i] = 0;
        for (size_t g = 0; g < b->groups; g++, panel += NR) {
            for (size_t i = 0; i < NR; i++) {
                const uint32_t word = (uint32_t)panel[i];
                if (b->how == PAIRS)
                    sums[j + i] += (int16_t)word + (int16_t)(word >> 16);
                else
                    sums[j + i] += (int32_t)((word & 255) + (word >> 8 & 255) + (word >> 16 & 255) +
                                             (word >> 24));
            }
        }
    }
}

/* ---- The product */

TILE(pairs_half_1, , sum_pairs, MR_I8 / 2, 1, 1, MR_I8)
TILE(pairs_half_2, , sum_pairs, MR_I8 / 2, NV, 1, MR_I8)
TILE(pairs_all_1, , sum_pairs, MR_I8, 1, 1, MR_I8)
TILE(pairs_all_2, , sum_pairs, MR_I8, NV, 1, MR_I8)
#if defined(VNNI)
TILE(quads_half_1, VNNI, sum_quads_of_b, MR_I8 / 2, 1, 1, MR_I8)
TILE(quads_half_2, VNNI, sum_quads_of_b, MR_I8 / 2, NV, 1, MR_I8)
TILE(quads_all_1, VNNI, sum_quads_of_b, MR_I8, 1, 1, MR_I8)
TILE(quads_all_2, VNNI, sum_quads_of_b, MR_I8, NV, 1, MR_I8)
#endif

/* c[rows, n] = the raw sums of `rows` <= MR_I8 channels at n <= NR pixels. */
static void tile(int how, size_t rows, size_t n, size_t groups, const int32_t *weights,
                 const int32_t *panel, int32_t *c) {
#define CHOOSE(name)                                                                               \
    (rows <= MR_I8 / 2 ? (n <= VF ? name##_half_1(groups, weights, panel, c)                       \
                                  : name##_half_2(groups, weights, panel, c))                      \
     : n <= VF         ? name##_all_1(groups, weights, panel, c)                                   \
                       : name##_all_2(groups, weights, panel, c))
#if defined(VNNI)
    if (how == QUADS) {
        CHOOSE(quads);
        return;
    }
#endif
    (void)how;
    CHOOSE(pairs);
#undef CHOOSE
}

/* Channel i of a tile, n <= NR pixels of it. */
static void finish_pixels(const finish *f, const panel_finish *here, size_t i, const int32_t *sums,
                          const int32_t *column_sums, size_t n, void *y) {
    const int32_t y_zero = byte_at(f->y_zero, f->y_signed);
    const vf low = vf_set((float)(f->low - y_zero)), high = vf_set((float)(f->high - y_zero));
    const vf factor = vf_set(here->factor[i]), bias = vf_set(here->real_bias[i]);
    const uint32_t part = (uint32_t)here->part[i] + (uint32_t)here->whole_bias[i];
    vi all[NV];
    for (size_t v = 0; v < NV; v++) {
        const size_t j = v * VF, some = j < n ? smaller(VF, n - j) : 0;
        /* Wrapping: a bias may be anything, and columns past the last pixel hold no sums. */
        vu moved = (vu) * (const words *)(sums + j) + part;
        if (here->zero[i])
            moved -= (uint32_t)here->zero[i] * (vu) * (const words *)(column_sums + j);
        const vi sum = (vi)moved;
        if (f->mode == QUANTIZED) {
            all[v] = to_steps(__builtin_convertvector(sum, vf) * factor, low, high, y_zero);
            continue;
        }
        vf x = (vf)sum;
        if (f->mode == REAL) {
            x = __builtin_convertvector(sum, vf) * factor + bias;
            x = vf_activate(x, f->activation, f->a, f->b);
        }
        vf_store_first((float *)y + j, x, some);
    }
    if (f->mode == QUANTIZED) store_first_bytes(y, all, n);
}

static bool has_zeros(const finish *f, size_t filters) {
    const size_t n = f->b_zeros > 1 ? filters : 1;
    for (size_t i = 0; i < n; i++) {
        if (zero_of(f->b_zero ? f->b_zero + i : NULL, f->b_signed, f->b_form)) return true;
    }
    return false;
}

/* Filters [filters, k] of one group at n pixels, whose outputs begin at y. */
static void convolve(const finish *f, size_t filters, const void *packed, const block *b,
                     const int32_t *column_sums, uint8_t *y, size_t area) {
    const size_t size = f->mode == QUANTIZED ? 1 : 4;
    const int32_t *weight_sums = packed;
    const int32_t *weights = weight_sums + padded((int64_t)filters, MR_I8);
    int32_t sums[MR_I8 * NR] = {0};
    panel_finish here;
    for (size_t first = 0; first < filters; first += MR_I8, weights += b->groups * MR_I8) {
        const size_t rows = smaller(MR_I8, filters - first);
        const int32_t *panel = b->panels;
        prepare(f, first, rows, weight_sums + first, &here);
        for (size_t j = 0; j < b->n; j += NR, panel += b->groups * NR) {
            const size_t n = smaller(NR, b->n - j);
            tile(f->how, rows, n, b->groups, weights, panel, sums);
            for (size_t i = 0; i < rows; i++)
                finish_pixels(f, &here, i, sums + i * NR, column_sums + j, n,
                              y + ((first + i) * area + j) * size);
        }
    }
}

static const char *run_conv(const sl_call *call) {
    const int64_t *p = call->p, *w = p + W;
    const size_t each_in = (size_t)(p[IN] / p[GROUPS]), each_out = (size_t)(p[OUT] / p[GROUPS]);
    const size_t k = each_in * (size_t)(w[K_H] * w[K_W]), area = (size_t)(w[OUT_H] * w[OUT_W]);
    const size_t size = p[MODE] == QUANTIZED ? 1 : 4, columns = (size_t)padded(p[PIXELS], NR);
    const size_t one = (size_t)packed_bytes((int64_t)k, (int64_t)each_out, MR_I8);
    const finish all = finish_of(call, p, each_out, k);
    const uint8_t zero = all.a_zero ? *all.a_zero : 0, *x = call->in[0];
    uint8_t *y = call->out[0];
    block b = {.how = all.how,
               .flip = all.a_form.flip,
               .is_signed = all.a_form.is_signed,
               .groups = groups_of(all.how, k),
               .panels = call->out[1]};
    int32_t *column_sums = b.panels + ((k + 1) / 2 + 1) * columns;
    uint8_t *lines = (uint8_t *)(column_sums + columns);
    uint8_t *plane = lines + 4 * (columns + VB);
    const size_t length = ((size_t)plane_bytes(w, p[PIXELS]) + VB - 1) / VB * VB;
    if (each_out == 0 || area == 0) return NULL;
    for (int64_t image = 0; image < p[BATCH]; image++) {
        for (size_t g = 0; g < (size_t)p[GROUPS]; g++, x += each_in * (size_t)(w[IN_H] * w[IN_W])) {
            finish f = all;
            const size_t first = g * each_out;
            if (f.b_zero && f.b_zeros > 1) f.b_zero += first;
            if (f.scale && f.scales > 1) f.scale += first;
            if (f.bias) f.bias = (const int32_t *)f.bias + first;
            const uint8_t *weights = (const uint8_t *)call->in[1] + g * one;
            const bool summed = has_zeros(&f, each_out);
            for (size_t from = 0; from < area; from += (size_t)p[PIXELS]) {
                b.n = smaller((size_t)p[PIXELS], area - from);
                if (p[BY_FOUR])
                    gather_by_four(&b, x, w, (int64_t)each_in, (int64_t)from, zero, lines, length);
                else
                    gather(&b, x, w, (int64_t)each_in, (int64_t)from, zero, lines, columns + VB,
                           plane);
                if (summed) sum_columns(&b, column_sums);
                convolve(&f, each_out, weights, &b, column_sums, y + from * size, area);
            }
            y += each_out * area * size;
        }
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_conv_i8)[] = {
    {"conv2d_i8", check_conv, run_conv, 0},
    SL_END,
};
