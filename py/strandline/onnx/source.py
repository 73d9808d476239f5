"""Models that lie elsewhere, as in JavaScript's memory: their large weights are fetched when they are
wanted, so that none lies beside its packed form."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

from strandline import core
from strandline.onnx import wire
from strandline.onnx.wire import ModelError

LARGE = 1 << 16
"""Bytes of a weight that is left where it is."""
OWN_FILE = "\0"
"""As the location of external data: the model's own file. No file's name is like it."""

_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_WITHIN: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor"},
    "tensor": {9: "raw data"},
}
"""Where tensors are: by message and field. Bodies of control flow keep theirs."""
_LISTS = 7
"""The first field of an attribute that is a list, maybe of a million numbers; none of one tensor follows."""
_WINDOW, _HEADER = 1 << 14, 1 << 10
"""Bytes that are looked at together: of a message of many small ones, and of one that has a large one."""

_LONGEST_KEY = 20
"""Bytes of a field before its payload: two numbers."""

Span = tuple[int, int]


@runtime_checkable
class Source(Protocol):
    """The bytes of a file, wherever they are."""

    def __len__(self) -> int: ...

    def read_into(self, start: int, into: memoryview) -> None:
        """Copy the bytes from `start` on into writable memory, as many as fit it."""


def fetch(source: Source, start: int, end: int) -> memoryview:
    """A copy of bytes [start, end), aligned as the core wants it, read-only."""
    data = memoryview(core.Tensor("B", (end - start,)))
    if start < end:
        source.read_into(start, data)
    return data.toreadonly()


def hollow(source: Source) -> memoryview:
    """The model without the raw data of its large tensors, which become external data that lies in
    `OWN_FILE`. Raises ModelError where the bytes are no model; reading all of them says where."""
    return _join(source, _hollow(source, (0, len(source)), "model"))


def _hollow(source: Source, span: Span, message: str) -> list[Span | bytes]:
    parts: list[Span | bytes] = []
    window = _WINDOW if message in ("model", "graph") else _HEADER
    for number, begin, a, b in _fields(source, span, window):
        inner = _WITHIN[message].get(number)
        if b - a <= LARGE or inner is None:
            if message == "attribute" and number >= _LISTS:
                return [*parts, (begin, span[1])]
            parts.append((begin, b))
        elif inner == "raw data":
            entries = {"location": OWN_FILE, "offset": str(a), "length": str(b - a)}
            parts += [_entry(key, value) for key, value in entries.items()]
            parts.append(_key(_DATA_LOCATION, wire.VARINT) + b"\1")
        else:
            found = _hollow(source, (a, b), inner)
            parts.append(_key(number, wire.BYTES) + _varint(sum(map(_length, found))))
            parts += found
    return parts


def _fields(source: Source, span: Span, window: int) -> Iterator[tuple[int, int, int, int]]:
    """Of each long field of a message its number, where it begins, and where its payload begins and ends;
    of short ones together the last one's number, where they begin, and twice where they end."""
    at, end = span
    while at < end:
        seen = fetch(source, at, min(end, at + window))
        last: deque[tuple[int, int, Any, int]] = deque(maxlen=1)
        with suppress(ModelError):  # where a field goes on behind the window
            last.extend(wire.fields(seen, 0, len(seen)))
        done = 0
        if last:
            number, _, _, done = last[0]
            yield number, at, at + done, at + done
        if done == 0 or done + _LONGEST_KEY < len(seen):
            number, a, b = _long(seen[done:])
            if at + done + b > end:
                raise ModelError(f"a field of {b - a} bytes ends behind its message")
            yield number, at + done, at + done + a, at + done + b
            done += b
        at += done


def _long(seen: memoryview) -> tuple[int, int, int]:
    """The number of the field at the beginning, and where its payload begins and ends."""
    tag, at = _read_varint(seen, 0)
    if tag & 7 != wire.BYTES:
        raise ModelError("a field ends behind its message")
    size, at = _read_varint(seen, at)
    return tag >> 3, at, at + size


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, min(at + 10, len(data))):
        value |= (data[place] & 0x7F) << shift
        if data[place] < 0x80:
            return value, place + 1
        shift += 7
    raise ModelError("a number does not end")


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _text(number: int, value: str) -> bytes:
    data = value.encode()
    return _key(number, wire.BYTES) + _varint(len(data)) + data


def _entry(key: str, value: str) -> bytes:
    """A StringStringEntryProto of external data."""
    pair = _text(1, key) + _text(2, value)
    return _key(_EXTERNAL_DATA, wire.BYTES) + _varint(len(pair)) + pair


def _length(part: Span | bytes) -> int:
    return len(part) if isinstance(part, bytes) else part[1] - part[0]


def _join(source: Source, parts: list[Span | bytes]) -> memoryview:
    """The parts one after the other."""
    data = memoryview(core.Tensor("B", (sum(map(_length, parts)),)))
    at = 0
    for part in _merged(parts):
        end = at + _length(part)
        if isinstance(part, bytes):
            data[at:end] = part
        else:
            source.read_into(part[0], data[at:end])
        at = end
    return data.toreadonly()


def _merged(parts: list[Span | bytes]) -> list[Span | bytes]:
    """Spans that follow each other as one."""
    merged: list[Span | bytes] = []
    for part in parts:
        last = merged[-1] if merged else b""
        if isinstance(part, tuple) and isinstance(last, tuple) and last[1] == part[0]:
            merged[-1] = (last[0], part[1])
        else:
            merged.append(part)
    return merged
