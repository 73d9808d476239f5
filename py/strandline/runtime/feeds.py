"""What a caller feeds: checked against the model's declaration, with errors that name the input and
the remedy."""

from __future__ import annotations

import re
import struct
from array import array, typecodes
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from strandline._lazy import np
from strandline.onnx.graph import ValueInfo
from strandline.onnx.types import BY_NAME, DType, TensorType
from strandline.onnx.types import string as string_type
from strandline.runtime.values import object_array

_KINDS = {"f": "float", "d": "float", "e": "float", "?": "bool"}
_KINDS |= dict.fromkeys("bhilqn", "int") | dict.fromkeys("BHILQN", "uint")

_NARROW = re.compile(r"T\{[BH]:(\w+):\}")
"""The buffer format of NumPy's stand-ins for types that it lacks (see `DType.numpy`)."""


class FeedError(ValueError):
    """The feeds do not fit the model's inputs."""


def check_names(inputs: Sequence[ValueInfo], feeds: Mapping[str, Any]) -> None:
    """Raise FeedError unless `feeds` has every input of the model and nothing else."""
    wanted = [info.name for info in inputs]
    missing = [name for name in wanted if name not in feeds]
    unknown = [name for name in feeds if name not in wanted]
    if unknown:
        raise FeedError(
            f"the model has no input {_names(unknown)}; its inputs are {_names(wanted)}"
        )
    if missing:
        raise FeedError(
            f"no value was fed for input {_names(missing)}; the model needs all of {_names(wanted)}"
        )


def dtype_of_buffer(view: memoryview) -> DType | None:
    """The element type of a buffer, by what its format means and not by its letter; None when ONNX
    has none."""
    letter = view.format.lstrip("@=<|")
    narrow = _NARROW.fullmatch(view.format)
    if narrow:
        return BY_NAME.get(narrow[1])
    if view.format[:1] in ">!" and view.itemsize > 1:
        return None
    kind = _KINDS.get(letter)
    if kind is None:
        return None
    return BY_NAME.get(kind if kind == "bool" else f"{kind}{view.itemsize * 8}")


def check_shape(info: ValueInfo, shape: Sequence[int]) -> None:
    """Raise FeedError when the rank or a fixed size is not the declared one."""
    if info.shape is None:
        return
    fits = len(shape) == len(info.shape) and all(
        not isinstance(want, int) or want == have
        for want, have in zip(info.shape, shape, strict=True)
    )
    if fits:
        return
    wanted = ", ".join("?" if size is None else str(size) for size in info.shape)
    if len(shape) != len(info.shape):
        remedy = f"give it {len(info.shape)} dimensions"
        if len(shape) + 1 == len(info.shape):
            remedy += ", for one row: [row]"
    else:
        remedy = "give it the sizes that the model was exported for"
    raise FeedError(f"input '{info.name}' has shape [{wanted}], but got {list(shape)}: {remedy}")


def check_type(info: ValueInfo, type_: TensorType | None) -> None:
    """Raise FeedError unless a feed of this type fits the declaration."""
    if type_ is not None and info.dtype not in (None, type_.dtype):
        raise wrong_dtype(info, type_.dtype.name)
    if type_ is not None:
        check_shape(info, type_.shape)


def wrong_dtype(info: ValueInfo, given: str) -> FeedError:
    """The error for a feed of element type `given`."""
    return FeedError(
        f"input '{info.name}' expects {info.dtype}, but got {given}: "
        f"convert it first, for example with .astype('{_numpy_name(info.dtype)}')"
    )


def as_array(info: ValueInfo, value: Any) -> Any:
    """The feed as a NumPy array (sequences, maps and optionals as they are).

    Raises FeedError for another element type, rank or size than the model declares; plain lists
    take the declared type.
    """
    if info.kind != "tensor" or value is None:
        return value
    if info.dtype is None:
        return np.asarray(value)
    if info.dtype is string_type:
        shape, texts = _texts(info, value)
        check_shape(info, shape)
        return object_array(texts, shape)
    if isinstance(value, list | tuple | int | float):
        shape, flat = flatten(info, value)
        result = np.frombuffer(pack(info, flat), info.dtype.numpy).reshape(shape)
    else:
        result = np.asarray(value)
        if result.dtype != info.dtype.numpy:
            raise wrong_dtype(info, str(result.dtype))
    check_shape(info, result.shape)
    return result


def as_buffer(info: ValueInfo, value: Any) -> tuple[Any, TensorType | None]:
    """The feed as a contiguous buffer and its type (None: no tensor); strings as a flat list.

    A memoryview is the caller's own memory. Raises FeedError as `as_array` does; uses no NumPy
    unless the feed does.
    """
    if info.kind != "tensor" or value is None:
        return value, None
    if info.dtype is string_type:
        shape, texts = _texts(info, value)
        check_shape(info, shape)
        return texts, TensorType(string_type, shape)
    if isinstance(value, list | tuple | int | float):
        shape, flat = flatten(info, value)
        check_shape(info, shape)
        return pack(info, flat), TensorType(_declared(info), shape)
    view = _view(info, value)
    dtype = dtype_of_buffer(view)
    if dtype is None or info.dtype not in (None, dtype):
        raise wrong_dtype(info, dtype.name if dtype else _given(value, view))
    shape = tuple(view.shape or ())
    check_shape(info, shape)
    return (view if view.c_contiguous else view.tobytes()), TensorType(dtype, shape)


def smallest_type(info: ValueInfo) -> TensorType | None:
    """The input's type with every unknown size 1; None when it is no tensor.

    Raises FeedError when the model does not even declare a rank.
    """
    if info.kind != "tensor":
        return None
    if info.shape is None:
        raise FeedError(f"input '{info.name}' declares no shape: say which types to plan for")
    shape = tuple(size if isinstance(size, int) else 1 for size in info.shape)
    return TensorType(_declared(info), shape)


def _declared(info: ValueInfo) -> DType:
    if info.dtype is None:
        raise FeedError(f"input '{info.name}' declares no element type: feed it an array")
    return info.dtype


def _view(info: ValueInfo, value: Any) -> memoryview:
    try:
        return memoryview(value)
    except (TypeError, ValueError, BufferError):
        if not hasattr(value, "__array__"):
            raise FeedError(
                f"input '{info.name}' got a {type(value).__name__}: "
                f"feed an array, a buffer with shape and format, or nested lists"
            ) from None
    try:
        converted: Any = np.asarray(value)
        return memoryview(converted)
    except (TypeError, ValueError, BufferError):
        raise wrong_dtype(info, str(converted.dtype)) from None


def _given(value: Any, view: memoryview) -> str:
    return str(getattr(value, "dtype", f"elements of format '{view.format}'"))


def _texts(info: ValueInfo, value: Any) -> tuple[tuple[int, ...], list[str]]:
    if not isinstance(value, list | tuple | str):
        if not hasattr(value, "__array__"):
            raise wrong_dtype(info, type(value).__name__)
        given = np.asarray(value)
        shape, flat = tuple(given.shape), given.reshape(-1).tolist()
    else:
        shape, flat = flatten(info, value)
    for text in flat:
        if not isinstance(text, str):
            raise FeedError(
                f"input '{info.name}' expects strings, but got {text!r}: "
                f"turn every value into a str, and a missing one into ''"
            )
    return shape, flat


def flatten(info: ValueInfo, value: Any) -> tuple[tuple[int, ...], list[Any]]:
    """Shape and elements in C order of nested lists; FeedError when they are ragged."""
    shape: list[int] = []
    level: list[Any] = [value]
    while level and isinstance(level[0], list | tuple):
        kinds = set(map(type, level))
        sizes = set(map(len, level)) if kinds <= {list, tuple} else set()
        if len(sizes) != 1:
            raise FeedError(
                f"input '{info.name}' got nested lists of different lengths: "
                f"make every row {len(level[0])} long"
            )
        shape += sizes
        level = list(chain.from_iterable(level))
    return tuple(shape), level


def pack(info: ValueInfo, flat: Sequence[Any]) -> bytes:
    """The bytes of plain numbers in the input's element type; FeedError when one does not fit."""
    dtype = _declared(info)
    try:
        if dtype.format in typecodes:
            return array(dtype.format, flat).tobytes()
        return struct.pack(f"<{len(flat)}{dtype.format}", *flat)
    except (struct.error, TypeError, OverflowError) as error:
        raise FeedError(f"input '{info.name}' expects {dtype} numbers: {error}") from None


def _numpy_name(dtype: DType | None) -> str:
    return "object" if dtype is string_type or dtype is None else dtype.name


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "(none)"


def select(results: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    """The results of these names, in this order; FeedError for a name the model does not give."""
    unknown = [name for name in wanted if name not in results]
    if unknown:
        raise FeedError(
            f"the model has no output {_names(unknown)}; its outputs are {_names(results)}"
        )
    return {name: results[name] for name in wanted}
