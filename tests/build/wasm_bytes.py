"""WebAssembly modules made by hand."""

from __future__ import annotations

from wasmcode import SIMD


def module(*bodies: bytes) -> bytes:
    """A module of nothing but a code section (enough for the counter)."""
    code = b"".join(leb(len(body)) + body for body in bodies)
    section = leb(len(bodies)) + code
    return b"\0asm\1\0\0\0" + b"\x0a" + leb(len(section)) + section


def leb(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def simd(number: int, immediates: bytes = b"") -> bytes:
    return bytes([SIMD]) + leb(number) + immediates


NO_LOCALS, END = b"\0", b"\x0b"
