/* Exact, mergeable summaries of a column of doubles: counts per bin, sums, extremes.
 *
 * Nothing here rounds. Sums are kept in base-2^32 fixed point wide enough for every finite double,
 * so they do not depend on the order or the grouping of the values, nor on the processor. */
#ifndef STRANDLINE_STATS_H
#define STRANDLINE_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SL_SUM_DIGITS = 68,     /* sum of x in units of 2^-1074: 2098 bits and 2^63 additions */
    SL_SQUARE_DIGITS = 136, /* sum of x*x in units of 2^-2148 */
};

typedef struct {
    int64_t nan;      /* values that are NaN */
    int64_t infinite; /* values that are +-infinity */
    int64_t finite;   /* values that were binned and summed */
    double min, max;  /* of the finite values; +inf and -inf when there is none; never -0 */
    int64_t sum[SL_SUM_DIGITS];
    int64_t squares[SL_SQUARE_DIGITS];
} sl_tally;

void sl_tally_init(sl_tally *tally);

/* Adds n values. cuts: ascending, finite. counts: n_cuts + 1 of them; value x goes to the bin whose
 * index is the number of cuts <= x. counts are increased, not overwritten. */
void sl_tally_add(sl_tally *tally, const double *values, size_t n, const double *cuts,
                  size_t n_cuts, int64_t *counts);

/* Carries the digits and writes them as a little-endian two's complement integer of 4*n bytes. */
void sl_digits_to_bytes(int64_t *digits, size_t n, unsigned char *out);

/* Bytes of one item of a struct-module format (one of "dfbBhHiIlLqQ?"), 0 for another one. */
size_t sl_format_size(char format);

/* Reads n values of such a format, stride bytes apart, as doubles. False when the format is another
 * one. */
bool sl_load_doubles(char format, const char *source, ptrdiff_t stride, size_t n, double *out);

/* Moves the finite values to the front of the array, ascending, -0 as 0; returns how many there
 * are. scratch: room for n doubles. */
size_t sl_sort_finite(double *values, double *scratch, size_t n);

#endif
