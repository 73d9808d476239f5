/* Preparing columns: look-ups of keys (strings come as int32 codes), one-hot, scaling, imputing,
 * normalising. */
#include "kernel.h"

static const char *check_keys(const sl_args *a, int64_t format, int64_t keys, int64_t count) {
    const int64_t size = sl_itemsize(format);
    SL_TRY(format == 'i' || format == 'q' || format == 'f' || format == 'd',
           "keys are not int32, int64, float32 or float64");
    SL_TRY(sl_holds(&a->in[0], count, size), "the input is too small");
    SL_TRY(sl_holds(&a->in[1], keys, size), "the keys are too small");
    return NULL;
}

/* -1, 0 or 1 as x[i] sorts before, with or behind key j; a NaN sorts behind all else and with a
 * NaN. */
static int order(const void *x, int64_t i, const void *keys, int64_t j, int64_t format) {
    if (format == 'i') {
        const int32_t v = ((const int32_t *)x)[i], k = ((const int32_t *)keys)[j];
        return (v > k) - (v < k);
    }
    if (format == 'q') {
        const int64_t v = ((const int64_t *)x)[i], k = ((const int64_t *)keys)[j];
        return (v > k) - (v < k);
    }
    const double v = format == 'f' ? ((const float *)x)[i] : ((const double *)x)[i];
    const double k = format == 'f' ? ((const float *)keys)[j] : ((const double *)keys)[j];
    if (v != v || k != k) return (v != v) - (k != k);
    return (v > k) - (v < k);
}

/* Where x[i] is among the sorted keys; `keys` when it is not there. */
static int64_t place_of(const void *x, int64_t i, const void *sorted, int64_t keys,
                        int64_t format) {
    int64_t low = 0, high = keys;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (order(x, i, sorted, middle, format) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < keys && order(x, i, sorted, low, format) == 0 ? low : keys;
}

/* look_up: element type, keys, count, bytes of a value. Inputs x [count], ascending keys, values
 * [keys + 1], the last one for what is not among the keys; output [count]. */
static const char *check_look_up(const sl_args *a) {
    SL_SHAPE(a, 3, 1, 4);
    const int64_t *p = a->p;
    const char *problem = check_keys(a, p[0], p[1], p[2]);
    if (problem) return problem;
    SL_TRY(p[3] > 0 && p[1] < INT64_MAX && sl_holds(&a->in[2], p[1] + 1, p[3]),
           "the values are too small");
    SL_TRY(sl_holds(&a->out[0], p[2], p[3]), "the output is too small");
    return NULL;
}

static const char *run_look_up(const sl_call *call) {
    const int64_t *p = call->p, size = p[3];
    const char *values = call->in[2];
    char *out = call->out[0];
    for (int64_t i = 0; i < p[2]; i++, out += size)
        memcpy(out, values + place_of(call->in[0], i, call->in[1], p[1], p[0]) * size,
               (size_t)size);
    return NULL;
}

/* one_hot_keys_f32: element type, keys, count, whether an unknown value is an error. Inputs x
 * [count], ascending keys, the column of each key as int32; output [count, keys]. */
static const char *check_one_hot(const sl_args *a) {
    SL_SHAPE(a, 3, 1, 4);
    const int64_t *p = a->p;
    const char *problem = check_keys(a, p[0], p[1], p[2]);
    if (problem) return problem;
    SL_TRY(sl_holds(&a->in[2], p[1], 4) && (a->in[2].data || !p[1]),
           "the columns are no constant of that size");
    for (int64_t i = 0; i < p[1]; i++) {
        const int32_t column = ((const int32_t *)a->in[2].data)[i];
        SL_TRY(column >= 0 && column < p[1], "a column is out of range");
    }
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[1], p[2], 1), 4), "the output is too small");
    return NULL;
}

static const char *run_one_hot(const sl_call *call) {
    const int64_t *p = call->p, keys = p[1];
    const int32_t *columns = call->in[2];
    float *out = call->out[0];
    memset(out, 0, (size_t)(keys * p[2]) * sizeof *out);
    for (int64_t i = 0; i < p[2]; i++, out += keys) {
        const int64_t place = place_of(call->in[0], i, call->in[1], keys, p[0]);
        if (place < keys)
            out[columns[place]] = 1;
        else if (p[3])
            return "a value is none of the encoder's categories";
    }
    return NULL;
}

/* scale_f32: rows, columns. Inputs x [rows, columns], offset and factor [columns]; output (x -
 * offset) * factor. */
static const char *check_scale(const sl_args *a) {
    SL_SHAPE(a, 3, 1, 2);
    const int64_t cells = sl_size3(a->p[0], a->p[1], 1);
    SL_TRY(sl_holds(&a->in[0], cells, 4) && sl_holds(&a->out[0], cells, 4),
           "the rows are too small");
    SL_TRY(sl_holds(&a->in[1], a->p[1], 4) && sl_holds(&a->in[2], a->p[1], 4),
           "offset or factor is too small");
    return NULL;
}

static const char *run_scale(const sl_call *call) {
    const int64_t columns = call->p[1];
    const float *x = call->in[0], *offset = call->in[1], *factor = call->in[2];
    float *out = call->out[0];
    for (int64_t row = 0; row < call->p[0] && columns; row++, x += columns, out += columns) {
        for (int64_t i = 0; i < columns; i++)
            out[i] = (x[i] - offset[i]) * factor[i];
    }
    return NULL;
}

/* impute: element type, rows, columns. Inputs x [rows, columns], the value to replace [1] (NaN: all
 * NaN), the replacements [columns]; output as x. */
static const char *check_impute(const sl_args *a) {
    SL_SHAPE(a, 3, 1, 3);
    const int64_t *p = a->p, cells = sl_size3(p[1], p[2], 1), size = sl_itemsize(p[0]);
    SL_TRY(p[0] == 'q' || p[0] == 'f' || p[0] == 'd',
           "the elements are not int64, float32 or float64");
    SL_TRY(sl_holds(&a->in[0], cells, size) && sl_holds(&a->out[0], cells, size),
           "the rows are too small");
    SL_TRY(sl_holds(&a->in[1], 1, size) && sl_holds(&a->in[2], p[2], size),
           "the replacements are too small");
    return NULL;
}

static const char *run_impute(const sl_call *call) {
    const int64_t *p = call->p, size = sl_itemsize(p[0]);
    const char *x = call->in[0], *with = call->in[2];
    char *out = call->out[0];
    for (int64_t i = 0; i < p[1] * p[2]; i++) {
        const bool replace = order(x, i, call->in[1], 0, p[0]) == 0;
        memcpy(out + i * size, replace ? with + i % p[2] * size : x + i * size, (size_t)size);
    }
    return NULL;
}

/* normalize_rows_f32: rows, columns, norm. A row whose norm is 0 stays. */
enum { LARGEST, ABSOLUTE, EUCLIDEAN, NORMS };

static const char *check_normalize(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 3);
    const int64_t cells = sl_size3(a->p[0], a->p[1], 1);
    SL_TRY(sl_holds(&a->in[0], cells, 4) && sl_holds(&a->out[0], cells, 4),
           "the rows are too small");
    SL_TRY(a->p[2] >= LARGEST && a->p[2] < NORMS, "the norm is unknown");
    return NULL;
}

static const char *run_normalize(const sl_call *call) {
    const int64_t columns = call->p[1];
    const float *x = call->in[0];
    float *out = call->out[0];
    for (int64_t row = 0; row < call->p[0] && columns; row++, x += columns, out += columns) {
        float norm = call->p[2] == LARGEST ? x[0] : 0;
        for (int64_t i = 0; i < columns; i++) {
            if (call->p[2] == LARGEST)
                norm = x[i] > norm || x[i] != x[i] ? x[i] : norm;
            else
                norm += call->p[2] == EUCLIDEAN ? x[i] * x[i] : __builtin_fabsf(x[i]);
        }
        if (call->p[2] == EUCLIDEAN) norm = __builtin_sqrtf(norm);
        for (int64_t i = 0; i < columns; i++)
            out[i] = norm == 0 ? x[i] : x[i] / norm;
    }
    return NULL;
}

/* binarize_f32: count, threshold. */
static const char *check_binarize(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 2);
    SL_TRY(sl_holds(&a->in[0], a->p[0], 4) && sl_holds(&a->out[0], a->p[0], 4),
           "the operands are too small");
    return NULL;
}

static const char *run_binarize(const sl_call *call) {
    const float *x = call->in[0], threshold = (float)sl_real(call->p[1]);
    float *out = call->out[0];
    for (int64_t i = 0; i < call->p[0]; i++)
        out[i] = x[i] > threshold;
    return NULL;
}

const sl_kernel SL_NAME(sl_encode)[] = {
    {"look_up", check_look_up, run_look_up, 0},
    {"one_hot_keys_f32", check_one_hot, run_one_hot, 0},
    {"scale_f32", check_scale, run_scale, 0},
    {"impute", check_impute, run_impute, 0},
    {"normalize_rows_f32", check_normalize, run_normalize, 0},
    {"binarize_f32", check_binarize, run_binarize, 0},
    SL_END,
};
