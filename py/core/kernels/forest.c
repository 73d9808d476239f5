/* forest_f32, forest_f64: tree ensembles in the layout of forest.h. forest_tops_f32 prepares.
 *
 * Parameters: rows, features, targets, nodes, roots, leaves, weights, tests, lone, how leaves join
 * (0 sum, 1 least, 2 greatest). Inputs: X [rows, features], nodes, roots, start, target, weight,
 * and tops [roots] or absent (all but X constant). Outputs: scores [rows, targets], and touched
 * [rows, targets] (bool) or absent when every row is known to get every target.
 *
 * forest_tops_f32: parameters nodes, roots, lone; inputs nodes, roots; outputs tops, and scratch of
 * two words per node.
 *
 * A row's leaves are added tree after tree in the element type, as onnxruntime adds them. LANES
 * walks go on side by side (rows of one tree in a batch, trees of one row alone) because each step
 * waits for memory. */
#include "forest.h"
#include "kernel.h"
#include "simd.h"

#include <stdlib.h>

enum { ROWS, FEATURES, TARGETS, NODES, ROOTS, LEAVES, WEIGHTS, TESTS, LONE, JOIN, PARAMS };
enum { X, NODE, ROOT, START, TARGET, WEIGHT, TOPS, INPUTS };
enum { JOIN_SUM, JOIN_LEAST, JOIN_GREATEST };
enum { LANES = 8, BLOCK = 128 };

/* Rows that take the top of a tree together, and the floats on the stack for all that wait. */
enum { ABREAST = 2 * VF, WAITING = 4096 };

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
    const sl_forest_top *tops = a->in[TOPS].data;
    for (int64_t r = 0; tops && r < p[ROOTS]; r++) {
        const sl_forest_top *top = &tops[r];
        SL_TRY(top->n_tests >= 0 && top->n_tests <= SL_TOP_TESTS && top->rest >= 0,
               "the top of a tree is no top");
        for (int32_t k = 0; k < top->n_tests; k++)
            SL_TRY(top->feature[k] >= 0 && top->feature[k] < p[FEATURES],
                   "a top tests a feature that the input does not have");
        for (int e = 0; e < SL_TOP_ENDS && !(p[LONE] && top->rest == 0); e++)
            SL_TRY(top->at[e] >= 0 && top->at[e] < p[NODES] && height[top->at[e]] <= top->rest,
                   "the top of a tree ends nowhere");
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
        SL_TRY(a->in[i].data || a->in[i].bytes <= 0, "the forest is not constant");
    SL_TRY(!sl_present(&a->in[TOPS]) || (words == 4 && p[TESTS] < SL_MIXED &&
                                         sl_holds(&a->in[TOPS], p[ROOTS], sizeof(sl_forest_top))),
           "there are too few tops, or none are possible");
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
    }

FOREST(float, f32)
FOREST(double, f64)

/* ---- The tops of trees, ABREAST rows at a time ---- */

/* The ends where the rows in columns x[feature * stride + row] arrive, as bits. */
SL_INLINE void arrive(const sl_forest_top *top, const float *x, size_t stride, const int tests,
                      uint32_t *ends) {
    vi left[2] = {~(vi){0}, ~(vi){0}};
    for (int32_t k = 0; k < top->n_tests; k++) {
        const float *column = x + (size_t)top->feature[k] * stride;
        const vf value = vf_set(top->value[k]);
        const vi keep = (vi){0} + (int32_t)top->keep[k];
        SL_UNROLLED
        for (int v = 0; v < 2; v++) {
            const vf at = vf_load(column + v * VF);
            left[v] &= (tests == SL_ALL_LEQ ? at <= value : at < value) | keep;
        }
    }
    memcpy(ends, left, sizeof left);
}

static void from_tops(const sl_call *call, const sl_forest_top *top, const uint32_t *ends,
                      int64_t row, int64_t n, bool first) {
    const int64_t *p = call->p;
    const node_f32 *nodes = call->in[NODE];
    const float *x = call->in[X];
    if (top->rest == 0 && p[LONE]) {
        float *score = (float *)call->out[0] + row;
        for (int64_t l = 0; l < n; l++) {
            float weight;
            memcpy(&weight, &top->at[__builtin_ctz(ends[l] | 1u << 31)], sizeof weight);
            score[l] = joined_f32(score[l], weight, p[JOIN], first);
        }
        return;
    }
    for (int64_t l = 0; l < n; l += LANES) {
        int32_t at[LANES];
        const float *lines[LANES];
        for (int64_t i = 0; i < LANES; i++) {
            const int64_t lane = l + i < n ? l + i : n - 1;
            at[i] = top->at[__builtin_ctz(ends[lane] | 1u << 31)];
            lines[i] = x + (row + lane) * p[FEATURES];
        }
        if (top->rest) walk_f32(nodes, at, lines, top->rest, (int)p[TESTS], false);
        for (int64_t i = 0; i < LANES && l + i < n; i++)
            join_f32(call, nodes + at[i], row + l + i, first);
    }
}

/* Whether the rows were scored by the tops of the trees; they hold no NaN. */
static bool tops_f32(const sl_call *call, int64_t from, int64_t to) {
    const int64_t *p = call->p;
    const sl_forest_top *tops = call->in[TOPS];
    if (!tops || p[FEATURES] * ABREAST > WAITING) return false;
    float columns[WAITING];
    const int64_t most = WAITING / p[FEATURES] / ABREAST * ABREAST;
    for (int64_t start = from; start < to; start += most) {
        const int64_t n = to - start < most ? to - start : most;
        const size_t stride = (size_t)((n + ABREAST - 1) / ABREAST * ABREAST);
        const float *x = (const float *)call->in[X] + start * p[FEATURES];
        for (int64_t f = 0; f < p[FEATURES]; f++) {
            for (int64_t row = 0; row < (int64_t)stride; row++)
                columns[f * (int64_t)stride + row] = row < n ? x[row * p[FEATURES] + f] : 0;
        }
        for (int64_t r = 0; r < p[ROOTS]; r++) {
            for (int64_t row = 0; row < n; row += ABREAST) {
                uint32_t ends[ABREAST];
                if (p[TESTS] == SL_ALL_LEQ)
                    arrive(&tops[r], columns + row, stride, SL_ALL_LEQ, ends);
                else
                    arrive(&tops[r], columns + row, stride, SL_ALL_LT, ends);
                from_tops(call, &tops[r], ends, start + row, n - row < ABREAST ? n - row : ABREAST,
                          r == 0);
            }
        }
    }
    return true;
}

static bool tops_f64(const sl_call *call, int64_t from, int64_t to) {
    (void)call, (void)from, (void)to;
    return false;
}

/* Expands the end with the most nodes below it until there are as many ends as bits. */
static void top_of(const node_f32 *nodes, int32_t root, const int32_t *height, const int32_t *below,
                   bool lone, sl_forest_top *top) {
    int32_t node[2 * SL_TOP_ENDS] = {root}, yes[2 * SL_TOP_ENDS] = {0};
    int32_t count[2 * SL_TOP_ENDS], first[2 * SL_TOP_ENDS];
    int32_t n = 1;
    while (n < 2 * SL_TOP_ENDS - 1) {
        int32_t best = -1;
        for (int32_t i = 0; i < n; i++) {
            const bool may = !yes[i] && height[node[i]];
            if (may && (best < 0 || below[node[i]] > below[node[best]])) best = i;
        }
        if (best < 0) break;
        yes[best] = n; /* and its other side is n + 1: a parent lies before its children */
        node[n++] = nodes[node[best]].child[0];
        node[n++] = nodes[node[best]].child[1];
    }
    for (int32_t i = n - 1; i >= 0; i--)
        count[i] = yes[i] ? count[yes[i]] + count[yes[i] + 1] : 1;
    *top = (sl_forest_top){0};
    first[0] = 0;
    for (int32_t i = 0; i < n; i++) {
        const node_f32 *here = &nodes[node[i]];
        if (yes[i]) {
            const int32_t k = top->n_tests++;
            top->value[k] = here->value;
            top->feature[k] = here->feature & SL_FEATURE_MASK;
            top->keep[k] = ~((((uint32_t)1 << count[yes[i]]) - 1) << first[i]);
            first[yes[i]] = first[i];
            first[yes[i] + 1] = first[i] + count[yes[i]];
        } else if (height[node[i]] > top->rest) {
            top->rest = height[node[i]];
        }
    }
    for (int32_t i = 0; i < n; i++) {
        if (yes[i]) continue;
        int32_t *at = &top->at[first[i]];
        if (lone && top->rest == 0)
            memcpy(at, &nodes[node[i]].value, sizeof *at);
        else
            *at = node[i];
    }
    for (int32_t e = count[0]; e < SL_TOP_ENDS; e++)
        top->at[e] = top->at[0];
}

enum { TOP_NODES, TOP_ROOTS, TOP_LONE, TOP_PARAMS };

static const char *check_tops(const sl_args *a) {
    SL_SHAPE(a, 2, 2, TOP_PARAMS);
    const int64_t *p = a->p;
    SL_TRY(p[TOP_NODES] >= 0 && p[TOP_NODES] < INT32_MAX && p[TOP_ROOTS] >= 0,
           "a size is negative");
    SL_TRY(sl_holds(&a->in[0], p[TOP_NODES], sizeof(node_f32)), "there are too few nodes");
    SL_TRY(sl_holds(&a->in[1], sl_size3(p[TOP_ROOTS], 2, 1), 4), "there are too few roots");
    SL_TRY(sl_holds(&a->out[0], p[TOP_ROOTS], sizeof(sl_forest_top)), "the output is too small");
    SL_TRY(sl_holds(&a->out[1], sl_size3(p[TOP_NODES], 2, 1), 4), "the scratch is too small");
    return NULL;
}

static const char *run_tops(const sl_call *call) {
    const int64_t n = call->p[TOP_NODES];
    const node_f32 *nodes = call->in[0];
    const int32_t *roots = call->in[1];
    int32_t *height = call->out[1], *below = height + n;
    for (int64_t i = n - 1; i >= 0; i--) {
        const int32_t yes = nodes[i].child[0], no = nodes[i].child[1];
        height[i] = below[i] = 0;
        if (yes == i && no == i) continue;
        SL_TRY(yes > i && no > i && yes < n && no < n, "a branch does not lead forwards");
        height[i] = 1 + (height[yes] > height[no] ? height[yes] : height[no]);
        const int64_t both = (int64_t)below[yes] + below[no] + 2; /* a shared node counts often */
        below[i] = both < INT32_MAX ? (int32_t)both : INT32_MAX;
    }
    for (int64_t r = 0; r < call->p[TOP_ROOTS]; r++) {
        SL_TRY(roots[2 * r] >= 0 && roots[2 * r] < n, "a root is out of range");
        top_of(nodes, roots[2 * r], height, below, call->p[TOP_LONE],
               (sl_forest_top *)call->out[0] + r);
    }
    return NULL;
}

#define RUN(type, suffix)                                                                          \
    static const char *run_##suffix(const sl_call *call) {                                         \
        const int64_t *p = call->p;                                                                \
        memset(call->out[0], 0, (size_t)(p[ROWS] * p[TARGETS]) * sizeof(type));                    \
        if (call->out[1]) memset(call->out[1], 0, (size_t)(p[ROWS] * p[TARGETS]));                 \
        for (int64_t from = 0; from < p[ROWS]; from += BLOCK) {                                    \
            const int64_t to = from + BLOCK < p[ROWS] ? from + BLOCK : p[ROWS];                    \
            const type *x = (const type *)call->in[X] + from * p[FEATURES];                        \
            const bool nan = has_nan_##suffix(x, (to - from) * p[FEATURES]);                       \
            if (to - from >= LANES / 2 && !nan && tops_##suffix(call, from, to)) continue;         \
            if (to - from >= LANES / 2)                                                            \
                batch_##suffix(call, from, to, nan);                                               \
            else                                                                                   \
                for (int64_t row = from; row < to; row++)                                          \
                    single_##suffix(call, row, nan);                                               \
        }                                                                                          \
        return NULL;                                                                               \
    }

RUN(float, f32)
RUN(double, f64)

const sl_kernel SL_NAME(sl_forest)[] = {
    {"forest_f32", check_f32, run_f32, 0},
    {"forest_f64", check_f64, run_f64, 0},
    {"forest_tops_f32", check_tops, run_tops, 0},
    SL_END,
};
