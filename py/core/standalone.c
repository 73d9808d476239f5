/* The core's exports where there is no Python: a plan that was packed with a site runs from
 * JavaScript (web/src/engine/standalone.ts). Addresses and sizes are plain integers there. */
#include "program.h"

#include <stdlib.h>

#define EXPORT(name) __attribute__((export_name(name)))

/* Zeroed and aligned as tensors are; 0 when there is no memory. */
EXPORT("alloc") void *sl_export_alloc(size_t bytes) {
    return sl_aligned_alloc(bytes);
}

/* The kernel's name; 0 past the last. */
EXPORT("kernel") const char *sl_export_kernel(int32_t opcode) {
    const sl_kernel *kernel = sl_kernel_at(opcode);
    return kernel ? kernel->name : NULL;
}

EXPORT("panel") int32_t sl_export_panel(void) {
    return (int32_t)sl_panel_width();
}

/* What `run` takes, over buffers (inputs, then outputs) that live as long as it does. When the
 * program is refused, `run` fails with the reason; 0 when there is no memory. */
EXPORT("open")
sl_bound *sl_export_open(const void *tensors, size_t tensor_bytes, const void *code,
                         size_t code_bytes, const sl_buffer *constants, size_t n_constants,
                         size_t arena_bytes, const sl_buffer *buffers, size_t n_inputs,
                         size_t n_outputs) {
    sl_bound *bound = calloc(1, sizeof *bound);
    if (!bound) return NULL;
    bound->program = sl_program_new(tensors, tensor_bytes, code, code_bytes, constants, n_constants,
                                    (int64_t)arena_bytes, NULL, bound->error);
    if (!bound->program && !bound->error[0]) {
        free(bound);
        return NULL;
    }
    bound->n_inputs = n_inputs;
    bound->n_outputs = n_outputs;
    bound->buffers = buffers;
    return bound;
}

EXPORT("run") int32_t sl_export_run(sl_bound *bound) {
    return bound->program ? sl_bound_run(bound) : 0;
}
