#include "stats.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 256, CARRY_EVERY = 1 << 22 }; /* blocks between carries: 2^30 values < 2^31 */

void sl_tally_init(sl_tally *tally) {
    memset(tally, 0, sizeof *tally);
    tally->min = INFINITY;
    tally->max = -INFINITY;
}

static void carry(int64_t *digits, size_t n) {
    for (size_t i = 0; i + 1 < n; i++) {
        int64_t high = digits[i] >> 32; /* arithmetic: rounds towards minus infinity */
        digits[i] -= high * ((int64_t)1 << 32);
        digits[i + 1] += high;
    }
}

void sl_digits_to_bytes(int64_t *digits, size_t n, unsigned char *out) {
    carry(digits, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t digit = (uint64_t)digits[i];
        for (size_t byte = 0; byte < 4; byte++)
            out[4 * i + byte] = (unsigned char)(digit >> (8 * byte));
    }
}

/* value = (negative ? -1 : 1) * mantissa * 2^(position - 1074) */
typedef struct {
    uint64_t mantissa;
    unsigned position;
    int64_t sign; /* 0 or -1 */
} parts;

static inline parts split(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    unsigned exponent = (unsigned)(bits >> 52) & 0x7ff;
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    uint64_t normal = exponent != 0;
    return (parts){fraction | (normal << 52), exponent - (unsigned)normal, -(int64_t)(bits >> 63)};
}

/* high part of (value << shift) beyond 64 bits, for 0 <= shift < 32 */
static inline uint64_t spill(uint64_t value, unsigned shift) {
    return (value >> 32) >> (32 - shift);
}

static inline int64_t low32(uint64_t value) {
    return (int64_t)(value & 0xffffffffu);
}
static inline int64_t high32(uint64_t value) {
    return (int64_t)(value >> 32);
}
static inline int64_t negate_if(int64_t value, int64_t sign) {
    return (value ^ sign) - sign;
}

static void add_sums(sl_tally *tally, const double *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        parts x = split(values[i]);

        int64_t *digit = tally->sum + (x.position >> 5);
        unsigned shift = x.position & 31;
        uint64_t low = x.mantissa << shift;
        digit[0] += negate_if(low32(low), x.sign);
        digit[1] += negate_if(high32(low), x.sign);
        digit[2] += negate_if((int64_t)spill(x.mantissa, shift), x.sign);

        uint64_t a = x.mantissa >> 32, b = x.mantissa & 0xffffffffu; /* a < 2^21 */
        uint64_t bb = b * b, cross = a * b;
        uint64_t square_low = bb + (cross << 33);
        uint64_t square_high = a * a + (cross >> 31) + (square_low < bb);
        unsigned position = 2 * x.position;
        digit = tally->squares + (position >> 5);
        shift = position & 31;
        low = square_low << shift;
        uint64_t middle = (square_high << shift) | spill(square_low, shift);
        digit[0] += low32(low);
        digit[1] += high32(low);
        digit[2] += low32(middle);
        digit[3] += high32(middle);
        digit[4] += (int64_t)spill(square_high, shift);
    }
}

/* Four searches side by side, because each step of one waits for its last load. Every search takes
 * the same steps, and the comparison becomes an addition. */
static void add_counts(const double *values, size_t n, const double *cuts, size_t n_cuts,
                       int64_t *counts) {
    if (n_cuts == 0) {
        counts[0] += (int64_t)n;
        return;
    }
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const double x0 = values[i], x1 = values[i + 1], x2 = values[i + 2], x3 = values[i + 3];
        size_t b0 = 0, b1 = 0, b2 = 0, b3 = 0;
        for (size_t length = n_cuts; length > 1;) {
            size_t half = length / 2;
            b0 += half * (cuts[b0 + half - 1] <= x0);
            b1 += half * (cuts[b1 + half - 1] <= x1);
            b2 += half * (cuts[b2 + half - 1] <= x2);
            b3 += half * (cuts[b3 + half - 1] <= x3);
            length -= half;
        }
        counts[b0 + (cuts[b0] <= x0)]++;
        counts[b1 + (cuts[b1] <= x1)]++;
        counts[b2 + (cuts[b2] <= x2)]++;
        counts[b3 + (cuts[b3] <= x3)]++;
    }
    for (; i < n; i++) {
        size_t b = 0;
        for (size_t length = n_cuts; length > 1;) {
            size_t half = length / 2;
            b += half * (cuts[b + half - 1] <= values[i]);
            length -= half;
        }
        counts[b + (cuts[b] <= values[i])]++;
    }
}

void sl_tally_add(sl_tally *tally, const double *values, size_t n, const double *cuts,
                  size_t n_cuts, int64_t *counts) {
    double finite[BLOCK];
    size_t blocks = 0;
    for (size_t start = 0; start < n; start += BLOCK) {
        size_t size = n - start < BLOCK ? n - start : BLOCK;
        size_t kept = 0;
        double min = tally->min, max = tally->max;
        for (size_t i = 0; i < size; i++) {
            double x =
                values[start + i] + 0.0; /* -0 becomes 0, so that extremes have one spelling */
            bool nan = x != x, infinite = fabs(x) == INFINITY;
            finite[kept] = x;
            kept += !(nan | infinite);
            tally->nan += nan;
            tally->infinite += infinite;
        }
        for (size_t i = 0; i < kept; i++) {
            min = finite[i] < min ? finite[i] : min;
            max = finite[i] > max ? finite[i] : max;
        }
        tally->min = min;
        tally->max = max;
        tally->finite += (int64_t)kept;
        add_counts(finite, kept, cuts, n_cuts, counts);
        add_sums(tally, finite, kept);
        if (++blocks % CARRY_EVERY == 0) {
            carry(tally->sum, SL_SUM_DIGITS);
            carry(tally->squares, SL_SQUARE_DIGITS);
        }
    }
}

size_t sl_format_size(char format) {
    switch (format) {
    case 'd': return sizeof(double);
    case 'f': return sizeof(float);
    case 'b':
    case 'B':
    case '?': return 1;
    case 'h':
    case 'H': return sizeof(short);
    case 'i':
    case 'I': return sizeof(int);
    case 'l':
    case 'L': return sizeof(long);
    case 'q':
    case 'Q': return sizeof(long long);
    default: return 0;
    }
}

#define LOAD(type)                                                                                 \
    for (size_t i = 0; i < n; i++) {                                                               \
        type value;                                                                                \
        memcpy(&value, source + (ptrdiff_t)i * stride, sizeof value);                              \
        out[i] = (double)value;                                                                    \
    }                                                                                              \
    return true

bool sl_load_doubles(char format, const char *source, ptrdiff_t stride, size_t n, double *out) {
    switch (format) {
    case 'd': LOAD(double);
    case 'f': LOAD(float);
    case 'b': LOAD(signed char);
    case 'B': LOAD(unsigned char);
    case '?': LOAD(unsigned char);
    case 'h': LOAD(short);
    case 'H': LOAD(unsigned short);
    case 'i': LOAD(int);
    case 'I': LOAD(unsigned int);
    case 'l': LOAD(long);
    case 'L': LOAD(unsigned long);
    case 'q': LOAD(long long);
    case 'Q': LOAD(unsigned long long);
    default: return false;
    }
}

/* The order of these keys is the order of the doubles. */
static inline uint64_t to_key(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits ^ (-(bits >> 63) | (uint64_t)1 << 63);
}

size_t sl_sort_finite(double *values, double *scratch, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        double x = values[i] + 0.0;
        if (fabs(x) <= 1.7976931348623157e308) values[kept++] = x;
    }
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t starts[256] = {0};
        for (size_t i = 0; i < kept; i++)
            starts[(to_key(values[i]) >> shift) & 255]++;
        size_t start = 0;
        for (size_t digit = 0; digit < 256; digit++) {
            size_t count = starts[digit];
            starts[digit] = start;
            start += count;
        }
        for (size_t i = 0; i < kept; i++) {
            scratch[starts[(to_key(values[i]) >> shift) & 255]++] = values[i];
        }
        memcpy(values, scratch, kept * sizeof *values);
    }
    return kept;
}
