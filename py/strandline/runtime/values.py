"""Values during a run: plain buffers between steps, NumPy arrays where a reference operator needs
them.

String tensors are int32 codes between steps (see `compiler.store`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strandline import core
from strandline._lazy import np, numpy_loaded
from strandline.compiler.store import LocalStrings
from strandline.onnx.types import DType, TensorType
from strandline.onnx.types import string as string_type
from strandline.ops.narrow import dtype_of


def empty(type_: TensorType) -> Any:
    """Memory for a tensor: a NumPy array where NumPy is loaded, else a core tensor."""
    if numpy_loaded():
        return np.empty(type_.shape, numpy_dtype(type_.dtype))
    return core.Tensor(type_.dtype.format, type_.shape)


_NUMPY: dict[DType, Any] = {}
_OURS: dict[Any, DType] = {}


def numpy_dtype(dtype: DType) -> Any:
    """The NumPy dtype of what lies between steps: string codes are int32."""
    found = _NUMPY.get(dtype)
    if found is None:
        found = _NUMPY[dtype] = np.dtype(np.int32) if dtype is string_type else dtype.numpy
    return found


def our_dtype(dtype: Any) -> DType:
    """The element type of a NumPy dtype."""
    found = _OURS.get(dtype)
    if found is None:
        found = _OURS[dtype] = dtype_of(np.empty(0, dtype))
    return found


def raw(value: Any) -> memoryview:
    """The bytes of a contiguous buffer."""
    view = memoryview(value)
    return view.cast("B") if view.nbytes else memoryview(bytearray())


def to_array(value: Any, type_: TensorType | None, strings: LocalStrings) -> Any:
    """A value between steps as a reference operator takes it; what is no tensor stays as it is."""
    if type_ is None:
        return value
    if type_.dtype is string_type:
        return object_array(strings.decode(raw(value).cast("i")), type_.shape)
    dtype = numpy_dtype(type_.dtype)
    if isinstance(value, np.ndarray) and value.dtype == dtype:
        return value if value.shape == type_.shape else value.reshape(type_.shape)
    return np.frombuffer(raw(value), dtype).reshape(type_.shape)


def from_array(value: Any, strings: LocalStrings) -> tuple[Any, TensorType | None]:
    """What a reference operator made as a value between steps, with its type (None: no tensor)."""
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if not isinstance(value, np.ndarray):
        return value, None
    dtype = our_dtype(value.dtype)
    type_ = TensorType(dtype, value.shape)
    if dtype is string_type:
        return strings.encode(map(str, value.reshape(-1).tolist())), type_
    return value if value.flags.c_contiguous else value.copy(order="C"), type_


def to_result(value: Any, type_: TensorType | None, strings: LocalStrings) -> Any:
    """A value between steps as the caller gets it."""
    if type_ is None:
        return value
    if numpy_loaded():
        return to_array(value, type_, strings)
    if type_.dtype is string_type:
        return _nested(strings.decode(raw(value).cast("i")), type_.shape)
    return value


def object_array(texts: Sequence[str], shape: Sequence[int]) -> Any:
    """Strings as a NumPy object array."""
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array.reshape(shape)


def _nested(flat: Sequence[Any], shape: Sequence[int]) -> Any:
    if not shape:
        return flat[0]
    size = len(flat) // shape[0] if shape[0] else 0
    if len(shape) == 1:
        return list(flat)
    return [_nested(flat[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]


def zip_labels(attrs: Mapping[str, Any]) -> tuple[Any, ...]:
    """The class labels of a ZipMap node."""
    return attrs.get("classlabels_strings") or tuple(attrs.get("classlabels_int64s", ()))


def zip_map(labels: Sequence[Any], type_: TensorType, scores: Any) -> list[dict[Any, float]]:
    """ONNX's ZipMap on `scores` [N, C] or [C]: per row a dict from class label to score."""
    width = type_.shape[-1]
    if width != len(labels):
        raise ValueError(f"ZipMap has {len(labels)} labels for scores of shape {type_.shape}")
    numbers: Any = raw(scores)
    flat = numbers.cast(type_.dtype.format).tolist()
    return [
        dict(zip(labels, flat[at : at + width], strict=True)) for at in range(0, len(flat), width)
    ]
