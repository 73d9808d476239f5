/* Recurrent layers of float32: RNN, GRU and LSTM, one or two directions, over sequences of one
 * length or of many.
 *
 * What the inputs give to the gates is one matrix product, made before; here each step adds what
 * the state gives to them, gate by gate, and applies the cell to whole vectors. */
#include "tile.h"

enum {
    STEPS,
    SEQUENCES,
    HIDDEN,
    DIRECTIONS,
    BACKWARDS, /* whether the first direction runs backwards; the second always does */
    X_STEP,    /* strides in elements: of the gates' inputs by step and sequence, */
    X_SEQUENCE,
    Y_STEP, /* of Y by step, sequence and direction, */
    Y_SEQUENCE,
    Y_DIRECTION,
    S_SEQUENCE, /* of the states by sequence and direction */
    S_DIRECTION,
    OPTION, /* GRU: the reset gate comes after the product; LSTM: the forget gate is 1 - input */
    CLIP,   /* of what goes into an activation; infinity for none */
    FUNCTIONS
}; /* then per direction and activation: its number, its a and b */

enum { WIDE, PACKED_R, BIAS, LENGTHS, H0, C0, PEEPHOLES, INPUTS };
enum { Y, LAST_H, LAST_C, SCRATCH, OUTPUTS };

enum { RNN, GRU, LSTM };
static const int gates_of[] = {1, 3, 4}, functions_of[] = {1, 2, 3};

/* Floats of one gate's recurrent weights, packed. */
static int64_t gate_size(int64_t hidden) {
    return hidden < 0 || hidden > INT64_MAX / 2 ? -1 : sl_size3((hidden + NR - 1) / NR, NR, hidden);
}

static const char *check_layer(const sl_args *a, int cell) {
    SL_TRY(a->n_in == INPUTS && a->n_out == OUTPUTS && a->n_p > FUNCTIONS,
           "wrong number of operands or parameters");
    const int64_t *p = a->p, d = p[DIRECTIONS], h = p[HIDDEN], n = p[SEQUENCES];
    SL_TRY(d == 1 || d == 2, "there are one or two directions");
    SL_TRY(p[STEPS] >= 0 && n >= 0 && h >= 0, "a size is negative");
    SL_TRY(a->n_p == FUNCTIONS + 3 * d * functions_of[cell], "activations are missing");
    for (int64_t i = FUNCTIONS; i < a->n_p; i += 3)
        SL_TRY(p[i] >= 0 && p[i] < SL_ACTIVATION_COUNT, "unknown activation");
    const int64_t width = sl_size3(d, gates_of[cell], h);
    const int64_t weights = sl_size3(d, gates_of[cell], gate_size(h));
    SL_TRY(width >= 0 && weights >= 0, "the hidden size overflows");
    const int64_t wide[3] = {p[STEPS], n, width}, x_steps[3] = {p[X_STEP], p[X_SEQUENCE], 1};
    SL_TRY(sl_reaches(&a->in[WIDE], wide, x_steps, 3, 0, 4), "the gates' inputs are too small");
    SL_TRY(sl_holds(&a->in[PACKED_R], weights, 4), "packed R is too small");
    SL_TRY(!sl_present(&a->in[BIAS]) || sl_holds(&a->in[BIAS], sl_size3(width, 2, 1), 4),
           "B is too small");
    SL_TRY(!sl_present(&a->in[LENGTHS]) || sl_holds(&a->in[LENGTHS], n, 4),
           "the lengths are too few");
    SL_TRY(!sl_present(&a->in[PEEPHOLES]) || sl_holds(&a->in[PEEPHOLES], sl_size3(d, 3, h), 4),
           "P is too small");
    const int64_t state[3] = {n, d, h}, s_steps[3] = {p[S_SEQUENCE], p[S_DIRECTION], 1};
    const sl_view *states[] = {&a->in[H0], &a->in[C0], &a->out[LAST_H], &a->out[LAST_C]};
    for (int i = 0; i < 4; i++)
        SL_TRY(!sl_present(states[i]) || sl_reaches(states[i], state, s_steps, 3, 0, 4),
               "a state is too small");
    const int64_t y[4] = {p[STEPS], n, d, h};
    const int64_t y_steps[4] = {p[Y_STEP], p[Y_SEQUENCE], p[Y_DIRECTION], 1};
    SL_TRY(!sl_present(&a->out[Y]) || sl_reaches(&a->out[Y], y, y_steps, 4, 0, 4),
           "Y is too small");
    SL_TRY(sl_holds(&a->out[SCRATCH], sl_size3(n, h, gates_of[cell] + 3), 4),
           "the scratch is too small");
    return NULL;
}

typedef struct {
    const int64_t *p;
    size_t hidden;
    const float *input_bias, *state_bias, *peepholes; /* of this direction, or NULL */
    vf low, high;
} layer;

static vf function(const layer *l, int i, vf v) {
    const int64_t *f = l->p + 3 * i;
    v = vf_lower(l->high, vf_higher(l->low, v));
    return vf_activate(v, f[0], (float)sl_real(f[1]), (float)sl_real(f[2]));
}

/* Up to VF elements, the missing ones zero. */
static vf some(const float *p, size_t count) {
    return count >= VF ? vf_load(p) : vf_load_first(p, count);
}

static void put(float *p, vf v, size_t count) {
    if (count >= VF)
        vf_store(p, v);
    else
        vf_store_first(p, v, count);
}

/* One gate's sum at j, with its biases. */
static vf gate(const layer *l, const float *gates, size_t i, size_t j, size_t count) {
    const size_t at = i * l->hidden + j;
    vf v = some(gates + at, count);
    if (l->input_bias) v += some(l->input_bias + at, count) + some(l->state_bias + at, count);
    return v;
}

static vf peek(const layer *l, size_t i, size_t j, size_t count, vf state) {
    if (!l->peepholes) return vf_set(0);
    return some(l->peepholes + i * l->hidden + j, count) * state;
}

static void rnn_cell(const layer *l, const float *gates, float *h) {
    for (size_t j = 0; j < l->hidden; j += VF) {
        const size_t count = l->hidden - j;
        put(h + j, function(l, 0, gate(l, gates, 0, j, count)), count);
    }
}

/* Gates in the order input, output, forget, cell. */
static void lstm_cell(const layer *l, const float *gates, float *h, float *c, bool coupled) {
    for (size_t j = 0; j < l->hidden; j += VF) {
        const size_t count = l->hidden - j;
        const vf old = some(c + j, count);
        const vf in = function(l, 0, gate(l, gates, 0, j, count) + peek(l, 0, j, count, old));
        const vf forget =
            coupled ? 1.0f - in
                    : function(l, 0, gate(l, gates, 2, j, count) + peek(l, 2, j, count, old));
        const vf fresh = forget * old + in * function(l, 1, gate(l, gates, 3, j, count));
        const vf out = function(l, 0, gate(l, gates, 1, j, count) + peek(l, 1, j, count, fresh));
        put(c + j, fresh, count);
        put(h + j, out * function(l, 2, fresh), count);
    }
}

/* The update and reset gates (z, r) in place, and what the third product takes: r * h. */
static void gru_gates(const layer *l, float *gates, const float *h, float *product) {
    for (size_t j = 0; j < l->hidden; j += VF) {
        const size_t count = l->hidden - j;
        const vf reset = function(l, 0, gate(l, gates, 1, j, count));
        put(gates + j, function(l, 0, gate(l, gates, 0, j, count)), count);
        put(gates + l->hidden + j, reset, count);
        put(product + j, reset * some(h + j, count), count);
    }
}

/* `product` is what the state gives to the third gate when the reset comes after it, else NULL. */
static void gru_cell(const layer *l, const float *gates, float *h, const float *product) {
    for (size_t j = 0; j < l->hidden; j += VF) {
        const size_t count = l->hidden - j, at = 2 * l->hidden + j;
        vf sum = some(gates + at, count);
        if (l->input_bias) sum += some(l->input_bias + at, count);
        vf state = product ? some(product + j, count) : vf_set(0);
        if (l->state_bias) state += some(l->state_bias + at, count);
        sum += product ? some(gates + l->hidden + j, count) * state : state;
        const vf z = some(gates + j, count), fresh = function(l, 1, sum);
        put(h + j, (1.0f - z) * fresh + z * some(h + j, count), count);
    }
}

enum { FEW = 4 }; /* rows that do not keep a tile busy */

/* C[rows, hidden] (+)= A[rows, hidden] R of one gate; rows of A a_row apart, of C c_row. */
static void product(size_t rows, size_t hidden, const float *a, const float *r, float *c,
                    size_t c_row, bool fresh) {
    static const int64_t none[3] = {SL_ACT_NONE, 0, 0};
    const epilogue plain = sl_epilogue(NULL, 0, 0, NULL, none);
    if (rows < FEW) {
        for (size_t i = 0; i < rows; i++)
            SL_NAME(sl_gemv)(hidden, hidden, a + i * hidden, r, c + i * c_row, fresh, &plain);
        return;
    }
    for (size_t top = 0; top < rows; top += MR) {
        const size_t m = smaller(MR, rows - top);
        for (size_t j = 0; j < hidden; j += NR)
            SL_NAME(sl_tile)(m, smaller(NR, hidden - j), hidden, a + top * hidden, hidden, false,
                             r + j * hidden, NR, c + top * c_row + j, c_row, fresh, &plain);
    }
}

static void copy_states(const int64_t *p, size_t d, const float *from, float *to, bool out) {
    const size_t h = (size_t)p[HIDDEN], step = (size_t)p[S_SEQUENCE];
    const size_t offset = d * (size_t)p[S_DIRECTION];
    for (size_t i = 0; i < (size_t)p[SEQUENCES]; i++) {
        if (out)
            memcpy(to + offset + i * step, from + i * h, h * sizeof *to);
        else if (from)
            memcpy(to + i * h, from + offset + i * step, h * sizeof *to);
        else
            memset(to + i * h, 0, h * sizeof *to);
    }
}

static void run_direction(const sl_call *call, int cell, size_t d) {
    const int64_t *p = call->p;
    const size_t steps = (size_t)p[STEPS], n = (size_t)p[SEQUENCES], h = (size_t)p[HIDDEN];
    const size_t count = (size_t)gates_of[cell], width = count * h;
    const size_t weights = (size_t)gate_size(p[HIDDEN]);
    const bool backwards = d == 1 || p[BACKWARDS] != 0;
    const float *wide = (const float *)call->in[WIDE] + d * width;
    const float *r = (const float *)call->in[PACKED_R] + d * count * weights;
    const float *bias = call->in[BIAS], *peepholes = call->in[PEEPHOLES];
    const int32_t *lengths = call->in[LENGTHS];
    float *y = call->out[Y];
    float *gates = call->out[SCRATCH], *state = gates + n * width, *memory = state + n * h;
    float *extra = memory + n * h;
    const float clip = (float)sl_real(p[CLIP]);
    const layer l = {p + FUNCTIONS + 3 * d * (size_t)functions_of[cell],
                     h,
                     bias ? bias + 2 * d * width : NULL,
                     bias ? bias + (2 * d + 1) * width : NULL,
                     peepholes ? peepholes + 3 * d * h : NULL,
                     vf_set(-clip),
                     vf_set(clip)};
    const bool late = cell == GRU && p[OPTION] != 0; /* the reset comes after the product */

    copy_states(p, d, call->in[H0], state, false);
    if (cell == LSTM) copy_states(p, d, call->in[C0], memory, false);
    for (size_t t = 0; t < steps; t++) {
        for (size_t i = 0; i < n; i++) {
            const size_t end = lengths ? (size_t)lengths[i] : steps;
            float *row = gates + i * width;
            if (t >= end) {
                memset(row, 0, width * sizeof *row);
                continue;
            }
            const size_t from = backwards ? end - 1 - t : t;
            memcpy(row, wide + from * (size_t)p[X_STEP] + i * (size_t)p[X_SEQUENCE],
                   width * sizeof *row);
        }
        const size_t at_once = cell == GRU ? 2 : count;
        for (size_t g = 0; g < at_once; g++)
            product(n, h, state, r + g * weights, gates + g * h, width, false);
        if (cell == GRU) {
            for (size_t i = 0; i < n; i++)
                gru_gates(&l, gates + i * width, state + i * h, extra + i * h);
            if (late)
                product(n, h, state, r + 2 * weights, extra, h, true);
            else
                product(n, h, extra, r + 2 * weights, gates + 2 * h, width, false);
        }
        for (size_t i = 0; i < n; i++) {
            const size_t end = lengths ? (size_t)lengths[i] : steps;
            float *now = state + i * h;
            if (t >= end) continue;
            if (cell == RNN)
                rnn_cell(&l, gates + i * width, now);
            else if (cell == GRU)
                gru_cell(&l, gates + i * width, now, late ? extra + i * h : NULL);
            else
                lstm_cell(&l, gates + i * width, now, memory + i * h, p[OPTION] != 0);
            const size_t to = backwards ? end - 1 - t : t;
            if (y)
                memcpy(y + to * (size_t)p[Y_STEP] + i * (size_t)p[Y_SEQUENCE] +
                           d * (size_t)p[Y_DIRECTION],
                       now, h * sizeof *y);
        }
    }
    if (call->out[LAST_H]) copy_states(p, d, state, call->out[LAST_H], true);
    if (call->out[LAST_C]) copy_states(p, d, memory, call->out[LAST_C], true);
}

/* Y is zero past the end of a sequence. */
static void clear(const sl_call *call) {
    const int64_t *p = call->p;
    for (size_t t = 0; t < (size_t)p[STEPS]; t++)
        for (size_t i = 0; i < (size_t)p[SEQUENCES]; i++)
            for (size_t d = 0; d < (size_t)p[DIRECTIONS]; d++)
                memset((float *)call->out[Y] + t * (size_t)p[Y_STEP] + i * (size_t)p[Y_SEQUENCE] +
                           d * (size_t)p[Y_DIRECTION],
                       0, (size_t)p[HIDDEN] * sizeof(float));
}

static const char *run_layer(const sl_call *call, int cell) {
    const int64_t *p = call->p;
    const int32_t *lengths = call->in[LENGTHS];
    if (lengths) {
        for (int64_t i = 0; i < p[SEQUENCES]; i++)
            if (lengths[i] < 0 || lengths[i] > p[STEPS])
                return "a sequence is longer than the input";
        if (call->out[Y]) clear(call);
    }
    if (p[HIDDEN] == 0 || p[SEQUENCES] == 0) return NULL;
    for (size_t d = 0; d < (size_t)p[DIRECTIONS]; d++)
        run_direction(call, cell, d);
    return NULL;
}

#define CELL(name, cell)                                                                           \
    static const char *check_##name(const sl_args *a) {                                            \
        return check_layer(a, cell);                                                               \
    }                                                                                              \
    static const char *run_##name(const sl_call *call) {                                           \
        return run_layer(call, cell);                                                              \
    }
CELL(rnn, RNN)
CELL(gru, GRU)
CELL(lstm, LSTM)

const sl_kernel SL_NAME(sl_recurrent)[] = {
    {"rnn_f32", check_rnn, run_rnn, 0},
    {"gru_f32", check_gru, run_gru, 0},
    {"lstm_f32", check_lstm, run_lstm, 0},
    SL_END,
};
