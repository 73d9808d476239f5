"""One block of memory for all of a segment's intermediate tensors: who lies where, decided before
the run."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import NamedTuple

ALIGNMENT = 64
"""Bytes; a cache line, and the widest vector."""


class Lifetime(NamedTuple):
    """A tensor that is written by instruction `first` and last used by instruction `last` (both
    inclusive)."""

    nbytes: int
    first: int
    last: int


def assign(lifetimes: Sequence[Lifetime]) -> tuple[list[int], int]:
    """Offsets (multiples of 64, in the order given) and the arena's size in bytes.

    Tensors that live at the same instruction never overlap. Best fit over a free list, in order of
    time: n log n for n tensors when few are alive at once.
    """
    arena = _Arena()
    offsets = [0] * len(lifetimes)
    padded = [-(-life.nbytes // ALIGNMENT) * ALIGNMENT for life in lifetimes]
    coming = sorted((life.first, -life.nbytes, i) for i, life in enumerate(lifetimes))
    going = iter(sorted((life.last, i) for i, life in enumerate(lifetimes)))
    last, gone = next(going, (0, 0))
    for first, _, i in coming:
        while last < first:
            arena.release(offsets[gone], padded[gone])
            last, gone = next(going)
        offsets[i] = arena.take(padded[i])
    return offsets, arena.size


class _Arena:
    """Free blocks by size (for the best fit) and by both ends (to join neighbours)."""

    def __init__(self) -> None:
        self.size = 0
        self._by_size: list[tuple[int, int]] = []
        self._by_start: dict[int, int] = {}
        self._by_end: dict[int, int] = {}

    def take(self, nbytes: int) -> int:
        if nbytes == 0:
            return 0
        found = bisect_left(self._by_size, (nbytes, 0))
        if found < len(self._by_size):
            size, start = self._by_size[found]
            self._remove(start, size)
            if size > nbytes:
                self._add(start + nbytes, size - nbytes)
            return start
        # Nothing fits: grow, from the last free block when it touches the end.
        start = self._by_end.get(self.size, self.size)
        if start < self.size:
            self._remove(start, self.size - start)
        self.size = start + nbytes
        return start

    def release(self, start: int, nbytes: int) -> None:
        if nbytes == 0:
            return
        if start in self._by_end:
            before = self._by_end[start]
            self._remove(before, start - before)
            nbytes += start - before
            start = before
        after = self._by_start.get(start + nbytes)
        if after is not None:
            self._remove(start + nbytes, after)
            nbytes += after
        self._add(start, nbytes)

    def _add(self, start: int, size: int) -> None:
        insort(self._by_size, (size, start))
        self._by_start[start] = size
        self._by_end[start + size] = start

    def _remove(self, start: int, size: int) -> None:
        del self._by_size[bisect_left(self._by_size, (size, start))]
        del self._by_start[start]
        del self._by_end[start + size]
