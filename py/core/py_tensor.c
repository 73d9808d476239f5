/* strandline._core.Tensor: zeroed memory with a shape, shared through the buffer protocol. */
#include "py.h"

#include "half.h"
#include "kernel.h"
#include "program.h"

#include <stdlib.h>

typedef struct {
    PyObject_HEAD void *data;
    Py_ssize_t nbytes, itemsize;
    int rank;
    char format[2];
    Py_ssize_t shape[SL_MAX_RANK], strides[SL_MAX_RANK];
} tensor;

static PyObject *allocate(PyTypeObject *type, char format, int rank, const int64_t *shape) {
    int itemsize = format == 'w' ? 0 : sl_itemsize(format);
    if (!itemsize)
        return PyErr_Format(PyExc_ValueError, "format '%c' is not one of ?bBhHiIqQefd", format);
    int64_t size = sl_size(shape, rank), nbytes;
    if (size < 0 || __builtin_mul_overflow(size, (int64_t)itemsize, &nbytes) ||
        nbytes > PY_SSIZE_T_MAX)
        return PyErr_Format(PyExc_ValueError, "a size is negative or the tensor is too large");
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    tensor *self = (tensor *)alloc(type, 0);
    if (!self) return NULL;
    self->data = sl_aligned_alloc((size_t)nbytes);
    if (!self->data) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    self->nbytes = (Py_ssize_t)nbytes;
    self->itemsize = itemsize;
    self->rank = rank;
    self->format[0] = format;
    Py_ssize_t stride = itemsize;
    for (int i = rank - 1; i >= 0; i--) {
        self->shape[i] = (Py_ssize_t)shape[i];
        self->strides[i] = stride;
        stride *= shape[i] ? (Py_ssize_t)shape[i] : 1;
    }
    return (PyObject *)self;
}

PyObject *sl_tensor_new(PyObject *module, char format, int rank, const int64_t *shape,
                        void **data) {
    sl_module_state *state = PyModule_GetState(module);
    PyObject *self = allocate(state->tensor_type, format, rank, shape);
    if (self) *data = ((tensor *)self)->data;
    return self;
}

static PyObject *tensor_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"format", "shape", NULL};
    const char *format;
    Py_ssize_t length;
    PyObject *sizes;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s#O:Tensor", names, &format, &length, &sizes))
        return NULL;
    if (length != 1) return PyErr_Format(PyExc_ValueError, "format must be one struct character");
    Py_ssize_t rank = PySequence_Size(sizes);
    if (rank < 0) return NULL;
    if (rank > SL_MAX_RANK)
        return PyErr_Format(PyExc_ValueError, "a tensor has at most %d axes", SL_MAX_RANK);
    int64_t shape[SL_MAX_RANK];
    for (Py_ssize_t i = 0; i < rank; i++) {
        PyObject *item = PySequence_GetItem(sizes, i);
        if (!item) return NULL;
        shape[i] = PyLong_AsLongLong(item);
        Py_DECREF(item);
        if (shape[i] == -1 && PyErr_Occurred()) return NULL;
    }
    return allocate(type, format[0], (int)rank, shape);
}

static void tensor_dealloc(tensor *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    sl_aligned_free(self->data);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static int tensor_getbuffer(tensor *self, Py_buffer *view, int flags) {
    *view = (Py_buffer){
        .buf = self->data,
        .obj = Py_NewRef((PyObject *)self),
        .len = self->nbytes,
        .itemsize = self->itemsize,
        .ndim = self->rank,
        .format = (flags & PyBUF_FORMAT) ? self->format : NULL,
        .shape = (flags & PyBUF_ND) == PyBUF_ND ? self->shape : NULL,
        .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? self->strides : NULL,
    };
    return 0;
}

static const char *dtype_name(char format) {
    switch (format) {
    case '?': return "bool";
    case 'b': return "int8";
    case 'B': return "uint8";
    case 'h': return "int16";
    case 'H': return "uint16";
    case 'i': return "int32";
    case 'I': return "uint32";
    case 'q': return "int64";
    case 'Q': return "uint64";
    case 'e': return "float16";
    case 'f': return "float32";
    default: return "float64";
    }
}

static PyObject *element(const char *at, char format) {
#define READ(type, make)                                                                           \
    {                                                                                              \
        type v;                                                                                    \
        memcpy(&v, at, sizeof v);                                                                  \
        return make(v);                                                                            \
    }
    switch (format) {
    case '?': return PyBool_FromLong(*at != 0);
    case 'b': READ(int8_t, PyLong_FromLong)
    case 'B': READ(uint8_t, PyLong_FromLong)
    case 'h': READ(int16_t, PyLong_FromLong)
    case 'H': READ(uint16_t, PyLong_FromLong)
    case 'i': READ(int32_t, PyLong_FromLong)
    case 'I': READ(uint32_t, PyLong_FromUnsignedLong)
    case 'q': READ(int64_t, PyLong_FromLongLong)
    case 'Q': READ(uint64_t, PyLong_FromUnsignedLongLong)
    case 'f': READ(float, PyFloat_FromDouble)
    case 'd': READ(double, PyFloat_FromDouble)
    default: {
        uint16_t half;
        memcpy(&half, at, sizeof half);
        return PyFloat_FromDouble(sl_half_to_float(half));
    }
    }
#undef READ
}

static PyObject *nested(const tensor *self, int axis, const char *at) {
    if (axis == self->rank) return element(at, self->format[0]);
    PyObject *list = PyList_New(self->shape[axis]);
    if (!list) return NULL;
    for (Py_ssize_t i = 0; i < self->shape[axis]; i++) {
        PyObject *item = nested(self, axis + 1, at + i * self->strides[axis]);
        if (!item || PyList_SetItem(list, i, item) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *tensor_tolist(tensor *self, PyObject *unused) {
    (void)unused;
    return nested(self, 0, self->data);
}

static PyObject *get_shape(tensor *self, void *unused) {
    (void)unused;
    PyObject *shape = PyTuple_New(self->rank);
    for (int i = 0; shape && i < self->rank; i++) {
        PyObject *size = PyLong_FromSsize_t(self->shape[i]);
        if (!size || PyTuple_SetItem(shape, i, size) < 0) Py_CLEAR(shape);
    }
    return shape;
}

static PyObject *get_format(tensor *self, void *unused) {
    (void)unused;
    return PyUnicode_FromString(self->format);
}

static PyObject *get_dtype(tensor *self, void *unused) {
    (void)unused;
    return PyUnicode_FromString(dtype_name(self->format[0]));
}

static PyObject *get_nbytes(tensor *self, void *unused) {
    (void)unused;
    return PyLong_FromSsize_t(self->nbytes);
}

static PyObject *tensor_repr(tensor *self) {
    PyObject *shape = get_shape(self, NULL);
    if (!shape) return NULL;
    PyObject *text = PyUnicode_FromFormat("Tensor('%s', %R)", self->format, shape);
    Py_DECREF(shape);
    return text;
}

static PyMethodDef methods[] = {
    {"tolist", (PyCFunction)tensor_tolist, METH_NOARGS,
     "The elements as nested lists of Python numbers."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"format", (getter)get_format, NULL, "The element type as a struct character.", NULL},
    {"dtype", (getter)get_dtype, NULL, "The element type's name, as NumPy says it.", NULL},
    {"shape", (getter)get_shape, NULL, "The sizes of the axes.", NULL},
    {"nbytes", (getter)get_nbytes, NULL, "Size of the elements in bytes.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Tensor(format, shape): zeroed, C-contiguous, 64-byte aligned memory with the "
                "buffer protocol."},
    {Py_tp_new, tensor_new},
    {Py_tp_dealloc, tensor_dealloc},
    {Py_tp_repr, tensor_repr},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_bf_getbuffer, tensor_getbuffer},
    {0, NULL},
};

PyType_Spec sl_tensor_spec = {"strandline._core.Tensor", sizeof(tensor), 0, Py_TPFLAGS_DEFAULT,
                              slots};
