"""Random numbers: reproducible under a seed here, but not the same numbers as another runtime's."""

from __future__ import annotations

from typing import Any

from strandline._lazy import np
from strandline.onnx.types import TensorType
from strandline.ops.cast import convert, element_type
from strandline.ops.narrow import dtype_of
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, ints, need

_unseeded: Any = None
"""The generator of nodes without a seed, once `set_seed` was called."""


def set_seed(seed: int) -> None:
    """Make what nodes without a seed draw from now on reproducible."""
    global _unseeded
    _unseeded = np.random.default_rng(seed)


def _generator(seed: float | None) -> Any:
    if seed is None and _unseeded is not None:
        return _unseeded
    return np.random.default_rng(None if seed is None else abs(int(seed * 1000)))


def _shaped(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    return [TensorType(element_type(attrs["dtype"]), ints(attrs["shape"]))]


def _like(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    x = need(inputs, 0)
    return [x if attrs["dtype"] is None else TensorType(element_type(attrs["dtype"]), x.shape)]


@op("RandomNormal", shape=_shaped)
def random_normal(
    *,
    shape: Any,
    dtype: int = 1,
    mean: float = 0.0,
    scale: float = 1.0,
    seed: float | None = None,
) -> Array:
    return convert(_generator(seed).normal(mean, scale, ints(shape)), element_type(dtype))


@op("RandomUniform", shape=_shaped)
def random_uniform(
    *,
    shape: Any,
    dtype: int = 1,
    high: float = 1.0,
    low: float = 0.0,
    seed: float | None = None,
) -> Array:
    return convert(_generator(seed).uniform(low, high, ints(shape)), element_type(dtype))


@op("RandomNormalLike", shape=_like)
def random_normal_like(
    x: Array,
    *,
    dtype: int | None = None,
    mean: float = 0.0,
    scale: float = 1.0,
    seed: float | None = None,
) -> Array:
    wanted = dtype_of(x) if dtype is None else element_type(dtype)
    return convert(_generator(seed).normal(mean, scale, x.shape), wanted)


@op("RandomUniformLike", shape=_like)
def random_uniform_like(
    x: Array,
    *,
    dtype: int | None = None,
    high: float = 1.0,
    low: float = 0.0,
    seed: float | None = None,
) -> Array:
    wanted = dtype_of(x) if dtype is None else element_type(dtype)
    return convert(_generator(seed).uniform(low, high, x.shape), wanted)


@op("Bernoulli", since=15, shape=_like)
def bernoulli(x: Array, *, dtype: int | None = None, seed: float | None = None) -> Array:
    """One with the probability that the element gives."""
    wanted = dtype_of(x) if dtype is None else element_type(dtype)
    return convert(_generator(seed).random(x.shape) < x, wanted)


def _multinomial(inputs: Inputs, attrs: Attrs, n: int) -> Types:
    shape = (need(inputs, 0).shape[0], attrs["sample_size"])
    return [TensorType(element_type(attrs["dtype"]), shape)]


@op("Multinomial", since=7, shape=_multinomial)
def multinomial(
    x: Array, *, dtype: int = 6, sample_size: int = 1, seed: float | None = None
) -> Array:
    """Classes drawn from unnormalised log-probabilities, by the Gumbel trick."""
    noise = _generator(seed).gumbel(size=(len(x), sample_size, x.shape[1]))
    return convert(np.argmax(x[:, None] + noise, axis=2), element_type(dtype))
