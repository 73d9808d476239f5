"""Activations: functions of one element with constants as attributes, and their gated kin."""

from __future__ import annotations

import math

from strandline._lazy import np
from strandline.ops.arithmetic import erf
from strandline.ops.registry import Array, op
from strandline.ops.rules import broadcast, same


@op("Relu", since=1, shape=same)
def relu(x: Array, *, consumed_inputs: None = None) -> Array:
    return np.maximum(x, 0)


@op("LeakyRelu", since=1, shape=same)
def leaky_relu(x: Array, *, alpha: float = 0.01, consumed_inputs: None = None) -> Array:
    return np.where(x < 0, x * np.asarray(alpha, x.dtype), x)


@op("ThresholdedRelu", since=10, shape=same)
def thresholded_relu(x: Array, *, alpha: float = 1.0) -> Array:
    return np.where(x > alpha, x, np.zeros((), x.dtype))


@op("Elu", since=1, shape=same)
def elu(x: Array, *, alpha: float = 1.0, consumed_inputs: None = None) -> Array:
    return np.where(x < 0, np.asarray(alpha, x.dtype) * np.expm1(np.minimum(x, 0)), x)


@op("Celu", since=12, shape=same)
def celu(x: Array, *, alpha: float = 1.0) -> Array:
    scale = np.asarray(alpha, x.dtype)
    return np.maximum(x, 0) + np.minimum(0, scale * np.expm1(x / scale))


@op("Selu", since=6, shape=same)
def selu(
    x: Array,
    *,
    alpha: float = 1.67326319217681884765625,
    gamma: float = 1.05070102214813232421875,
    consumed_inputs: None = None,
) -> Array:
    g = np.asarray(gamma, x.dtype)
    return g * elu(x, alpha=alpha)


@op("Selu", since=1, shape=same)
def selu_1(
    x: Array, *, alpha: float = 1.6732, gamma: float = 1.0507, consumed_inputs: None = None
) -> Array:
    return selu(x, alpha=alpha, gamma=gamma)


@op("Sigmoid", since=1, shape=same)
def sigmoid(x: Array, *, consumed_inputs: None = None) -> Array:
    """In the half that does not overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small / (1 + small), 1 / (1 + small))


@op("HardSigmoid", since=1, shape=same)
def hard_sigmoid(
    x: Array, *, alpha: float = 0.2, beta: float = 0.5, consumed_inputs: None = None
) -> Array:
    a, b = (np.asarray(v, x.dtype) for v in (alpha, beta))
    return np.clip(a * x + b, 0, 1)


@op("HardSwish", since=14, shape=same)
def hard_swish(x: Array) -> Array:
    return x * hard_sigmoid(x, alpha=1 / 6, beta=0.5)


@op("Swish", since=24, shape=same)
def swish(x: Array, *, alpha: float = 1.0) -> Array:
    return x * sigmoid(np.asarray(alpha, x.dtype) * x)


@op("SwiGLU", since=28, shape=broadcast)
def swiglu(a: Array, b: Array, *, alpha: float = 1.0) -> Array:
    return swish(a, alpha=alpha) * b


@op("Tanh", since=1, shape=same)
def tanh(x: Array, *, consumed_inputs: None = None) -> Array:
    return np.tanh(x)


@op("Softplus", since=1, shape=same)
def softplus(x: Array) -> Array:
    return np.logaddexp(x, np.zeros((), x.dtype))


@op("Softsign", since=1, shape=same)
def softsign(x: Array) -> Array:
    return x / (1 + np.abs(x))


@op("Mish", since=18, shape=same)
def mish(x: Array) -> Array:
    return x * np.tanh(softplus(x))


@op("Gelu", since=20, shape=same)
def gelu(x: Array, *, approximate: str = "none") -> Array:
    if approximate == "tanh":
        inner = np.asarray(math.sqrt(2 / math.pi), x.dtype) * (
            x + np.asarray(0.044715, x.dtype) * x**3
        )
        return np.asarray(0.5, x.dtype) * x * (1 + np.tanh(inner))
    return np.asarray(0.5, x.dtype) * x * (1 + erf(x * np.asarray(math.sqrt(0.5), x.dtype)))


@op("Shrink", since=9, shape=same)
def shrink(x: Array, *, bias: float = 0.0, lambd: float = 0.5) -> Array:
    shifted = np.where(x < -lambd, x + bias, np.where(x > lambd, x - bias, 0))
    return shifted.astype(x.dtype)
