/* The Brownian bridge, looked at a few times only: the limit of a binned Kolmogorov-Smirnov
 * statistic. */
#ifndef STRANDLINE_BRIDGE_H
#define STRANDLINE_BRIDGE_H

#include <stddef.h>

/* P(max |B(t)| > x over the given times) for a Brownian bridge B on [0, 1]; times ascend within (0,
 * 1). Times that follow another, or 0, or precede 1, by less than (x/40)^2 are passed over: the
 * process would have to move 40 standard deviations there. Absolute error below 1e-4 for x up to 3.
 */
double sl_bridge_sf(const double *times, size_t n, double x);

#endif
