/* flatten_forest: a model's lists of tree nodes -> the tensors that the forest kernels walk. */
#include "py.h"

#include "forest.h"

#include <string.h>

enum {
    TREE,
    ID,
    MODE,
    FEATURE,
    VALUE,
    YES,
    NO,
    MISSING,
    MEMBERS,
    ROOTS,
    W_TREE,
    W_ID,
    TARGET,
    WEIGHT,
    N_LISTS
};

static char *names[] = {"wide",        "n_targets", "tree",   "id",      "mode",    "feature",
                        "value",       "yes",       "no",     "missing", "members", "roots",
                        "weight_tree", "weight_id", "target", "weight",  NULL};

/* Bytes per item of each list; 0 where it depends on `wide`. */
static const Py_ssize_t itemsizes[N_LISTS] = {
    [TREE] = 8,    [ID] = 8,    [MODE] = 1,   [FEATURE] = 8, [YES] = 8,    [NO] = 8,
    [MISSING] = 8, [ROOTS] = 8, [W_TREE] = 8, [W_ID] = 8,    [TARGET] = 8,
};

static PyObject *tensor_of(PyObject *module, char format, size_t n, const void *from,
                           size_t bytes) {
    const int64_t shape = (int64_t)n;
    void *data;
    PyObject *tensor = sl_tensor_new(module, format, 1, &shape, &data);
    if (tensor && bytes) memcpy(data, from, bytes);
    return tensor;
}

static PyObject *result_of(PyObject *module, const sl_forest *f, bool wide) {
    const size_t words = wide ? 6 : 4, size = wide ? 8 : 4;
    PyObject *nodes = tensor_of(module, 'i', f->n_nodes * words, f->nodes, f->n_nodes * words * 4);
    PyObject *roots = tensor_of(module, 'i', 2 * f->n_roots, f->roots, 8 * f->n_roots);
    PyObject *start = tensor_of(module, 'i', f->n_leaves + 1, f->start, 4 * (f->n_leaves + 1));
    PyObject *target = tensor_of(module, 'i', f->n_weights, f->target, 4 * f->n_weights);
    PyObject *weight =
        tensor_of(module, wide ? 'd' : 'f', f->n_weights, f->weight, size * f->n_weights);
    PyObject *result = NULL;
    if (nodes && roots && start && target && weight)
        result = Py_BuildValue("OOOOOLiOO", nodes, roots, start, target, weight,
                               (long long)f->n_features, f->tests, f->lone ? Py_True : Py_False,
                               f->complete ? Py_True : Py_False);
    Py_XDECREF(nodes);
    Py_XDECREF(roots);
    Py_XDECREF(start);
    Py_XDECREF(target);
    Py_XDECREF(weight);
    return result;
}

/* Lists of one kind must have one length. */
static bool agree(const Py_ssize_t *n, const int *lists, int count) {
    for (int i = 1; i < count; i++) {
        if (n[lists[i]] != n[lists[0]]) {
            PyErr_Format(PyExc_ValueError,
                         "the forest's lists '%s' and '%s' have %zd and %zd elements",
                         names[lists[0] + 2], names[lists[i] + 2], n[lists[0]], n[lists[i]]);
            return false;
        }
    }
    return true;
}

static PyObject *flatten(PyObject *module, Py_buffer *b, bool wide, long long n_targets) {
    Py_ssize_t n[N_LISTS];
    const void *data[N_LISTS];
    for (int i = 0; i < N_LISTS; i++) {
        const Py_ssize_t size = itemsizes[i] ? itemsizes[i] : wide ? 8 : 4;
        data[i] = b[i].obj ? b[i].buf : NULL;
        n[i] = b[i].obj ? b[i].len / size : 0;
        if ((b[i].len && (uintptr_t)b[i].buf % (uintptr_t)size) || b[i].len % size)
            return PyErr_Format(PyExc_ValueError,
                                "the forest's list '%s' is not made of aligned items of %zd bytes",
                                names[i + 2], size);
    }
    const int nodes[] = {MODE, FEATURE, VALUE, YES, NO, ID, TREE},
              weights[] = {W_ID, TARGET, WEIGHT, W_TREE};
    if (!agree(n, nodes, data[TREE] ? 7 : 5) || !agree(n, weights, data[W_TREE] ? 4 : 3))
        return NULL;
    const sl_forest_lists lists = {
        .wide = wide,
        .n_nodes = (size_t)n[MODE],
        .tree = data[TREE],
        .id = data[ID],
        .mode = data[MODE],
        .feature = data[FEATURE],
        .yes = data[YES],
        .no = data[NO],
        .value = data[VALUE],
        .missing = data[MISSING],
        .n_missing = (size_t)n[MISSING],
        .members = data[MEMBERS],
        .n_members = (size_t)n[MEMBERS],
        .roots = data[ROOTS],
        .n_roots = (size_t)n[ROOTS],
        .n_weights = (size_t)n[W_ID],
        .weight_tree = data[W_TREE],
        .weight_id = data[W_ID],
        .target = data[TARGET],
        .weight = data[WEIGHT],
        .n_targets = n_targets,
    };
    sl_forest forest;
    const char *wrong;
    PyObject *result = NULL;
    if (sl_forest_flatten(&lists, &forest, &wrong))
        result = result_of(module, &forest, wide);
    else if (wrong)
        PyErr_SetString(PyExc_ValueError, wrong);
    else
        PyErr_NoMemory();
    sl_forest_free(&forest);
    return result;
}

PyObject *sl_flatten_forest(PyObject *module, PyObject *args, PyObject *kwargs) {
    int wide;
    long long n_targets;
    PyObject *lists[N_LISTS], *result = NULL;
    Py_buffer buffers[N_LISTS] = {{0}};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "pLOOOOOOOOOOOOOO:flatten_forest", names, &wide,
                                     &n_targets, &lists[0], &lists[1], &lists[2], &lists[3],
                                     &lists[4], &lists[5], &lists[6], &lists[7], &lists[8],
                                     &lists[9], &lists[10], &lists[11], &lists[12], &lists[13]))
        return NULL;
    bool ok = true;
    for (int i = 0; ok && i < N_LISTS; i++)
        ok = lists[i] == Py_None ||
             PyObject_GetBuffer(lists[i], &buffers[i], PyBUF_C_CONTIGUOUS) == 0;
    if (ok) result = flatten(module, buffers, wide, n_targets);
    for (int i = 0; i < N_LISTS; i++)
        PyBuffer_Release(&buffers[i]);
    return result;
}
