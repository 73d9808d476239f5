from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline import core
from strandline.onnx import wire
from strandline.onnx.wire import ModelError

INT64 = st.integers(-(2**63), 2**63 - 1)


def encode(value: int) -> bytes:
    value %= 1 << 64
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def fields(
    data: bytes, runs: tuple[int, ...] = (), texts: tuple[int, ...] = ()
) -> list[tuple[int, int, Any, int]]:
    masks = wire.mask(*runs), wire.mask(*texts)
    return list(wire.fields(memoryview(data), 0, len(data), *masks))


@given(st.lists(INT64))
def test_packed_integers_round_trip(values: list[int]) -> None:
    data = b"".join(map(encode, values))
    assert wire.integers(memoryview(data), wire.BYTES, 0, len(data)).tolist() == values


@given(st.lists(INT64, min_size=1), st.integers(1, 15), st.binary(max_size=9))
def test_tagged_integers_are_one_run_and_what_follows_is_another_field(
    values: list[int], number: int, after: bytes
) -> None:
    tag = bytes([number << 3])
    data = b"".join(tag + encode(value) for value in values)
    tail = b"\x82\x01" + bytes([len(after)]) + after  # field 16, bytes
    (run, following) = fields(data + tail, (number,))
    assert (run[0], run[1], run[3]) == (number, wire.RUN, len(data))
    assert wire.integers(memoryview(data), *run[1:]).tolist() == values
    assert following[:2] == (16, wire.BYTES)


@given(st.lists(st.floats(width=32), min_size=1))
def test_tagged_floats_are_one_run(values: list[float]) -> None:
    data = b"".join(b"\x3d" + struct.pack("<f", value) for value in values)
    (run,) = fields(data, (7,))
    got = wire.reals(memoryview(data), *run[1:], "f").tobytes()
    assert got == struct.pack(f"<{len(values)}f", *values)


@given(st.lists(st.sampled_from(["", "LEAF", "BRANCH_LEQ", "LEAFY", "ä"]) | st.text(max_size=200)))
def test_strings_are_one_list(values: list[str]) -> None:
    encoded = [value.encode() for value in values]
    data = b"".join(b"\x4a" + encode(len(text)) + text for text in encoded)
    got = fields(data + b"\x10\x01", texts=(9,))
    assert got[-1][:2] == (2, wire.VARINT)
    assert [text for _, _, texts, _ in got[:-1] for text in texts] == values
    assert len(got) == bool(values) + 1


def test_packed_floats_are_a_view_of_the_file() -> None:
    data = memoryview(b"x" + struct.pack("<3f", 1, 2, 3))
    values = wire.reals(data, wire.BYTES, 1, 13, "f")
    assert values.tolist() == [1, 2, 3]
    assert values.obj is data.obj


def test_a_run_stops_where_another_field_begins() -> None:
    data = b"\x40\x05\x40\x85\x01\x48\x07\x40\x06"
    assert [f[:2] for f in fields(data, (8,))] == [(8, wire.RUN), (9, wire.VARINT), (8, wire.RUN)]


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"\x0a\x05abc", "byte 0: field 1 says 5 bytes where 3 are left"),
        (b"\x08\xff\xff", "byte 1: a number is cut short"),
        (b"\x08" + b"\xff" * 11, "byte 1: a number is longer than ten bytes"),
        (b"\x0d\x00\x00", "byte 0: field 1 is cut short"),
        (b"\x0b", "byte 0: unknown wire type 3"),
        (b"\x0a\xff", "byte 1: a number is cut short"),
    ],
)
def test_damage_is_reported_with_its_place(data: bytes, where: str) -> None:
    with pytest.raises(ModelError, match=where):
        fields(data)


def test_a_tag_longer_than_need_be_begins_no_list() -> None:
    runs = fields(b"\xc0\x00\x05\xc0\x00\x06", (8,))
    assert [field[:3] for field in runs] == [(8, wire.VARINT, 5), (8, wire.VARINT, 6)]
    assert fields(b"\xca\x00\x01a", texts=(9,)) == [(9, wire.BYTES, 3, 4)]


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 1), (0, 4)])
def test_fields_of_bytes_that_are_not_there_are_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="in a buffer of 3"):
        core.Fields(b"abc", start, end)


def test_a_text_that_is_cut_short_is_reported() -> None:
    with pytest.raises(ModelError, match="byte 3: a text says 5 bytes where 1 are left"):
        fields(b"\x4a\x01a\x4a\x05b", texts=(9,))
    with pytest.raises(ModelError, match="byte 4: a number is cut short"):
        fields(b"\x4a\x01a\x4a\xff", texts=(9,))


def test_a_run_that_is_cut_short_is_reported() -> None:
    with pytest.raises(ModelError, match="byte 0: field 8 is cut short"):
        fields(b"\x40\xff", (8,))
    with pytest.raises(ModelError, match="byte 0: field 7 is cut short"):
        fields(b"\x3d\x00", (7,))
