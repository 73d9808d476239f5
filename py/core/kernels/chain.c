/* chain_f32: elementwise functions one after another in one pass. A block of vectors stays in
 * registers from step to step; a step is what the kernel of that name in unary.c or binary.c does
 * with each element, so results are the same to the bit.
 *
 * Parameters: rank, dims[rank], number of steps; strides[rank] of each input (elements; 0 repeats
 * an axis; the last is 0 or 1); for each step: what it does (LOAD: v becomes the operand; UNARY: v
 * becomes f(v); BINARY: v becomes f(v, operand); SWAPPED: f(operand, v)), the number of f among the
 * kernels of its file, the operand (the number of an input, or the number of inputs plus a slot;
 * -1: none), the slot in which v is kept as well (-1: none), and a and b of unary functions. The
 * output is v after the last step, contiguous; it may lie where an input of its size does. */
#include "elementwise.h"
#include "simd.h"

enum { VECTORS = 8, BLOCK = VECTORS * VF };
enum { INPUTS = 12, STEPS = 32, SLOTS = 16 };
enum { LOAD, UNARY, BINARY, SWAPPED };
enum { KIND, NUMBER, OPERAND, KEEP, A, B, WORDS };

typedef struct {
    int64_t rank, n_steps;
    const int64_t *dims, *strides, *steps;
} chain;

static inline chain chain_of(const int64_t *p, int n_in) {
    const int64_t rank = p[0], *after = p + 2 + rank;
    return (chain){rank, p[1 + rank], p + 1, after, after + n_in * rank};
}

static bool is_arithmetic(int function) {
    switch (function) {
    case ADD:
    case SUB:
    case MUL:
    case DIV:
    case MIN:
    case MAX:
    case PRELU: return true;
    default: return false;
    }
}

static bool is_real(const sl_kernel *kernel) {
    const sl_view any = {NULL, INT64_MAX};
    const int64_t p[] = {'f', 1, 0, 0};
    const sl_args one = {1, 1, 4, &any, &any, p};
    return kernel->variant != ISNAN && kernel->variant != ISINF && !kernel->check(&one);
}

static const char *check_step(const int64_t *step, int n_in, uint32_t *kept) {
    SL_TRY(step[KIND] >= LOAD && step[KIND] <= SWAPPED, "unknown kind of step");
    if (step[KIND] != UNARY) {
        SL_TRY(step[OPERAND] >= 0 && step[OPERAND] < n_in + SLOTS, "unknown operand");
        const int64_t slot = step[OPERAND] - n_in;
        SL_TRY(slot < 0 || *kept >> slot & 1, "the slot is read before it is written");
    }
    if (step[KIND] != LOAD) {
        const bool one = step[KIND] == UNARY;
        const sl_kernel *kernel = one ? SL_NAME(sl_unary) : SL_NAME(sl_binary);
        for (int64_t i = 0; kernel->name && i < step[NUMBER]; i++)
            kernel++;
        SL_TRY(kernel->name && step[NUMBER] >= 0, "unknown function");
        SL_TRY(one ? is_real(kernel) : is_arithmetic(kernel->variant),
               "the function can't be part of a chain");
    }
    SL_TRY(step[KEEP] >= -1 && step[KEEP] < SLOTS, "unknown slot");
    if (step[KEEP] >= 0) *kept |= (uint32_t)1 << step[KEEP];
    return NULL;
}

static const char *check_chain(const sl_args *a) {
    SL_TRY(a->n_in >= 1 && a->n_in <= INPUTS && a->n_out == 1 && a->n_p >= 3,
           "wrong number of operands or parameters");
    SL_TRY(a->p[0] >= 1 && a->p[0] <= SL_MAX_RANK && a->n_p >= 2 + a->p[0],
           "rank does not fit the parameters");
    const chain c = chain_of(a->p, a->n_in);
    SL_TRY(c.n_steps >= 1 && c.n_steps <= STEPS &&
               a->n_p == 2 + c.rank * (1 + a->n_in) + c.n_steps * WORDS,
           "the steps do not fit the parameters");
    SL_TRY(sl_holds(&a->out[0], sl_size(c.dims, c.rank), 4), "the output is too small");
    for (int i = 0; i < a->n_in; i++) {
        const int64_t *strides = c.strides + i * c.rank;
        SL_TRY(sl_reaches(&a->in[i], c.dims, strides, c.rank, 0, 4), "an input is too small");
        SL_TRY(strides[c.rank - 1] == 0 || strides[c.rank - 1] == 1, "an input's row has gaps");
    }
    SL_TRY(c.steps[KIND] == LOAD && c.steps[OPERAND] >= 0 && c.steps[OPERAND] < a->n_in &&
               c.steps[KEEP] == -1 && c.strides[(c.steps[OPERAND] + 1) * c.rank - 1] == 1,
           "the first step must load a row");
    uint32_t kept = 0;
    for (int64_t i = 0; i < c.n_steps; i++) {
        const char *wrong = check_step(c.steps + i * WORDS, a->n_in, &kept);
        if (wrong) return wrong;
    }
    return NULL;
}

/* A step, ready to run on a row. */
typedef struct {
    int code;
    int input;         /* whose row `from` is, or -1 */
    size_t moving;     /* all ones; 0 where one element or block serves the whole row */
    const float *from; /* what is loaded or taken as the other operand */
    float *keep;       /* or NULL */
    float a, b;
} step;

/* What `code` says: a function of two has four, by whether v is its second operand and whether the
 * first one is a single element; loading has two. */
enum { CODE_LOAD = 4 * (PRELU + 1), CODE_UNARY = CODE_LOAD + 2 };

static void prepare(step *s, const chain *c, const int64_t *words, int n_in, float *slots) {
    const int64_t operand = words[OPERAND];
    bool still = false;
    *s = (step){.input = -1,
                .keep = words[KEEP] < 0 ? NULL : slots + words[KEEP] * BLOCK,
                .a = (float)sl_real(words[A]),
                .b = (float)sl_real(words[B])};
    if (words[KIND] == UNARY) {
        s->code = CODE_UNARY + SL_NAME(sl_unary)[words[NUMBER]].variant;
        return;
    }
    if (operand < n_in) {
        s->input = (int)operand;
        still = c->strides[operand * c->rank + c->rank - 1] == 0;
        s->moving = still ? 0 : SIZE_MAX;
    } else {
        s->from = slots + (operand - n_in) * BLOCK;
    }
    if (words[KIND] == LOAD)
        s->code = CODE_LOAD + still;
    else
        s->code =
            4 * SL_NAME(sl_binary)[words[NUMBER]].variant + 2 * still + (words[KIND] == SWAPPED);
}

/* clang-format off */
#define EACH(...)                                                                                  \
    {                                                                                              \
        SL_UNROLLED                                                                                \
        for (int k = 0; k < VECTORS; k++) {                                                        \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
        break;                                                                                     \
    }

/* The expression of binary.c, of `v` and `w`. */
#define PAIR(function, expression)                                                                 \
    case 4 * function: EACH(const vf v = acc[k], w = vf_load(y + k * VF); acc[k] = expression)     \
    case 4 * function + 1: EACH(const vf w = acc[k], v = vf_load(y + k * VF); acc[k] = expression) \
    case 4 * function + 2: {                                                                       \
        const vf w = vf_set(*y);                                                                   \
        EACH(const vf v = acc[k]; acc[k] = expression)                                             \
    }                                                                                              \
    case 4 * function + 3: {                                                                       \
        const vf v = vf_set(*y);                                                                   \
        EACH(const vf w = acc[k]; acc[k] = expression)                                             \
    }

/* The expression of unary.c, of `v`: those that are quicker than a call. */
#define SINGLE(function, expression)                                                               \
    case CODE_UNARY + function: EACH(const vf v = acc[k]; acc[k] = expression)

/* Applies the steps to the block that begins `at` elements into the row, of which the first has
 * loaded its operand from `y`. */
static void run_block(const step *steps, const step *end, size_t at, float *out) {
    vf acc[VECTORS];
    const vf zero = vf_set(0);
    const float *y = steps->from + (at & steps->moving);
    SL_UNROLLED
    for (int k = 0; k < VECTORS; k++)
        acc[k] = vf_load(y + k * VF);
    for (const step *s = steps + 1; s < end; s++) {
        y = s->from + (at & s->moving);
        switch (s->code) {
            PAIR(ADD, v + w)
            PAIR(SUB, v - w)
            PAIR(MUL, v * w)
            PAIR(DIV, v / w)
            PAIR(MIN, vf_where((v < w) | vf_is_nan(v), v, w))
            PAIR(MAX, vf_where((v > w) | vf_is_nan(v), v, w))
            PAIR(PRELU, vf_where(v < zero, v * w, v))
            SINGLE(NEG, -v)
            SINGLE(ABS, vf_abs(v))
            SINGLE(RELU, vf_higher(zero, v))
            SINGLE(CLIP, vf_lower(vf_set(s->b), vf_higher(vf_set(s->a), v)))
        case CODE_LOAD: EACH(acc[k] = vf_load(y + k * VF))
        case CODE_LOAD + 1: EACH(acc[k] = vf_set(*y))
        default: {
            float block[BLOCK];
            SL_UNROLLED
            for (int k = 0; k < VECTORS; k++)
                vf_store(block + k * VF, acc[k]);
            SL_NAME(sl_map_f32)(s->code - CODE_UNARY, block, block, BLOCK, s->a, s->b);
            EACH(acc[k] = vf_load(block + k * VF))
        }
        }
        if (s->keep) {
            SL_UNROLLED
            for (int k = 0; k < VECTORS; k++)
                vf_store(s->keep + k * VF, acc[k]);
        }
    }
    SL_UNROLLED
    for (int k = 0; k < VECTORS; k++)
        vf_store(out + k * VF, acc[k]);
}
/* clang-format on */

/* The `n` < BLOCK elements at the end of a row: steps read and write blocks of their own. */
static void run_rest(step *steps, const step *end, size_t at, size_t n, float *blocks, float *out) {
    for (step *s = steps; s < end; s++) {
        if (s->input < 0 || !s->moving) continue;
        float *block = blocks + s->input * BLOCK;
        vf_copy(block, s->from + at, n);
        s->from = block;
    }
    run_block(steps, end, 0, blocks);
    vf_copy(out, blocks, n);
}

static const char *run_chain(const sl_call *call) {
    const int n_in = call->n_in;
    const chain c = chain_of(call->p, n_in);
    const int64_t last = c.rank - 1;
    const size_t n = (size_t)c.dims[last], whole = n / BLOCK * BLOCK;
    float slots[SLOTS * BLOCK], blocks[INPUTS * BLOCK];
    step steps[STEPS], *const end = steps + c.n_steps;
    for (int64_t i = 0; i < c.rank; i++) {
        if (c.dims[i] == 0) return NULL;
    }
    for (int64_t i = 0; i < c.n_steps; i++)
        prepare(&steps[i], &c, c.steps + i * WORDS, n_in, slots);
    /* What stands where a row has ended must not be slow to compute with. */
    for (size_t i = 0; n > whole && i < (size_t)n_in * BLOCK; i++)
        blocks[i] = 1;

    int64_t index[SL_MAX_RANK] = {0}, offset[INPUTS] = {0}, axis;
    float *out = call->out[0];
    do {
        for (step *s = steps; s < end; s++) {
            if (s->input >= 0) s->from = (const float *)call->in[s->input] + offset[s->input];
        }
        for (size_t at = 0; at < whole; at += BLOCK)
            run_block(steps, end, at, out + at);
        if (whole < n) run_rest(steps, end, whole, n - whole, blocks, out + whole);
        out += n;
        for (axis = last - 1; axis >= 0; axis--) {
            const bool more = ++index[axis] < c.dims[axis];
            for (int i = 0; i < n_in; i++) {
                const int64_t stride = c.strides[i * c.rank + axis];
                offset[i] += more ? stride : stride * (1 - c.dims[axis]);
            }
            if (more) break;
            index[axis] = 0;
        }
    } while (axis >= 0);
    return NULL;
}

const sl_kernel SL_NAME(sl_chain)[] = {
    {"chain_f32", check_chain, run_chain, 0},
    SL_END,
};
