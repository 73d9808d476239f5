/* Picking by index. Indices are int32 or int64 ('i', 'q') and count from the end when negative; one
 * out of range is an error at run time. */
#include "walk.h"

static int64_t index_at(const void *indices, int64_t format, int64_t i) {
    return format == 'i' ? ((const int32_t *)indices)[i] : ((const int64_t *)indices)[i];
}

static const char out_of_range[] = "an index is out of range";

/* gather: index type, before, axis size, bytes after, count of indices. Data [before, axis, after],
 * output [before, count, after]. */
static const char *check_gather(const sl_args *a) {
    SL_SHAPE(a, 2, 1, 5);
    const int64_t *p = a->p;
    SL_TRY(p[0] == 'i' || p[0] == 'q', "indices are not int32 or int64");
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[1], p[2], p[3]), 1), "the data are too small");
    SL_TRY(sl_holds(&a->in[1], p[4], sl_itemsize(p[0])), "the indices are too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[1], p[4], p[3]), 1), "the output is too small");
    return NULL;
}

static const char *run_gather(const sl_call *call) {
    const int64_t *p = call->p, before = p[1], size = p[2], n = p[4];
    const size_t after = (size_t)p[3];
    const char *source = call->in[0];
    char *target = call->out[0];
    if (after == 0 || n == 0) return NULL;
    for (int64_t outer = 0; outer < before; outer++, source += (size_t)size * after) {
        for (int64_t i = 0; i < n; i++, target += after) {
            int64_t index = index_at(call->in[1], p[0], i);
            if (index < 0) index += size;
            if (index < 0 || index >= size) return out_of_range;
            const char *from = source + (size_t)index * after;
            switch (after) {
            case 4: memcpy(target, from, 4); break;
            case 8: memcpy(target, from, 8); break;
            default: memcpy(target, from, after);
            }
        }
    }
    return NULL;
}

/* gather_elements: index type, itemsize, rank, axis, axis size, dims of the indices, strides of the
 * data (0 at `axis`), stride of the data along `axis`. */
static const char *check_gather_elements(const sl_args *a) {
    SL_TRY(a->n_in == 2 && a->n_out == 1 && a->n_p >= 5, "wrong number of operands or parameters");
    const int64_t *p = a->p, rank = p[2], size = p[1];
    SL_TRY(p[0] == 'i' || p[0] == 'q', "indices are not int32 or int64");
    SL_TRY(size == 1 || size == 2 || size == 4 || size == 8, "itemsize is not 1, 2, 4 or 8");
    SL_TRY(rank >= 1 && rank <= SL_MAX_RANK && a->n_p == 6 + 2 * rank,
           "rank does not fit the parameters");
    const int64_t *dims = p + 5, *strides = dims + rank;
    SL_TRY(p[3] >= 0 && p[3] < rank && strides[p[3]] == 0, "the axis does not fit");
    int64_t full[SL_MAX_RANK + 1], steps[SL_MAX_RANK + 1];
    memcpy(full, dims, (size_t)rank * sizeof *full);
    memcpy(steps, strides, (size_t)rank * sizeof *steps);
    full[rank] = p[4], steps[rank] = strides[rank];
    SL_TRY(p[4] >= 0 && sl_reaches(&a->in[0], full, steps, rank + 1, 0, size),
           "the data are too small");
    SL_TRY(sl_holds(&a->in[1], sl_size(dims, rank), sl_itemsize(p[0])),
           "the indices are too small");
    SL_TRY(sl_holds(&a->out[0], sl_size(dims, rank), size), "the output is too small");
    return NULL;
}

static const char *run_gather_elements(const sl_call *call) {
    const int64_t *p = call->p, size = p[1], rank = p[2], length = p[4];
    const int64_t *dims = p + 5, *strides = dims + rank, along = strides[rank];
    char *target = call->out[0];
    int64_t at = 0;
    sl_walk w;
    if (!sl_walk_start(&w, rank, dims, strides, NULL, NULL)) return NULL;
    do {
        int64_t index = index_at(call->in[1], p[0], at++);
        if (index < 0) index += length;
        if (index < 0 || index >= length) return out_of_range;
        memcpy(target, (const char *)call->in[0] + (w.at[0] + index * along) * size, (size_t)size);
        target += size;
    } while (sl_walk_next(&w));
    return NULL;
}

/* gather_nd: itemsize of a slice in bytes, batches, index tuples per batch, tuple length, data
 * sizes of the indexed axes. Data [batches, sizes..., slice], int64 indices [batches, tuples,
 * length]. */
static const char *check_gather_nd(const sl_args *a) {
    SL_TRY(a->n_in == 2 && a->n_out == 1 && a->n_p >= 4, "wrong number of operands or parameters");
    const int64_t *p = a->p, length = p[3];
    SL_TRY(length >= 0 && length <= SL_MAX_RANK && a->n_p == 4 + length,
           "length does not fit the parameters");
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[0], p[1], sl_size(p + 4, length)), 1),
           "the data are too small");
    SL_TRY(sl_holds(&a->in[1], sl_size3(p[1], p[2], length), 8), "the indices are too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[0], p[1], p[2]), 1), "the output is too small");
    return NULL;
}

static const char *run_gather_nd(const sl_call *call) {
    const int64_t *p = call->p, batches = p[1], tuples = p[2], length = p[3];
    const size_t slice = (size_t)p[0];
    const int64_t *index = call->in[1];
    const char *source = call->in[0];
    char *target = call->out[0];
    if (slice == 0 || tuples == 0) return NULL;
    const size_t batch = slice * (size_t)sl_size(p + 4, length);
    for (int64_t b = 0; b < batches; b++, source += batch) {
        for (int64_t t = 0; t < tuples; t++, target += slice) {
            size_t place = 0;
            for (int64_t i = 0; i < length; i++) {
                int64_t at = *index++, size = p[4 + i];
                if (at < 0) at += size;
                if (at < 0 || at >= size) return out_of_range;
                place = place * (size_t)size + (size_t)at;
            }
            memcpy(target, source + place * slice, slice);
        }
    }
    return NULL;
}

/* one_hot: index type, before, depth, after, itemsize. Indices [before, after], values [off, on],
 * output [before, depth, after]; an index out of range leaves its column off. */
static const char *check_one_hot(const sl_args *a) {
    SL_SHAPE(a, 2, 1, 5);
    const int64_t *p = a->p, size = p[4];
    SL_TRY(p[0] == 'i' || p[0] == 'q', "indices are not int32 or int64");
    SL_TRY(size == 1 || size == 2 || size == 4 || size == 8, "itemsize is not 1, 2, 4 or 8");
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[1], p[3], 1), sl_itemsize(p[0])),
           "the indices are too small");
    SL_TRY(sl_holds(&a->in[1], 2, size), "the values are too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[1], p[2], p[3]), size), "the output is too small");
    return NULL;
}

static const char *run_one_hot(const sl_call *call) {
    const int64_t *p = call->p, before = p[1], depth = p[2], after = p[3], size = p[4];
    const char *off = call->in[1], *on = off + size;
    char *out = call->out[0];
    const int64_t total = before * depth * after;
    if (total == 0) return NULL;
    for (int64_t i = 0; i < total; i++)
        memcpy(out + i * size, off, (size_t)size);
    for (int64_t b = 0; b < before; b++) {
        for (int64_t j = 0; j < after; j++) {
            int64_t index = index_at(call->in[0], p[0], b * after + j);
            if (index < 0) index += depth;
            if (index >= 0 && index < depth)
                memcpy(out + ((b * depth + index) * after + j) * size, on, (size_t)size);
        }
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_gather)[] = {
    {"gather", check_gather, run_gather, 0, 1},
    {"gather_elements", check_gather_elements, run_gather_elements, 0},
    {"gather_nd", check_gather_nd, run_gather_nd, 0},
    {"one_hot", check_one_hot, run_one_hot, 0},
    SL_END,
};
