"""Element types that NumPy lacks (bfloat16, float8, int4 and their like): bit patterns in a structured
type with one field, so that whatever only moves elements works on them unchanged, and arithmetic on raw
bits is impossible by mistake."""

from __future__ import annotations

from functools import cache
from typing import Any

from strandline._lazy import np
from strandline.onnx.types import BY_NAME, DType, string

Array = Any

_FLOATS = {
    # Exponent bits, mantissa bits, bias, and what the standard calls the variant: "" has infinities,
    # "fn" only NaN (all ones), "fnuz" only one NaN (where -0 would be), "finite" neither.
    "float8e4m3fn": (4, 3, 7, "fn"),
    "float8e4m3fnuz": (4, 3, 8, "fnuz"),
    "float8e5m2": (5, 2, 15, ""),
    "float8e5m2fnuz": (5, 2, 16, "fnuz"),
    "float4e2m1": (2, 1, 1, "finite"),
}
_INTEGERS = {"uint4": (0, 15), "int4": (-8, 7), "uint2": (0, 3), "int2": (-2, 1)}


def is_narrow(x: Array | DType) -> bool:
    """Whether `x` (an array or an element type) is of a type that NumPy cannot compute with."""
    if isinstance(x, DType):
        return x.is_narrow
    return isinstance(x, np.ndarray) and x.dtype.names is not None


def dtype_of(x: Array) -> DType:
    """The element type of an array."""
    if x.dtype.names is not None:
        return BY_NAME[x.dtype.names[0]]
    return string if x.dtype.kind in "OUT" else BY_NAME[x.dtype.name]


def integer_limits(dtype: DType) -> tuple[int, int] | None:
    """The lowest and highest value of an integer type, those that NumPy lacks included; None for others."""
    if dtype.name in _INTEGERS:
        return _INTEGERS[dtype.name]
    if not dtype.is_integer:
        return None
    limits = np.iinfo(dtype.name)
    return int(limits.min), int(limits.max)


@cache
def _magnitudes(name: str) -> Array:
    """The finite values from 0 up, at their codes."""
    exponent_bits, mantissa_bits, bias, variant = _FLOATS[name]
    codes = np.arange(1 << (exponent_bits + mantissa_bits))
    exponent, mantissa = codes >> mantissa_bits, codes & ((1 << mantissa_bits) - 1)
    fraction = mantissa / (1 << mantissa_bits)
    values = np.where(
        exponent == 0,
        np.ldexp(fraction, 1 - bias),
        np.ldexp(1 + fraction, exponent - bias),
    )
    specials = {"": 1 << mantissa_bits, "fn": 1}.get(variant, 0)
    return values[: len(values) - specials]


@cache
def _decoded(name: str) -> Array:
    """The value of every code, as float32."""
    codes = np.arange(256)
    if name in _INTEGERS:
        return (
            (codes - 256 * (codes > 127)).astype(np.float32)
            if name[0] == "i"
            else np.float32(codes)
        )
    if name == "float8e8m0":
        return np.where(codes == 255, np.nan, np.ldexp(1.0, codes - 127)).astype(np.float32)
    exponent_bits, mantissa_bits, _, variant = _FLOATS[name]
    values = _magnitudes(name)
    half = 1 << (exponent_bits + mantissa_bits)
    positive = np.full(half, np.nan)
    positive[: len(values)] = values
    if variant == "":
        positive[len(values)] = np.inf
    result = np.concatenate((positive, -positive))
    if variant == "fnuz":
        result[half] = np.nan
    return np.resize(result, 256).astype(np.float32)


def widen(x: Array) -> Array:
    """The values as float32."""
    dtype = dtype_of(x)
    if dtype.name == "bfloat16":
        return (x.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)
    return _decoded(dtype.name)[x.view(np.uint8)]


def narrow(x: Array, to: DType, saturate: bool = True, round_mode: str = "up") -> Array:
    """Numbers as the nearest values of `to`, ties to even; integers are cut towards zero.

    What is too large becomes the largest value, or without `saturate` infinity or NaN. `round_mode` is that
    of float8e8m0.
    """
    values = np.ascontiguousarray(x)
    if to.name == "bfloat16":
        codes = _bfloat16(values.astype(np.float32))
    elif to.name in _INTEGERS:
        codes = _integer(values, *_INTEGERS[to.name])
    elif to.name == "float8e8m0":
        codes = _power_of_two(values.astype(np.float64), saturate, round_mode)
    else:
        codes = _float8(values.astype(np.float64), to.name, saturate)
    return codes.view(to.numpy).reshape(x.shape)


def _bfloat16(x: Array) -> Array:
    bits = x.view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    rounded = np.where(np.isnan(x), (bits >> np.uint32(16)) | np.uint32(0x40), rounded)
    return rounded.astype(np.uint16)


def _integer(x: Array, low: int, high: int) -> Array:
    """Cut towards zero, then to the bits that there are; signed ones are kept extended to a byte."""
    span = high - low + 1
    return (np.mod(np.trunc(x).astype(np.int64) - low, span) + low).astype(np.int8).view(np.uint8)


def _power_of_two(x: Array, saturate: bool, round_mode: str) -> Array:
    """float8e8m0: the exponent alone. Up and down are by value, nearest in the middle of two."""
    fraction, exponent = np.frexp(x)  # x = fraction * 2 ** exponent, fraction in [0.5, 1)
    above = {"up": fraction > 0.5, "down": False, "nearest": fraction >= 0.75}[round_mode]
    code = exponent - 1 + above + 127
    code = np.where(np.isinf(x), 999, np.where(x == 0, -999, code))
    outside = (code < 0) | (code > 254)
    code = np.where(outside & (not saturate), 255, np.clip(code, 0, 254))
    return np.where(np.isnan(x), 255, code).astype(np.uint8)


def _float8(x: Array, name: str, saturate: bool) -> Array:
    exponent_bits, mantissa_bits, _, variant = _FLOATS[name]
    values = _magnitudes(name)
    top = len(values) - 1
    size = np.abs(x)
    above = np.clip(np.searchsorted(values, size), 1, top)
    middle = (values[above - 1] + values[above]) / 2
    up = (size > middle) | ((size == middle) & (above % 2 == 0))
    code = np.where(up, above, above - 1)
    # Beyond the last value rounding goes on as if there were a next one.
    beyond = size > values[top] + (values[top] - values[top - 1]) / 2
    half = 1 << (exponent_bits + mantissa_bits)
    sign = np.where(np.signbit(x), half, 0)
    nan = half - 1 if variant in ("", "fn") else half  # float4e2m1 has none: -0, as ml_dtypes does
    if not saturate and variant != "finite":
        code = np.where(beyond, top + 1 if variant == "" else nan, code)
    if variant == "fnuz":
        sign = np.where((code == 0) | (code == nan), 0, sign)
    return np.where(np.isnan(x), nan | sign * (nan < half), code | sign).astype(np.uint8)
