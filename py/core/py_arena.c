/* strandline._core.Arena: memory that programs share. */
#include "py.h"

#include "arena.h"

typedef struct {
    PyObject_HEAD sl_arena *arena;
} arena;

struct sl_arena *sl_arena_of(PyObject *self) {
    return ((arena *)self)->arena;
}

static void arena_dealloc(arena *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    sl_arena_release(self->arena);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_object(self);
    Py_DECREF(type);
}

static PyObject *arena_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Arena", names)) return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    arena *self = (arena *)alloc(type, 0);
    if (!self) return NULL;
    self->arena = sl_arena_new();
    if (self->arena) return (PyObject *)self;
    Py_DECREF(self);
    return PyErr_NoMemory();
}

static PyObject *arena_nbytes(arena *self, void *unused) {
    (void)unused;
    return PyLong_FromSize_t(self->arena->bytes);
}

static PyGetSetDef getset[] = {
    {"nbytes", (getter)arena_nbytes, NULL, "What the largest program so far needs.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Arena(): memory for the intermediate values of programs that share it."},
    {Py_tp_new, arena_new},
    {Py_tp_dealloc, arena_dealloc},
    {Py_tp_getset, getset},
    {0, NULL},
};

PyType_Spec sl_arena_spec = {"strandline._core.Arena", sizeof(arena), 0, Py_TPFLAGS_DEFAULT, slots};
