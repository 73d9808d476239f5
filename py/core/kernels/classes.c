/* From raw class scores to labels and probabilities, as the classifiers of ONNX-ML share them. */
#include "kernel.h"
#include "softmax.h"
#include "vmath.h"

enum { NONE, LOGISTIC, SOFTMAX, SOFTMAX_ZERO, PROBIT, TRANSFORMS };

SL_INLINE float lane(vf v) {
    float lanes[VF];
    vf_store(lanes, v);
    return lanes[0];
}
static float exp1(float x) {
    return lane(vf_exp(vf_set(x)));
}
static float log1(float x) {
    return lane(vf_log(vf_set(x)));
}
/* Winitzki's approximation of sqrt(2) erf^-1(2 x - 1) with a = 0.147, the one the field's runtimes
 * use (relative error 2e-3). */
static float probit(float x) {
    const float y = 2 * x - 1, log = log1((1 - y) * (1 + y));
    const float v = 2 / (3.14159265f * 0.147f) + 0.5f * log;
    const float size = __builtin_sqrtf(-v + __builtin_sqrtf(v * v - log / 0.147f));
    return 1.41421356f * (y < 0 ? -size : size);
}

/* The softmax over the scores of a row that are not (almost) zero. */
static void softmax_zero(const float *from, float *to, int64_t n) {
    const float top = highest_of(from, (size_t)n), rest = exp1(-top);
    float total = 0;
    for (int64_t i = 0; i < n; i++) {
        const bool counts = from[i] > 1e-7f || from[i] < -1e-7f;
        to[i] = counts ? exp1(from[i] - top) : from[i] * rest;
        total += to[i];
    }
    for (int64_t i = 0; i < n && total != 0; i++)
        to[i] /= total;
}

/* class_transform_f32: rows, classes, transform. */
static const char *check_transform(const sl_args *a) {
    SL_SHAPE(a, 1, 1, 3);
    const int64_t *p = a->p, cells = sl_size3(p[0], p[1], 1);
    SL_TRY(sl_holds(&a->in[0], cells, 4) && sl_holds(&a->out[0], cells, 4),
           "the scores are too small");
    SL_TRY(p[2] >= NONE && p[2] < TRANSFORMS, "the transform is unknown");
    return NULL;
}

static const char *run_transform(const sl_call *call) {
    const int64_t *p = call->p, classes = p[1];
    const float *from = call->in[0];
    float *to = call->out[0];
    const size_t cells = (size_t)(p[0] * classes);
    if (cells == 0) return NULL;
    switch (p[2]) {
    case SOFTMAX: softmax_rows(from, to, (size_t)p[0], (size_t)classes, false); break;
    case SOFTMAX_ZERO:
        for (int64_t row = 0; row < p[0]; row++)
            softmax_zero(from + row * classes, to + row * classes, classes);
        break;
    case LOGISTIC:
        for (size_t i = 0; i < cells; i += VF) {
            const size_t count = cells - i < VF ? cells - i : VF;
            vf_store_first(to + i, vf_sigmoid(vf_load_first(from + i, count)), count);
        }
        break;
    case PROBIT:
        for (size_t i = 0; i < cells; i++)
            to[i] = probit(from[i]);
        break;
    default: memcpy(to, from, cells * sizeof *to);
    }
    return NULL;
}

/* best_class_f32: rows, classes, bytes of a label. Inputs scores [rows, classes], one byte each
 * that tells which scores count (or absent), labels [classes]; output the label of each row's first
 * highest score. */
static const char *check_best(const sl_args *a) {
    SL_SHAPE(a, 3, 1, 3);
    const int64_t *p = a->p, cells = sl_size3(p[0], p[1], 1);
    SL_TRY(p[1] > 0, "there are no classes");
    SL_TRY(p[2] == 4 || p[2] == 8, "a label has not 4 or 8 bytes");
    SL_TRY(sl_holds(&a->in[0], cells, 4), "the scores are too small");
    SL_TRY(!sl_present(&a->in[1]) || sl_holds(&a->in[1], cells, 1), "the marks are too small");
    SL_TRY(sl_holds(&a->in[2], p[1], p[2]), "the labels are too small");
    SL_TRY(sl_holds(&a->out[0], p[0], p[2]), "the output is too small");
    return NULL;
}

static const char *run_best(const sl_call *call) {
    const int64_t *p = call->p, classes = p[1];
    const float *scores = call->in[0];
    const uint8_t *marks = call->in[1];
    const char *labels = call->in[2];
    char *out = call->out[0];
    for (int64_t row = 0; row < p[0]; row++, scores += classes) {
        int64_t best = -1;
        for (int64_t i = 0; i < classes; i++) {
            if (marks && !marks[row * classes + i]) continue;
            if (best < 0 || scores[i] > scores[best]) best = i;
        }
        memcpy(out + row * p[2], labels + (best < 0 ? 0 : best) * p[2], (size_t)p[2]);
    }
    return NULL;
}

/* two_classes_f32: rows, columns of the scores, the column to read, bytes of a label, complement,
 * what is added to the score, above which score the second class is chosen. Inputs scores [rows,
 * columns], labels [2]; outputs chosen labels [rows], and scores of both classes [rows, 2]: (1 - s,
 * s), (-s, s) or (logistic(-s), logistic(s)). */
enum { ONE_MINUS, NEGATIVE, LOGISTIC_PAIR, COMPLEMENTS };

static const char *check_two(const sl_args *a) {
    SL_SHAPE(a, 2, 2, 7);
    const int64_t *p = a->p;
    SL_TRY(p[2] >= 0 && p[2] < p[1], "the column is out of range");
    SL_TRY(p[3] == 4 || p[3] == 8, "a label has not 4 or 8 bytes");
    SL_TRY(p[4] >= ONE_MINUS && p[4] < COMPLEMENTS, "the complement is unknown");
    SL_TRY(sl_holds(&a->in[0], sl_size3(p[0], p[1], 1), 4), "the scores are too small");
    SL_TRY(sl_holds(&a->in[1], 2, p[3]), "the labels are too small");
    SL_TRY(sl_holds(&a->out[0], p[0], p[3]), "the output of labels is too small");
    SL_TRY(sl_holds(&a->out[1], sl_size3(p[0], 2, 1), 4), "the output of scores is too small");
    return NULL;
}

static const char *run_two(const sl_call *call) {
    const int64_t *p = call->p;
    const float *scores = (const float *)call->in[0] + p[2];
    const float offset = (float)sl_real(p[5]), threshold = (float)sl_real(p[6]);
    const char *labels = call->in[1];
    char *chosen = call->out[0];
    float *pair = call->out[1];
    for (int64_t from = 0; from < p[0]; from += VF) {
        const int64_t count = p[0] - from < VF ? p[0] - from : VF;
        float first[VF] = {0}, second[VF] = {0};
        for (int64_t i = 0; i < count; i++, chosen += p[3]) {
            const float s = scores[(from + i) * p[1]] + offset;
            memcpy(chosen, labels + (s > threshold ? p[3] : 0), (size_t)p[3]);
            first[i] = p[4] == ONE_MINUS ? 1 - s : -s;
            second[i] = s;
        }
        if (p[4] == LOGISTIC_PAIR) {
            vf_store(first, vf_sigmoid(vf_load(first)));
            vf_store(second, vf_sigmoid(vf_load(second)));
        }
        for (int64_t i = 0; i < count; i++, pair += 2) {
            pair[0] = first[i];
            pair[1] = second[i];
        }
    }
    return NULL;
}

const sl_kernel SL_NAME(sl_classes)[] = {
    {"class_transform_f32", check_transform, run_transform, 0},
    {"best_class_f32", check_best, run_best, 0},
    {"two_classes_f32", check_two, run_two, 0},
    SL_END,
};
