/* Memory: aligned blocks, and the arena that programs lay their intermediate values in. */
#ifndef SL_ARENA_H
#define SL_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#define SL_ALIGNMENT 64

/* Allocates zeroed memory on a 64-byte boundary; NULL when there is none. */
void *sl_aligned_alloc(size_t bytes);
void sl_aligned_free(void *memory);

/* A block that programs take turns in: each writes there what it reads, so that nothing need last
 * from one run to the next, whoever's it is. It grows and never shrinks. */
typedef struct sl_arena {
    void *base; /* NULL until somebody reserves some, and when there was no memory */
    size_t bytes;
    size_t holders;
} sl_arena;

/* An empty arena, held once; NULL when there is no memory. The last to release it frees it. */
sl_arena *sl_arena_new(void);
sl_arena *sl_arena_hold(sl_arena *arena);
void sl_arena_release(sl_arena *arena);

/* Makes the arena at least that large; it then lies elsewhere, with nothing in it. False when there
 * is no memory: then it is as large as before, or empty if not even that could be had again. */
bool sl_arena_reserve(sl_arena *arena, size_t bytes);

#endif
