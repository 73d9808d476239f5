/* A program: decoded and proved instructions over one arena. Knows no Python. */
#ifndef SL_PROGRAM_H
#define SL_PROGRAM_H

#include "arena.h"
#include "kernel.h"

enum { SL_ARENA, SL_CONSTANT, SL_INPUT, SL_OUTPUT };

typedef struct {
    void *data;
    size_t bytes;
} sl_buffer;

typedef struct sl_program sl_program;

#define SL_ERROR_BYTES 160

/* The kernels of the instruction set in force, in the order of their opcodes. */
const sl_kernel *sl_kernel_at(int64_t opcode);
int64_t sl_kernel_count(void);

/* The name of the instruction set in force; the next one the processor has (NULL past the last);
 * choose one. */
const char *sl_isa(void);
const char *sl_isa_available(int i);
bool sl_set_isa(const char *name);

/* Columns in a panel of pack_b_f32's output under the instruction set in force. */
int64_t sl_panel_width(void);

/* Decodes and proves a program. `tensors` are int64 quadruples (kind, index, offset, bytes) and
 * `code` the words of the instructions, both little-endian and read without alignment. `constants`
 * must outlive the program; those that lie between multiples of 8 bytes are copied where a kernel
 * minds. `arena` (NULL: one of its own) is held, and grows here if need be, so that no run
 * allocates. Returns NULL with a sentence in `error` (or "" when memory ran out). */
sl_program *sl_program_new(const void *tensors, size_t tensor_bytes, const void *code,
                           size_t code_bytes, const sl_buffer *constants, size_t n_constants,
                           int64_t arena_bytes, sl_arena *arena, char error[SL_ERROR_BYTES]);
void sl_program_free(sl_program *program);

/* Runs it; buffers must be aligned to 8 bytes. False with a sentence in `error` when they don't fit
 * the program or a kernel refuses the data (an index out of range), or "" when the arena was lost
 * in growing for another program and there is still no memory for it. No two programs that share an
 * arena may run at the same time. */
bool sl_program_run(sl_program *program, const sl_buffer *inputs, size_t n_inputs,
                    const sl_buffer *outputs, size_t n_outputs, char error[SL_ERROR_BYTES]);

/* A run in its parts, for whoever wants to do something between instructions: the buffers, then
 * each instruction in order. */
bool sl_program_bind(sl_program *program, const sl_buffer *inputs, size_t n_inputs,
                     const sl_buffer *outputs, size_t n_outputs, char error[SL_ERROR_BYTES]);
size_t sl_program_length(const sl_program *program);
size_t sl_program_next(const sl_program *program, size_t instruction); /* behind it and its body */
bool sl_program_step(sl_program *program, size_t instruction, char error[SL_ERROR_BYTES]);

/* A program with its buffers: all that a caller in another language needs is one pointer, here, and
 * after a refusal the sentence that it points at. The buffers are the owner's, inputs first. */
typedef struct {
    char error[SL_ERROR_BYTES];
    sl_program *program;
    size_t n_inputs, n_outputs;
    const sl_buffer *buffers;
} sl_bound;

/* 1, or 0 as sl_program_run. */
int32_t sl_bound_run(sl_bound *bound);

#endif
