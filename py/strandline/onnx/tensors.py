"""TensorProto -> Constant: raw, typed and external data, without copying what is already packed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from strandline.onnx import wire
from strandline.onnx.graph import Computed, Constant
from strandline.onnx.source import OWN_FILE, Source, fetch
from strandline.onnx.types import BY_CODE, DType, TensorType
from strandline.onnx.wire import ModelError

_FLOAT_DATA, _INT32_DATA, _STRING_DATA, _INT64_DATA, _RAW_DATA = 4, 5, 6, 7, 9
_DOUBLE_DATA, _UINT64_DATA = 10, 11
_TYPED_FIELD = {
    "float32": _FLOAT_DATA,
    "float64": _DOUBLE_DATA,
    "int64": _INT64_DATA,
    "uint32": _UINT64_DATA,
    "uint64": _UINT64_DATA,
    "string": _STRING_DATA,
}
_NUMBERS = wire.mask(1, _FLOAT_DATA, _INT32_DATA, _INT64_DATA, _DOUBLE_DATA, _UINT64_DATA)
_UNREAD_TYPES = {14: "complex64", 15: "complex128", 27: "float6e2m3", 28: "float6e3m2"}


class ExternalFiles:
    """The data files beside a model, each read once. `base_dir` None: the model came as bytes
    alone. `own`: the model's own file, where large weights were left in it."""

    def __init__(self, base_dir: Path | None, own: Source | None = None) -> None:
        self._base_dir = base_dir
        self._own = own
        self._files: dict[str, memoryview] = {}

    def left(self, location: str, offset: int, length: int) -> Callable[[], memoryview] | None:
        """What fetches bytes that were left in the model's own file; None when these are not."""
        own = self._own
        if location != OWN_FILE or own is None or not 0 <= offset <= len(own) - length:
            return None
        return partial(fetch, own, offset, offset + length)

    def span(self, location: str, offset: int, length: int | None, tensor: str) -> memoryview:
        """`length` bytes (None: to the end) of the file from `offset` on.

        Raises ModelError when the file lies outside the model's folder, is missing or too short.
        """
        if self._base_dir is None:
            raise ModelError(
                f"tensor '{tensor}' keeps its values in the file '{location}': "
                f"open the model by its path, or give base_dir, the folder that holds that file"
            )
        parts = PurePosixPath(location.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in location or "\0" in location:
            raise ModelError(
                f"tensor '{tensor}' names the file '{location}' outside the model's folder"
            )
        if location not in self._files:
            path = self._base_dir / parts
            try:
                self._files[location] = memoryview(path.read_bytes())
            except OSError as error:
                raise ModelError(
                    f"tensor '{tensor}': cannot read {path}: {error.strerror}"
                ) from None
        data = self._files[location]
        end = len(data) if length is None else offset + length
        if not 0 <= offset <= end <= len(data):
            raise ModelError(
                f"tensor '{tensor}' wants bytes {offset} to {end} of '{location}', "
                f"which has {len(data)}"
            )
        return data[offset:end]


def dtype_of(code: int, where: str) -> DType:
    """The element type of an ONNX data type number; ModelError when it is not one we read."""
    try:
        return BY_CODE[code]
    except KeyError:
        name = _UNREAD_TYPES.get(code)
        problem = f"element type {name} is not supported" if name else f"no element type {code}"
        raise ModelError(f"{where}: {problem}") from None


def read_tensor(
    data: memoryview, start: int, end: int, files: ExternalFiles
) -> tuple[str, Constant]:
    """The name and value of the TensorProto in `data[start:end]`."""
    dims: list[memoryview] = []
    parts: dict[int, list[memoryview[Any]]] = {}
    strings: list[str] = []
    external: dict[str, str] = {}
    name, code, is_external, raw = "", 0, False, None
    for number, kind, a, b in wire.fields(data, start, end, _NUMBERS):
        if number == _RAW_DATA:
            wire.expect(kind, wire.BYTES, a, "raw_data")
            raw = data[a:b]
        elif number == 1:
            dims.append(wire.integers(data, kind, a, b))
        elif number == 2:
            wire.expect(kind, wire.VARINT, b, "data_type")
            code = a
        elif number == 8:
            name = wire.text(data, kind, a, b)
        elif number in (_FLOAT_DATA, _DOUBLE_DATA):
            reals = wire.reals(data, kind, a, b, "f" if number == _FLOAT_DATA else "d")
            parts.setdefault(number, []).append(reals)
        elif number in (_INT32_DATA, _INT64_DATA, _UINT64_DATA):
            parts.setdefault(number, []).append(wire.integers(data, kind, a, b))
        elif number == _STRING_DATA:
            wire.expect(kind, wire.BYTES, a, "string_data")
            strings.append(str(data[a:b], "utf-8", "surrogateescape"))
        elif number == 13:
            wire.expect(kind, wire.BYTES, a, "external_data")
            key, value = read_pair(data, a, b)
            external[key] = value
        elif number == 14:
            is_external = kind == wire.VARINT and a == 1
        elif number == 3:
            raise ModelError(f"byte {start}: tensor '{name}' is stored in segments")
    where = f"tensor '{name}'" if name else f"tensor at byte {start}"
    dtype = dtype_of(code, where)
    shape = tuple(size for part in dims for size in part)
    if any(size < 0 for size in shape):
        raise ModelError(f"{where} has a negative size in its shape {list(shape)}")
    type_ = TensorType(dtype, shape)
    if dtype.name == "string":
        if len(strings) != type_.size:
            raise ModelError(f"{where} is {type_} but holds {len(strings)} strings")
        return name, Constant(type_, memoryview(b""), tuple(strings))
    if is_external:
        place = _place(external, type_, name)
        left = files.left(*place)
        if left is not None and dtype.per_byte == 1 and place[2] == type_.nbytes:
            return name, Computed(type_, left)
        value_bytes = files.span(*place, name) if left is None else left()
    elif raw is not None:
        value_bytes = raw
    else:
        value_bytes = _typed(dtype, parts)
    stored = -(-type_.nbytes // dtype.per_byte)
    if len(value_bytes) != stored:
        raise ModelError(f"{where} is {type_}, {stored} bytes, but holds {len(value_bytes)} bytes")
    if dtype.per_byte > 1:
        value_bytes = _unpack(value_bytes, type_)
    return name, Constant(type_, value_bytes)


def _unpack(packed: memoryview, type_: TensorType) -> memoryview:
    """One byte per element from several in a byte, the lowest bits first; signed ones extended."""
    per_byte = type_.dtype.per_byte
    bits = 8 // per_byte
    top = 1 << bits
    signed = type_.dtype.format == "b"
    data, result = bytes(packed), bytearray(len(packed) * per_byte)
    for place in range(per_byte):
        codes = [byte >> place * bits & top - 1 for byte in range(256)]
        table = bytes(256 - top + c if signed and c >= top // 2 else c for c in codes)
        result[place::per_byte] = data.translate(table)
    return memoryview(bytes(result[: type_.size]))


def _place(entries: dict[str, str], type_: TensorType, name: str) -> tuple[str, int, int]:
    """Location, offset and length of external data."""
    try:
        location = entries["location"]
        offset = int(entries.get("offset", 0))
        stored = -(-type_.nbytes // type_.dtype.per_byte)
        length = int(entries["length"]) if "length" in entries else stored
    except (KeyError, ValueError) as error:
        raise ModelError(f"tensor '{name}' has a wrong external_data entry: {error}") from None
    return location, offset, length


def _typed(dtype: DType, parts: dict[int, list[memoryview[Any]]]) -> memoryview:
    """The bytes of a `*_data` field; integers narrowed by keeping their low bytes."""
    number = _TYPED_FIELD.get(dtype.name, _INT32_DATA)
    whole = join(parts.get(number, ()))
    if number in (_FLOAT_DATA, _DOUBLE_DATA) or dtype.itemsize == 8:
        return whole
    units: Any = whole.cast({1: "B", 2: "H", 4: "I"}[dtype.itemsize])  # type: ignore[call-overload]
    return memoryview(units[:: 8 // dtype.itemsize].tobytes())


def join(parts: Sequence[memoryview[Any]]) -> memoryview:
    """The bytes of all parts as one memoryview of format `B`."""
    if len(parts) == 1:
        return parts[0].cast("B")
    return memoryview(b"".join(parts))


def read_pair(data: memoryview, start: int, end: int) -> tuple[str, str]:
    """A StringStringEntryProto as (key, value)."""
    pair = {1: "", 2: ""}
    for number, kind, a, b in wire.fields(data, start, end):
        if number in pair:
            pair[number] = wire.text(data, kind, a, b)
    return pair[1], pair[2]
