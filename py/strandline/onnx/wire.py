"""Protocol Buffers on the wire: field by field over one buffer, nothing copied, every bound
checked.

Positions are byte offsets into the whole file, so that an error can name its place. ONNX writes its
attributes' number lists unpacked (a tag before every number); `fields` yields such a list as one
`RUN`, so that a forest of a million nodes costs a few calls and not millions of Python steps.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any, Literal, TypeAlias

from strandline import core

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
RUN, TEXTS = 8, 9
"""Beside the wire types: a span of equally tagged numbers, tags included; and a list of strings."""

Reals: TypeAlias = "memoryview[float]"

_FIXED_SIZE = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT = 10


class ModelError(ValueError):
    """The bytes are not a model that can be read; the message says where and why."""


def varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    """The unsigned varint at `at` and the position after it."""
    value = shift = 0
    for position in range(at, min(end, at + _MAX_VARINT)):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position + 1
        shift += 7
    problem = "is cut short" if end - at < _MAX_VARINT else "is longer than ten bytes"
    raise ModelError(f"byte {at}: a number {problem}; the file is damaged or not an ONNX model")


def fields(
    data: memoryview, start: int, end: int, runs: Collection[int] = (), texts: int = 0
) -> Iterator[tuple[int, int, Any, int]]:
    """Yield (field number, wire type, a, b) for each field of the message in `data[start:end]`.

    For VARINT `a` is the value and `b` the position after it; for all others `data[a:b]` is the
    payload. Numbers of the fields in `runs` come as RUN spans when they are not packed; the strings
    of the field `texts` as TEXTS, with `a` their list. These fields' numbers are below 16.
    """
    at = start
    while at < end:
        begin = at
        key = data[at]
        at += 1
        if key >= 0x80:
            key, at = varint(data, begin, end)
        number, wire = key >> 3, key & 7
        if wire == BYTES and number == texts:
            words, at = _text_run(data, begin, end, key)
            yield number, TEXTS, words, at
        elif wire == BYTES:
            if at < end and data[at] < 0x80:
                size = data[at]
                at += 1
            else:
                size, at = varint(data, at, end)
            if size > end - at:
                raise ModelError(
                    f"byte {begin}: field {number} says {size} bytes where {end - at} are left; "
                    f"the file is damaged, cut short, or not an ONNX model"
                )
            yield number, wire, at, at + size
            at += size
        elif number in runs and wire in (VARINT, FIXED32, FIXED64):
            at = _run_end(data, begin, end, key)
            if at == begin:
                raise ModelError(f"byte {begin}: field {number} is cut short")
            yield number, RUN, begin, at
        elif wire == VARINT:
            value, at = varint(data, at, end)
            yield number, wire, value, at
        elif wire in _FIXED_SIZE:
            size = _FIXED_SIZE[wire]
            if size > end - at:
                raise ModelError(f"byte {begin}: field {number} is cut short")
            yield number, wire, at, at + size
            at += size
        else:
            raise ModelError(
                f"byte {begin}: unknown wire type {wire}; the file is damaged or not an ONNX model"
            )


_FEW_WORDS = 8
"""So many different strings are worth a pattern."""


@cache
def _varint_run(tag: int) -> re.Pattern[bytes]:
    # Possessive, so that the engine keeps no way back: linear in time, constant in memory.
    return re.compile(b"(?:" + re.escape(bytes([tag])) + rb"[\x80-\xff]{0,9}+[\x00-\x7f])++")


def _run_end(data: memoryview, start: int, end: int, key: int) -> int:
    """Where the run of numbers that begins at `start`, each behind the one-byte tag `key`, ends."""
    wire = key & 7
    if wire == VARINT:
        found = _varint_run(key).match(data, start, end)
        return found.end() if found else start
    stride = 1 + _FIXED_SIZE[wire]
    count = (end - start) // stride
    tags = data[start : start + count * stride : stride].tobytes()
    return start + stride * (count - len(tags.lstrip(bytes([key]))))


def _text_run(data: memoryview, start: int, end: int, key: int) -> tuple[list[str], int]:
    """The strings that begin at `start`, each behind the one-byte tag `key`, and where they end.

    A forest names the mode of each of its nodes, a few words a million times over: once a word
    has been read, further ones are found by a pattern, without a step of Python for each.
    """
    words: list[str] = []
    known: dict[bytes, str] = {}
    at = start
    while at < end and data[at] == key:
        size, begin = varint(data, at + 1, end)
        if size > end - begin:
            raise ModelError(f"byte {at}: a text says {size} bytes where {end - begin} are left")
        piece = data[at : begin + size].tobytes()
        text = known[piece] = str(data[begin : begin + size], "utf-8", "surrogateescape")
        words.append(text)
        at = begin + size
        if len(known) <= _FEW_WORDS:
            pattern = b"|".join(map(re.escape, known))
            found = re.compile(b"(?:" + pattern + b")*+").match(data, at, end)
            if found is not None and found.end() > at:
                words += map(known.__getitem__, re.findall(pattern, found.group()))
                at = found.end()
    return words, at


def integers(data: memoryview, wire: int, a: int, b: int) -> memoryview:
    """The int64 numbers (two's complement) of a packed field or a RUN, as a memoryview of format
    `q`."""
    if wire == BYTES:
        return _varints(data, a, b)
    if wire == RUN and data[a] & 7 == VARINT:
        return memoryview(_varints(data, a, b)[1::2].tobytes()).cast("q")
    raise ModelError(f"byte {a}: a list of integers has wire type {wire}")


def _varints(data: memoryview, a: int, b: int) -> memoryview:
    try:
        return memoryview(core.read_varints(data[a:b]))
    except ValueError as error:
        raise ModelError(f"byte {a}: {error}") from None


def reals(data: memoryview, wire: int, a: int, b: int, letter: Literal["f", "d"]) -> Reals:
    """The float32 (`f`) or float64 (`d`) numbers of a packed field or a RUN; a packed field is not
    copied."""
    size = struct.calcsize(letter)
    if wire == BYTES:
        if (b - a) % size:
            raise ModelError(f"byte {a}: {b - a} bytes are no whole number of {size}-byte floats")
        return data[a:b].cast(letter)
    if wire == RUN and _FIXED_SIZE.get(data[a] & 7) == size:
        stride = size + 1
        packed = bytearray((b - a) // stride * size)
        for byte in range(size):
            packed[byte::size] = data[a + 1 + byte : b : stride]
        return memoryview(packed).cast(letter).toreadonly()
    raise ModelError(f"byte {a}: a list of floats has wire type {wire}")


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
