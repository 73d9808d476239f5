"""One block of memory for all of a segment's intermediate tensors: who lies where, decided before
the run."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT = 64
"""Bytes; a cache line, and the widest vector."""


@dataclass(frozen=True, slots=True)
class Lifetime:
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
    ends: dict[int, list[int]] = {}
    order = sorted(range(len(lifetimes)), key=lambda i: (lifetimes[i].first, -lifetimes[i].nbytes))
    for i, life in enumerate(lifetimes):
        ends.setdefault(life.last, []).append(i)
    pending = sorted(ends)
    done = 0
    for i in order:
        life = lifetimes[i]
        while done < len(pending) and pending[done] < life.first:
            for ended in ends[pending[done]]:
                arena.release(offsets[ended], _padded(lifetimes[ended].nbytes))
            done += 1
        offsets[i] = arena.take(_padded(life.nbytes))
    return offsets, arena.size


def _padded(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


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
