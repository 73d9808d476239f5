from __future__ import annotations

import pytest
from wasmcode import SIMD, count_instructions, count_simd

from .wasm_bytes import END, NO_LOCALS, leb, module, simd


def test_counts_standard_and_relaxed_instructions_of_every_function() -> None:
    splat_add = NO_LOCALS + b"\x43" + bytes(4) + simd(19) + b"\x1a" + END  # f32.const f32x4.splat
    relaxed = NO_LOCALS + simd(0x105) + simd(0x100) + simd(228) + END
    assert count_simd(module(splat_add, relaxed)) == (2, 2)


def test_the_prefix_byte_inside_an_immediate_is_no_instruction() -> None:
    constants = (
        b"\x41\xfd\x01" + b"\x42\xfd\xfd\x00" + b"\x43\xfd\xfd\xfd\xfd" + b"\x44" + b"\xfd" * 8
    )
    assert count_simd(module(NO_LOCALS + constants + END)) == (0, 0)


@pytest.mark.parametrize(
    "immediates",
    [
        simd(0, b"\x04\x10"),  # v128.load, alignment and offset
        simd(0, b"\x44\x01\x10"),  # the same with a memory index
        simd(12, b"\xfd" * 16),  # v128.const
        simd(13, b"\xfd" * 16),  # i8x16.shuffle
        simd(31, b"\x03"),  # f32x4.extract_lane
        simd(84, b"\x00\x00\x0f"),  # v128.load8_lane
        simd(93, b"\x03\x00"),  # v128.load64_zero
        simd(81),  # v128.xor
    ],
)
def test_immediates_of_vector_instructions_are_skipped(immediates: bytes) -> None:
    assert count_simd(module(NO_LOCALS + immediates + END)) == (1, 0)


def test_control_flow_tables_and_exceptions_are_walked_through() -> None:
    body = (
        b"\x01\x02\x7b"  # two locals of v128
        b"\x02\x40\x0e\x02\x00\x01\x00\x0b"  # block br_table [0 1] 0 end
        b"\x1f\x40\x02\x00\x05\x00\x02\x01\x0b"  # try_table with a catch and a catch_all
        b"\x1c\x01\x7b"  # select v128
        b"\x11\x01\x00"  # call_indirect
        b"\xfc\x0a\x00\x00"  # memory.copy
        b"\xfe\x03\x00" + simd(77) + END  # atomic.fence
    )
    counts = count_instructions(module(body))
    assert counts[SIMD, 77] == 1
    assert counts[0xFC, 10] == counts[0xFE, 3] == counts[0x1F, 0] == 1


def test_other_sections_are_skipped() -> None:
    custom = b"\0" + leb(5) + b"\x01x\xfd\xfd\xfd"
    whole = module(NO_LOCALS + simd(77) + END)
    assert count_simd(whole[:8] + custom + whole[8:] + custom) == (1, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x7fELF\1\1\1\0", "not a WebAssembly module"),
        (module(NO_LOCALS + b"\xee" + END), "unknown instruction 0xee"),
        (module(NO_LOCALS + b"\x43\0"), "misread"),
    ],
)
def test_what_cannot_be_read_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        count_simd(data)
