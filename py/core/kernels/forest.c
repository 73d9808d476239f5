/* forest_f32, forest_f64: tree ensembles in the layout of forest.h.
 *
 * Parameters: rows, features, targets, nodes, roots, leaves, weights, tests, lone, how leaves join
 * (0 sum, 1 least, 2 greatest). Inputs: X [rows, features], nodes, roots, start, target, weight
 * (all but X constant). Outputs: scores [rows, targets], and touched [rows, targets] (bool) or
 * absent when every row is known to get every target.
 *
 * A row's leaves are added tree after tree in the element type, as onnxruntime adds them. LANES
 * walks go on side by side (rows of one tree in a batch, trees of one row alone) because each step
 * waits for memory. */
#include "forest.h"
#include "kernel.h"
#include "simd.h"

#include <stdlib.h>

enum { ROWS, FEATURES, TARGETS, NODES, ROOTS, LEAVES, WEIGHTS, TESTS, LONE, JOIN, PARAMS };
enum { X, NODE, ROOT, START, TARGET, WEIGHT, INPUTS };
enum { JOIN_SUM, JOIN_LEAST, JOIN_GREATEST };
enum { LANES = 8, BLOCK = 128 };

/* Children lie behind their parents (so a walk ends), features, leaves and targets exist, and no
 * root is higher than it says (so a walk of that many steps ends in a leaf). */
static const char *check_nodes(const sl_args *a, const int32_t *nodes, int64_t words,
                               int32_t *height) {
    const int64_t *p = a->p;
    const int32_t *roots = a->in[ROOT].data, *start = a->in[START].data,
                  *target = a->in[TARGET].data;
    for (int64_t i = p[NODES] - 1; i >= 0; i--) {
        const int32_t *node = nodes + i * words,
                      feature = node[words == 6 ? 2 : 1] & SL_FEATURE_MASK;
        const int32_t yes = node[words == 6 ? 3 : 2], no = node[words == 6 ? 4 : 3];
        SL_TRY(feature < p[FEATURES], "a node tests a feature that the input does not have");
        if (yes == i && no == i) {
            SL_TRY(p[LONE] || (node[0] >= 0 && node[0] < p[LEAVES]), "a leaf is out of range");
            height[i] = 0;
            continue;
        }
        SL_TRY(yes > i && no > i && yes < p[NODES] && no < p[NODES],
               "a branch does not lead forwards");
        height[i] = 1 + (height[yes] > height[no] ? height[yes] : height[no]);
    }
    for (int64_t r = 0; r < p[ROOTS]; r++) {
        const int32_t root = roots[2 * r];
        SL_TRY(root >= 0 && root < p[NODES], "a root is out of range");
        SL_TRY(roots[2 * r + 1] >= height[root] && roots[2 * r + 1] <= p[NODES],
               "a root has a wrong height");
    }
    SL_TRY(start[0] == 0 && start[p[LEAVES]] <= p[WEIGHTS],
           "leaves have weights that are not there");
    for (int64_t l = 0; l < p[LEAVES]; l++)
        SL_TRY(start[l] <= start[l + 1], "leaves are out of order");
    for (int64_t w = 0; w < p[WEIGHTS]; w++)
        SL_TRY(target[w] >= 0 && target[w] < p[TARGETS], "a weight's target is out of range");
    return NULL;
}

static const char *check_forest(const sl_args *a, int64_t size, int64_t words) {
    SL_SHAPE(a, INPUTS, 2, PARAMS);
    const int64_t *p = a->p;
    for (int i = 0; i < JOIN; i++)
        SL_TRY(p[i] >= 0, "a size is negative");
    SL_TRY(p[JOIN] >= JOIN_SUM && p[JOIN] <= JOIN_GREATEST, "unknown way to join");
    SL_TRY(p[LONE] == 0 || p[TARGETS] == 1, "a lone target that is not alone");
    SL_TRY(p[FEATURES] > 0 && p[NODES] < INT32_MAX, "no features, or too many nodes");
    SL_TRY(sl_holds(&a->in[X], sl_size3(p[ROWS], p[FEATURES], 1), size), "the input is too small");
    SL_TRY(sl_holds(&a->in[NODE], sl_size3(p[NODES], words, 1), 4), "there are too few nodes");
    SL_TRY(sl_holds(&a->in[ROOT], sl_size3(p[ROOTS], 2, 1), 4), "there are too few roots");
    SL_TRY(p[LEAVES] < INT32_MAX && sl_holds(&a->in[START], p[LEAVES] + 1, 4),
           "there are too few leaves");
    SL_TRY(sl_holds(&a->in[TARGET], p[WEIGHTS], 4) && sl_holds(&a->in[WEIGHT], p[WEIGHTS], size),
           "there are too few weights");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[ROWS], p[TARGETS], 1), size),
           "the scores are too small");
    SL_TRY(!sl_present(&a->out[1]) || sl_holds(&a->out[1], sl_size3(p[ROWS], p[TARGETS], 1), 1),
           "the second output is too small");
    for (int i = NODE; i < INPUTS; i++)
        SL_TRY(a->in[i].data || !a->in[i].bytes, "the forest is not constant");
    SL_TRY(a->in[NODE].data || !p[NODES], "the forest is not constant");
    int32_t *height = malloc((size_t)(p[NODES] + 1) * sizeof *height);
    SL_TRY(height, "no memory to check the forest");
    const char *wrong = check_nodes(a, a->in[NODE].data, words, height);
    free(height);
    return wrong;
}

static const char *check_f32(const sl_args *a) {
    return check_forest(a, 4, 4);
}
static const char *check_f64(const sl_args *a) {
    return check_forest(a, 8, 6);
}

typedef struct {
    float value;
    int32_t feature, child[2]; /* yes, no */
} node_f32;

typedef struct {
    double value;
    int32_t feature, child[2], unused;
} node_f64;

/* The walks are generated for both types. `tests` and `nan` are constants where step is inlined. */
#define FOREST(type, suffix)                                                                       \
    SL_INLINE int32_t step_##suffix(const node_##suffix *nodes, int32_t at, const type *x,         \
                                    const int tests, const bool nan) {                             \
        const node_##suffix *node = nodes + at;                                                    \
        const type v = x[node->feature & SL_FEATURE_MASK];                                         \
        bool yes;                                                                                  \
        if (tests == SL_ALL_LEQ) {                                                                 \
            yes = v <= node->value;                                                                \
        } else if (tests == SL_ALL_LT) {                                                           \
            yes = v < node->value;                                                                 \
        } else {                                                                                   \
            const bool below = v < node->value, at_most = v <= node->value;                        \
            yes = ((node->feature & SL_BELOW) && below) |                                          \
                  ((node->feature & SL_AT) && at_most && !below);                                  \
        }                                                                                          \
        if (nan) yes = yes | ((v != v) & ((node->feature & SL_NAN_IS_YES) != 0));                  \
        return node->child[!yes]; /* no branch to guess */                                         \
    }                                                                                              \
                                                                                                   \
    SL_INLINE void descend_##suffix(const node_##suffix *nodes, int32_t *at, const type *const *x, \
                                    int32_t height, const int tests, const bool nan) {             \
        int32_t a[LANES];                                                                          \
        SL_UNROLLED                                                                                \
        for (int l = 0; l < LANES; l++)                                                            \
            a[l] = at[l];                                                                          \
        while (height > 0) {                                                                       \
            const int32_t some = height < 4 ? height : 4;                                          \
            for (int32_t s = 0; s < some; s++) {                                                   \
                SL_UNROLLED                                                                        \
                for (int l = 0; l < LANES; l++)                                                    \
                    a[l] = step_##suffix(nodes, a[l], x[l], tests, nan);                           \
            }                                                                                      \
            height -= some;                                                                        \
            if (height > 0) { /* all at a leaf already? */                                         \
                int32_t away = 0;                                                                  \
                SL_UNROLLED                                                                        \
                for (int l = 0; l < LANES; l++)                                                    \
                    away |= a[l] ^ nodes[a[l]].child[0];                                           \
                if (!away) break;                                                                  \
            }                                                                                      \
        }                                                                                          \
        SL_UNROLLED                                                                                \
        for (int l = 0; l < LANES; l++)                                                            \
            at[l] = a[l];                                                                          \
    }                                                                                              \
                                                                                                   \
    static void walk_##suffix(const node_##suffix *nodes, int32_t *at, const type *const *x,       \
                              int32_t height, int tests, bool nan) {                               \
        if (tests == SL_ALL_LEQ && !nan)                                                           \
            descend_##suffix(nodes, at, x, height, SL_ALL_LEQ, false);                             \
        else if (tests == SL_ALL_LEQ)                                                              \
            descend_##suffix(nodes, at, x, height, SL_ALL_LEQ, true);                              \
        else if (tests == SL_ALL_LT && !nan)                                                       \
            descend_##suffix(nodes, at, x, height, SL_ALL_LT, false);                              \
        else if (tests == SL_ALL_LT)                                                               \
            descend_##suffix(nodes, at, x, height, SL_ALL_LT, true);                               \
        else                                                                                       \
            descend_##suffix(nodes, at, x, height, SL_MIXED, true);                                \
    }                                                                                              \
                                                                                                   \
    static inline type joined_##suffix(type total, type weight, int64_t join, bool fresh) {        \
        if (join == JOIN_SUM) return total + weight;                                               \
        if (fresh) return weight;                                                                  \
        return join == JOIN_LEAST ? (weight < total ? weight : total)                              \
                                  : (weight > total ? weight : total);                             \
    }                                                                                              \
                                                                                                   \
    static inline void join_##suffix(const sl_call *call, const node_##suffix *node, int64_t row,  \
                                     bool first) {                                                 \
        const int64_t *p = call->p;                                                                \
        type *score = (type *)call->out[0] + row * p[TARGETS];                                     \
        if (p[LONE]) {                                                                             \
            *score = joined_##suffix(*score, node->value, p[JOIN], first);                         \
            return;                                                                                \
        }                                                                                          \
        uint8_t *touched = call->out[1] ? (uint8_t *)call->out[1] + row * p[TARGETS] : NULL;       \
        int32_t leaf;                                                                              \
        memcpy(&leaf, node, sizeof leaf);                                                          \
        const int32_t *start = call->in[START], *target = call->in[TARGET];                        \
        const type *weight = call->in[WEIGHT];                                                     \
        for (int32_t w = start[leaf]; w < start[leaf + 1]; w++) {                                  \
            const int32_t t = target[w];                                                           \
            score[t] = joined_##suffix(score[t], weight[w], p[JOIN], touched && !touched[t]);      \
            if (touched) touched[t] = 1;                                                           \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static bool has_nan_##suffix(const type *x, int64_t n) {                                       \
        int found = 0;                                                                             \
        for (int64_t i = 0; i < n; i++)                                                            \
            found |= x[i] != x[i];                                                                 \
        return found;                                                                              \
    }                                                                                              \
                                                                                                   \
    /* One tree at a time over a block of rows, so that its nodes stay in cache. */                \
    static void batch_##suffix(const sl_call *call, int64_t from, int64_t to, bool nan) {          \
        const int64_t *p = call->p;                                                                \
        const node_##suffix *nodes = call->in[NODE];                                               \
        const int32_t *roots = call->in[ROOT];                                                     \
        const type *x = call->in[X];                                                               \
        for (int64_t r = 0; r < p[ROOTS]; r++) {                                                   \
            for (int64_t row = from; row < to; row += LANES) {                                     \
                int32_t at[LANES];                                                                 \
                const type *lines[LANES];                                                          \
                for (int64_t l = 0; l < LANES; l++) {                                              \
                    lines[l] = x + (row + l < to ? row + l : to - 1) * p[FEATURES];                \
                    at[l] = roots[2 * r];                                                          \
                }                                                                                  \
                walk_##suffix(nodes, at, lines, roots[2 * r + 1], (int)p[TESTS], nan);             \
                for (int64_t l = 0; l < LANES && row + l < to; l++)                                \
                    join_##suffix(call, nodes + at[l], row + l, r == 0);                           \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    /* One row, several trees at a time. */                                                        \
    static void single_##suffix(const sl_call *call, int64_t row, bool nan) {                      \
        const int64_t *p = call->p;                                                                \
        const node_##suffix *nodes = call->in[NODE];                                               \
        const int32_t *roots = call->in[ROOT];                                                     \
        const type *lines[LANES];                                                                  \
        for (int l = 0; l < LANES; l++)                                                            \
            lines[l] = (const type *)call->in[X] + row * p[FEATURES];                              \
        for (int64_t r = 0; r < p[ROOTS]; r += LANES) {                                            \
            int32_t at[LANES], height = 0;                                                         \
            for (int64_t l = 0; l < LANES; l++) {                                                  \
                const int32_t *root = roots + 2 * (r + l < p[ROOTS] ? r + l : p[ROOTS] - 1);       \
                at[l] = root[0];                                                                   \
                height = root[1] > height ? root[1] : height;                                      \
            }                                                                                      \
            walk_##suffix(nodes, at, lines, height, (int)p[TESTS], nan);                           \
            for (int64_t l = 0; l < LANES && r + l < p[ROOTS]; l++)                                \
                join_##suffix(call, nodes + at[l], row, r + l == 0);                               \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static const char *run_##suffix(const sl_call *call) {                                         \
        const int64_t *p = call->p;                                                                \
        memset(call->out[0], 0, (size_t)(p[ROWS] * p[TARGETS]) * sizeof(type));                    \
        if (call->out[1]) memset(call->out[1], 0, (size_t)(p[ROWS] * p[TARGETS]));                 \
        for (int64_t from = 0; from < p[ROWS]; from += BLOCK) {                                    \
            const int64_t to = from + BLOCK < p[ROWS] ? from + BLOCK : p[ROWS];                    \
            const type *x = (const type *)call->in[X] + from * p[FEATURES];                        \
            const bool nan = has_nan_##suffix(x, (to - from) * p[FEATURES]);                       \
            if (to - from >= LANES / 2)                                                            \
                batch_##suffix(call, from, to, nan);                                               \
            else                                                                                   \
                for (int64_t row = from; row < to; row++)                                          \
                    single_##suffix(call, row, nan);                                               \
        }                                                                                          \
        return NULL;                                                                               \
    }

FOREST(float, f32)
FOREST(double, f64)

const sl_kernel SL_NAME(sl_forest)[] = {
    {"forest_f32", check_f32, run_f32, 0},
    {"forest_f64", check_f64, run_f64, 0},
    SL_END,
};
