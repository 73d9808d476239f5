"""Element types that NumPy lacks (bfloat16): bit patterns in a structured type with one field, so
that whatever only moves elements works on them unchanged, and arithmetic on raw bits is impossible
by mistake."""

from __future__ import annotations

from typing import Any

from strandline._lazy import np
from strandline.onnx.types import BY_NAME, DType, bfloat16, string

Array = Any


def is_narrow(x: Array | DType) -> bool:
    """Whether `x` (an array or an element type) is of a type that NumPy cannot compute with."""
    if isinstance(x, DType):
        return x is bfloat16
    return isinstance(x, np.ndarray) and x.dtype.names is not None


def dtype_of(x: Array) -> DType:
    """The element type of an array."""
    if x.dtype.names is not None:
        return BY_NAME[x.dtype.names[0]]
    return string if x.dtype.kind in "OUT" else BY_NAME[x.dtype.name]


def widen(x: Array) -> Array:
    """The values as float32."""
    return (x.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)


def narrow(x: Array, to: DType, saturate: bool = True, round_mode: str = "up") -> Array:
    """Numbers rounded to the nearest value of `to`, ties to even; NaN stays NaN."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).reshape(x.shape)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    rounded = np.where(nan, (bits >> np.uint32(16)) | np.uint32(0x40), rounded)
    return rounded.astype(np.uint16).view(to.numpy).reshape(x.shape)
