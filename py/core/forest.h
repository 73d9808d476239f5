/* A tree ensemble as its kernel walks it, made from the parallel lists in which models carry one.
 *
 * Nodes lie in an order in which every child comes after its parents; a leaf is its own child on
 * both sides. A node is four int32 words, or six for double thresholds: value (float bits, or
 * double bits in two words) | feature and flags | yes | no [| unused] A node sends x to `yes` when
 * its test holds, and a NaN to `yes` where SL_NAN_IS_YES says so. A leaf's value is its weight when
 * there is one target, one weight per leaf ("lone"), else the integer number of its row in `start`.
 */
#ifndef SL_FOREST_H
#define SL_FOREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SL_FEATURE_MASK = 0xffffff,
    /* The test: x <= value with BELOW and AT, x < value with BELOW only, x == value with AT only.
     */
    SL_NAN_IS_YES = 1 << 24,
    SL_BELOW = 1 << 25,
    SL_AT = 1 << 26,
};

/* The top of a tree as bits, which rows side by side take without branching (after QuickScorer,
 * Lucchese et al., SIGIR 2015): bit e is the e-th end from the left; a test that fails clears the
 * ends of its `yes` side, and the lowest bit that is left is where the row arrives. `at` are the
 * nodes there, from which the walk goes on for at most `rest` steps; with `rest` 0 in a forest of
 * lone leaves, their values instead. */
enum { SL_TOP_ENDS = 32, SL_TOP_TESTS = SL_TOP_ENDS - 1 };

typedef struct {
    int32_t n_tests, rest;
    float value[SL_TOP_TESTS];
    int32_t feature[SL_TOP_TESTS];
    uint32_t keep[SL_TOP_TESTS];
    int32_t at[SL_TOP_ENDS];
    int32_t unused;
} sl_forest_top; /* 128 words */

/* Which tests a forest uses; the kernel has a loop for each of the first two. */
enum { SL_ALL_LEQ, SL_ALL_LT, SL_MIXED };

/* The modes of ONNX-ML, in its order. */
enum { SL_LEQ, SL_LT, SL_GTE, SL_GT, SL_EQ, SL_NEQ, SL_MEMBER, SL_LEAF };

typedef struct {
    bool wide; /* values and weights are doubles, else floats */
    size_t n_nodes;
    const int64_t *tree,
        *id; /* a node's name; both NULL: the node's place is its name and `roots` is given */
    const uint8_t *mode;
    const int64_t *feature, *yes, *no;
    const void *value;
    const int64_t *missing; /* n_missing flags, 0 beyond */
    size_t n_missing;
    const void *members; /* sets of the SL_MEMBER nodes in their order, each ended by a NaN */
    size_t n_members;
    const int64_t *roots; /* NULL: the nodes that are nobody's child */
    size_t n_roots;
    size_t n_weights;
    const int64_t *weight_tree, *weight_id, *target; /* weight_tree NULL as tree */
    const void *weight;
    int64_t n_targets;
} sl_forest_lists;

typedef struct {
    int32_t *nodes;
    size_t n_nodes;
    int32_t *roots; /* pairs (node, steps to the deepest leaf) */
    size_t n_roots;
    int32_t *start; /* leaf l's weights are start[l] .. start[l + 1] */
    size_t n_leaves;
    int32_t *target;
    void *weight;
    size_t n_weights;
    int64_t n_features; /* one more than the highest */
    int tests;
    bool lone;
    bool complete; /* every row gets a weight for every target */
} sl_forest;

/* Fills `out`; false with a sentence in *wrong (NULL: no memory). Free it either way. Linear in the
 * lists' length. */
bool sl_forest_flatten(const sl_forest_lists *in, sl_forest *out, const char **wrong);
void sl_forest_free(sl_forest *forest);

#endif
