#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "stats_module.h"

static PyObject *isa_name(PyObject *self, PyObject *unused) {
    (void)self;
    (void)unused;
#if defined(__wasm_relaxed_simd__)
    return PyUnicode_FromString("relaxed-simd");
#elif defined(__wasm_simd128__)
    return PyUnicode_FromString("simd128");
#else
    return PyUnicode_FromString("base");
#endif
}

static PyMethodDef methods[] = {
    {"isa", isa_name, METH_NOARGS, "The instruction set this build uses."},
    SL_STATS_METHODS,
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_core", "Strandline's kernels.", 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__core(void) {
    return PyModule_Create(&module);
}
