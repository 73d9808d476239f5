/* Python functions over stats.h and bridge.h. Included by module.c only, after Python.h; the
 * methods go into its table as SL_STATS_METHODS. */
#ifndef STRANDLINE_STATS_MODULE_H
#define STRANDLINE_STATS_MODULE_H

#include "bridge.h"
#include "fourier.h"
#include "stats.h"

#include <string.h>

static bool stats_get_buffer(PyObject *object, Py_buffer *view, int flags, const char *what) {
    if (PyObject_GetBuffer(object, view, flags | PyBUF_FORMAT) != 0) return false;
    if (view->ndim == 1 || (view->ndim == 0 && view->len == view->itemsize)) return true;
    PyErr_Format(PyExc_ValueError, "%s must have one dimension, not %d", what, view->ndim);
    PyBuffer_Release(view);
    return false;
}

/* The struct character of a view whose items are as the machine has them (all that runs this is
 * little-endian), or 0. */
static char stats_format(const Py_buffer *view) {
    const char *format = view->format ? view->format : "B";
    if (*format == '<' || *format == '=' || *format == '@') format++;
    if (format[0] == '\0' || format[1] != '\0') return '\0';
    return (size_t)view->itemsize == sl_format_size(format[0]) ? format[0] : '\0';
}

static bool stats_expect(const Py_buffer *view, const char *formats, const char *what) {
    char format = stats_format(view);
    if (format && strchr(formats, format) && view->itemsize == 8) return true;
    PyErr_Format(PyExc_ValueError, "%s must hold 8-byte items of format '%s', not '%s'", what,
                 formats, view->format ? view->format : "B");
    return false;
}

static Py_ssize_t stats_length(const Py_buffer *view) {
    return view->len / view->itemsize;
}

static const char stats_tally_doc[] =
    "tally(values, cuts, counts) -> (nan, infinite, finite, min, max, sum, squares)\n\n"
    "Bins and sums a one-dimensional buffer of numbers (any stride; struct formats "
    "dfbBhHiIlLqQ?).\n"
    "cuts: float64, ascending. counts: writable int64 of len(cuts) + 1, increased in place: a "
    "value goes to\n"
    "the bin whose index is the number of cuts <= value. sum and squares: little-endian two's "
    "complement\n"
    "integers in units of 2**-1074 and 2**-2148, exact. min and max are inf and -inf if nothing is "
    "finite.";

static PyObject *stats_tally(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *values_object, *cuts_object, *counts_object, *result = NULL;
    Py_buffer values, cuts, counts;
    if (!PyArg_ParseTuple(args, "OOO:tally", &values_object, &cuts_object, &counts_object))
        return NULL;
    if (!stats_get_buffer(values_object, &values, PyBUF_STRIDES, "values")) return NULL;
    if (!stats_get_buffer(cuts_object, &cuts, PyBUF_ND, "cuts")) goto release_values;
    if (!stats_get_buffer(counts_object, &counts, PyBUF_ND | PyBUF_WRITABLE, "counts"))
        goto release_cuts;

    if (!stats_expect(&cuts, "d", "cuts") || !stats_expect(&counts, "ql", "counts"))
        goto release_all;
    if (stats_length(&counts) != stats_length(&cuts) + 1) {
        PyErr_Format(PyExc_ValueError, "counts must have %zd items for %zd cuts, not %zd",
                     stats_length(&cuts) + 1, stats_length(&cuts), stats_length(&counts));
        goto release_all;
    }

    const size_t n = (size_t)stats_length(&values), n_cuts = (size_t)stats_length(&cuts);
    const ptrdiff_t stride = values.strides ? values.strides[0] : values.itemsize;
    const char format = stats_format(&values);
    sl_tally tally;
    sl_tally_init(&tally);
    if (format == 'd' && stride == (ptrdiff_t)sizeof(double) &&
        (uintptr_t)values.buf % sizeof(double) == 0) {
        sl_tally_add(&tally, values.buf, n, cuts.buf, n_cuts, counts.buf);
    } else {
        double block[256];
        for (size_t start = 0; start < n || start == 0; start += 256) {
            size_t size = n - start < 256 ? n - start : 256;
            const char *source = (const char *)values.buf + (ptrdiff_t)start * stride;
            if (!sl_load_doubles(format, source, stride, size, block)) {
                PyErr_Format(PyExc_ValueError,
                             "values of format '%s' are not numbers this function reads",
                             values.format ? values.format : "B");
                goto release_all;
            }
            sl_tally_add(&tally, block, size, cuts.buf, n_cuts, counts.buf);
        }
    }

    unsigned char sum[4 * SL_SUM_DIGITS], squares[4 * SL_SQUARE_DIGITS];
    sl_digits_to_bytes(tally.sum, SL_SUM_DIGITS, sum);
    sl_digits_to_bytes(tally.squares, SL_SQUARE_DIGITS, squares);
    result =
        Py_BuildValue("LLLddy#y#", (long long)tally.nan, (long long)tally.infinite,
                      (long long)tally.finite, tally.min, tally.max, (const char *)sum,
                      (Py_ssize_t)sizeof sum, (const char *)squares, (Py_ssize_t)sizeof squares);
release_all:
    PyBuffer_Release(&counts);
release_cuts:
    PyBuffer_Release(&cuts);
release_values:
    PyBuffer_Release(&values);
    return result;
}

static const char stats_sorted_doc[] = "sorted_finite(values) -> bytes\n\n"
                                       "The finite values of a one-dimensional buffer of numbers, "
                                       "ascending, as native float64 (-0.0 as 0.0).";

static PyObject *stats_sorted(PyObject *self, PyObject *values_object) {
    (void)self;
    PyObject *result = NULL;
    Py_buffer values;
    if (!stats_get_buffer(values_object, &values, PyBUF_STRIDES, "values")) return NULL;
    const size_t n = (size_t)stats_length(&values);
    const ptrdiff_t stride = values.strides ? values.strides[0] : values.itemsize;
    double *sorted =
        n <= (size_t)PY_SSIZE_T_MAX / 16 ? PyMem_Malloc(2 * n * sizeof *sorted + 1) : NULL;
    if (sorted == NULL) {
        PyErr_NoMemory();
    } else if (!sl_load_doubles(stats_format(&values), values.buf, stride, n, sorted)) {
        PyErr_Format(PyExc_ValueError, "values of format '%s' are not numbers this function reads",
                     values.format ? values.format : "B");
    } else {
        size_t kept = sl_sort_finite(sorted, sorted + n, n);
        result =
            PyBytes_FromStringAndSize((const char *)sorted, (Py_ssize_t)(kept * sizeof *sorted));
    }
    PyMem_Free(sorted);
    PyBuffer_Release(&values);
    return result;
}

static const char stats_bridge_doc[] = "bridge_sf(times, x) -> float\n\n"
                                       "P(max |B(t)| > x over the times) for a Brownian bridge B; "
                                       "times: float64, ascending within (0, 1).";

static PyObject *stats_bridge(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *times_object, *result = NULL;
    Py_buffer times;
    double x;
    if (!PyArg_ParseTuple(args, "Od:bridge_sf", &times_object, &x)) return NULL;
    if (!stats_get_buffer(times_object, &times, PyBUF_ND, "times")) return NULL;
    if (stats_expect(&times, "d", "times")) {
        result = PyFloat_FromDouble(sl_bridge_sf(times.buf, (size_t)stats_length(&times), x));
    }
    PyBuffer_Release(&times);
    return result;
}

static const char stats_fourier_doc[] =
    "fourier(vectors, frequencies, wave, sums, products) -> (left_out, squares)\n\n"
    "Adds integer random Fourier features of vectors to sums (int64, [2*k]) and, unless it is "
    "None,\n"
    "their products to products (int64, [2*k * 2*k]). vectors: float64, [n*d]; frequencies: "
    "float64,\n"
    "[d*k], in steps of 1/4096 turn; wave: int16, [4096], a turn of the cosine. Vectors whose "
    "phases\n"
    "are not finite are left out.";

static PyObject *stats_fourier(PyObject *self, PyObject *args) {
    (void)self;
    enum { VECTORS, FREQUENCIES, WAVE, SUMS, PRODUCTS, VIEWS };
    static const char *const names[VIEWS] = {"vectors", "frequencies", "wave", "sums", "products"};
    static const char *const formats[VIEWS] = {"d", "d", "h", "ql", "ql"};
    PyObject *objects[VIEWS], *result = NULL;
    Py_buffer views[VIEWS] = {{0}};
    if (!PyArg_ParseTuple(args, "OOOOO:fourier", &objects[0], &objects[1], &objects[2], &objects[3],
                          &objects[4]))
        return NULL;
    for (int i = 0; i < VIEWS; i++) {
        if (i == PRODUCTS && objects[i] == Py_None) continue;
        int flags = PyBUF_ND | (i >= SUMS ? PyBUF_WRITABLE : 0);
        if (!stats_get_buffer(objects[i], &views[i], flags, names[i])) goto release;
        char format = stats_format(&views[i]);
        if (!format || !strchr(formats[i], format) || (format != 'h' && views[i].itemsize != 8)) {
            PyErr_Format(PyExc_ValueError, "%s must hold items of format '%s'", names[i],
                         formats[i]);
            goto release;
        }
    }
    const size_t width = (size_t)stats_length(&views[SUMS]), k = width / 2;
    const size_t d = k ? (size_t)stats_length(&views[FREQUENCIES]) / k : 0;
    if (width % 2 || k == 0 || k > SL_FOURIER_MOST || d == 0 ||
        d * k != (size_t)stats_length(&views[FREQUENCIES]) ||
        (size_t)stats_length(&views[VECTORS]) % d ||
        stats_length(&views[WAVE]) != SL_FOURIER_STEPS ||
        (objects[PRODUCTS] != Py_None && (size_t)stats_length(&views[PRODUCTS]) != width * width)) {
        PyErr_SetString(PyExc_ValueError, "the sizes of vectors, frequencies, wave, sums and "
                                          "products do not fit each other");
        goto release;
    }
    int64_t squares = 0;
    const size_t n = (size_t)stats_length(&views[VECTORS]) / d;
    const size_t left_out = sl_fourier_add(
        views[VECTORS].buf, n, d, views[FREQUENCIES].buf, k, views[WAVE].buf, views[SUMS].buf,
        objects[PRODUCTS] == Py_None ? NULL : views[PRODUCTS].buf, &squares);
    result = Py_BuildValue("nL", (Py_ssize_t)left_out, (long long)squares);
release:
    for (int i = 0; i < VIEWS; i++)
        if (views[i].obj) PyBuffer_Release(&views[i]);
    return result;
}

#define SL_STATS_METHODS                                                                           \
    {"tally", stats_tally, METH_VARARGS, stats_tally_doc},                                         \
        {"sorted_finite", stats_sorted, METH_O, stats_sorted_doc},                                 \
        {"fourier", stats_fourier, METH_VARARGS, stats_fourier_doc}, {                             \
        "bridge_sf", stats_bridge, METH_VARARGS, stats_bridge_doc                                  \
    }

#endif
