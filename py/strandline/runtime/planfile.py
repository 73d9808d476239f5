"""A prepared call as a file, which the core runs without Python (`web/src/engine/standalone.ts`).

    magic (16 bytes), length of the header (uint32), zeros; the header, JSON, padded with blanks; the bytes of
    tensors, code and constants, which the header names by (offset, length) from the header's end

Everything lies on 64-byte boundaries and is little-endian. Kernels are named, so that the reader's opcodes may differ.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from strandline import core
from strandline.runtime.prepared import Prepared

MAGIC = b"strandline.plan\n"
SCHEMA = "strandline.plan/1"

_ALIGNMENT = 64
_FIXED = 64
"""Bytes before the header."""


def dumps(prepared: Prepared) -> bytes:
    """The file of a call that was prepared under the instruction set in force.

    It serves every instruction set whose packed constants are laid out alike: those of equal `core.panel_width()`.
    """
    recipe = prepared.recipe
    blobs: list[bytes | memoryview] = []
    size = 0

    def put(data: Any) -> list[int]:
        nonlocal size
        view = memoryview(data).cast("B") if memoryview(data).nbytes else memoryview(b"")
        place = [size, view.nbytes]
        padding = -view.nbytes % _ALIGNMENT
        blobs.extend((view, bytes(padding)))
        size += view.nbytes + padding
        return place

    header = {
        "schema": SCHEMA,
        "panel": core.panel_width(),
        "kernels": _kernels(recipe.code),
        "arena": recipe.arena_bytes,
        "tensors": put(recipe.tensors),
        "code": put(recipe.code),
        "constants": [put(constant) for constant in recipe.constants],
        "call": prepared.describe(),
    }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    fixed = MAGIC + struct.pack("<I", len(text))
    return b"".join((fixed.ljust(_FIXED, b"\0"), text, *blobs))


def _kernels(code: bytes) -> dict[str, int]:
    """The opcodes in `code` by their kernels' names."""
    names = {opcode: name for name, opcode in core.OPCODES.items()}
    words = memoryview(code).cast("q")
    found: dict[str, int] = {}
    at = 0
    while at < len(words):
        opcode, n_in, n_out, n_params = words[at : at + 4].tolist()
        found[names[opcode]] = opcode
        at += 4 + n_in + n_out + n_params
    return found
