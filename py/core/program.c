#include "program.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
    int64_t kind, index, offset, bytes;
} tensor;

/* An operand slot that must be pointed into a buffer: the caller's before each run, the arena when
 * that lies elsewhere than last time. */
typedef struct {
    size_t slot;
    int64_t index, offset;
} patch;

enum { INPUTS, OUTPUTS, ARENA, PATCHED };

struct sl_program {
    sl_arena *arena;
    size_t arena_bytes;
    void *base;     /* where the arena lay last time */
    int64_t *words; /* the code, aligned */
    sl_call *calls;
    void **slots; /* operands of all calls, one after another */
    patch *patches[PATCHED];
    size_t n_calls, n_patches[PATCHED];
    int64_t *required[2]; /* bytes that the tensors of each input and output reach */
    size_t n_required[2];
    void **copies; /* of constants that came misaligned, where a kernel minds */
    size_t n_copies;
};

static const char *check_tensors(const tensor *tensors, size_t n, const sl_buffer *constants,
                                 size_t n_constants, int64_t arena_bytes) {
    for (size_t i = 0; i < n; i++) {
        const tensor *t = &tensors[i];
        int64_t end;
        SL_TRY(t->offset >= 0 && t->bytes >= 0 && t->index >= 0 &&
                   !__builtin_add_overflow(t->offset, t->bytes, &end),
               "a tensor has a negative or overflowing extent");
        SL_TRY((uint64_t)end <= SIZE_MAX / 2, "a tensor is larger than the address space");
        switch (t->kind) {
        case SL_ARENA:
            SL_TRY(t->index == 0 && t->offset % SL_ALIGNMENT == 0,
                   "an arena tensor is not aligned");
            SL_TRY(end <= arena_bytes, "a tensor lies outside the arena");
            break;
        case SL_CONSTANT:
            SL_TRY((uint64_t)t->index < n_constants, "a tensor names a constant that is not there");
            SL_TRY((uint64_t)end <= constants[t->index].bytes,
                   "a tensor lies outside its constant");
            SL_TRY(t->offset % 8 == 0, "a constant's tensor is not aligned");
            break;
        case SL_INPUT:
        case SL_OUTPUT:
            SL_TRY(t->index < 65536, "a tensor has an impossible input or output index");
            SL_TRY(t->offset % 8 == 0, "an input's or output's tensor is not aligned");
            break;
        default: return "a tensor has an unknown kind";
        }
    }
    return NULL;
}

typedef struct {
    const int64_t *ids, *params;
    int64_t opcode;
    int n_in, n_out, n_p;
} instruction;

/* Reads the instruction at words[*at]; false when the words don't hold one. */
static bool decode(const int64_t *words, size_t n_words, size_t *at, instruction *out) {
    const int64_t *w = words + *at;
    size_t left = n_words - *at;
    if (left < 4) return false;
    for (int i = 1; i < 4; i++) {
        if (w[i] < 0 || (uint64_t)w[i] > left || w[i] > INT32_MAX / 4) return false;
    }
    uint64_t length = 4 + (uint64_t)w[1] + (uint64_t)w[2] + (uint64_t)w[3];
    if (length > left) return false;
    *out = (instruction){w + 4, w + 4 + w[1] + w[2], w[0], (int)w[1], (int)w[2], (int)w[3]};
    *at += (size_t)length;
    return true;
}

static const char *check_instruction(const instruction *in, const tensor *tensors, size_t n_tensors,
                                     const sl_buffer *constants, sl_view *views) {
    SL_TRY(in->opcode >= 0 && in->opcode < sl_kernel_count(), "unknown opcode");
    for (int i = 0; i < in->n_in + in->n_out; i++) {
        int64_t id = in->ids[i];
        views[i] = (sl_view){NULL, -1};
        if (id == -1) continue;
        SL_TRY(id >= 0 && (uint64_t)id < n_tensors, "an operand names a tensor that is not there");
        const tensor *t = &tensors[id];
        if (i >= in->n_in)
            SL_TRY(t->kind == SL_ARENA || t->kind == SL_OUTPUT,
                   "an instruction writes to a constant or an input");
        views[i].bytes = t->bytes;
        if (t->kind == SL_CONSTANT)
            views[i].data = (const char *)constants[t->index].data + t->offset;
    }
    const sl_args args = {in->n_in, in->n_out, in->n_p, views, views + in->n_in, in->params};
    return sl_kernel_at(in->opcode)->check(&args);
}

/* Copies the misaligned constants that some kernel reads other than by bytes, and lets `held` point
 * there; false when memory runs out. */
static bool align_constants(sl_program *program, const tensor *tensors, size_t n_tensors,
                            size_t n_words, sl_buffer *held, size_t n) {
    bool *minds = calloc(n + 1, sizeof *minds);
    program->copies = calloc(n + 1, sizeof *program->copies);
    program->n_copies = n;
    bool ok = minds && program->copies;
    size_t at = 0;
    instruction in;
    while (ok && at < n_words && decode(program->words, n_words, &at, &in)) {
        const sl_kernel *kernel = sl_kernel_at(in.opcode);
        for (int i = 0; i < in.n_in; i++) {
            const int64_t id = in.ids[i];
            if (id < 0 || (uint64_t)id >= n_tensors || tensors[id].kind != SL_CONSTANT) continue;
            if (!kernel || i >= 32 || !(kernel->bytewise >> i & 1)) minds[tensors[id].index] = true;
        }
    }
    for (size_t i = 0; ok && i < n; i++) {
        if (!minds[i] || (uintptr_t)held[i].data % 8 == 0) continue;
        void *copy = program->copies[i] = sl_aligned_alloc(held[i].bytes);
        if (copy) memcpy(copy, held[i].data, held[i].bytes);
        ok = copy != NULL;
        held[i].data = copy;
    }
    free(minds);
    return ok;
}

/* What the buffers of this kind must hold, from the tensors that lie in them. */
static bool require(sl_program *program, int side, const tensor *tensors, size_t n) {
    int64_t kind = side ? SL_OUTPUT : SL_INPUT;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (tensors[i].kind == kind && (size_t)tensors[i].index >= count)
            count = (size_t)tensors[i].index + 1;
    }
    program->required[side] = calloc(count + 1, sizeof(int64_t));
    if (!program->required[side]) return false;
    for (size_t i = 0; i < n; i++) {
        int64_t *most = &program->required[side][tensors[i].index];
        int64_t end = tensors[i].offset + tensors[i].bytes;
        if (tensors[i].kind == kind && end > *most) *most = end;
    }
    program->n_required[side] = count;
    return true;
}

enum { DEEPEST = 32 };

/* Gives control flow its bodies; false when one reaches beyond what it lies in. */
static bool nest(sl_call *calls, int64_t n, int depth) {
    for (int64_t i = 0; i < n; i++) {
        sl_call *call = &calls[i];
        if (call->kernel->variant != SL_CONTROL) continue;
        call->body = call->p[0];
        if (call->body < 0 || call->body > n - i - 1 || depth == DEEPEST ||
            !nest(call + 1, call->body, depth + 1))
            return false;
        i += call->body;
    }
    return true;
}

static bool build(sl_program *program, const tensor *tensors, size_t n_tensors, size_t n_words,
                  const sl_buffer *constants, char error[SL_ERROR_BYTES]) {
    size_t at = 0, n_operands = 0, n_calls = 0, slot = 0, most = 0;
    instruction in;
    while (at < n_words) {
        if (!decode(program->words, n_words, &at, &in)) {
            snprintf(error, SL_ERROR_BYTES, "instruction %zu: its counts do not fit the code",
                     n_calls);
            return false;
        }
        size_t operands = (size_t)in.n_in + (size_t)in.n_out;
        n_operands += operands;
        most = operands > most ? operands : most;
        n_calls++;
    }
    sl_view *views = calloc(most + 1, sizeof *views);
    program->calls = calloc(n_calls + 1, sizeof *program->calls);
    program->slots = calloc(n_operands + 1, sizeof *program->slots);
    bool ok = views && program->calls && program->slots;
    for (int i = 0; i < PATCHED; i++) {
        program->patches[i] = calloc(n_operands + 1, sizeof(patch));
        ok = ok && program->patches[i];
    }
    for (at = 0; ok && at < n_words; program->n_calls++) {
        decode(program->words, n_words, &at, &in);
        const char *wrong = check_instruction(&in, tensors, n_tensors, constants, views);
        if (wrong) {
            const sl_kernel *k = sl_kernel_at(in.opcode);
            snprintf(error, SL_ERROR_BYTES, "instruction %zu (%s): %s", program->n_calls,
                     k ? k->name : "?", wrong);
            ok = false;
            break;
        }
        sl_call *call = &program->calls[program->n_calls];
        *call = (sl_call){program->slots + slot,
                          program->slots + slot + in.n_in,
                          in.params,
                          sl_kernel_at(in.opcode),
                          in.n_in,
                          in.n_out,
                          0};
        for (int i = 0; i < in.n_in + in.n_out; i++, slot++) {
            if (in.ids[i] < 0) continue;
            const tensor *t = &tensors[in.ids[i]];
            if (t->kind == SL_CONSTANT) {
                program->slots[slot] = (char *)constants[t->index].data + t->offset;
                continue;
            }
            const int to = t->kind == SL_ARENA ? ARENA : t->kind == SL_OUTPUT ? OUTPUTS : INPUTS;
            program->patches[to][program->n_patches[to]++] = (patch){slot, t->index, t->offset};
        }
    }
    free(views);
    if (ok && !nest(program->calls, (int64_t)program->n_calls, 0)) {
        snprintf(error, SL_ERROR_BYTES, "a body reaches beyond what it lies in, or lies too deep");
        ok = false;
    }
    return ok && require(program, INPUTS, tensors, n_tensors) &&
           require(program, OUTPUTS, tensors, n_tensors);
}

static void point(sl_program *program, int to, const sl_buffer *buffers) {
    for (size_t i = 0; i < program->n_patches[to]; i++) {
        const patch *p = &program->patches[to][i];
        program->slots[p->slot] = (char *)buffers[p->index].data + p->offset;
    }
}

/* Sees to it that the arena is there and the operands point into it; false when memory ran out. */
static bool settle(sl_program *program) {
    if (!program->n_patches[ARENA]) return true;
    if (!sl_arena_reserve(program->arena, program->arena_bytes)) return false;
    const sl_buffer arena = {program->arena->base, program->arena->bytes};
    if (arena.data != program->base) point(program, ARENA, &arena);
    program->base = arena.data;
    return true;
}

sl_program *sl_program_new(const void *tensors, size_t tensor_bytes, const void *code,
                           size_t code_bytes, const sl_buffer *constants, size_t n_constants,
                           int64_t arena_bytes, sl_arena *arena, char error[SL_ERROR_BYTES]) {
    size_t n_tensors = tensor_bytes / sizeof(tensor), n_words = code_bytes / 8;
    error[0] = '\0';
    if (tensor_bytes % sizeof(tensor) || code_bytes % 8 || arena_bytes < 0 ||
        (uint64_t)arena_bytes > SIZE_MAX / 2) {
        snprintf(error, SL_ERROR_BYTES, "tensors, code or arena have an impossible size");
        return NULL;
    }
    sl_program *program = calloc(1, sizeof *program);
    tensor *table = malloc(tensor_bytes + 1);
    sl_buffer *held = malloc((n_constants + 1) * sizeof *held);
    if (!program || !table || !held) goto fail;
    memcpy(table, tensors, tensor_bytes);
    if (n_constants) memcpy(held, constants, n_constants * sizeof *held);
    const char *wrong = check_tensors(table, n_tensors, constants, n_constants, arena_bytes);
    if (wrong) {
        snprintf(error, SL_ERROR_BYTES, "%s", wrong);
        goto fail;
    }
    program->words = malloc(code_bytes + 1);
    program->arena = arena ? sl_arena_hold(arena) : sl_arena_new();
    program->arena_bytes = (size_t)arena_bytes;
    if (!program->words || !program->arena) goto fail;
    memcpy(program->words, code, code_bytes);
    if (!align_constants(program, table, n_tensors, n_words, held, n_constants)) goto fail;
    if (!build(program, table, n_tensors, n_words, held, error) || !settle(program)) goto fail;
    free(held);
    free(table);
    return program;
fail:
    free(held);
    free(table);
    sl_program_free(program);
    return NULL;
}

void sl_program_free(sl_program *program) {
    if (!program) return;
    sl_arena_release(program->arena);
    for (size_t i = 0; program->copies && i < program->n_copies; i++)
        sl_aligned_free(program->copies[i]);
    free(program->copies);
    free(program->words);
    free(program->calls);
    free(program->slots);
    for (int i = 0; i < PATCHED; i++)
        free(program->patches[i]);
    free(program->required[INPUTS]);
    free(program->required[OUTPUTS]);
    free(program);
}

static bool bind(sl_program *program, int side, const sl_buffer *buffers, size_t n,
                 char error[SL_ERROR_BYTES]) {
    const char *what = side ? "output" : "input";
    if (n < program->n_required[side]) { /* more may come: what is empty is never touched */
        snprintf(error, SL_ERROR_BYTES, "the program has %zu %ss, %zu were given",
                 program->n_required[side], what, n);
        return false;
    }
    for (size_t i = 0; i < program->n_required[side]; i++) {
        if ((uint64_t)program->required[side][i] > buffers[i].bytes) {
            snprintf(error, SL_ERROR_BYTES, "%s %zu has %zu bytes, the program needs %lld", what, i,
                     buffers[i].bytes, (long long)program->required[side][i]);
            return false;
        }
    }
    point(program, side, buffers);
    return true;
}

bool sl_program_bind(sl_program *program, const sl_buffer *inputs, size_t n_inputs,
                     const sl_buffer *outputs, size_t n_outputs, char error[SL_ERROR_BYTES]) {
    error[0] = '\0';
    if (!settle(program)) return false;
#ifdef SL_POISON /* what reads before it writes then meets NaNs, and indices out of range */
    if (program->base) memset(program->base, 0xFF, program->arena->bytes);
#endif
    return bind(program, INPUTS, inputs, n_inputs, error) &&
           bind(program, OUTPUTS, outputs, n_outputs, error);
}

size_t sl_program_length(const sl_program *program) {
    return program->n_calls;
}

bool sl_program_step(sl_program *program, size_t instruction, char error[SL_ERROR_BYTES]) {
    const sl_call *call = &program->calls[instruction];
    const char *wrong = call->kernel->run(call);
    if (wrong)
        snprintf(error, SL_ERROR_BYTES, "instruction %zu (%s): %s", instruction, call->kernel->name,
                 wrong);
    return !wrong;
}

size_t sl_program_next(const sl_program *program, size_t instruction) {
    return instruction + 1 + (size_t)program->calls[instruction].body;
}

const char *sl_run_calls(const sl_call *calls, int64_t n) {
    for (int64_t i = 0; i < n; i += 1 + calls[i].body) {
        const char *wrong = calls[i].kernel->run(&calls[i]);
        if (wrong) return wrong;
    }
    return NULL;
}

bool sl_program_run(sl_program *program, const sl_buffer *inputs, size_t n_inputs,
                    const sl_buffer *outputs, size_t n_outputs, char error[SL_ERROR_BYTES]) {
    if (!sl_program_bind(program, inputs, n_inputs, outputs, n_outputs, error)) return false;
    for (size_t i = 0; i < program->n_calls; i = sl_program_next(program, i)) {
        if (!sl_program_step(program, i, error)) return false;
    }
    return true;
}

int32_t sl_bound_run(sl_bound *bound) {
    return sl_program_run(bound->program, bound->buffers, bound->n_inputs,
                          bound->buffers + bound->n_inputs, bound->n_outputs, bound->error);
}
