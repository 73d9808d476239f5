/* activation.h applied to vectors. */
#ifndef SL_ACTIVATE_H
#define SL_ACTIVATE_H

#include "activation.h"
#include "vmath.h"

SL_INLINE vf vf_activate(vf v, int64_t activation, float a, float b) {
    switch (activation) {
    case SL_ACT_RELU: return vf_higher(vf_set(0), v);
    case SL_ACT_LEAKY_RELU: return vf_where(v < 0.0f, v * a, v);
    case SL_ACT_CLIP: return vf_lower(vf_set(b), vf_higher(vf_set(a), v));
    case SL_ACT_SIGMOID: return vf_sigmoid(v);
    case SL_ACT_TANH: return vf_tanh(v);
    case SL_ACT_HARD_SIGMOID: return vf_higher(vf_set(0), vf_lower(vf_set(1), v * a + b));
    case SL_ACT_HARD_SWISH:
        return v * vf_higher(vf_set(0), vf_lower(vf_set(1), v * (1.0f / 6) + 0.5f));
    case SL_ACT_SWISH: return v * vf_sigmoid(v * a);
    case SL_ACT_GELU: return 0.5f * v * (1.0f + vf_erf(v * 0x1.6a09e6p-1f));
    case SL_ACT_GELU_TANH: return vf_gelu_tanh(v);
    case SL_ACT_SOFTPLUS: return vf_softplus(v);
    default: return v;
    }
}

#endif
