/* Every family of kernels; this order gives the opcodes, which are the same on all instruction
 * sets. */
#include "kernel.h"

/* clang-format off */
#define FAMILIES(X) \
    X(sl_copy) X(sl_unary) X(sl_binary) X(sl_cast) X(sl_gather) X(sl_reduce) \
    X(sl_rank) X(sl_gemm) X(sl_conv) X(sl_pool) X(sl_forest) X(sl_encode) \
    X(sl_classes) X(sl_normalize) X(sl_attention) X(sl_int8) X(sl_conv_i8) X(sl_image_i8) \
    X(sl_quantize) X(sl_winograd) X(sl_resample) X(sl_recurrent) X(sl_svm) X(sl_scatter) \
    X(sl_quantized) X(sl_chain) X(sl_control) X(sl_sample)
/* clang-format on */

#define DECLARE(name) extern const sl_kernel SL_NAME(name)[];
FAMILIES(DECLARE)

#define LIST(name) SL_NAME(name),
extern const sl_kernel *const SL_NAME(sl_families)[];
const sl_kernel *const SL_NAME(sl_families)[] = {FAMILIES(LIST) NULL};
