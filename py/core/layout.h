/* Where the values of a program lie in its arena, decided before the run. Knows no Python. */
#ifndef SL_LAYOUT_H
#define SL_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value that call `first` is the first to use and `last` the last (both inclusive). */
typedef struct {
    int64_t nbytes, first, last;
    int64_t offset; /* the answer: a multiple of 64 */
} sl_lifetime;

/* The calls behind `at` until at + length are the body of the loop `at`. */
typedef struct {
    int64_t at, length;
} sl_loop;

/* Call `at` may write the value `to` over `from`, which it reads. */
typedef struct {
    int64_t at;
    size_t from, to;
} sl_overwrite;

/* Gives values their offsets; the arena's size in bytes, -1 when that is beyond int64, -2 when
 * memory ran out. Values that are alive at the same call never overlap, but where one overwrites
 * another that is used there last. What is used inside of a loop and outside of it keeps its place
 * through every trip.
 *
 * `loops` and `overwrites` are in the order of their calls; of the overwrites of a value the first
 * that can be is taken. Best fit over a list of free blocks, in order of time. Lifetimes change:
 * to what they are with loops, and of a value that others overwrite, to the end of theirs. */
int64_t sl_layout(sl_lifetime *lives, size_t n, const sl_loop *loops, size_t n_loops,
                  const sl_overwrite *overwrites, size_t n_overwrites);

#endif
