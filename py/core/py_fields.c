/* strandline._core.Fields: Protocol Buffers on the wire, field by field over one buffer. */
#include "py.h"

#include <string.h>

enum { VARINT, FIXED64, BYTES, FIXED32 = 5, RUN = 8, TEXTS = 9 };
enum { MAX_VARINT = 10, WORDS = 8 };

typedef struct {
    PyObject_HEAD PyObject *error;
    Py_buffer in;
    Py_ssize_t at, end;
    unsigned long long runs, texts;
} fields;

static void fields_dealloc(fields *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyBuffer_Release(&self->in);
    Py_XDECREF(self->error);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_object(self);
    Py_DECREF(type);
}

static PyObject *fields_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"data", "start", "end", "runs", "texts", "error", NULL};
    PyObject *data, *error = PyExc_ValueError;
    Py_ssize_t start, end;
    unsigned long long runs = 0, texts = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Onn|KKO:Fields", names, &data, &start, &end,
                                     &runs, &texts, &error))
        return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    fields *self = (fields *)alloc(type, 0);
    if (!self) return NULL;
    if (PyObject_GetBuffer(data, &self->in, PyBUF_SIMPLE) < 0) {
        Py_CLEAR(self);
    } else if (start < 0 || start > end || end > self->in.len) {
        PyErr_Format(PyExc_ValueError, "no bytes %zd to %zd in a buffer of %zd", start, end,
                     self->in.len);
        Py_CLEAR(self);
    } else {
        self->error = Py_NewRef(error);
        self->at = start;
        self->end = end;
        self->runs = runs;
        self->texts = texts;
    }
    return (PyObject *)self;
}

/* Reads the number at *at and moves *at behind it. False, and no Python error, when there is none;
 * *at is then where it began. */
static bool number_at(const fields *self, Py_ssize_t *at, uint64_t *value) {
    const uint8_t *bytes = self->in.buf;
    const Py_ssize_t left = self->end - *at, most = left < MAX_VARINT ? left : MAX_VARINT;
    *value = 0;
    for (Py_ssize_t i = 0; i < most; i++) {
        const uint8_t byte = bytes[*at + i];
        *value |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (byte < 0x80) {
            *at += i + 1;
            return true;
        }
    }
    return false;
}

static bool need_number(const fields *self, Py_ssize_t *at, uint64_t *value) {
    if (number_at(self, at, value)) return true;
    PyErr_Format(self->error, "byte %zd: a number %s; the file is damaged or not an ONNX model",
                 *at, self->end - *at < MAX_VARINT ? "is cut short" : "is longer than ten bytes");
    return false;
}

static PyObject *field(uint64_t number, int kind, PyObject *a, Py_ssize_t b) {
    PyObject *items[] = {PyLong_FromUnsignedLongLong(number), PyLong_FromLong(kind), a,
                         PyLong_FromSsize_t(b)};
    PyObject *result = PyTuple_New(4);
    for (int i = 0; i < 4; i++) {
        if (!items[i]) Py_CLEAR(result);
        if (result)
            PyTuple_SetItem(result, i, items[i]);
        else
            Py_XDECREF(items[i]);
    }
    return result;
}

static PyObject *cut_short(const fields *self, Py_ssize_t at, uint64_t number) {
    return PyErr_Format(self->error, "byte %zd: field %llu is cut short", at,
                        (unsigned long long)number);
}

/* Equally tagged integers, decoded. */
static PyObject *integers(fields *self, uint8_t tag) {
    const uint8_t *bytes = self->in.buf;
    const Py_ssize_t begin = self->at;
    int64_t count = 0;
    uint64_t value;
    for (Py_ssize_t at = begin; at < self->end && bytes[at] == tag; count++) {
        Py_ssize_t next = at + 1;
        if (!number_at(self, &next, &value)) break;
        self->at = at = next;
    }
    if (!count) return cut_short(self, begin, tag >> 3);
    void *data;
    PyObject *tensor =
        sl_tensor_new(PyType_GetModule(Py_TYPE((PyObject *)self)), 'q', 1, &count, &data);
    if (!tensor) return NULL;
    Py_ssize_t at = begin;
    for (int64_t i = 0; i < count; i++) {
        at++;
        number_at(self, &at, (uint64_t *)data + i);
    }
    return field(tag >> 3, RUN, tensor, at);
}

/* Equally tagged floats of 4 or 8 bytes, without their tags. */
static PyObject *reals(fields *self, uint8_t tag) {
    const uint8_t *bytes = self->in.buf;
    const size_t size = (tag & 7) == FIXED32 ? 4 : 8;
    const Py_ssize_t begin = self->at, stride = (Py_ssize_t)size + 1;
    int64_t count = 0;
    for (; self->end - self->at >= stride && bytes[self->at] == tag; count++)
        self->at += stride;
    if (!count) return cut_short(self, begin, tag >> 3);
    void *data;
    PyObject *tensor = sl_tensor_new(PyType_GetModule(Py_TYPE((PyObject *)self)),
                                     size == 4 ? 'f' : 'd', 1, &count, &data);
    if (!tensor) return NULL;
    for (int64_t i = 0; i < count; i++)
        memcpy((uint8_t *)data + i * (int64_t)size, bytes + begin + i * stride + 1, size);
    return field(tag >> 3, RUN, tensor, self->at);
}

/* The words that a list began with: a forest names the mode of each of its nodes, a few words a
 * million times over. */
typedef struct {
    const uint8_t *bytes;
    size_t size;
    PyObject *text;
} word;

static PyObject *text_of(word *known, int *n_known, const uint8_t *bytes, size_t size) {
    for (int i = 0; i < *n_known; i++) {
        if (known[i].size == size && memcmp(known[i].bytes, bytes, size) == 0)
            return Py_NewRef(known[i].text);
    }
    PyObject *text = PyUnicode_DecodeUTF8((const char *)bytes, (Py_ssize_t)size, "surrogateescape");
    if (text && *n_known < WORDS) known[(*n_known)++] = (word){bytes, size, text};
    return text;
}

static PyObject *texts(fields *self, uint8_t tag) {
    const uint8_t *bytes = self->in.buf;
    word known[WORDS];
    int n_known = 0;
    PyObject *list = PyList_New(0);
    while (list && self->at < self->end && bytes[self->at] == tag) {
        Py_ssize_t at = self->at + 1;
        uint64_t size;
        if (!need_number(self, &at, &size)) {
            Py_CLEAR(list);
        } else if (size > (uint64_t)(self->end - at)) {
            PyErr_Format(self->error, "byte %zd: a text says %llu bytes where %zd are left",
                         self->at, (unsigned long long)size, self->end - at);
            Py_CLEAR(list);
        } else {
            PyObject *text = text_of(known, &n_known, bytes + at, (size_t)size);
            if (!text || PyList_Append(list, text) < 0) Py_CLEAR(list);
            Py_XDECREF(text); /* the list keeps it */
            self->at = at + (Py_ssize_t)size;
        }
    }
    return list ? field(tag >> 3, TEXTS, list, self->at) : NULL;
}

static PyObject *fields_next(fields *self) {
    if (self->at == self->end) return NULL;
    const Py_ssize_t begin = self->at;
    Py_ssize_t at = begin;
    uint64_t key, value;
    if (!need_number(self, &at, &key)) return NULL;
    const uint64_t number = key >> 3;
    const int wire = (int)(key & 7);
    const bool short_tag = at == begin + 1;
    const unsigned long long bit = short_tag ? 1ull << number : 0;
    if (wire == BYTES && self->texts & bit) return texts(self, (uint8_t)key);
    if (wire == VARINT && self->runs & bit) return integers(self, (uint8_t)key);
    if ((wire == FIXED32 || wire == FIXED64) && self->runs & bit) return reals(self, (uint8_t)key);
    if (wire == VARINT) {
        if (!need_number(self, &at, &value)) return NULL;
        self->at = at;
        return field(number, wire, PyLong_FromUnsignedLongLong(value), at);
    }
    if (wire == BYTES) {
        if (!need_number(self, &at, &value)) return NULL;
        if (value > (uint64_t)(self->end - at))
            return PyErr_Format(self->error,
                                "byte %zd: field %llu says %llu bytes where %zd are left; "
                                "the file is damaged, cut short, or not an ONNX model",
                                begin, (unsigned long long)number, (unsigned long long)value,
                                self->end - at);
    } else if (wire == FIXED32 || wire == FIXED64) {
        value = wire == FIXED32 ? 4 : 8;
        if (value > (uint64_t)(self->end - at)) return cut_short(self, begin, number);
    } else {
        return PyErr_Format(self->error,
                            "byte %zd: unknown wire type %d; "
                            "the file is damaged or not an ONNX model",
                            begin, wire);
    }
    self->at = at + (Py_ssize_t)value;
    return field(number, wire, PyLong_FromSsize_t(at), self->at);
}

static PyType_Slot slots[] = {
    {Py_tp_doc, "Fields(data, start, end, runs=0, texts=0, error=ValueError): (number, wire type, "
                "a, b) of each field of a message."},
    {Py_tp_new, fields_new},
    {Py_tp_dealloc, fields_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, fields_next},
    {0, NULL},
};

PyType_Spec sl_fields_spec = {
    .name = "strandline._core.Fields",
    .basicsize = sizeof(fields),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};
