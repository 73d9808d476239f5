/* Sums of random Fourier features of vectors, in integers: they do not depend on the order or the
 * grouping of the vectors, nor on the processor. */
#ifndef STRANDLINE_FOURIER_H
#define STRANDLINE_FOURIER_H

#include <stddef.h>
#include <stdint.h>

enum {
    SL_FOURIER_STEPS = 4096, /* of a turn: phases are rounded down to one */
    SL_FOURIER_MOST = 256,   /* frequencies */
};

/* Adds n vectors of d coordinates. frequencies: [d][k], in steps of a turn per unit. wave: one turn
 * of the cosine, in integers. sums: 2*k, of the cosines, then of the sines. products: [2*k][2*k] or
 * NULL, of the features of one vector with each other. squares: the sum of all features' squares.
 * Returns how many vectors were left out: a coordinate, or a phase, is not finite. */
size_t sl_fourier_add(const double *vectors, size_t n, size_t d, const double *frequencies,
                      size_t k, const int16_t *wave, int64_t *sums, int64_t *products,
                      int64_t *squares);

#endif
