/* Softmax, or its logarithm, of contiguous rows of float32. */
#ifndef SL_SOFTMAX_H
#define SL_SOFTMAX_H

#include "vmath.h"

#include <math.h>

/* y = e^x, whole vectors first. */
static inline void exp_all(const float *x, float *y, size_t n) {
    size_t i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, vf_exp(vf_load(x + i)));
    if (i < n) vf_store_first(y + i, vf_exp(vf_load_first(x + i, n - i)), n - i);
}

static inline float highest_of(const float *x, size_t n) {
    vf most = vf_set(-SL_INFINITY);
    size_t i = 0;
    for (; i + VF <= n; i += VF)
        most = vf_max(most, vf_load(x + i));
    float lanes[VF], top = -SL_INFINITY;
    vf_store(lanes, most);
    for (size_t j = 0; n >= VF && j < VF; j++)
        top = lanes[j] > top || lanes[j] != lanes[j] ? lanes[j] : top;
    for (; i < n; i++)
        top = x[i] > top || x[i] != x[i] ? x[i] : top;
    return top;
}

static inline float sum_of(const float *x, size_t n) {
    vf sums = vf_set(0);
    size_t i = 0;
    for (; i + VF <= n; i += VF)
        sums += vf_load(x + i);
    float total = n >= VF ? vf_sum(sums) : 0;
    for (; i < n; i++)
        total += x[i];
    return total;
}

/* Several rows at a time, so that short ones fill the vectors too. */
static void softmax_rows(const float *x, float *y, size_t rows, size_t n, bool logarithm) {
    enum { BLOCK = 1024 };
    float powers[BLOCK];
    const size_t some = n < BLOCK ? BLOCK / n : 1;
    for (size_t from = 0; from < rows; from += some) {
        const size_t count = rows - from < some ? rows - from : some;
        for (size_t r = 0; r < count; r++, x += n, y += n) {
            const float top = highest_of(x, n);
            for (size_t i = 0; i < n; i++)
                y[i] = x[i] - top;
        }
        float *row = y - count * n;
        if (!logarithm)
            exp_all(row, row, count * n);
        else if (n < BLOCK)
            exp_all(row, powers, count * n);
        for (size_t r = 0; r < count; r++, row += n) {
            if (!logarithm) {
                const float total = sum_of(row, n);
                for (size_t i = 0; i < n; i++)
                    row[i] /= total;
                continue;
            }
            float total = 0;
            for (size_t done = 0; done < n; done += BLOCK) {
                const size_t part = n - done < BLOCK ? n - done : BLOCK;
                if (n >= BLOCK) exp_all(row + done, powers, part);
                const float *e = n < BLOCK ? powers + r * n : powers;
                total += sum_of(e, part);
            }
            const float shift = logf(total);
            for (size_t i = 0; i < n; i++)
                row[i] -= shift;
        }
    }
}

#endif
