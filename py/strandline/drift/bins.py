"""Where the cuts between a numeric feature's bins lie.

Bin i holds the values v with ``cuts[i-1] <= v < cuts[i]``; the first and the last bin are open.
Inside the reference's range the bins hold about equal shares of the reference. A value that alone
has such a share is an *atom*: it gets a bin of its own, which in half-open bins is the pair of cuts
v and the next double after v. Beyond the range the cuts run off in powers of ten of the range's
width, so that a wrong unit or a sentinel such as 1e6 shows up, and by how much.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import inf, isfinite, nextafter
from typing import Final

OUTER_PARTS: Final = (0.1, 0.25, 0.5)
"""where the first and the last share are cut again, from the outside in"""

TAIL_DECADES: Final = range(-1, 4)
"""exponents of ten times the reference's range at which the tails are cut"""


def quantile_cuts(values: Sequence[float], bins: int) -> tuple[float, ...]:
    """Cuts for a reference of ascending finite `values`; about `bins` bins in its range, atoms and
    tails besides.
    """
    if not values:
        return ()
    low, high = values[0], values[-1]
    cuts = _inner_cuts(values, bins) | {low, nextafter(high, inf)} | _tails(low, high)
    return tuple(sorted(filter(isfinite, cuts)))


def log_cuts(low: float, high: float, per_decade: int) -> tuple[float, ...]:
    """Cuts from `low` to at least `high`, `per_decade` of them for each power of ten, rounded to 3
    digits.
    """
    cuts = [low]
    while cuts[-1] < high:
        cuts.append(float(f"{low * 10 ** (len(cuts) / per_decade):.3g}"))
    return tuple(cuts)


def is_atom(low: float, high: float) -> bool:
    """Whether the bin [low, high) can hold one value only."""
    return high == nextafter(low, inf)


def _inner_cuts(values: Sequence[float], bins: int) -> set[float]:
    n = len(values)
    cuts: set[float] = set()
    start = 0
    for first, last in _atoms(values, bins):
        cuts |= {values[first], nextafter(values[first], inf)}
        cuts |= _even_cuts(values, start, first, bins)
        start = last
    return cuts | _even_cuts(values, start, n, bins) | _outer_cuts(values, bins)


def _atoms(values: Sequence[float], bins: int) -> list[tuple[int, int]]:
    """Runs of one value that make at least 1/bins of the whole, as [first, last) ranges in
    `values`.

    When there are no more than `bins` different values, every one of them.
    """
    runs = _runs(values, bins)
    if runs is not None:
        return runs
    n = len(values)
    heavy: list[tuple[int, int]] = []
    for k in range(bins + 1):
        value = values[min(k * n // bins, n - 1)]
        if heavy and values[heavy[-1][0]] == value:
            continue
        first, last = bisect_left(values, value), bisect_right(values, value)
        if (last - first) * bins >= n:
            heavy.append((first, last))
    return heavy


def _runs(values: Sequence[float], most: int) -> list[tuple[int, int]] | None:
    """All runs of equal values, or `None` when there are more than `most`."""
    runs: list[tuple[int, int]] = []
    first = 0
    while first < len(values):
        if len(runs) == most:
            return None
        last = bisect_right(values, values[first], first)
        runs.append((first, last))
        first = last
    return runs


def _even_cuts(values: Sequence[float], start: int, stop: int, bins: int) -> set[float]:
    """Cuts that split values[start:stop] into pieces of about 1/bins of all values."""
    pieces = max(1, round((stop - start) * bins / len(values)))
    return {values[start + (stop - start) * k // pieces] for k in range(1, pieces)}


def _outer_cuts(values: Sequence[float], bins: int) -> set[float]:
    """Cuts inside the first and the last share: where values thin out, bins of equal mass are wide."""
    n = len(values)
    depths = [int(part * n / bins) for part in OUTER_PARTS]
    return {values[depth] for depth in depths} | {values[n - 1 - depth] for depth in depths}


def _tails(low: float, high: float) -> set[float]:
    width = high - low if high > low else max(abs(low), 1.0)
    steps = [width * 10.0**decade for decade in TAIL_DECADES]
    tails = {low - step for step in steps} | {nextafter(high, inf) + step for step in steps}
    return {cut for cut in tails if not low <= cut <= high}
