/* assemble: kernel calls on values by name -> what a Program is made of. */
#include "py.h"

#include "layout.h"
#include "program.h"

#include <stdlib.h>
#include <string.h>

enum { OP, INPUTS, OUTPUTS, PARAMS, BODY, CALL_ITEMS };
enum { ABSENT = -1, MOST_WORDS = 1 << 27 };

/* A value with memory of its own. `index`: among its kind's buffers, in the arena among lives. */
typedef struct {
    int64_t kind, index;
} place;

/* What the core knows by one number, though it may have several names. */
typedef struct {
    size_t place;
    int64_t within, nbytes, elements;
    bool whole; /* all of what lies in the place, and no part of it */
} operand;

typedef struct {
    /* Given. */
    PyObject *opcodes, *types, *roots, *views, *values, *buffer, *inplace;
    /* Made: dicts from names to operands and to places; a list. */
    PyObject *numbers, *bases, *constants;
    /* The element type seen last. */
    PyObject *itemsize_name, *dtype;
    int64_t itemsize;
    /* How many there are at most. */
    int64_t most_calls, most_names, most_words;
    place *places;
    operand *operands;
    sl_lifetime *lives;
    sl_loop *loops;
    sl_overwrite *overwrites;
    int64_t *words;
    size_t n_places, n_operands, n_lives, n_loops, n_overwrites, n_words;
    int64_t at; /* the present call */
} assembly;

/* ---- Numbers and names
 * ------------------------------------------------------------------------------------------------
 */

static bool integer(PyObject *object, int64_t *number) {
    *number = PyLong_AsLongLong(object);
    if (*number != -1 || !PyErr_Occurred()) return true;
    if (PyErr_ExceptionMatches(PyExc_OverflowError))
        PyErr_Format(PyExc_ValueError, "%R does not fit into 64 bits", object);
    return false;
}

/* What a dict has under a key, held; NULL without an error when there is nothing. */
static PyObject *item(PyObject *dict, PyObject *key) {
    return Py_XNewRef(PyDict_GetItemWithError(dict, key));
}

/* 1 with the number under a name, 0 when there is none, -1 after an error. */
static int find(PyObject *dict, PyObject *name, int64_t *number) {
    PyObject *held = PyDict_GetItemWithError(dict, name);
    if (!held) return PyErr_Occurred() ? -1 : 0;
    return integer(held, number) ? 1 : -1;
}

static bool enter(PyObject *dict, PyObject *name, int64_t number) {
    PyObject *value = PyLong_FromLongLong(number);
    const bool ok = value && PyDict_SetItem(dict, name, value) == 0;
    Py_XDECREF(value);
    return ok;
}

/* The value whose bytes a name is, held. */
static PyObject *root_of(const assembly *a, PyObject *name) {
    PyObject *root = item(a->roots, name);
    return root || PyErr_Occurred() ? root : Py_NewRef(name);
}

/* ---- Operands
 * ------------------------------------------------------------------------------------------------
 */

static bool measure_type(assembly *a, PyObject *name, PyObject *type, int64_t *elements,
                         int64_t *nbytes) {
    PyObject *shape =
        PyTuple_Check(type) && PyTuple_Size(type) == 2 ? PyTuple_GetItem(type, 1) : NULL;
    if (!shape || !PyTuple_Check(shape)) {
        PyErr_Format(PyExc_TypeError, "the type of %R is no pair of element type and shape", name);
        return false;
    }
    PyObject *dtype = PyTuple_GetItem(type, 0);
    if (dtype != a->dtype) {
        PyObject *itemsize = PyObject_GetAttr(dtype, a->itemsize_name);
        const bool ok = itemsize && integer(itemsize, &a->itemsize);
        Py_XDECREF(itemsize);
        if (!ok) return false;
        Py_XDECREF(a->dtype);
        a->dtype = Py_NewRef(dtype);
    }
    const Py_ssize_t rank = PyTuple_Size(shape);
    bool fits = true, empty = false;
    int64_t size, count = 1;
    for (Py_ssize_t i = 0; i < rank; i++) {
        if (!integer(PyTuple_GetItem(shape, i), &size)) return false;
        if (size < 0) {
            PyErr_Format(PyExc_ValueError, "value %R has a negative size: %R", name, shape);
            return false;
        }
        empty |= size == 0;
        fits &= !__builtin_mul_overflow(count, size, &count);
    }
    *elements = empty ? 0 : count;
    fits = (fits || empty) && a->itemsize >= 0 &&
           !__builtin_mul_overflow(*elements, a->itemsize, nbytes);
    if (!fits) PyErr_Format(PyExc_ValueError, "value %R takes 2**63 bytes or more", name);
    return fits;
}

static bool measure(assembly *a, PyObject *name, int64_t *elements, int64_t *nbytes) {
    PyObject *type = item(a->types, name);
    if (!type) {
        if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "value %R has no type", name);
        return false;
    }
    const bool ok = measure_type(a, name, type, elements, nbytes);
    Py_DECREF(type);
    return ok;
}

/* The value in whose memory `root` lies, held, and at which byte. */
static PyObject *base_of(const assembly *a, PyObject *root, int64_t *within) {
    PyObject *base = root_of(a, root), *view;
    *within = 0;
    for (Py_ssize_t left = PyDict_Size(a->views); base && (view = item(a->views, base)); left--) {
        PyObject *parent = NULL;
        int64_t offset;
        if (!PyTuple_Check(view) || PyTuple_Size(view) != 2)
            PyErr_Format(PyExc_TypeError, "the view %R is no pair of value and byte", view);
        else if (!left)
            PyErr_Format(PyExc_ValueError, "value %R lies in itself", root);
        else if (integer(PyTuple_GetItem(view, 1), &offset)) {
            if (offset < 0 || __builtin_add_overflow(*within, offset, within))
                PyErr_Format(PyExc_ValueError, "value %R lies at no byte: %R", root, view);
            else
                parent = root_of(a, PyTuple_GetItem(view, 0));
        }
        Py_DECREF(view);
        Py_DECREF(base);
        base = parent;
    }
    if (PyErr_Occurred()) Py_CLEAR(base);
    return base;
}

static bool add_place(assembly *a, PyObject *base, int64_t kind, int64_t index) {
    a->places[a->n_places] = (place){kind, index};
    return enter(a->bases, base, (int64_t)a->n_places++);
}

/* Enters a value that is neither input nor output; a constant may lie `anywhere`. */
static bool find_place(assembly *a, PyObject *base, bool anywhere) {
    PyObject *value = item(a->values, base);
    if (value) {
        PyObject *buffer =
            PyObject_CallFunctionObjArgs(a->buffer, value, anywhere ? Py_True : Py_False, NULL);
        const bool ok = buffer && PyList_Append(a->constants, buffer) == 0;
        Py_XDECREF(buffer);
        Py_DECREF(value);
        return ok && add_place(a, base, SL_CONSTANT, PyList_Size(a->constants) - 1);
    }
    int64_t elements, nbytes;
    if (PyErr_Occurred() || !measure(a, base, &elements, &nbytes)) return false;
    a->lives[a->n_lives] = (sl_lifetime){nbytes, a->at, a->at, 0};
    return add_place(a, base, SL_ARENA, (int64_t)a->n_lives++);
}

static bool add_operand(assembly *a, PyObject *root, bool anywhere) {
    operand *o = &a->operands[a->n_operands];
    PyObject *base = base_of(a, root, &o->within);
    if (!base) return false;
    int64_t number = 0;
    int found = find(a->bases, base, &number);
    if (!found) {
        number = (int64_t)a->n_places;
        found = find_place(a, base, anywhere) ? 1 : -1;
    }
    const int whole = found == 1 ? PyObject_RichCompareBool(base, root, Py_EQ) : -1;
    Py_DECREF(base);
    o->place = (size_t)number;
    o->whole = whole == 1;
    return whole >= 0 && measure(a, root, &o->elements, &o->nbytes) &&
           enter(a->numbers, root, (int64_t)a->n_operands++);
}

static bool number_of(assembly *a, PyObject *name, bool anywhere, int64_t *number) {
    int found = find(a->numbers, name, number);
    if (found) return found == 1;
    PyObject *root = root_of(a, name);
    if (!root) return false;
    found = find(a->numbers, root, number);
    if (!found) {
        *number = (int64_t)a->n_operands;
        found = add_operand(a, root, anywhere) ? 1 : -1;
    }
    const bool ok = found == 1 && (root == name || enter(a->numbers, name, *number));
    Py_DECREF(root);
    return ok;
}

/* ---- Calls
 * ------------------------------------------------------------------------------------------------
 */

/* Sees that calls are made of tuples, and how much room they take at most. */
static bool survey(assembly *a, PyObject *calls) {
    if (Py_EnterRecursiveCall(" in the bodies of kernel calls")) return false;
    bool ok = PyTuple_Check(calls);
    for (Py_ssize_t i = 0, n = ok ? PyTuple_Size(calls) : 0; ok && i < n; i++) {
        PyObject *call = PyTuple_GetItem(calls, i);
        ok = PyTuple_Check(call) && PyTuple_Size(call) == CALL_ITEMS;
        for (int part = INPUTS; ok && part < BODY; part++) {
            ok = PyTuple_Check(PyTuple_GetItem(call, part));
            const int64_t size = ok ? PyTuple_Size(PyTuple_GetItem(call, part)) : 0;
            a->most_words += size;
            a->most_names += part == PARAMS ? 0 : size;
        }
        a->most_calls++;
        a->most_words += 5; /* the head, and the length of a body */
        if (a->most_words > MOST_WORDS) {
            PyErr_SetString(PyExc_ValueError, "the program is too long");
            ok = false;
        }
        ok = ok && survey(a, PyTuple_GetItem(call, BODY));
    }
    if (!ok && !PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError,
                        "a kernel call is a tuple of a name and tuples: inputs, outputs, params, "
                        "body");
    Py_LeaveRecursiveCall();
    return ok;
}

static bool write_operands(assembly *a, PyObject *names, unsigned anywhere) {
    const Py_ssize_t n = PyTuple_Size(names);
    for (Py_ssize_t i = 0; i < n; i++) {
        int64_t number;
        const bool free = i < 32 && anywhere >> i & 1;
        if (!number_of(a, PyTuple_GetItem(names, i), free, &number)) return false;
        a->words[a->n_words++] = number;
        if (number == ABSENT) continue;
        const place *p = &a->places[a->operands[number].place];
        if (p->kind == SL_ARENA) a->lives[p->index].last = a->at;
    }
    return true;
}

static bool write_params(assembly *a, PyObject *params) {
    const Py_ssize_t n = PyTuple_Size(params);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *param = PyTuple_GetItem(params, i);
        int64_t *word = &a->words[a->n_words++];
        if (PyFloat_Check(param)) {
            const double real = PyFloat_AsDouble(param);
            memcpy(word, &real, sizeof real);
        } else if (!integer(param, word)) {
            return false;
        }
    }
    return true;
}

/* The operand of that number, if it is all of a value in the arena. */
static const operand *movable(const assembly *a, int64_t number) {
    const operand *o = number == ABSENT ? NULL : &a->operands[number];
    return o && o->whole && a->places[o->place].kind == SL_ARENA ? o : NULL;
}

/* Notes which of the call's inputs its output may overwrite. */
static void note_overwrites(assembly *a, const int64_t *inputs, int64_t n, int64_t output) {
    const operand *to = movable(a, output);
    for (int64_t i = 0; to && i < n; i++) {
        const operand *from = movable(a, inputs[i]);
        if (!from || from->elements != to->elements) continue;
        a->overwrites[a->n_overwrites++] = (sl_overwrite){
            a->at, (size_t)a->places[from->place].index, (size_t)a->places[to->place].index};
    }
}

static bool write_calls(assembly *a, PyObject *calls);

static bool write_call(assembly *a, PyObject *call) {
    PyObject *op = PyTuple_GetItem(call, OP), *inputs = PyTuple_GetItem(call, INPUTS),
             *outputs = PyTuple_GetItem(call, OUTPUTS), *params = PyTuple_GetItem(call, PARAMS);
    int64_t opcode = -1;
    if (find(a->opcodes, op, &opcode) < 0) return false;
    if (opcode < 0 || opcode >= sl_kernel_count()) {
        PyErr_Format(PyExc_ValueError, "there is no kernel %R", op);
        return false;
    }
    const sl_kernel *kernel = sl_kernel_at(opcode);
    const bool control = kernel->variant == SL_CONTROL;
    const int64_t n_in = PyTuple_Size(inputs), n_out = PyTuple_Size(outputs);
    const int64_t head[] = {opcode, n_in, n_out, PyTuple_Size(params) + control};
    memcpy(&a->words[a->n_words], head, sizeof head);
    a->n_words += 4;
    const int64_t *numbers = &a->words[a->n_words];
    if (!write_operands(a, inputs, kernel->bytewise) || !write_operands(a, outputs, 0))
        return false;
    const int inplace = PySet_Contains(a->inplace, op);
    if (inplace < 0) return false;
    if (inplace && n_out) note_overwrites(a, numbers, n_in, numbers[n_in]);
    int64_t *length = &a->words[a->n_words];
    a->n_words += control;
    if (!write_params(a, params)) return false;
    const int64_t at = a->at++;
    if (!control) return true;
    const size_t loop = a->n_loops++;
    if (!write_calls(a, PyTuple_GetItem(call, BODY))) return false;
    *length = a->at - at - 1;
    a->loops[loop] = (sl_loop){at, *length};
    return true;
}

static bool write_calls(assembly *a, PyObject *calls) {
    const Py_ssize_t n = PyTuple_Size(calls);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!write_call(a, PyTuple_GetItem(calls, i))) return false;
    }
    return true;
}

/* ---- The program
 * ------------------------------------------------------------------------------------------------
 */

static PyObject *bytes_of(const int64_t *words, size_t n) {
    return PyBytes_FromStringAndSize((const char *)words, (Py_ssize_t)(n * sizeof *words));
}

/* Four words for each operand. */
static PyObject *table(const assembly *a) {
    int64_t *words = calloc(4 * a->n_operands + 1, sizeof *words);
    if (!words) return PyErr_NoMemory();
    bool fits = true;
    for (size_t i = 0; i < a->n_operands; i++) {
        const operand *o = &a->operands[i];
        const place *p = &a->places[o->place];
        const bool arena = p->kind == SL_ARENA;
        int64_t *row = &words[4 * i];
        row[0] = p->kind;
        row[1] = arena ? 0 : p->index;
        fits &= !__builtin_add_overflow(o->within, arena ? a->lives[p->index].offset : 0, &row[2]);
        row[3] = o->nbytes;
    }
    PyObject *result = fits ? bytes_of(words, 4 * a->n_operands) : NULL;
    if (!fits) PyErr_SetString(PyExc_ValueError, "a value lies beyond 2**63 bytes");
    free(words);
    return result;
}

static bool enter_buffers(assembly *a, PyObject *names, int64_t kind) {
    const Py_ssize_t n = PyTuple_Size(names);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!add_place(a, PyTuple_GetItem(names, i), kind, i)) return false;
    }
    return true;
}

static PyObject *assembled(assembly *a) {
    const int64_t arena_bytes =
        sl_layout(a->lives, a->n_lives, a->loops, a->n_loops, a->overwrites, a->n_overwrites);
    if (arena_bytes == -2) return PyErr_NoMemory();
    if (arena_bytes < 0) {
        PyErr_SetString(PyExc_ValueError, "the program's values take 2**63 bytes or more");
        return NULL;
    }
    PyObject *tensors = table(a), *code = tensors ? bytes_of(a->words, a->n_words) : NULL,
             *constants = code ? PyList_AsTuple(a->constants) : NULL, *result = NULL;
    if (constants) result = Py_BuildValue("OOOL", tensors, code, constants, (long long)arena_bytes);
    Py_XDECREF(tensors);
    Py_XDECREF(code);
    Py_XDECREF(constants);
    return result;
}

static PyObject *assemble(assembly *a, PyObject *calls, PyObject *inputs, PyObject *outputs) {
    if (!survey(a, calls)) return NULL;
    const size_t names = (size_t)a->most_names + 1, n_calls = (size_t)a->most_calls + 1;
    const size_t buffers = (size_t)PyTuple_Size(inputs) + (size_t)PyTuple_Size(outputs);
    PyObject *none = PyUnicode_FromString(""), *result = NULL;
    a->itemsize_name = PyUnicode_FromString("itemsize");
    a->numbers = PyDict_New();
    a->bases = PyDict_New();
    a->constants = PyList_New(0);
    a->places = calloc(names + buffers, sizeof *a->places);
    a->operands = calloc(names, sizeof *a->operands);
    a->lives = calloc(names, sizeof *a->lives);
    a->loops = calloc(n_calls, sizeof *a->loops);
    a->overwrites = calloc(names, sizeof *a->overwrites);
    a->words = calloc((size_t)a->most_words + 1, sizeof *a->words);
    if (!a->places || !a->operands || !a->lives || !a->loops || !a->overwrites || !a->words)
        PyErr_NoMemory();
    else if (none && a->itemsize_name && a->numbers && a->bases && a->constants &&
             enter(a->numbers, none, ABSENT) && enter_buffers(a, inputs, SL_INPUT) &&
             enter_buffers(a, outputs, SL_OUTPUT) && write_calls(a, calls))
        result = assembled(a);
    Py_XDECREF(none);
    return result;
}

static void release(assembly *a) {
    Py_XDECREF(a->itemsize_name);
    Py_XDECREF(a->dtype);
    Py_XDECREF(a->numbers);
    Py_XDECREF(a->bases);
    Py_XDECREF(a->constants);
    free(a->places);
    free(a->operands);
    free(a->lives);
    free(a->loops);
    free(a->overwrites);
    free(a->words);
}

PyObject *sl_assemble(PyObject *module, PyObject *args) {
    PyObject *calls, *inputs, *outputs, *result = NULL;
    const sl_module_state *state = PyModule_GetState(module);
    assembly a = {.opcodes = state->opcodes};
    if (!PyArg_ParseTuple(args, "OOOO!O!O!O!OO!:assemble", &calls, &inputs, &outputs, &PyDict_Type,
                          &a.types, &PyDict_Type, &a.roots, &PyDict_Type, &a.views, &PyDict_Type,
                          &a.values, &a.buffer, &PyFrozenSet_Type, &a.inplace))
        return NULL;
    calls = PySequence_Tuple(calls);
    inputs = calls ? PySequence_Tuple(inputs) : NULL;
    outputs = inputs ? PySequence_Tuple(outputs) : NULL;
    if (outputs) result = assemble(&a, calls, inputs, outputs);
    release(&a);
    Py_XDECREF(calls);
    Py_XDECREF(inputs);
    Py_XDECREF(outputs);
    return result;
}
