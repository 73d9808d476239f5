#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a block for that many, and a few more; 0 when there can't be one. */
static size_t rounded(size_t bytes) {
    if (bytes > SIZE_MAX - 2 * SL_ALIGNMENT) return 0;
    return (bytes + SL_ALIGNMENT) / SL_ALIGNMENT * SL_ALIGNMENT;
}

static void *allocate(size_t bytes) {
    const size_t whole = rounded(bytes);
    return whole ? aligned_alloc(SL_ALIGNMENT, whole) : NULL;
}

void *sl_aligned_alloc(size_t bytes) {
    void *memory = allocate(bytes);
    if (memory) memset(memory, 0, rounded(bytes));
    return memory;
}

void sl_aligned_free(void *memory) {
    free(memory);
}

sl_arena *sl_arena_new(void) {
    sl_arena *arena = calloc(1, sizeof *arena);
    return arena ? sl_arena_hold(arena) : NULL;
}

sl_arena *sl_arena_hold(sl_arena *arena) {
    arena->holders++;
    return arena;
}

void sl_arena_release(sl_arena *arena) {
    if (!arena || --arena->holders) return;
    free(arena->base);
    free(arena);
}

static bool replace(sl_arena *arena, size_t bytes) {
    arena->base = allocate(bytes);
    arena->bytes = arena->base ? bytes : 0;
    return arena->base != NULL;
}

bool sl_arena_reserve(sl_arena *arena, size_t bytes) {
    if (arena->base && bytes <= arena->bytes) return true;
    const size_t before = arena->bytes;
    free(arena->base); /* first, so that the two never lie side by side */
    if (replace(arena, bytes)) return true;
    if (before) replace(arena, before);
    return false;
}
