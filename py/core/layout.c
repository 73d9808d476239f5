#include "layout.h"

#include "arena.h"

#include <stdlib.h>
#include <string.h>

/* ---- Lifetimes
 * ------------------------------------------------------------------------------------------------
 */

static void outlive(sl_lifetime *lives, size_t n, const sl_loop *loop) {
    const int64_t last = loop->at + loop->length;
    for (size_t i = 0; i < n; i++) {
        sl_lifetime *life = &lives[i];
        if (life->first <= loop->at && loop->at < life->last && life->last <= last)
            life->last = last + 1;
        else if (loop->at < life->first && life->first <= last && last < life->last)
            life->first = loop->at;
    }
}

/* owner[i]: whose memory value i lies in, itself or one that it overwrites. */
static void take_over(sl_lifetime *lives, size_t *owner, const sl_overwrite *o) {
    sl_lifetime *written = &lives[o->to], *before = &lives[owner[o->from]];
    const bool free = owner[o->to] == o->to && written->first == o->at;
    if (!free || before->last != o->at || o->from == o->to ||
        lives[o->from].nbytes != written->nbytes)
        return;
    before->last = written->last;
    owner[o->to] = owner[o->from];
}

/* ---- Best fit
 * ------------------------------------------------------------------------------------------------
 */

typedef struct {
    int64_t start, bytes;
} block;

/* Free blocks by where they start; no two touch. */
typedef struct {
    block *free;
    size_t n;
    int64_t end;
} heap;

static void drop(heap *h, size_t i) {
    h->n--;
    memmove(&h->free[i], &h->free[i + 1], (h->n - i) * sizeof(block));
}

/* The smallest block that is large enough, the first of several; -1 when the heap can't grow so
 * far. */
static int64_t take(heap *h, int64_t bytes) {
    size_t best = h->n;
    for (size_t i = 0; i < h->n; i++) {
        if (h->free[i].bytes >= bytes && (best == h->n || h->free[i].bytes < h->free[best].bytes))
            best = i;
    }
    if (best < h->n) {
        block *b = &h->free[best];
        const int64_t start = b->start;
        b->start += bytes;
        b->bytes -= bytes;
        if (!b->bytes) drop(h, best);
        return start;
    }
    /* Nothing fits: grow, from the last free block when it touches the end. */
    int64_t start = h->end;
    if (h->n && h->free[h->n - 1].start + h->free[h->n - 1].bytes == h->end)
        start = h->free[--h->n].start;
    return __builtin_add_overflow(start, bytes, &h->end) ? -1 : start;
}

static void release(heap *h, int64_t start, int64_t bytes) {
    size_t low = 0, high = h->n; /* the first block behind it */
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (h->free[middle].start < start)
            low = middle + 1;
        else
            high = middle;
    }
    block *after = &h->free[low], *before = low ? after - 1 : NULL;
    const bool joins_after = low < h->n && start + bytes == after->start;
    if (before && before->start + before->bytes == start) {
        before->bytes += bytes + (joins_after ? after->bytes : 0);
        if (joins_after) drop(h, low);
    } else if (joins_after) {
        after->start = start;
        after->bytes += bytes;
    } else {
        memmove(after + 1, after, (h->n - low) * sizeof(block));
        *after = (block){start, bytes};
        h->n++;
    }
}

/* When a value comes or goes. */
typedef struct {
    int64_t at, key;
    size_t value;
} event;

static int by_time(const void *a, const void *b) {
    const event *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value;
}

static int64_t place(sl_lifetime *lives, const size_t *owner, size_t n, heap *h, event *coming,
                     event *going) {
    size_t alive = 0;
    for (size_t i = 0; i < n; i++) {
        lives[i].offset = 0;
        if (owner[i] != i || !lives[i].nbytes) continue;
        coming[alive] = (event){lives[i].first, -lives[i].nbytes, i}; /* the largest first */
        going[alive++] = (event){lives[i].last, 0, i};
        if (lives[i].nbytes > INT64_MAX - SL_ALIGNMENT) return -1;
    }
    qsort(coming, alive, sizeof *coming, by_time);
    qsort(going, alive, sizeof *going, by_time);
    const event *gone = going;
    for (size_t i = 0; i < alive; i++) {
        sl_lifetime *life = &lives[coming[i].value];
        for (; gone->at < coming[i].at; gone++) {
            const sl_lifetime *over = &lives[gone->value];
            release(h, over->offset, (over->nbytes + SL_ALIGNMENT - 1) & -SL_ALIGNMENT);
        }
        life->offset = take(h, (life->nbytes + SL_ALIGNMENT - 1) & -SL_ALIGNMENT);
        if (life->offset < 0) return -1;
    }
    for (size_t i = 0; i < n; i++)
        lives[i].offset = lives[owner[i]].offset;
    return h->end;
}

int64_t sl_layout(sl_lifetime *lives, size_t n, const sl_loop *loops, size_t n_loops,
                  const sl_overwrite *overwrites, size_t n_overwrites) {
    /* One more than needed: an empty allocation may be NULL. */
    size_t *owner = calloc(n + 1, sizeof *owner);
    event *events = calloc(2 * n + 1, sizeof *events);
    heap h = {.free = calloc(n + 1, sizeof(block))};
    int64_t bytes = -2;
    if (owner && events && h.free) {
        for (size_t i = n_loops; i-- > 0;)
            outlive(lives, n, &loops[i]);
        for (size_t i = 0; i < n; i++)
            owner[i] = i;
        for (size_t i = 0; i < n_overwrites; i++)
            take_over(lives, owner, &overwrites[i]);
        bytes = place(lives, owner, n, &h, events, events + n);
    }
    free(owner);
    free(events);
    free(h.free);
    return bytes;
}
