/* The activations that gemm and convolutions apply on the way out. A kernel's parameters name one
 * by its number and give it two reals, a and b. */
#ifndef SL_ACTIVATION_H
#define SL_ACTIVATION_H

#define SL_ACTIVATIONS(X)                                                                          \
    X(NONE, "none")                                                                                \
    X(RELU, "relu")                                                                                \
    X(LEAKY_RELU, "leaky_relu") /* a: slope */                                                     \
    X(CLIP, "clip")             /* a: low, b: high */                                              \
    X(SIGMOID, "sigmoid")                                                                          \
    X(TANH, "tanh")                                                                                \
    X(HARD_SIGMOID, "hard_sigmoid") /* a: slope, b: offset */                                      \
    X(HARD_SWISH, "hard_swish")                                                                    \
    X(SWISH, "swish") /* a: alpha */                                                               \
    X(GELU, "gelu")                                                                                \
    X(GELU_TANH, "gelu_tanh")                                                                      \
    X(SOFTPLUS, "softplus")

#define SL_ACTIVATION_ENUM(id, name) SL_ACT_##id,
enum { SL_ACTIVATIONS(SL_ACTIVATION_ENUM) SL_ACTIVATION_COUNT };

#endif
