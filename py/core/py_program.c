/* strandline._core.Program: a checked list of kernel calls that runs over an arena. */
#define _POSIX_C_SOURCE 199309L /* clock_gettime */
#include "py.h"

#include "program.h"

#include <stdlib.h>
#include <time.h>

typedef struct {
    PyObject_HEAD sl_program *program;
    Py_buffer *held; /* the constants, for as long as the program lives */
    Py_ssize_t n_held;
} program;

enum { FEW = 16 };

struct sl_program *sl_program_of(PyObject *self) {
    return ((program *)self)->program;
}

void sl_program_raise(const char *error) {
    if (error[0])
        PyErr_SetString(PyExc_ValueError, error);
    else
        PyErr_SetString(PyExc_MemoryError, "there is no memory for the program's arena");
}

static void release(Py_buffer *buffers, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < n; i++)
        PyBuffer_Release(&buffers[i]);
}

/* Acquires a buffer from each item; releases what it has when one fails. */
static bool acquire(PyObject *items, Py_buffer *buffers, Py_ssize_t n, int flags) {
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PySequence_GetItem(items, i);
        int failed = !item || PyObject_GetBuffer(item, &buffers[i], flags) < 0;
        Py_XDECREF(item);
        if (failed) {
            release(buffers, i);
            return false;
        }
    }
    return true;
}

static void program_dealloc(program *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    sl_program_free(self->program);
    release(self->held, self->n_held);
    PyMem_Free(self->held);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_object(self);
    Py_DECREF(type);
}

static bool misaligned(const void *data) {
    return (uintptr_t)data % 8 != 0;
}

static bool hold_constants(program *self, PyObject *constants, sl_buffer *views) {
    Py_ssize_t n = PySequence_Size(constants);
    if (!acquire(constants, self->held, n, PyBUF_C_CONTIGUOUS)) return false;
    self->n_held = n;
    for (Py_ssize_t i = 0; i < n; i++) {
        const Py_buffer *b = &self->held[i];
        views[i] = (sl_buffer){b->buf, (size_t)b->len};
    }
    return true;
}

static PyObject *program_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"tensors", "code", "constants", "arena_bytes", "arena", NULL};
    Py_buffer tensors, code;
    PyObject *constants, *arena = Py_None;
    long long arena_bytes;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*y*OL|O:Program", names, &tensors, &code,
                                     &constants, &arena_bytes, &arena))
        return NULL;
    const sl_module_state *state = PyType_GetModuleState(type);
    const bool shared = arena != Py_None;
    char error[SL_ERROR_BYTES] = "";
    sl_buffer *views = NULL;
    program *self = NULL;
    Py_ssize_t n = PySequence_Size(constants);
    if (!state || n < 0) goto done;
    if (shared && !PyObject_TypeCheck(arena, state->arena_type)) {
        PyErr_SetString(PyExc_TypeError, "a program's arena is an Arena, or None for its own");
        goto done;
    }
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    self = (program *)alloc(type, 0);
    if (!self) goto done;
    self->held = PyMem_Calloc((size_t)n + 1, sizeof(Py_buffer));
    views = PyMem_Calloc((size_t)n + 1, sizeof(sl_buffer));
    if (!self->held || !views) {
        PyErr_NoMemory();
    } else if (hold_constants(self, constants, views)) {
        self->program =
            sl_program_new(tensors.buf, (size_t)tensors.len, code.buf, (size_t)code.len, views,
                           (size_t)n, arena_bytes, shared ? sl_arena_of(arena) : NULL, error);
        if (!self->program && error[0])
            PyErr_SetString(PyExc_ValueError, error);
        else if (!self->program)
            PyErr_Format(PyExc_MemoryError,
                         "there is no memory for a program with %lld bytes of "
                         "intermediate values",
                         arena_bytes);
    }
    if (!self->program) Py_CLEAR(self);
done:
    PyMem_Free(views);
    PyBuffer_Release(&tensors);
    PyBuffer_Release(&code);
    return (PyObject *)self;
}

/* Kernels read elements in place, so a misaligned input (an odd slice of bytes) is copied for the
 * run. */
static bool align_inputs(sl_buffer *views, void **copies, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!misaligned(views[i].data)) continue;
        copies[i] = sl_aligned_alloc(views[i].bytes);
        if (!copies[i]) {
            PyErr_NoMemory();
            return false;
        }
        memcpy(copies[i], views[i].data, views[i].bytes);
        views[i].data = copies[i];
    }
    return true;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Runs it; adds the seconds that each instruction took to `seconds` unless that is NULL. */
static bool run_bound(program *self, sl_buffer *views, Py_ssize_t n_in, Py_ssize_t n_out,
                      double *seconds) {
    char error[SL_ERROR_BYTES];
    for (Py_ssize_t i = n_in; i < n_in + n_out; i++) {
        if (misaligned(views[i].data)) {
            PyErr_Format(PyExc_ValueError, "output %zd is not aligned to 8 bytes: give a Tensor",
                         i - n_in);
            return false;
        }
    }
    const sl_buffer *outputs = views + n_in;
    bool ok;
    if (!seconds) {
        ok = sl_program_run(self->program, views, (size_t)n_in, outputs, (size_t)n_out, error);
    } else {
        ok = sl_program_bind(self->program, views, (size_t)n_in, outputs, (size_t)n_out, error);
        const size_t n = sl_program_length(self->program);
        for (size_t i = 0; ok && i < n; i = sl_program_next(self->program, i)) {
            const double before = now();
            ok = sl_program_step(self->program, i, error);
            seconds[i] += now() - before;
        }
    }
    if (!ok) sl_program_raise(error);
    return ok;
}

static bool run(program *self, PyObject *inputs, PyObject *outputs, double *seconds) {
    bool ok = false;
    Py_ssize_t n_in = PySequence_Size(inputs), n_out = PySequence_Size(outputs);
    if (n_in < 0 || n_out < 0) return false;
    size_t n = (size_t)n_in + (size_t)n_out;
    Py_buffer few_buffers[FEW],
        *buffers = n <= FEW ? few_buffers : PyMem_Calloc(n, sizeof *buffers);
    sl_buffer few_views[FEW], *views = n <= FEW ? few_views : PyMem_Calloc(n, sizeof *views);
    void *few_copies[FEW] = {0}, **copies = n <= FEW ? few_copies : PyMem_Calloc(n, sizeof *copies);
    if (!buffers || !views || !copies) {
        PyErr_NoMemory();
    } else if (acquire(inputs, buffers, n_in, PyBUF_C_CONTIGUOUS)) {
        if (acquire(outputs, buffers + n_in, n_out, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)) {
            for (size_t i = 0; i < n; i++)
                views[i] = (sl_buffer){buffers[i].buf, (size_t)buffers[i].len};
            ok = align_inputs(views, copies, n_in) && run_bound(self, views, n_in, n_out, seconds);
            for (Py_ssize_t i = 0; i < n_in; i++)
                sl_aligned_free(copies[i]);
            release(buffers + n_in, n_out);
        }
        release(buffers, n_in);
    }
    if (n > FEW) {
        PyMem_Free(buffers);
        PyMem_Free(views);
        PyMem_Free(copies);
    }
    return ok;
}

static PyObject *program_run(program *self, PyObject *args) {
    PyObject *inputs, *outputs;
    if (!PyArg_ParseTuple(args, "OO:run", &inputs, &outputs)) return NULL;
    return run(self, inputs, outputs, NULL) ? Py_NewRef(Py_None) : NULL;
}

static PyObject *program_profile(program *self, PyObject *args) {
    PyObject *inputs, *outputs, *result = NULL;
    if (!PyArg_ParseTuple(args, "OO:profile", &inputs, &outputs)) return NULL;
    const Py_ssize_t n = (Py_ssize_t)sl_program_length(self->program);
    double *seconds = PyMem_Calloc((size_t)n + 1, sizeof *seconds);
    if (!seconds) return PyErr_NoMemory();
    if (run(self, inputs, outputs, seconds)) result = PyList_New(n);
    for (Py_ssize_t i = 0; result && i < n; i++) {
        PyObject *one = PyFloat_FromDouble(seconds[i]);
        if (!one || PyList_SetItem(result, i, one) < 0) Py_CLEAR(result);
    }
    PyMem_Free(seconds);
    return result;
}

static PyMethodDef methods[] = {
    {"run", (PyCFunction)program_run, METH_VARARGS,
     "run(inputs, outputs): compute the outputs in place."},
    {"profile", (PyCFunction)program_profile, METH_VARARGS,
     "profile(inputs, outputs): as run; the seconds that each instruction took."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Program(tensors, code, constants, arena_bytes, arena=None): kernel calls, proved to "
     "stay in bounds when made."},
    {Py_tp_new, program_new},
    {Py_tp_dealloc, program_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec sl_program_spec = {"strandline._core.Program", sizeof(program), 0, Py_TPFLAGS_DEFAULT,
                               slots};
