/* What a kernel is: a name, a check that runs once when a program is made, and the loop itself.
 *
 * A kernel gets plain pointers and 64-bit parameters. It allocates nothing, decides nothing about
 * which kernel serves which shape, and may rely on everything its check has accepted. Each file
 * under kernels/ is compiled once per instruction set and ends with its table; SL_NAME keeps the
 * copies apart. */
#ifndef SL_KERNEL_H
#define SL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SL_JOIN_(a, b) a##_##b
#define SL_JOIN(a, b) SL_JOIN_(a, b)
#define SL_NAME(name) SL_JOIN(name, SL_ISA)

#define SL_MAX_RANK 8

/* An operand as a check sees it: its size, and its bytes when they are constant. */
typedef struct {
    const void *data; /* NULL unless the operand is a constant */
    int64_t bytes;    /* -1 where the operand is absent */
} sl_view;

typedef struct {
    int n_in, n_out, n_p;
    const sl_view *in, *out;
    const int64_t *p;
} sl_args;

/* One instruction, ready to run. An absent operand's pointer is NULL. */
typedef struct {
    void *const *in;
    void *const *out;
    const int64_t *p;
    const struct sl_kernel *kernel;
    int n_in, n_out;
    int64_t body; /* how many of the calls behind it this one runs itself */
} sl_call;

/* Runs n calls, without those in the bodies of others. */
const char *sl_run_calls(const sl_call *calls, int64_t n);

/* Both return NULL when all is well, else a static sentence that says what is wrong. */
typedef const char *(*sl_check_fn)(const sl_args *args);
typedef const char *(*sl_run_fn)(const sl_call *call);

typedef struct sl_kernel {
    const char *name;
    sl_check_fn check;
    sl_run_fn run;
    int variant;       /* tells apart the names that share a function */
    unsigned bytewise; /* inputs, by bit, that it reads as bytes: they need no alignment */
} sl_kernel;

/* The variant of kernels that run calls themselves; their first parameter counts them. */
enum { SL_CONTROL = 1 << 8 };

/* Ends a family's table. */
#define SL_END {NULL, NULL, NULL, 0, 0}

/* ---- Parameters
 * ------------------------------------------------------------------------------------------------
 */

static inline double sl_real(int64_t word) {
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* Bytes per element of a `struct` format character; 0 for one that no kernel knows. 'w' is
 * bfloat16. */
static inline int sl_itemsize(int64_t format) {
    switch (format) {
    case '?':
    case 'b':
    case 'B': return 1;
    case 'h':
    case 'H':
    case 'e':
    case 'w': return 2;
    case 'i':
    case 'I':
    case 'f': return 4;
    case 'q':
    case 'Q':
    case 'd': return 8;
    default: return 0;
    }
}

/* ---- Checks: every size is proved before the first run (size_t has 32 bits on wasm)
 * ------------------------------ */

#define SL_TRY(condition, sentence)                                                                \
    do {                                                                                           \
        if (!(condition)) return sentence;                                                         \
    } while (0)

#define SL_SHAPE(args, inputs, outputs, params)                                                    \
    SL_TRY((args)->n_in == (inputs) && (args)->n_out == (outputs) && (args)->n_p == (params),      \
           "wrong number of operands or parameters")

static inline bool sl_present(const sl_view *v) {
    return v->bytes >= 0;
}

/* Whether `count` elements of `itemsize` bytes lie in the operand; false for an absent one. */
static inline bool sl_holds(const sl_view *v, int64_t count, int64_t itemsize) {
    int64_t bytes;
    return count >= 0 && !__builtin_mul_overflow(count, itemsize, &bytes) && bytes <= v->bytes;
}

/* The product of sizes; -1 if one is negative or it overflows (sl_holds then says no). So it is
 * where there is nothing in an axis, but more in the others than a loop over them should walk for
 * nothing. */
static inline int64_t sl_size(const int64_t *dims, int64_t rank) {
    int64_t walked = 1;
    bool empty = false;
    for (int64_t i = 0; i < rank; i++) {
        if (dims[i] < 0) return -1;
        empty |= dims[i] == 0;
        if (dims[i] && __builtin_mul_overflow(walked, dims[i], &walked)) return -1;
    }
    if (!empty) return walked;
    return walked <= INT32_MAX ? 0 : -1;
}

static inline int64_t sl_size3(int64_t a, int64_t b, int64_t c) {
    const int64_t dims[] = {a, b, c};
    return sl_size(dims, 3);
}

/* Whether every element that dims/strides (in elements, any sign) reach from `offset` lies in the
 * operand. With an empty axis none is reached; then the strides need only be of a size that
 * pointers bear. */
static inline bool sl_reaches(const sl_view *v, const int64_t *dims, const int64_t *strides,
                              int64_t rank, int64_t offset, int64_t itemsize) {
    const int64_t far = (int64_t)1 << 44;
    int64_t low = offset, high = offset, step;
    bool empty = false;
    for (int64_t i = 0; i < rank; i++) {
        if (dims[i] < 0) return false;
        empty |= dims[i] == 0;
        if (dims[i] <= 1) continue;
        if (__builtin_mul_overflow(dims[i] - 1, strides[i], &step)) return false;
        if (step < 0 ? __builtin_add_overflow(low, step, &low)
                     : __builtin_add_overflow(high, step, &high))
            return false;
    }
    if (empty) return v->bytes >= 0 && low > -far && high < far;
    return low >= 0 && high < INT64_MAX && sl_holds(v, high + 1, itemsize);
}

/* The families, in the order that gives the opcodes; see kernels/table.c. */
typedef const sl_kernel *const *sl_families;

#endif
