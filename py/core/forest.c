#include "forest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where in the lists a node is: open addressing, unless the names are already places. */
typedef struct {
    const int64_t *tree, *id;
    int32_t *slots;
    size_t mask, n;
} index_of;

static size_t hash(int64_t tree, int64_t id, size_t mask) {
    uint64_t h = ((uint64_t)tree * 0x9e3779b97f4a7c15u) ^ ((uint64_t)id * 0xc2b2ae3d27d4eb4fu);
    return (size_t)(h >> 17 ^ h) & mask;
}

static bool index_new(index_of *x, const int64_t *tree, const int64_t *id, size_t n,
                      const char **wrong) {
    *x = (index_of){tree, id, NULL, 1, n};
    if (!tree) return true;
    while (x->mask < 2 * n)
        x->mask = 2 * x->mask + 1;
    x->slots = malloc((x->mask + 1) * sizeof *x->slots);
    if (!x->slots) return false;
    memset(x->slots, -1, (x->mask + 1) * sizeof *x->slots);
    for (size_t i = 0; i < n; i++) {
        size_t at = hash(tree[i], id[i], x->mask);
        for (; x->slots[at] >= 0; at = (at + 1) & x->mask) {
            const size_t other = (size_t)x->slots[at];
            if (tree[other] == tree[i] && id[other] == id[i]) {
                *wrong = "two nodes of a tree have the same id";
                return false;
            }
        }
        x->slots[at] = (int32_t)i;
    }
    return true;
}

/* -1 when there is none. */
static int32_t find(const index_of *x, int64_t tree, int64_t id) {
    if (!x->tree) return id >= 0 && (uint64_t)id < x->n ? (int32_t)id : -1;
    for (size_t at = hash(tree, id, x->mask); x->slots[at] >= 0; at = (at + 1) & x->mask) {
        const size_t i = (size_t)x->slots[at];
        if (x->tree[i] == tree && x->id[i] == id) return (int32_t)i;
    }
    return -1;
}

typedef struct {
    const sl_forest_lists *in;
    index_of places;
    int32_t *yes, *no;      /* places of the children; a leaf's own */
    int32_t *order;         /* reachable nodes, children before parents */
    int32_t *number;        /* new number of the node's first word group */
    int32_t *set, *set_end; /* of SL_MEMBER nodes: their part of `members` */
    int32_t *height;
    size_t n_order;
} work;

static double value_at(const void *values, bool wide, size_t i) {
    return wide ? ((const double *)values)[i] : (double)((const float *)values)[i];
}

static bool resolve(work *w, const char **wrong) {
    const sl_forest_lists *in = w->in;
    size_t member = 0;
    for (size_t i = 0; i < in->n_nodes; i++) {
        const int64_t tree = in->tree ? in->tree[i] : 0;
        w->yes[i] = w->no[i] = (int32_t)i;
        if (in->mode[i] == SL_LEAF) continue;
        if (in->mode[i] > SL_LEAF) *wrong = "a node has an unknown mode";
        w->yes[i] = find(&w->places, tree, in->yes[i]);
        w->no[i] = find(&w->places, tree, in->no[i]);
        if (w->yes[i] < 0 || w->no[i] < 0)
            *wrong = "a branch names a node that its tree does not have";
        if (w->yes[i] == (int32_t)i || w->no[i] == (int32_t)i)
            *wrong = "a branch leads back to itself";
        if (in->feature[i] < 0 || in->feature[i] > SL_FEATURE_MASK)
            *wrong = "a feature is negative or beyond 16777215";
        if (in->mode[i] == SL_MEMBER) {
            w->set[i] = (int32_t)member;
            while (member < in->n_members && !isnan(value_at(in->members, in->wide, member)))
                member++;
            w->set_end[i] = (int32_t)member;
            if (member < in->n_members) member++;
        }
        if (*wrong) return false;
    }
    return true;
}

/* How many nodes a listed one becomes: a member test is a chain of equalities. */
static size_t pieces(const work *w, size_t i) {
    const size_t set = w->in->mode[i] == SL_MEMBER ? (size_t)(w->set_end[i] - w->set[i]) : 1;
    return set > 1 ? set : 1;
}

/* Depth-first from each root with an explicit stack; a node is ordered after its children. Finds
 * cycles. */
static bool sort(work *w, const int32_t *roots, size_t n_roots, const char **wrong) {
    enum { NEW, OPEN, DONE };
    const size_t n = w->in->n_nodes;
    uint8_t *state = calloc(n + 1, 1);
    int32_t *stack = malloc((n + 1) * sizeof *stack);
    bool ok = state && stack;
    /* Backwards, because the order is reversed in the end and the first tree should lie first. */
    for (size_t r = n_roots; ok && r-- > 0;) {
        if (state[roots[r]] != NEW) continue;
        size_t depth = 0;
        stack[depth++] = roots[r];
        state[roots[r]] = OPEN;
        while (depth) {
            const int32_t node = stack[depth - 1];
            int32_t next = -1;
            if (w->yes[node] != node) { /* the last one ordered lies nearest behind its parent */
                if (state[w->no[node]] != DONE)
                    next = w->no[node];
                else if (state[w->yes[node]] != DONE)
                    next = w->yes[node];
            }
            if (next < 0) {
                const int32_t a = w->height[w->yes[node]], b = w->height[w->no[node]];
                w->height[node] =
                    w->yes[node] == node ? 0 : (int32_t)pieces(w, (size_t)node) + (a > b ? a : b);
                w->order[w->n_order++] = node;
                state[node] = DONE;
                depth--;
            } else if (state[next] == OPEN) {
                *wrong = "a tree's branches lead back to themselves";
                ok = false;
                break;
            } else {
                state[next] = OPEN;
                stack[depth++] = next;
            }
        }
    }
    free(state);
    free(stack);
    return ok;
}

static int32_t *find_roots(const work *w, size_t *n_roots, const char **wrong) {
    const sl_forest_lists *in = w->in;
    const size_t n = in->roots ? in->n_roots : in->n_nodes;
    int32_t *roots = malloc((n + 1) * sizeof *roots);
    uint8_t *child = calloc(in->n_nodes + 1, 1);
    *n_roots = 0;
    if (roots && child && in->roots) {
        for (size_t r = 0; r < n; r++) {
            if (in->roots[r] < 0 || (uint64_t)in->roots[r] >= in->n_nodes)
                *wrong = "a root is not there";
            else
                roots[(*n_roots)++] = (int32_t)in->roots[r];
        }
    } else if (roots && child) {
        for (size_t i = 0; i < n; i++) {
            if (in->mode[i] != SL_LEAF) child[w->yes[i]] = child[w->no[i]] = 1;
        }
        for (size_t i = 0; i < n; i++) {
            if (!child[i]) roots[(*n_roots)++] = (int32_t)i;
        }
        if (n && !*n_roots) *wrong = "a tree's branches lead back to themselves";
    }
    free(child);
    if (roots && !*wrong) return roots;
    free(roots);
    return NULL;
}

static void put(int32_t *to, bool wide, double value, int64_t bits, int32_t yes, int32_t no) {
    const size_t words = wide ? 2 : 1;
    const float narrow = (float)value;
    if (wide)
        memcpy(to, &value, sizeof value);
    else
        memcpy(to, &narrow, sizeof narrow);
    to[words] = (int32_t)bits;
    to[words + 1] = yes;
    to[words + 2] = no;
    if (wide) to[5] = 0;
}

static void put_leaf(int32_t *to, bool wide, int64_t number, int32_t self) {
    put(to, wide, 0, 0, self, self);
    if (wide)
        memcpy(to, &number, sizeof number);
    else
        to[0] = (int32_t)number;
}

static int32_t emit_branch(const work *w, size_t i, int32_t at, int32_t *nodes, size_t words) {
    const sl_forest_lists *in = w->in;
    static const int64_t tests[] = {
        SL_BELOW | SL_AT, SL_BELOW, SL_BELOW, SL_BELOW | SL_AT, SL_AT, SL_AT, SL_AT};
    const uint8_t mode = in->mode[i];
    /* x > v is not (x <= v), and so on: the children change places, and so does the side that a NaN
     * falls to. */
    const bool flip = mode == SL_GTE || mode == SL_GT || mode == SL_NEQ;
    const bool nan_is_yes = i < in->n_missing && in->missing[i];
    int32_t yes = w->number[w->yes[i]], no = w->number[w->no[i]];
    /* x != v holds for a NaN without being told so. */
    bool nan_to_yes = mode == SL_NEQ ? true : nan_is_yes;
    if (flip) {
        const int32_t other = yes;
        yes = no, no = other;
        nan_to_yes = !nan_to_yes;
    }
    const int64_t bits = in->feature[i] | tests[mode] | (nan_to_yes ? SL_NAN_IS_YES : 0);
    if (mode != SL_MEMBER) {
        put(nodes + (size_t)at * words, in->wide, value_at(in->value, in->wide, i), bits, yes, no);
        return at + 1;
    }
    const int32_t first = w->set[i], last = w->set_end[i];
    if (first == last) put(nodes + (size_t)at++ * words, in->wide, NAN, bits, yes, no);
    for (int32_t m = first; m < last; m++, at++) {
        const double value = value_at(in->members, in->wide, (size_t)m);
        put(nodes + (size_t)at * words, in->wide, value, bits, yes, m + 1 < last ? at + 1 : no);
    }
    return at;
}

static bool emit(work *w, const int32_t *leaf_of, sl_forest *out, const char **wrong) {
    const sl_forest_lists *in = w->in;
    const size_t words = in->wide ? 6 : 4;
    size_t total = 0;
    for (size_t k = w->n_order; k-- > 0;) {
        w->number[w->order[k]] = (int32_t)total;
        total += pieces(w, (size_t)w->order[k]);
        if (total > INT32_MAX / 8) {
            *wrong = "the forest is too large";
            return false;
        }
    }
    out->nodes = calloc(total * words + 1, sizeof *out->nodes);
    if (!out->nodes) return false;
    out->n_nodes = total;
    uint32_t seen = 0;
    for (size_t k = w->n_order; k-- > 0;) {
        const size_t i = (size_t)w->order[k];
        const int32_t at = w->number[i];
        if (in->mode[i] != SL_LEAF) {
            emit_branch(w, i, at, out->nodes, words);
            if (in->feature[i] >= out->n_features) out->n_features = in->feature[i] + 1;
            const uint8_t mode = in->mode[i];
            seen |= mode == SL_LEQ || mode == SL_GT ? 1 : mode == SL_LT || mode == SL_GTE ? 2 : 4;
        } else if (out->lone) {
            const size_t leaf = (size_t)leaf_of[i];
            const double weight = value_at(out->weight, in->wide, (size_t)out->start[leaf]);
            put(out->nodes + (size_t)at * words, in->wide, weight, 0, at, at);
        } else {
            put_leaf(out->nodes + (size_t)at * words, in->wide, leaf_of[i], at);
        }
    }
    out->tests = seen <= 1 ? SL_ALL_LEQ : seen == 2 ? SL_ALL_LT : SL_MIXED;
    return true;
}

/* Weights sorted by leaf, in their own order within one; `leaf_of` numbers the reachable leaves. */
static bool sort_weights(const work *w, int32_t *leaf_of, sl_forest *out, const char **wrong) {
    const sl_forest_lists *in = w->in;
    const size_t size = in->wide ? 8 : 4;
    memset(leaf_of, -1, (in->n_nodes + 1) * sizeof *leaf_of);
    for (size_t k = w->n_order; k-- > 0;) {
        if (in->mode[w->order[k]] == SL_LEAF) leaf_of[w->order[k]] = (int32_t)out->n_leaves++;
    }
    int32_t *place = malloc((in->n_weights + 1) * sizeof *place);
    out->start = calloc(out->n_leaves + 2, sizeof *out->start);
    out->target = malloc((in->n_weights + 1) * sizeof *out->target);
    out->weight = malloc((in->n_weights + 1) * size);
    bool ok = place && out->start && out->target && out->weight;
    for (size_t j = 0; ok && j < in->n_weights; j++) {
        const int64_t name = in->weight_id[j];
        const int32_t node = find(&w->places, in->weight_tree ? in->weight_tree[j] : 0, name);
        if (node < 0) *wrong = "a weight names a node that its tree does not have";
        if (in->target[j] < 0 || in->target[j] >= in->n_targets)
            *wrong = "a weight's target is out of range";
        if (*wrong)
            ok = false;
        else if ((place[j] = leaf_of[node]) >= 0)
            out->start[place[j] + 1]++;
    }
    for (size_t l = 0; ok && l < out->n_leaves; l++)
        out->start[l + 1] += out->start[l];
    for (size_t j = 0; ok && j < in->n_weights; j++) {
        if (place[j] < 0) continue;
        const int32_t at = out->start[place[j]]++;
        out->target[at] = (int32_t)in->target[j];
        memcpy((char *)out->weight + (size_t)at * size, (const char *)in->weight + j * size, size);
        out->n_weights++;
    }
    if (ok) {
        memmove(out->start + 1, out->start, out->n_leaves * sizeof *out->start);
        out->start[0] = 0;
    }
    free(place);
    return ok;
}

/* Sets `lone` and `complete`. A target is sure when one tree gives it in all of its leaves. */
static bool judge(const work *w, const int32_t *leaf_of, const int32_t *roots, size_t n_roots,
                  sl_forest *out) {
    const sl_forest_lists *in = w->in;
    out->lone = in->n_targets == 1;
    for (size_t l = 0; l < out->n_leaves; l++)
        out->lone = out->lone && out->start[l + 1] - out->start[l] == 1;
    out->complete = out->lone && n_roots > 0;
    if (out->lone) return true;
    const size_t targets = (size_t)in->n_targets;
    int32_t *tree_of = malloc((in->n_nodes + 1) * sizeof *tree_of);
    int32_t *leaves = calloc(n_roots + 1, sizeof *leaves);
    int32_t *hits = calloc(targets + 1, sizeof *hits), *last = malloc((targets + 1) * sizeof *last);
    uint8_t *sure = calloc(targets + 1, 1);
    const bool ok = tree_of && leaves && hits && last && sure;
    if (ok) {
        memset(tree_of, -1, (in->n_nodes + 1) * sizeof *tree_of);
        for (size_t r = 0; r < n_roots; r++)
            tree_of[roots[r]] = (int32_t)r;
        /* Parents come later in `order`, so hand the tree down from its end. Shared nodes stay with
         * one tree, which only makes the answer more careful. */
        bool shared = false;
        for (size_t k = w->n_order; k-- > 0;) {
            const int32_t i = w->order[k], children[2] = {w->yes[i], w->no[i]};
            if (children[0] == i) {
                leaves[tree_of[i]]++;
                continue;
            }
            for (int c = 0; c < 2; c++) {
                if (tree_of[children[c]] >= 0 && tree_of[children[c]] != tree_of[i]) shared = true;
                tree_of[children[c]] = tree_of[i];
            }
        }
        /* Leaves of a tree are numbered together only if trees lie apart, as they do unless they
         * share nodes. */
        size_t found = 0;
        int32_t tree = -1;
        memset(last, -1, (targets + 1) * sizeof *last);
        for (size_t k = w->n_order; !shared && k-- > 0;) {
            const int32_t i = w->order[k];
            if (w->yes[i] != i) continue;
            if (tree_of[i] != tree) {
                tree = tree_of[i];
                memset(hits, 0, targets * sizeof *hits);
                memset(last, -1, targets * sizeof *last);
            }
            const int32_t leaf = leaf_of[i];
            for (int32_t e = out->start[leaf]; e < out->start[leaf + 1]; e++) {
                const int32_t t = out->target[e];
                if (last[t] == leaf) continue;
                last[t] = leaf;
                if (++hits[t] == leaves[tree] && !sure[t]) sure[t] = 1, found++;
            }
        }
        out->complete = found == targets;
    }
    free(tree_of);
    free(leaves);
    free(hits);
    free(last);
    free(sure);
    return ok;
}

bool sl_forest_flatten(const sl_forest_lists *in, sl_forest *out, const char **wrong) {
    *out = (sl_forest){0};
    *wrong = NULL;
    if (in->n_nodes > INT32_MAX / 8 || in->n_weights > INT32_MAX / 8 || in->n_targets < 1 ||
        in->n_targets > INT32_MAX / 8) {
        *wrong = "the forest is too large, or has no targets";
        return false;
    }
    const size_t bytes = (in->n_nodes + 1) * sizeof(int32_t);
    work w = {.in = in,
              .yes = malloc(bytes),
              .no = malloc(bytes),
              .order = malloc(bytes),
              .number = malloc(bytes),
              .set = calloc(bytes, 1),
              .set_end = calloc(bytes, 1),
              .height = calloc(bytes, 1)};
    int32_t *leaf_of = malloc(bytes), *roots = NULL;
    size_t n_roots = 0;
    bool ok = w.yes && w.no && w.order && w.number && w.set && w.set_end && w.height && leaf_of &&
              index_new(&w.places, in->tree, in->id, in->n_nodes, wrong) && resolve(&w, wrong) &&
              (roots = find_roots(&w, &n_roots, wrong)) && sort(&w, roots, n_roots, wrong) &&
              sort_weights(&w, leaf_of, out, wrong) && judge(&w, leaf_of, roots, n_roots, out) &&
              emit(&w, leaf_of, out, wrong) &&
              (out->roots = malloc((2 * n_roots + 1) * sizeof *out->roots));
    for (size_t r = 0; ok && r < n_roots; r++) {
        out->roots[2 * r] = w.number[roots[r]];
        out->roots[2 * r + 1] = w.height[roots[r]];
    }
    out->n_roots = n_roots;
    free(w.places.slots);
    free(w.yes);
    free(w.no);
    free(w.order);
    free(w.number);
    free(w.set);
    free(w.set_end);
    free(w.height);
    free(leaf_of);
    free(roots);
    return ok;
}

void sl_forest_free(sl_forest *forest) {
    free(forest->nodes);
    free(forest->roots);
    free(forest->start);
    free(forest->target);
    free(forest->weight);
    *forest = (sl_forest){0};
}
