#include "fourier.h"

#include <math.h>
#include <stdbool.h>

static const double MOST_STEPS = 4503599627370496.0; /* 2^52: beyond, a step is not resolved */

/* The order of the additions is fixed: coordinate by coordinate, each frequency on its own. */
static void phases(const double *vector, size_t d, const double *frequencies, size_t k,
                   double *steps) {
    for (size_t i = 0; i < k; i++)
        steps[i] = 0.0;
    for (size_t j = 0; j < d; j++) {
        const double x = vector[j];
        const double *row = frequencies + j * k;
        for (size_t i = 0; i < k; i++)
            steps[i] += x * row[i];
    }
}

static bool resolved(const double *steps, size_t k) {
    bool all = true;
    for (size_t i = 0; i < k; i++)
        all &= fabs(steps[i]) < MOST_STEPS; /* false for NaN */
    return all;
}

size_t sl_fourier_add(const double *vectors, size_t n, size_t d, const double *frequencies,
                      size_t k, const int16_t *wave, int64_t *sums, int64_t *products,
                      int64_t *squares) {
    double steps[SL_FOURIER_MOST];
    int32_t features[2 * SL_FOURIER_MOST];
    size_t left_out = 0;
    for (size_t row = 0; row < n; row++) {
        phases(vectors + row * d, d, frequencies, k, steps);
        if (!resolved(steps, k)) {
            left_out++;
            continue;
        }
        int64_t norm = 0;
        for (size_t i = 0; i < k; i++) {
            int64_t step = (int64_t)steps[i];
            step -= steps[i] < (double)step; /* rounds down */
            const int32_t cosine = wave[step & (SL_FOURIER_STEPS - 1)];
            const int32_t sine = wave[(step + 3 * SL_FOURIER_STEPS / 4) & (SL_FOURIER_STEPS - 1)];
            features[i] = cosine;
            features[k + i] = sine;
            norm += (int64_t)cosine * cosine + (int64_t)sine * sine;
        }
        *squares += norm;
        for (size_t i = 0; i < 2 * k; i++)
            sums[i] += features[i];
        if (products == NULL) continue;
        for (size_t i = 0; i < 2 * k; i++) {
            for (size_t j = 0; j < 2 * k; j++)
                products[i * 2 * k + j] += (int64_t)features[i] * features[j];
        }
    }
    return left_out;
}
