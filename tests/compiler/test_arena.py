from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strandline.compiler.arena import ALIGNMENT, Lifetime, assign


@st.composite
def lifetimes(draw: st.DrawFn) -> list[Lifetime]:
    def one() -> Lifetime:
        first = draw(st.integers(0, 20))
        return Lifetime(draw(st.integers(0, 1000)), first, first + draw(st.integers(0, 6)))

    return [one() for _ in range(draw(st.integers(0, 30)))]


@given(lifetimes())
def test_no_two_live_tensors_overlap(lives: list[Lifetime]) -> None:
    offsets, size = assign(lives)
    for i, a in enumerate(lives):
        assert offsets[i] % ALIGNMENT == 0
        assert offsets[i] + a.nbytes <= size or a.nbytes == 0
        for j, b in enumerate(lives[:i]):
            meet = a.first <= b.last and b.first <= a.last and a.nbytes and b.nbytes
            apart = offsets[i] + a.nbytes <= offsets[j] or offsets[j] + b.nbytes <= offsets[i]
            assert not meet or apart


def test_a_chain_needs_two_buffers() -> None:
    lives = [Lifetime(1024, i, i + 1) for i in range(100)]
    assert assign(lives)[1] == 2048


def test_the_tightest_hole_is_taken() -> None:
    # Two holes open at 2: one of 64 bytes, one of 256; the small tensor goes into the small one.
    lives = [
        Lifetime(256, 0, 1),
        Lifetime(64, 0, 9),
        Lifetime(64, 0, 1),
        Lifetime(64, 0, 9),
        Lifetime(64, 2, 9),
        Lifetime(256, 2, 9),
    ]
    offsets, size = assign(lives)
    assert offsets[4] == offsets[2] and offsets[5] == offsets[0]
    assert size == 256 + 3 * 64


def test_neighbours_that_are_free_join() -> None:
    lives = [Lifetime(64, 0, 0), Lifetime(64, 0, 0), Lifetime(128, 1, 1)]
    assert assign(lives)[1] == 128


def test_empty_tensors_take_no_room() -> None:
    assert assign([Lifetime(0, 0, 5), Lifetime(0, 1, 2)]) == ([0, 0], 0)
    assert assign([]) == ([], 0)
