#include "bridge.h"

#include <math.h>

enum { NODES = 48 };

static const double PI = 3.14159265358979323846;
static const double LEAST_STEP =
    1.0 / 40; /* standard deviations per x; less falls between the nodes */

/* Gauss-Legendre nodes and weights on [0, x], by Newton's method on the Legendre polynomial. */
static void legendre(double x, double *nodes, double *weights) {
    for (int i = 0; i < NODES; i++) {
        double z = cos(PI * (i + 0.75) / (NODES + 0.5)), slope = 1;
        for (int round = 0; round < 6; round++) {
            double p = 1, before = 0;
            for (int k = 1; k <= NODES; k++) {
                double next = ((2 * k - 1) * z * p - (k - 1) * before) / k;
                before = p;
                p = next;
            }
            slope = NODES * (z * p - before) / (z * z - 1);
            z -= p / slope;
        }
        nodes[i] = x * (1 - z) / 2;
        weights[i] = x / ((1 - z * z) * slope * slope);
    }
}

static double normal(double y, double variance) {
    return exp(-y * y / (2 * variance)) / sqrt(2 * PI * variance);
}

/* The density of the Wiener process that has stayed within [-x, x] so far, at the nodes; symmetric,
 * so half of it is enough. One step convolves it with a Gaussian. */
double sl_bridge_sf(const double *times, size_t n, double x) {
    double nodes[NODES], weights[NODES], density[NODES], next[NODES];
    if (!(x > 0)) return n > 0 ? 1 : 0;
    legendre(x, nodes, weights);
    const double least = LEAST_STEP * LEAST_STEP * x * x;
    double last = 0;
    for (size_t k = 0; k < n; k++) {
        double step = times[k] - last;
        if (step < least || 1 - times[k] < least) continue;
        if (last == 0) {
            for (int i = 0; i < NODES; i++)
                density[i] = normal(nodes[i], step);
        } else {
            double scale = 1 / sqrt(2 * PI * step), rate = 1 / (2 * step);
            for (int i = 0; i < NODES; i++)
                next[i] = 0;
            for (int i = 0; i < NODES; i++) {
                for (int j = 0; j <= i; j++) {
                    double near = nodes[i] - nodes[j], far = nodes[i] + nodes[j];
                    double kernel = scale * (exp(-near * near * rate) + exp(-far * far * rate));
                    next[i] += weights[j] * density[j] * kernel;
                    if (j < i) next[j] += weights[i] * density[i] * kernel;
                }
            }
            for (int i = 0; i < NODES; i++)
                density[i] = next[i];
        }
        last = times[k];
    }
    if (last == 0) return 0;
    double stayed = 0;
    for (int i = 0; i < NODES; i++) {
        stayed += 2 * weights[i] * density[i] * normal(nodes[i], 1 - last) * sqrt(2 * PI);
    }
    double left = 1 - stayed;
    return left < 0 ? 0 : left > 1 ? 1 : left;
}
