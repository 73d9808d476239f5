"""Programs that share memory for what lies between their instructions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline import core
from tests.core.arenas import poison
from tests.core.test_program import ARENA, INPUT, OUTPUT, relu, words

HUGE = 1 << 60
"""Bytes that no machine has."""


def program(n: int, arena: core.Arena | None = None) -> core.Program:
    """exp(-x) + -x of n floats, over two values in the arena."""
    nbytes = 4 * n
    second = (nbytes // 64 + 1) * 64
    tensors = words(INPUT, 0, 0, nbytes, ARENA, 0, 0, nbytes, ARENA, 0, second, nbytes)
    tensors += words(OUTPUT, 0, 0, nbytes)
    code = words(core.OPCODES["neg"], 1, 1, 4, 0, 1, ord("f"), n, 0, 0)
    code += words(core.OPCODES["exp"], 1, 1, 4, 1, 2, ord("f"), n, 0, 0)
    code += words(core.OPCODES["add"], 2, 1, 5, 2, 1, 3, ord("f"), 1, n, 1, 1)
    return core.Program(tensors, code, (), 2 * second, arena)


def needed(n: int) -> int:
    return 2 * (4 * n // 64 + 1) * 64


def values(n: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


def run(made: core.Program, x: Any, profile: bool = False) -> bytes:
    out = np.full_like(x, np.nan)
    if profile:
        assert len(made.profile([x], [out])) == 3
    else:
        made.run([x], [out])
    return out.tobytes()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["make", "run", "profile", "drop", "poison"]),
            st.integers(1, 3000),
            st.integers(0, 99),
        ),
        max_size=30,
    )
)
def test_programs_that_share_compute_what_they_would_alone(steps: list[Any]) -> None:
    arena = core.Arena()
    kept: list[tuple[int, core.Program]] = []
    largest = 0
    for action, n, pick in [("make", 7, 0), *steps]:
        if action == "make":
            kept.append((n, program(n, arena)))
            largest = max(largest, needed(n))
            assert arena.nbytes == largest
        elif action == "poison":
            poison(arena, needed(n))
            largest = max(largest, needed(n))
        elif action == "drop":
            if kept:
                kept.pop(pick % len(kept))
        elif kept:
            size, chosen = kept[pick % len(kept)]
            x = values(size, pick)
            assert run(chosen, x, action == "profile") == run(program(size), x)


def test_a_bound_program_finds_the_arena_where_it_went() -> None:
    arena = core.Arena()
    x, y = core.Tensor("f", [50]), core.Tensor("f", [50])
    memoryview(x).cast("B")[:] = values(50).tobytes()
    bound = core.Bound(program(50, arena), [x], [y])
    want = run(program(50), values(50))
    for n in (50, 40_000, 4_000_000):
        run(program(n, arena), values(n))
        bound.run()
        assert memoryview(y).tobytes() == want


def test_no_memory_to_grow_leaves_other_programs_as_they_were() -> None:
    arena = core.Arena()
    small, large = program(9, arena), program(5000, arena)
    before = arena.nbytes
    tensors = words(INPUT, 0, 0, 16, ARENA, 0, 0, HUGE)
    for _ in range(2):
        with pytest.raises(MemoryError, match=f"{HUGE} bytes"):
            core.Program(tensors, relu(), (), HUGE, arena)
        assert arena.nbytes == before
        for n, made in ((9, small), (5000, large)):
            assert run(made, values(n)) == run(program(n), values(n))


def test_only_programs_that_use_it_make_it_grow() -> None:
    arena = core.Arena()
    core.Program(words(INPUT, 0, 0, 16, OUTPUT, 0, 0, 16), relu(), (), 1 << 20, arena)
    with pytest.raises(ValueError, match="too small"):
        core.Program(words(INPUT, 0, 0, 16, ARENA, 0, 0, 16), relu(n=5), (), 1 << 20, arena)
    assert arena.nbytes == 0


def test_what_is_no_arena_is_refused() -> None:
    with pytest.raises(TypeError, match="Arena"):
        core.Program(b"", b"", (), 0, bytearray(64))  # type: ignore[arg-type]
