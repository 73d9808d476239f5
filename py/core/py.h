/* The only files that know Python.h: module.c and py_*.c, one per concept, joined here. */
#ifndef SL_PY_H
#define SL_PY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

/* py_tensor.c */
extern PyType_Spec sl_tensor_spec;
/* A new zeroed tensor of the module's Tensor type; *data points at its elements. */
PyObject *sl_tensor_new(PyObject *module, char format, int rank, const int64_t *shape, void **data);

/* py_arena.c */
extern PyType_Spec sl_arena_spec;
/* Of an instance of that type. */
struct sl_arena *sl_arena_of(PyObject *self);

/* py_program.c */
extern PyType_Spec sl_program_spec;
/* Of an instance of that type. */
struct sl_program *sl_program_of(PyObject *self);
/* Raises what a run refused: the sentence as ValueError, MemoryError where there is none. */
void sl_program_raise(const char *error);

/* py_bound.c */
extern PyType_Spec sl_bound_spec;

/* py_fields.c */
extern PyType_Spec sl_fields_spec;

/* py_forest.c */
PyObject *sl_flatten_forest(PyObject *module, PyObject *args, PyObject *kwargs);

/* py_assemble.c */
PyObject *sl_assemble(PyObject *module, PyObject *args);

/* module.c */
typedef struct {
    PyTypeObject *tensor_type, *arena_type, *program_type;
    PyObject *opcodes; /* a dict from kernel names */
} sl_module_state;

#endif
