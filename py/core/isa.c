/* Which instruction sets were compiled in, which the processor has, and the one in force. */
#include "program.h"

#define SL_MAX_KERNELS 512

typedef struct {
    const char *name;
    sl_families families;
    const int64_t *panel; /* columns in a panel of packed B */
    bool (*runs_here)(void);
} isa;

static bool always(void) {
    return true;
}

#if defined(__wasm_relaxed_simd__)
#define BASE_NAME "relaxed-simd"
#elif defined(__wasm_simd128__)
#define BASE_NAME "simd128"
#else
#define BASE_NAME "base"
#endif

extern const sl_kernel *const sl_families_base[];
extern const int64_t sl_panel_base;
#ifdef SL_HAVE_AVX2
extern const sl_kernel *const sl_families_avx2[];
extern const int64_t sl_panel_avx2;
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c");
}
#endif
#ifdef SL_HAVE_AVX512
extern const sl_kernel *const sl_families_avx512[];
extern const int64_t sl_panel_avx512;
static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
#endif

/* Best last. */
static const isa isas[] = {
    {BASE_NAME, sl_families_base, &sl_panel_base, always},
#ifdef SL_HAVE_AVX2
    {"avx2", sl_families_avx2, &sl_panel_avx2, has_avx2},
#endif
#ifdef SL_HAVE_AVX512
    {"avx512", sl_families_avx512, &sl_panel_avx512, has_avx512},
#endif
};
enum { N_ISAS = sizeof isas / sizeof *isas };

static const isa *in_force;
static const sl_kernel *kernels[SL_MAX_KERNELS];
static int64_t n_kernels;

static void use(const isa *chosen) {
    in_force = chosen;
    n_kernels = 0;
    for (sl_families family = chosen->families; *family; family++) {
        for (const sl_kernel *k = *family; k->name && n_kernels < SL_MAX_KERNELS; k++)
            kernels[n_kernels++] = k;
    }
}

static void ready(void) {
    if (in_force) return;
    int best = N_ISAS - 1;
    while (!isas[best].runs_here())
        best--;
    use(&isas[best]);
}

const char *sl_isa(void) {
    ready();
    return in_force->name;
}

const char *sl_isa_available(int i) {
    for (int at = 0; at < N_ISAS; at++) {
        if (isas[at].runs_here() && i-- == 0) return isas[at].name;
    }
    return NULL;
}

bool sl_set_isa(const char *name) {
    for (int i = 0; i < N_ISAS; i++) {
        if (strcmp(isas[i].name, name) == 0 && isas[i].runs_here()) {
            use(&isas[i]);
            return true;
        }
    }
    return false;
}

const sl_kernel *sl_kernel_at(int64_t opcode) {
    ready();
    return opcode >= 0 && opcode < n_kernels ? kernels[opcode] : NULL;
}

int64_t sl_kernel_count(void) {
    ready();
    return n_kernels;
}

int64_t sl_panel_width(void) {
    ready();
    return *in_force->panel;
}
