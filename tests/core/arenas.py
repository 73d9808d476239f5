"""Arenas as another program might leave them."""

from __future__ import annotations

from strandline import core

ARENA = 0


def poison(arena: core.Arena, nbytes: int) -> None:
    """Let a program write 0xFF, which is NaN as a float and -1 as an integer, all over the arena."""
    if nbytes:
        code = (core.OPCODES["fill"], 0, 1, 3, 0, 1, nbytes, 0xFF)
        table = core.words((ARENA, 0, 0, nbytes))
        core.Program(table, core.words(code), (), nbytes, arena).run((), ())
