/* Tree ensembles.
 *
 * A node is three int32: the threshold's bits, the feature with its flags, and the first child. Children lie side by
 * side, the one of a failed test second, always behind their parent, so that every walk ends. A leaf keeps the count
 * of its values in place of the threshold and the place of the first in place of the child. */
#include "simd.h"
#include "kernel.h"

#define LEAF 0x40000000
#define MISSING_IS_TRUE 0x20000000
#define MODE_SHIFT 24
#define FEATURE 0xffffff

typedef struct {
    int32_t bits, feature, child;
} tree_node;

enum { LEQ, LT, GTE, GT, EQ, NEQ, MODES };
enum { SUM, AVERAGE, MIN, MAX, AGGREGATES };

/* forest_f32: rows, features, nodes, trees, values, outputs, aggregate, the mode of all tests or -1, whether a node sends
 * missing values to the first child.
 * Inputs x [rows, features]; constants nodes, roots [trees], targets [values], weights [values], base [outputs] or absent.
 * Outputs scores [rows, outputs] and, if present, which of them got a value, one byte each. */
enum { ROWS, WIDTH, NODES, TREES, VALUES, OUTPUTS, AGGREGATE, MODE, MISSING, PARAMS };

static const char *check_forest(const sl_args *a) {
    SL_SHAPE(a, 6, 2, PARAMS);
    const int64_t *p = a->p;
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[ROWS], p[WIDTH], 1), 4), "the rows are too small");
    SL_TRY(sl_holds(&a->in[1], p[NODES], sizeof(tree_node)), "the nodes are too small");
    SL_TRY(sl_holds(&a->in[2], p[TREES], 4), "the roots are too small");
    SL_TRY(sl_holds(&a->in[3], p[VALUES], 4), "the targets are too small");
    SL_TRY(sl_holds(&a->in[4], p[VALUES], 4), "the weights are too small");
    SL_TRY(!sl_present(&a->in[5]) || sl_holds(&a->in[5], p[OUTPUTS], 4), "the base is too small");
    SL_TRY(sl_holds(&a->out[0], sl_size3(p[ROWS], p[OUTPUTS], 1), 4), "the scores are too small");
    SL_TRY(!sl_present(&a->out[1]) || sl_holds(&a->out[1], sl_size3(p[ROWS], p[OUTPUTS], 1), 1),
           "the marks are too small");
    SL_TRY(p[AGGREGATE] >= SUM && p[AGGREGATE] < AGGREGATES, "the aggregate is unknown");
    SL_TRY(p[MODE] >= -1 && p[MODE] < MODES, "the mode is unknown");
    const tree_node *nodes = a->in[1].data;
    const int32_t *roots = a->in[2].data, *targets = a->in[3].data;
    SL_TRY((nodes || !p[NODES]) && (roots || !p[TREES]) && (targets || !p[VALUES]),
           "the forest is not constant");
    for (int64_t i = 0; i < p[NODES]; i++) {
        const int64_t child = nodes[i].child;
        if (nodes[i].feature & LEAF) {
            SL_TRY(child >= 0 && nodes[i].bits >= 0 && child + nodes[i].bits <= p[VALUES],
                   "a leaf's values are out of range");
        } else {
            SL_TRY(child > i && child + 1 < p[NODES], "a branch does not lead onwards");
            SL_TRY((nodes[i].feature & FEATURE) < p[WIDTH], "a feature is out of range");
            SL_TRY((nodes[i].feature >> MODE_SHIFT & 7) < MODES, "a mode is unknown");
        }
    }
    for (int64_t i = 0; i < p[TREES]; i++)
        SL_TRY(roots[i] >= 0 && roots[i] < p[NODES], "a root is out of range");
    for (int64_t i = 0; i < p[VALUES]; i++)
        SL_TRY(targets[i] >= 0 && targets[i] < p[OUTPUTS], "a target is out of range");
    return NULL;
}

SL_INLINE bool passes(int mode, float value, float threshold) {
    switch (mode) {
    case LEQ: return value <= threshold;
    case LT: return value < threshold;
    case GTE: return value >= threshold;
    case GT: return value > threshold;
    case EQ: return value == threshold;
    default: return value != threshold;
    }
}

/* One step down from node `at`, which stays where it is on a leaf. */
SL_INLINE int32_t step(const tree_node *nodes, const float *row, int32_t at, int mode, bool missing) {
    const tree_node node = nodes[at];
    const float value = row[node.feature & LEAF ? 0 : node.feature & FEATURE];
    float threshold;
    memcpy(&threshold, &node.bits, sizeof threshold);
    bool go = passes(mode < 0 ? node.feature >> MODE_SHIFT & 7 : mode, value, threshold);
    if (missing) go |= (value != value) & ((node.feature & MISSING_IS_TRUE) != 0);
    return node.feature & LEAF ? at : node.child + !go;
}

SL_INLINE void add_leaf(const sl_call *call, tree_node leaf, int64_t row, int64_t aggregate) {
    const int64_t outputs = call->p[OUTPUTS];
    const int32_t *targets = call->in[3];
    const float *weights = call->in[4];
    float *scores = (float *)call->out[0] + row * outputs;
    uint8_t *marks = call->out[1] ? (uint8_t *)call->out[1] + row * outputs : NULL;
    for (int32_t i = leaf.child; i < leaf.child + leaf.bits; i++) {
        const int32_t target = targets[i];
        const float weight = weights[i];
        if (aggregate <= AVERAGE) scores[target] += weight;
        else if (!marks[target]) scores[target] = weight;
        else if (aggregate == MIN ? weight < scores[target] : weight > scores[target]) scores[target] = weight;
        if (marks) marks[target] = 1;
    }
}

/* Rows that go down a tree side by side: their loads overlap where one walk would wait for each. */
#define ABREAST 8

SL_INLINE void walk_trees(const sl_call *call, int mode, bool missing) {
    const int64_t *p = call->p;
    const float *x = call->in[0];
    const tree_node *nodes = call->in[1];
    const int32_t *roots = call->in[2];
    const int64_t width = p[WIDTH], whole = p[ROWS] / ABREAST * ABREAST;
    for (int64_t tree = 0; tree < p[TREES]; tree++) {
        for (int64_t row = 0; row < whole; row += ABREAST) {
            int32_t at[ABREAST];
            for (int k = 0; k < ABREAST; k++) at[k] = roots[tree];
            int32_t leaves;
            do {
                leaves = LEAF;
                SL_UNROLLED
                for (int k = 0; k < ABREAST; k++) {
                    at[k] = step(nodes, x + (row + k) * width, at[k], mode, missing);
                    leaves &= nodes[at[k]].feature;
                }
            } while (!leaves);
            for (int k = 0; k < ABREAST; k++) add_leaf(call, nodes[at[k]], row + k, p[AGGREGATE]);
        }
        for (int64_t row = whole; row < p[ROWS]; row++) {
            int32_t at = roots[tree];
            while (!(nodes[at].feature & LEAF)) at = step(nodes, x + row * width, at, mode, missing);
            add_leaf(call, nodes[at], row, p[AGGREGATE]);
        }
    }
}

static const char *run_forest(const sl_call *call) {
    const int64_t *p = call->p, cells = p[ROWS] * p[OUTPUTS];
    float *scores = call->out[0];
    memset(scores, 0, (size_t)cells * sizeof *scores);
    if (call->out[1]) memset(call->out[1], 0, (size_t)cells);
    if (p[ROWS] > 0 && p[WIDTH] > 0) {
        if (p[MODE] == LEQ && !p[MISSING]) walk_trees(call, LEQ, false);
        else if (p[MODE] == LEQ) walk_trees(call, LEQ, true);
        else if (p[MODE] == LT) walk_trees(call, LT, true);
        else walk_trees(call, -1, true);
    }
    const float *base = call->in[5];
    for (int64_t i = 0; i < cells; i++) {
        if (p[AGGREGATE] == AVERAGE) scores[i] /= (float)p[TREES];
        if (base) scores[i] += base[i % p[OUTPUTS]];
    }
    if (base && call->out[1]) memset(call->out[1], 1, (size_t)cells);
    return NULL;
}

const sl_kernel SL_NAME(sl_forest)[] = {
    {"forest_f32", check_forest, run_forest, 0},
    SL_END,
};
