/* Placing elements by index over what is already there. Indices are int32 or int64 ('i', 'q') and
 * count from the end when negative; one out of range is an error at run time. */
#include "simd.h"
#include "walk.h"

static const char out_of_range[] = "an index is out of range";

static int64_t index_at(const void *indices, int64_t format, int64_t i) {
    return format == 'i' ? ((const int32_t *)indices)[i] : ((const int64_t *)indices)[i];
}

/* What an update does to the element that it meets. All but PLACE know the types f, d, i and q. */
enum { PLACE, ADD, MULTIPLY, HIGHER, LOWER, REDUCTIONS };

static const char *check_update(int64_t format, int64_t reduction) {
    SL_TRY(sl_itemsize(format) > 0, "the element type is unknown");
    SL_TRY(reduction >= PLACE && reduction < REDUCTIONS, "the reduction is unknown");
    SL_TRY(reduction == PLACE || format == 'f' || format == 'd' || format == 'i' || format == 'q',
           "the element type is not f, d, i or q");
    return NULL;
}

/* A NaN on either side stays. Integers wrap: they are added as unsigned ones. */
#define UPDATE(type, wrapping)                                                                     \
    {                                                                                              \
        type *to = target;                                                                         \
        const type *from = update;                                                                 \
        SL_SCALAR                                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const type a = to[i], b = from[i];                                                     \
            switch (reduction) {                                                                   \
            case ADD: to[i] = (type)((wrapping)a + (wrapping)b); break;                            \
            case MULTIPLY: to[i] = (type)((wrapping)a * (wrapping)b); break;                       \
            case HIGHER: to[i] = a != a || a > b ? a : b; break;                                   \
            default: to[i] = a != a || a < b ? a : b;                                              \
            }                                                                                      \
        }                                                                                          \
        return;                                                                                    \
    }

static void update_some(void *target, const void *update, int64_t n, int64_t format,
                        int64_t reduction) {
    if (reduction == PLACE) {
        memcpy(target, update, (size_t)(n * sl_itemsize(format)));
        return;
    }
    switch (format) {
    case 'f': UPDATE(float, float)
    case 'd': UPDATE(double, double)
    case 'i': UPDATE(int32_t, uint32_t)
    default: UPDATE(int64_t, uint64_t)
    }
}

/* scatter_elements: element type, reduction, index type, rank, axis, axis size, dims of the
 * indices, strides of the data (0 at `axis`), stride of the data along `axis`. Inputs indices and
 * updates; the output holds the data already. */
enum { E_TYPE, E_REDUCTION, E_INDEX, E_RANK, E_AXIS, E_SIZE, E_DIMS };

static const char *check_elements(const sl_args *a) {
    SL_TRY(a->n_in == 2 && a->n_out == 1 && a->n_p > E_DIMS,
           "wrong number of operands or parameters");
    const int64_t *p = a->p, rank = p[E_RANK], size = sl_itemsize(p[E_TYPE]);
    const char *wrong = check_update(p[E_TYPE], p[E_REDUCTION]);
    if (wrong) return wrong;
    SL_TRY(p[E_INDEX] == 'i' || p[E_INDEX] == 'q', "indices are not int32 or int64");
    SL_TRY(rank >= 1 && rank <= SL_MAX_RANK && a->n_p == E_DIMS + 2 * rank + 1,
           "rank does not fit the parameters");
    const int64_t *dims = p + E_DIMS, *strides = dims + rank;
    SL_TRY(p[E_AXIS] >= 0 && p[E_AXIS] < rank && strides[p[E_AXIS]] == 0, "the axis does not fit");
    int64_t full[SL_MAX_RANK + 1], steps[SL_MAX_RANK + 1];
    memcpy(full, dims, (size_t)rank * sizeof *full);
    memcpy(steps, strides, (size_t)rank * sizeof *steps);
    full[rank] = p[E_SIZE], steps[rank] = strides[rank];
    SL_TRY(p[E_SIZE] >= 0 && sl_reaches(&a->out[0], full, steps, rank + 1, 0, size),
           "the data are too small");
    const int64_t count = sl_size(dims, rank);
    SL_TRY(sl_holds(&a->in[0], count, sl_itemsize(p[E_INDEX])), "the indices are too small");
    SL_TRY(sl_holds(&a->in[1], count, size), "the updates are too small");
    return NULL;
}

static const char *run_elements(const sl_call *call) {
    const int64_t *p = call->p, rank = p[E_RANK], size = sl_itemsize(p[E_TYPE]);
    const int64_t *dims = p + E_DIMS, *strides = dims + rank, along = strides[rank];
    const char *update = call->in[1];
    int64_t at = 0;
    sl_walk w;
    if (!sl_walk_start(&w, rank, dims, strides, NULL, NULL)) return NULL;
    do {
        int64_t index = index_at(call->in[0], p[E_INDEX], at++);
        if (index < 0) index += p[E_SIZE];
        if (index < 0 || index >= p[E_SIZE]) return out_of_range;
        update_some((char *)call->out[0] + (w.at[0] + index * along) * size, update, 1, p[E_TYPE],
                    p[E_REDUCTION]);
        update += size;
    } while (sl_walk_next(&w));
    return NULL;
}

/* scatter_nd: element type, reduction, elements of a slice, index tuples, tuple length, data sizes
 * of the indexed axes. Inputs int64 indices [tuples, length] and updates [tuples, slice]; the
 * output [sizes..., slice] holds the data already. */
enum { ND_TYPE, ND_REDUCTION, ND_SLICE, ND_TUPLES, ND_LENGTH, ND_SIZES };

static const char *check_nd(const sl_args *a) {
    SL_TRY(a->n_in == 2 && a->n_out == 1 && a->n_p >= ND_SIZES,
           "wrong number of operands or parameters");
    const int64_t *p = a->p, length = p[ND_LENGTH], size = sl_itemsize(p[ND_TYPE]);
    const char *wrong = check_update(p[ND_TYPE], p[ND_REDUCTION]);
    if (wrong) return wrong;
    SL_TRY(length >= 0 && length <= SL_MAX_RANK && a->n_p == ND_SIZES + length,
           "length does not fit the parameters");
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[ND_TUPLES], length, 1), 8), "the indices are too small");
    SL_TRY(sl_holds(&a->in[1], sl_size3(p[ND_TUPLES], p[ND_SLICE], 1), size),
           "the updates are too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(sl_size(p + ND_SIZES, length), p[ND_SLICE], 1), size),
           "the data are too small");
    return NULL;
}

static const char *run_nd(const sl_call *call) {
    const int64_t *p = call->p, length = p[ND_LENGTH];
    const size_t slice = (size_t)(p[ND_SLICE] * sl_itemsize(p[ND_TYPE]));
    const int64_t *index = call->in[0];
    const char *update = call->in[1];
    if (slice == 0) return NULL;
    for (int64_t t = 0; t < p[ND_TUPLES]; t++, update += slice) {
        size_t place = 0;
        for (int64_t i = 0; i < length; i++) {
            int64_t at = *index++, size = p[ND_SIZES + i];
            if (at < 0) at += size;
            if (at < 0 || at >= size) return out_of_range;
            place = place * (size_t)size + (size_t)at;
        }
        update_some((char *)call->out[0] + place * slice, update, p[ND_SLICE], p[ND_TYPE],
                    p[ND_REDUCTION]);
    }
    return NULL;
}

/* triangle: itemsize, matrices, rows, columns, diagonal, whether the upper part stays. Elements
 * below it (above it) become zero; the diagonal itself stays. */
static const char *check_triangle(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 6);
    const int64_t *p = a->p, count = sl_size3(p[1], p[2], p[3]);
    SL_TRY(p[0] == 1 || p[0] == 2 || p[0] == 4 || p[0] == 8, "itemsize is not 1, 2, 4 or 8");
    SL_TRY(p[4] > -((int64_t)1 << 40) && p[4] < (int64_t)1 << 40, "the diagonal is far away");
    SL_TRY(sl_holds(&a->in[0], count, p[0]) && sl_holds(&a->out[0], count, p[0]),
           "the operands are too small");
    return NULL;
}

static const char *run_triangle(const sl_call *call) {
    const int64_t *p = call->p, rows = p[2], columns = p[3];
    const size_t line = (size_t)(columns * p[0]);
    const char *from = call->in[0];
    char *to = call->out[0];
    if (line == 0) return NULL;
    for (int64_t i = 0; i < p[1] * rows; i++, from += line, to += line) {
        int64_t edge = i % rows + p[4] + (p[5] ? 0 : 1); /* where the kept part begins or ends */
        edge = edge < 0 ? 0 : edge > columns ? columns : edge;
        const size_t left = (size_t)(edge * p[0]);
        if (p[5]) {
            memset(to, 0, left);
            memcpy(to + left, from + left, line - left);
        } else {
            memcpy(to, from, left);
            memset(to + left, 0, line - left);
        }
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_scatter)[] = {
    {"scatter_elements", check_elements, run_elements, 0},
    {"scatter_nd", check_nd, run_nd, 0},
    {"triangle", check_triangle, run_triangle, 0},
    SL_END,
};
