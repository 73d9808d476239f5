/* strandline._core.Bound: a program with buffers of its own choice, run by one pointer and without
 * Python. */
#include "py.h"

#include "program.h"

typedef struct {
    PyObject_HEAD PyObject *program;
    Py_buffer *held;
    Py_ssize_t n_held;
    sl_buffer *buffers;
    sl_bound bound;
} bound;

static void bound_dealloc(bound *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    for (Py_ssize_t i = 0; i < self->n_held; i++)
        PyBuffer_Release(&self->held[i]);
    PyMem_Free(self->held);
    PyMem_Free(self->buffers);
    Py_XDECREF(self->program);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_object(self);
    Py_DECREF(type);
}

/* Adds the items' buffers to what is held; false after a Python error. */
static bool hold(bound *self, PyObject *items, int flags) {
    const Py_ssize_t n = PySequence_Size(items);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PySequence_GetItem(items, i);
        const int failed = !item || PyObject_GetBuffer(item, &self->held[self->n_held],
                                                       flags | PyBUF_C_CONTIGUOUS);
        Py_XDECREF(item);
        if (failed) return false;
        const Py_buffer *b = &self->held[self->n_held];
        self->buffers[self->n_held++] = (sl_buffer){b->buf, (size_t)b->len};
        if ((uintptr_t)b->buf % 8 != 0) {
            PyErr_SetString(PyExc_ValueError, "a buffer is not aligned to 8 bytes: give a Tensor");
            return false;
        }
    }
    return true;
}

static PyObject *bound_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"program", "inputs", "outputs", NULL};
    PyObject *program, *inputs, *outputs;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO:Bound", names, &program, &inputs, &outputs))
        return NULL;
    const sl_module_state *state = PyType_GetModuleState(type);
    if (!state) return NULL;
    if (!PyObject_TypeCheck(program, state->program_type)) {
        PyErr_SetString(PyExc_TypeError, "Bound takes a Program, its inputs and its outputs");
        return NULL;
    }
    const Py_ssize_t n_in = PySequence_Size(inputs), n_out = PySequence_Size(outputs);
    if (n_in < 0 || n_out < 0) return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    bound *self = (bound *)alloc(type, 0);
    if (!self) return NULL;
    self->program = Py_NewRef(program);
    self->held = PyMem_Calloc((size_t)(n_in + n_out) + 1, sizeof(Py_buffer));
    self->buffers = PyMem_Calloc((size_t)(n_in + n_out) + 1, sizeof(sl_buffer));
    if (!self->held || !self->buffers) {
        PyErr_NoMemory();
        Py_CLEAR(self);
    } else if (!hold(self, inputs, PyBUF_SIMPLE) || !hold(self, outputs, PyBUF_WRITABLE)) {
        Py_CLEAR(self);
    } else {
        self->bound.program = sl_program_of(program);
        self->bound.n_inputs = (size_t)n_in;
        self->bound.n_outputs = (size_t)n_out;
        self->bound.buffers = self->buffers;
    }
    return (PyObject *)self;
}

static PyObject *bound_run(bound *self, PyObject *unused) {
    (void)unused;
    if (sl_bound_run(&self->bound)) Py_RETURN_NONE;
    sl_program_raise(self->bound.error);
    return NULL;
}

static PyObject *bound_address(bound *self, void *unused) {
    (void)unused;
    return PyLong_FromVoidPtr(&self->bound);
}

static PyObject *bound_entry(bound *self, void *unused) {
    (void)self, (void)unused;
    return PyLong_FromVoidPtr((void *)(uintptr_t)sl_bound_run);
}

static PyObject *bound_buffers(bound *self, void *unused) {
    (void)unused;
    PyObject *result = PyTuple_New(self->n_held);
    for (Py_ssize_t i = 0; result && i < self->n_held; i++) {
        PyObject *address = PyLong_FromVoidPtr(self->buffers[i].data);
        if (!address || PyTuple_SetItem(result, i, address) < 0) Py_CLEAR(result);
    }
    return result;
}

static PyMethodDef methods[] = {
    {"run", (PyCFunction)bound_run, METH_NOARGS, "run(): compute the outputs from the inputs."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"address", (getter)bound_address, NULL, "What `entry` takes; after a 0, the error's text.",
     NULL},
    {"entry", (getter)bound_entry, NULL, "Address of the function int32_t (address).", NULL},
    {"buffers", (getter)bound_buffers, NULL, "Addresses of the inputs, then of the outputs.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Bound(program, inputs, outputs): a program with its buffers, which it holds."},
    {Py_tp_new, bound_new},
    {Py_tp_dealloc, bound_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {0, NULL},
};

PyType_Spec sl_bound_spec = {"strandline._core.Bound", sizeof(bound), 0, Py_TPFLAGS_DEFAULT, slots};
