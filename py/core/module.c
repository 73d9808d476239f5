/* strandline._core: the method table. Types live in files of their own, py_*.c. */
#include "py.h"

#include "activation.h"
#include "program.h"
#include "stats_module.h"

static PyObject *isa(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return PyUnicode_FromString(sl_isa());
}

static PyObject *isas(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    PyObject *names = PyList_New(0);
    const char *name;
    for (int i = 0; names && (name = sl_isa_available(i)); i++) {
        PyObject *text = PyUnicode_FromString(name);
        if (!text || PyList_Append(names, text) < 0) Py_CLEAR(names);
        Py_XDECREF(text);
    }
    return names;
}

static PyObject *set_isa(PyObject *module, PyObject *args) {
    (void)module;
    const char *name;
    if (!PyArg_ParseTuple(args, "s:set_isa", &name)) return NULL;
    if (!sl_set_isa(name))
        return PyErr_Format(PyExc_ValueError, "instruction set '%s' is not available here", name);
    Py_RETURN_NONE;
}

static PyObject *panel_width(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return PyLong_FromLongLong(sl_panel_width());
}

/* Little-endian base-128 integers, as protobuf packs them: at most ten bytes each. */
static PyObject *read_varints(PyObject *module, PyObject *args) {
    Py_buffer in;
    if (!PyArg_ParseTuple(args, "y*:read_varints", &in)) return NULL;
    const uint8_t *bytes = in.buf, *end = bytes + in.len;
    int64_t count = 0;
    for (const uint8_t *b = bytes; b < end; b++)
        count += *b < 0x80;
    int64_t *out;
    void *data;
    PyObject *result = sl_tensor_new(module, 'q', 1, &count, &data);
    if (result) {
        out = data;
        const uint8_t *b = bytes;
        while (b < end) {
            uint64_t value = 0;
            int shift = 0;
            while (b < end && *b >= 0x80 && shift < 63) {
                value |= (uint64_t)(*b++ & 0x7f) << shift;
                shift += 7;
            }
            if (b == end || *b >= 0x80) {
                PyErr_Format(PyExc_ValueError, "the varint at byte %zd does not end",
                             (Py_ssize_t)(b - bytes));
                Py_CLEAR(result);
                break;
            }
            *out++ = (int64_t)(value | (uint64_t)*b++ << shift);
        }
    }
    PyBuffer_Release(&in);
    return result;
}

/* Programs copy constants that lie between boundaries; whoever makes several over the same ones
 * lets them share one copy. */
static PyObject *aligned(PyObject *module, PyObject *buffer) {
    Py_buffer in;
    if (PyObject_GetBuffer(buffer, &in, PyBUF_C_CONTIGUOUS) < 0) return NULL;
    PyObject *result = NULL;
    if ((uintptr_t)in.buf % 8 == 0) {
        result = Py_NewRef(buffer);
    } else {
        int64_t size = in.len;
        void *data;
        result = sl_tensor_new(module, 'B', 1, &size, &data);
        if (result) memcpy(data, in.buf, (size_t)in.len);
    }
    PyBuffer_Release(&in);
    return result;
}

static PyMethodDef methods[] = {
    {"isa", isa, METH_NOARGS, "The instruction set in force."},
    {"isas", isas, METH_NOARGS, "The instruction sets that this build and this processor share."},
    {"set_isa", set_isa, METH_VARARGS, "Choose the instruction set of programs made from now on."},
    {"panel_width", panel_width, METH_NOARGS, "Columns in a panel of pack_b_f32's output."},
    {"read_varints", read_varints, METH_VARARGS, "Packed protobuf varints as an int64 Tensor."},
    {"aligned", aligned, METH_O, "The buffer itself, or a copy that is aligned for programs."},
    {"flatten_forest", (PyCFunction)(void (*)(void))sl_flatten_forest, METH_VARARGS | METH_KEYWORDS,
     "A model's lists of tree nodes as the tensors that the forest kernels walk."},
    {"assemble", sl_assemble, METH_VARARGS,
     "Kernel calls on values by name as a Program's tensors, code, constants and arena_bytes."},
    SL_STATS_METHODS,
    {NULL, NULL, 0, NULL},
};

/* Adds name -> number to a table; false after a Python error. */
static bool enter(PyObject *table, const char *name, int64_t number) {
    PyObject *value = PyLong_FromLongLong(number);
    bool ok = value && PyDict_SetItemString(table, name, value) == 0;
    Py_XDECREF(value);
    return ok;
}

static PyObject *opcodes(void) {
    PyObject *table = PyDict_New();
    for (int64_t i = 0; table && i < sl_kernel_count(); i++) {
        if (!enter(table, sl_kernel_at(i)->name, i)) Py_CLEAR(table);
    }
    return table;
}

static PyObject *bytewise(void) {
    PyObject *table = PyDict_New();
    for (int64_t i = 0; table && i < sl_kernel_count(); i++) {
        const sl_kernel *kernel = sl_kernel_at(i);
        if (kernel->bytewise && !enter(table, kernel->name, kernel->bytewise)) Py_CLEAR(table);
    }
    return table;
}

#define SL_ACTIVATION_NAME(id, name) name,
static PyObject *activations(void) {
    static const char *const names[] = {SL_ACTIVATIONS(SL_ACTIVATION_NAME)};
    PyObject *table = PyDict_New();
    for (int64_t i = 0; table && i < SL_ACTIVATION_COUNT; i++) {
        if (!enter(table, names[i], i)) Py_CLEAR(table);
    }
    return table;
}

static int add(PyObject *module, const char *name, PyObject *value) {
    int failed = !value || PyModule_AddObjectRef(module, name, value) < 0;
    Py_XDECREF(value);
    return failed ? -1 : 0;
}

static int module_exec(PyObject *module) {
    sl_module_state *state = PyModule_GetState(module);
    state->tensor_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &sl_tensor_spec, NULL);
    if (!state->tensor_type || PyModule_AddType(module, state->tensor_type) < 0) return -1;
    state->arena_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &sl_arena_spec, NULL);
    if (!state->arena_type || PyModule_AddType(module, state->arena_type) < 0) return -1;
    state->program_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &sl_program_spec, NULL);
    if (!state->program_type || PyModule_AddType(module, state->program_type) < 0) return -1;
    state->opcodes = opcodes();
    return add(module, "Bound", PyType_FromModuleAndSpec(module, &sl_bound_spec, NULL)) ||
                   add(module, "Fields", PyType_FromModuleAndSpec(module, &sl_fields_spec, NULL)) ||
                   add(module, "OPCODES", Py_XNewRef(state->opcodes)) ||
                   add(module, "BYTEWISE", bytewise()) || add(module, "ACTIVATIONS", activations())
               ? -1
               : 0;
}

static int module_clear(PyObject *module) {
    sl_module_state *state = PyModule_GetState(module);
    if (state) Py_CLEAR(state->tensor_type);
    if (state) Py_CLEAR(state->arena_type);
    if (state) Py_CLEAR(state->program_type);
    if (state) Py_CLEAR(state->opcodes);
    return 0;
}

static void module_free(void *module) {
    module_clear(module);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "strandline._core",
    .m_doc = "Strandline's kernels.",
    .m_size = sizeof(sl_module_state),
    .m_methods = methods,
    .m_slots = slots,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&definition);
}
