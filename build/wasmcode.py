"""Count the instructions of a WebAssembly module, to know that vector code was really made.

Source: WebAssembly Core Specification 3.0, chapter 5 (binary format).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

SIMD = 0xFD  # the prefix byte of vector instructions
RELAXED_FROM = 0x100  # vector instructions from this number on are the relaxed ones

_CODE_SECTION = 10


class Reader:
    """A cursor over bytes with the format's own number encodings."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def skip(self, count: int) -> None:
        self.at += count

    def leb(self) -> int:
        """An unsigned LEB128 number (signed ones are as long, so this also skips them)."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def memory_argument(self) -> None:
        alignment = self.leb()
        if alignment & 0x40:  # a memory index follows
            self.leb()
        self.leb()


def count_instructions(module: bytes) -> Counter[tuple[int, int]]:
    """Count `(opcode, number after the prefix or 0)` over all function bodies of a module.

    Raises ValueError if this is no WebAssembly module, or if an instruction is not known here.
    """
    if module[:8] != b"\0asm\1\0\0\0":
        raise ValueError("not a WebAssembly module (version 1)")
    counts: Counter[tuple[int, int]] = Counter()
    reader = Reader(module, 8)
    while reader.at < len(module):
        section, size = reader.byte(), reader.leb()
        end = reader.at + size
        if section == _CODE_SECTION:
            for _ in range(reader.leb()):
                _count_body(reader, counts)
        reader.at = end
    return counts


def count_simd(module: bytes) -> tuple[int, int]:
    """How many (standard, relaxed) vector instructions a module holds."""
    standard = relaxed = 0
    for (opcode, number), count in count_instructions(module).items():
        if opcode == SIMD and number >= RELAXED_FROM:
            relaxed += count
        elif opcode == SIMD:
            standard += count
    return standard, relaxed


def _count_body(reader: Reader, counts: Counter[tuple[int, int]]) -> None:
    size = reader.leb()
    end = reader.at + size
    for _ in range(reader.leb()):  # local variables: count, type
        reader.leb()
        reader.leb()
    while reader.at < end:
        opcode = reader.byte()
        number = reader.leb() if opcode in (0xFC, SIMD, 0xFE) else 0
        counts[opcode, number] += 1
        _skip_immediates(reader, opcode, number)
    if reader.at != end:
        raise ValueError(f"function body ends at byte {reader.at}, not at {end}: misread code")


def _skip_immediates(reader: Reader, opcode: int, number: int) -> None:
    if opcode == SIMD:
        _skip_vector_immediates(reader, number)
    elif opcode == 0xFC:
        for _ in range(_BULK_MEMORY.get(number, 0)):
            reader.leb()
    elif opcode == 0xFE:  # atomics
        reader.skip(1) if number == 3 else reader.memory_argument()
    elif 0x28 <= opcode <= 0x3E:
        reader.memory_argument()
    elif 0x45 <= opcode <= 0xC4 or opcode in _PLAIN:
        pass
    elif opcode in _NUMBERS:
        for _ in range(_NUMBERS[opcode]):
            reader.leb()
    elif opcode in _OTHER:
        _OTHER[opcode](reader)
    else:
        raise ValueError(f"unknown instruction 0x{opcode:02x} before byte {reader.at}")


def _skip_vector_immediates(reader: Reader, number: int) -> None:
    if number <= 11 or number in (92, 93):  # loads and stores
        reader.memory_argument()
    elif number in (12, 13):  # a constant, a shuffle
        reader.skip(16)
    elif 21 <= number <= 34:  # lanes
        reader.skip(1)
    elif 84 <= number <= 91:  # loads and stores of one lane
        reader.memory_argument()
        reader.skip(1)


def _skip_table(reader: Reader) -> None:
    for _ in range(reader.leb() + 1):
        reader.leb()


def _skip_types(reader: Reader) -> None:
    for _ in range(reader.leb()):
        reader.leb()


def _skip_try_table(reader: Reader) -> None:
    reader.leb()
    for _ in range(reader.leb()):
        kind = reader.byte()
        reader.leb()
        if kind < 2:
            reader.leb()


# unreachable nop else throw_ref end return drop select catch_all ref.is_null
_PLAIN = {0x00, 0x01, 0x05, 0x0A, 0x0B, 0x0F, 0x1A, 0x1B, 0x19, 0xD1}
# Instructions followed by that many numbers: blocks, branches, calls, variables, constants …
_NUMBERS = {
    **dict.fromkeys((0x02, 0x03, 0x04, 0x06, 0x07, 0x08, 0x09, 0x0C, 0x0D, 0x10, 0x12), 1),
    **dict.fromkeys((0x14, 0x15, 0x18, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26), 1),
    **dict.fromkeys((0x3F, 0x40, 0x41, 0x42, 0xD0, 0xD2), 1),
    **dict.fromkeys((0x11, 0x13), 2),
}
_OTHER: dict[int, Callable[[Reader], None]] = {
    0x0E: _skip_table,
    0x1C: _skip_types,
    0x1F: _skip_try_table,
    0x43: lambda reader: reader.skip(4),
    0x44: lambda reader: reader.skip(8),
}
_BULK_MEMORY = {8: 2, 9: 1, 10: 2, 11: 1, 12: 2, 13: 1, 14: 2, 15: 1, 16: 1, 17: 1}
