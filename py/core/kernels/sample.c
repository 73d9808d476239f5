/* Images read between their pixels: at the places of a grid, and in the cells of regions. */
#include "kernel.h"

/* Pixels that one place takes, and how much of each. */
typedef struct {
    int n;
    int64_t at[16]; /* within an image */
    double weight[16];
} taps;

static double floor_of(double v) {
    const double whole = (double)(int64_t)v;
    return whole > v ? whole - 1 : whole;
}

/* The nearest whole number, to the even one where there are two. */
static double nearest_to(double v) {
    const double low = floor_of(v), part = v - low;
    if (part != 0.5) return part < 0.5 ? low : low + 1;
    return floor_of(low / 2) * 2 == low ? low : low + 1;
}

/* What is no number becomes `low`. */
static double within(double v, double low, double high) {
    return v > low ? (v < high ? v : high) : low;
}

/* grid_sample2d_f32: N, C, H, W, places per image, how to read (nearest, linear, cubic), what is
 * outside (zeros, the border, a reflection), whether -1 and 1 are the middles of the corner pixels.
 * Inputs X [N, C, H, W], places [N, places, 2] with x before y; output [N, C, places]. What is no
 * number counts as -1. */
enum { N, C, H, W, PLACES, READ, OUTSIDE, CORNERS, PARAMS };
enum { NEAREST, LINEAR, CUBIC, READS };
enum { ZEROS, BORDER, REFLECTION, OUTSIDES };

static const char *check_grid(const sl_args *a) {
    SL_SHAPE(a, 2, 1, PARAMS);
    const int64_t *p = a->p, planes = sl_size3(p[N], p[C], 1);
    SL_TRY(p[H] > 0 && p[W] > 0 && p[H] < INT32_MAX && p[W] < INT32_MAX,
           "a size of the image is out of range");
    SL_TRY(p[READ] >= NEAREST && p[READ] < READS, "the way of reading is unknown");
    SL_TRY(p[OUTSIDE] >= ZEROS && p[OUTSIDE] < OUTSIDES, "the padding is unknown");
    SL_TRY(planes >= 0 && sl_holds(&a->in[0], sl_size3(planes, p[H], p[W]), 4),
           "the input is too small");
    SL_TRY(sl_holds(&a->in[1], sl_size3(p[N], p[PLACES], 2), 4), "the grid is too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(planes, p[PLACES], 1), 4), "the output is too small");
    return NULL;
}

/* Folded back and forth into [low, high], then onto a pixel. */
static double reflected(double v, int64_t size, bool corners) {
    const double low = corners ? 0 : -0.5, span = corners ? (double)size - 1 : (double)size;
    if (span <= 0) return 0;
    double offset = (v - low) - floor_of((v - low) / (2 * span)) * 2 * span;
    if (offset > span) offset = 2 * span - offset;
    return within(low + offset, 0, (double)size - 1);
}

/* Pixel `v` of an axis, -1 where there is none. */
static int64_t pixel(double v, int64_t size, int64_t outside, bool corners) {
    if (outside == BORDER) v = within(v, 0, (double)size - 1);
    if (outside == REFLECTION) v = reflected(v, size, corners);
    return v >= 0 && v <= (double)size - 1 ? (int64_t)v : -1;
}

static double cubic(double distance) {
    const double a = -0.75, d = distance < 0 ? -distance : distance;
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
}

/* The pixels and weights along one axis; returns how many. */
static int axis_taps(float place, int64_t size, const int64_t *p, int64_t *at, double *weight) {
    const bool corners = p[CORNERS] != 0;
    const double g = place != place ? -1 : within(place, -1e6, 1e6), n = (double)size;
    double v = corners ? (g + 1) / 2 * (n - 1) : ((g + 1) * n - 1) / 2;
    if (p[READ] == NEAREST) {
        at[0] = pixel(nearest_to(v), size, p[OUTSIDE], corners);
        weight[0] = 1;
        return 1;
    }
    if (p[READ] == LINEAR && p[OUTSIDE] == BORDER) v = within(v, 0, n - 1);
    if (p[READ] == LINEAR && p[OUTSIDE] == REFLECTION) v = reflected(v, size, corners);
    const int count = p[READ] == LINEAR ? 2 : 4;
    const double base = floor_of(v) - (count == 4 ? 1 : 0), part = v - base;
    for (int k = 0; k < count; k++) {
        const double distance = part - k;
        at[k] = pixel(base + k, size, p[OUTSIDE], corners);
        weight[k] = count == 4 ? cubic(distance) : distance < 0 ? 1 + distance : 1 - distance;
    }
    return count;
}

static void taps_of(const float *place, const int64_t *p, taps *t) {
    int64_t rows[4], columns[4];
    double down[4], across[4];
    const int high = axis_taps(place[1], p[H], p, rows, down);
    const int wide = axis_taps(place[0], p[W], p, columns, across);
    t->n = 0;
    for (int i = 0; i < high; i++) {
        for (int j = 0; j < wide; j++) {
            if (rows[i] < 0 || columns[j] < 0) continue;
            t->at[t->n] = rows[i] * p[W] + columns[j];
            t->weight[t->n++] = down[i] * across[j];
        }
    }
}

static const char *run_grid(const sl_call *call) {
    const int64_t *p = call->p, area = p[H] * p[W];
    const float *x = call->in[0], *place = call->in[1];
    float *y = call->out[0];
    for (int64_t n = 0; n < p[N]; n++, x += p[C] * area, y += p[C] * p[PLACES]) {
        for (int64_t i = 0; i < p[PLACES]; i++, place += 2) {
            taps t;
            taps_of(place, p, &t);
            for (int64_t c = 0; c < p[C]; c++) {
                const float *image = x + c * area;
                double sum = 0;
                for (int k = 0; k < t.n; k++)
                    sum += t.weight[k] * image[t.at[k]];
                y[c * p[PLACES] + i] = (float)sum;
            }
        }
    }
    return NULL;
}

/* roi_align_f32: N, C, H, W, regions, output height and width, samples per cell along an axis (0:
 * as many as the cell is pixels long), whether the largest counts and not the average, whether
 * coordinates are by half pixels, and the scale of the regions' coordinates. Inputs X [N, C, H, W],
 * regions [regions, 4] as x1, y1, x2, y2, the image of each (int64); output [regions, C, height,
 * width]. */
enum { R_REGIONS = 4, R_HEIGHT, R_WIDTH, R_RATIO, R_LARGEST, R_HALF, R_SCALE, R_PARAMS };

static const char *check_roi(const sl_args *a) {
    SL_SHAPE(a, 3, 1, R_PARAMS);
    const int64_t *p = a->p, area = sl_size3(p[R_HEIGHT], p[R_WIDTH], 1);
    SL_TRY(p[H] > 0 && p[W] > 0 && p[H] < INT32_MAX && p[W] < INT32_MAX,
           "a size of the image is out of range");
    SL_TRY(p[R_RATIO] >= 0 && p[R_RATIO] < 1 << 15, "the samples per cell are out of range");
    SL_TRY(sl_holds(&a->in[0], sl_size3(sl_size3(p[N], p[C], 1), p[H], p[W]), 4),
           "the input is too small");
    SL_TRY(sl_holds(&a->in[1], sl_size3(p[R_REGIONS], 4, 1), 4), "the regions are too few");
    SL_TRY(sl_holds(&a->in[2], p[R_REGIONS], 8), "the numbers of images are too few");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[R_REGIONS], p[C], area), 4), "the output is too small");
    return NULL;
}

/* Cells of one axis of a region. */
typedef struct {
    double start, cell;
    int64_t samples;
} cells;

static cells cells_of(float from, float to, const int64_t *p, int64_t count) {
    const double scale = sl_real(p[R_SCALE]), shift = p[R_HALF] ? 0.5 : 0, far = 1e9;
    const double start = within(from * scale - shift, -far, far);
    double length = within(to * scale - shift, -far, far) - start;
    if (!p[R_HALF] && length < 1) length = 1;
    const double cell = length / (double)count;
    double samples = -floor_of(-cell);
    if (p[R_RATIO]) samples = (double)p[R_RATIO];
    return (cells){start, cell, (int64_t)within(samples, 0, 1 << 15)};
}

/* The two pixels around sample `s` of cell `i`; false when it lies too far outside. */
static bool around(const cells *c, int64_t i, int64_t s, int64_t size, int64_t *at,
                   double *weight) {
    const double v = c->start + ((double)i + ((double)s + 0.5) / (double)c->samples) * c->cell;
    const double place = within(v, 0, (double)size - 1), low = floor_of(place);
    at[0] = (int64_t)low;
    at[1] = at[0] + 1 < size ? at[0] + 1 : size - 1;
    weight[1] = place - low;
    weight[0] = 1 - weight[1];
    return v >= -1 && v <= (double)size;
}

static double cell_value(const float *image, const int64_t *p, const cells *down,
                         const cells *across, int64_t i, int64_t j) {
    double total = 0, most = -__builtin_inf();
    for (int64_t s = 0; s < down->samples; s++) {
        int64_t rows[2], columns[2];
        double high[2], wide[2];
        const bool row_there = around(down, i, s, p[H], rows, high);
        for (int64_t t = 0; t < across->samples; t++) {
            const bool there = around(across, j, t, p[W], columns, wide) && row_there;
            double sum = 0, largest = -__builtin_inf();
            for (int k = 0; k < 4; k++) {
                const double v =
                    high[k / 2] * wide[k % 2] * image[rows[k / 2] * p[W] + columns[k % 2]];
                sum += v;
                largest = v > largest ? v : largest;
            }
            total += there ? sum : 0;
            most = (there ? largest : 0) > most ? (there ? largest : 0) : most;
        }
    }
    if (p[R_LARGEST]) return most;
    return total / (double)(down->samples * across->samples);
}

static const char *run_roi(const sl_call *call) {
    const int64_t *p = call->p, *images = call->in[2];
    const float *x = call->in[0], *region = call->in[1];
    float *y = call->out[0];
    for (int64_t r = 0; r < p[R_REGIONS]; r++, region += 4) {
        if (images[r] < 0 || images[r] >= p[N]) return "the number of an image is out of range";
        const cells across = cells_of(region[0], region[2], p, p[R_WIDTH]);
        const cells down = cells_of(region[1], region[3], p, p[R_HEIGHT]);
        for (int64_t c = 0; c < p[C]; c++) {
            const float *image = x + (images[r] * p[C] + c) * p[H] * p[W];
            for (int64_t i = 0; i < p[R_HEIGHT]; i++) {
                for (int64_t j = 0; j < p[R_WIDTH]; j++)
                    *y++ = (float)cell_value(image, p, &down, &across, i, j);
            }
        }
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_sample)[] = {
    {"grid_sample2d_f32", check_grid, run_grid, 0},
    {"roi_align_f32", check_roi, run_roi, 0},
    SL_END,
};
