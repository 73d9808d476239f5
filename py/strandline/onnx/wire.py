"""Protocol Buffers on the wire: field by field over one buffer, nothing copied, every bound
checked.

Positions are byte offsets into the whole file, so that an error can name its place. ONNX writes its
attributes' number lists unpacked (a tag before every number); such a list is one `RUN`, so that a
forest of a million nodes costs a few calls and not millions of Python steps.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from typing import Any, Literal, TypeAlias

from strandline import core

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
RUN, TEXTS = 8, 9
"""Beside the wire types: equally tagged numbers as one tensor; and a list of strings."""

Reals: TypeAlias = "memoryview[float]"


class ModelError(ValueError):
    """The bytes are not a model that can be read; the message says where and why."""


def mask(*numbers: int) -> int:
    """A set of field numbers below 16."""
    return sum(1 << number for number in numbers)


def fields(data: memoryview, start: int, end: int, runs: int = 0, texts: int = 0) -> core.Fields:
    """Iterate over (field number, wire type, a, b) of the message in `data[start:end]`.

    For VARINT `a` is the value and `b` the position after it; for all others `data[a:b]` is the
    payload. Numbers of the fields in `runs` (a mask), when they are not packed, come as RUN, with `a`
    their int64, float32 or float64 Tensor; the strings of the fields in `texts` as TEXTS, with `a`
    their list.
    """
    return core.Fields(data, start, end, runs, texts, ModelError)


def integers(data: memoryview, wire: int, a: Any, b: int) -> memoryview:
    """The int64 numbers (two's complement) of a packed field or a RUN, as a memoryview of format
    `q`."""
    if wire == BYTES:
        try:
            return memoryview(core.read_varints(data[a:b]))
        except ValueError as error:
            raise ModelError(f"byte {a}: {error}") from None
    if wire == RUN and a.format == "q":
        return memoryview(a)
    raise ModelError(f"byte {b}: a list of integers has wire type {wire}")


def reals(data: memoryview, wire: int, a: Any, b: int, letter: Literal["f", "d"]) -> Reals:
    """The float32 (`f`) or float64 (`d`) numbers of a packed field or a RUN; a packed field is not
    copied."""
    if wire == BYTES:
        size = struct.calcsize(letter)
        if (b - a) % size:
            raise ModelError(f"byte {a}: {b - a} bytes are no whole number of {size}-byte floats")
        return data[a:b].cast(letter)
    if wire == RUN and a.format == letter:
        return memoryview(a).toreadonly().cast("B").cast(letter)
    raise ModelError(f"byte {b}: a list of floats has wire type {wire}")


def real32(data: memoryview, a: int) -> float:
    """The little-endian float32 at `a`."""
    value: float = struct.unpack_from("<f", data, a)[0]
    return value


def signed(value: int) -> int:
    """A varint's value read as int64."""
    return value - (1 << 64) if value >> 63 else value


def text(data: memoryview, wire: int, a: int, b: int) -> str:
    """A UTF-8 string field."""
    if wire != BYTES:
        raise ModelError(f"byte {a}: a text has wire type {wire}")
    try:
        return str(data[a:b], "utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"byte {a}: a text is not UTF-8 ({error.reason})") from None


def expect(wire: int, wanted: int, at: int, what: str) -> None:
    """Raise ModelError unless the field has the wire type that the format gives it."""
    if wire != wanted:
        raise ModelError(f"byte {at}: {what} has wire type {wire}, not {wanted}")
