/* Walking the outer axes of up to three operands, one inner row at a time. */
#ifndef SL_WALK_H
#define SL_WALK_H

#include "kernel.h"

typedef struct {
    int64_t outer; /* axes that are walked; the last one of the params is the row and is left to the
                      kernel */
    const int64_t *dims;
    const int64_t *strides[3];
    int64_t at[3]; /* element offsets of the current row */
    int64_t index[SL_MAX_RANK];
} sl_walk;

/* `rank` counts the walked axes. Unused strides are NULL. False when there is nothing to walk. */
static inline bool sl_walk_start(sl_walk *w, int64_t rank, const int64_t *dims, const int64_t *a,
                                 const int64_t *b, const int64_t *c) {
    *w = (sl_walk){.outer = rank, .dims = dims, .strides = {a, b, c}};
    for (int64_t i = 0; i < rank; i++) {
        if (dims[i] == 0) return false;
    }
    return true;
}

static inline bool sl_walk_next(sl_walk *w) {
    for (int64_t axis = w->outer - 1; axis >= 0; axis--) {
        bool more = ++w->index[axis] < w->dims[axis];
        for (int k = 0; k < 3; k++) {
            if (w->strides[k]) w->at[k] += w->strides[k][axis] * (more ? 1 : 1 - w->dims[axis]);
        }
        if (more) return true;
        w->index[axis] = 0;
    }
    return false;
}

#endif
