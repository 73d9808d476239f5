/* The functions of unary.c and binary.c by number, the `variant` of their kernels: chain.c applies
 * them as well. */
#ifndef SL_ELEMENTWISE_H
#define SL_ELEMENTWISE_H

#include "kernel.h"

enum {
    NEG,
    ABS,
    SIGN,
    SQRT,
    RECIPROCAL,
    FLOOR,
    CEIL,
    ROUND,
    EXP,
    LOG,
    TANH,
    SIGMOID,
    ERF,
    SOFTPLUS,
    SOFTSIGN,
    RELU,
    LEAKY_RELU,
    ELU,
    SELU,
    CELU,
    HARD_SIGMOID,
    HARD_SWISH,
    GELU,
    GELU_TANH,
    MISH,
    SWISH,
    THRESHOLDED_RELU,
    SHRINK,
    CLIP,
    SIN,
    COS,
    TAN,
    ASIN,
    ACOS,
    ATAN,
    SINH,
    COSH,
    ASINH,
    ACOSH,
    ATANH,
    ISNAN,
    ISINF,
    NOT,
    BIT_NOT,
};

enum {
    ADD,
    SUB,
    MUL,
    DIV,
    MIN,
    MAX,
    POW,
    MOD,
    FMOD,
    PRELU,
    EQUAL,
    LESS,
    LESS_EQUAL,
    AND,
    OR,
    XOR,
    SHIFT_LEFT,
    SHIFT_RIGHT
};

extern const sl_kernel SL_NAME(sl_unary)[], SL_NAME(sl_binary)[];

/* y[i] = function of x[i]; x and y may be the same. */
void SL_NAME(sl_map_f32)(int function, const float *x, float *y, size_t n, float a, float b);

#endif
