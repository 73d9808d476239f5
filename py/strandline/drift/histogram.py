"""Bars to draw: a few bins of equal width from a feature's many bins of equal mass.

For the eye only. The shares of the bars follow from the exact bins as if values were spread evenly
within each; no statistic is computed from them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import ceil, floor, log10
from typing import Any, Final

from strandline.drift import bins
from strandline.drift.columns import moment_text
from strandline.drift.features import CategoricalFeature, Feature, NumericFeature, VectorFeature
from strandline.drift.tally import NumericTally, Tally

BARS: Final = 20
MOST_ATOMS: Final = 24
DAY: Final = 86400.0
YEAR: Final = 365 * DAY
TIME_STEPS: Final = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(60 * k for k in (1.0, 2.0, 5.0, 10.0, 15.0, 30.0)),
    *(3600 * k for k in (1.0, 2.0, 3.0, 6.0, 12.0)),
    *(DAY * k for k in (1.0, 2.0, 7.0, 14.0, 28.0, 91.0, 182.0, 365.0)),
)
SHOWN: Final = 0.005
"""share of the reference that may lie beyond the bars at either end, in open bars"""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars with the shares of either sample; empty shares when a sample has no values."""

    labels: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "bins": list(self.labels),
            "reference": [round(share, 6) for share in self.reference],
            "current": [round(share, 6) for share in self.current],
        }


def histogram(feature: Feature, current: Tally) -> Histogram:
    """The bars of a feature: its categories, its atoms when it has few values, else equal widths; none
    of vectors.
    """
    if isinstance(feature, CategoricalFeature):
        labels = (*feature.vocabulary, "other")
        return Histogram(labels, _shares(feature.tally.counts), _shares(current.counts))
    if isinstance(feature, VectorFeature):
        return Histogram((), (), ())
    assert isinstance(current, NumericTally)
    atoms = [i for i, count in enumerate(feature.tally.counts) if count]
    if 0 < len(atoms) <= MOST_ATOMS and all(_is_atom(feature, i) for i in atoms):
        return _of_atoms(feature, current, atoms)
    return _of_widths(feature, current)


def _is_atom(feature: NumericFeature, i: int) -> bool:
    return 0 < i < len(feature.cuts) and bins.is_atom(feature.cuts[i - 1], feature.cuts[i])


def _shares(counts: Sequence[int]) -> tuple[float, ...]:
    n = sum(counts)
    return tuple(count / n for count in counts) if n else tuple(0.0 for _ in counts)


def _of_atoms(feature: NumericFeature, current: NumericTally, atoms: list[int]) -> Histogram:
    chosen = set(atoms)
    labels = (*_labels(feature, [feature.cuts[i - 1] for i in atoms]), "other")

    def picked(counts: Sequence[int]) -> tuple[float, ...]:
        others = sum(count for i, count in enumerate(counts) if i not in chosen)
        return _shares([*(counts[i] for i in atoms), others])

    return Histogram(labels, picked(feature.tally.counts), picked(current.counts))


def _of_widths(feature: NumericFeature, current: NumericTally) -> Histogram:
    shown = feature.tally if feature.tally.n else current
    if not shown.n:
        return Histogram((), (), ())
    steps = _time_steps if feature.kind == "datetime" else _round_steps
    low, high = (_quantile(feature, shown, share) for share in (SHOWN, 1 - SHOWN))
    edges = _even_edges(low, high, steps)
    named = _labels(feature, edges)
    labels = (f"< {named[0]}", *(f"{a} – {b}" for a, b in pairwise(named)), f"≥ {named[-1]}")
    return Histogram(
        labels, _rebinned(feature, feature.tally, edges), _rebinned(feature, current, edges)
    )


def _even_edges(low: float, high: float, steps: Callable[[float], Iterable[float]]) -> list[float]:
    """About `BARS` round numbers that cover [low, high]."""
    width = (high - low) / BARS
    if not 0 < width < float("inf"):
        return [low, high] if low < high else [low, low + max(abs(low), 1.0)]
    step = next(step for step in steps(width) if step >= width * 0.999)
    first, last = floor(low / step), ceil(high / step)
    return [k * step for k in range(first, last + 1)]


def _round_steps(width: float) -> Iterator[float]:
    power = 10.0 ** floor(log10(width))
    return (k * power for k in (1, 2, 2.5, 5, 10))


def _time_steps(width: float) -> Iterator[float]:
    """Seconds, minutes, hours, days and years that clocks and calendars have."""
    if width > TIME_STEPS[-1]:
        return (YEAR * step for step in _round_steps(width / YEAR))
    return iter(TIME_STEPS) if width > 0.5 else _round_steps(width)


def _labels(feature: NumericFeature, values: Sequence[float]) -> list[str]:
    if feature.kind != "datetime":
        return [number(value) for value in values]
    days_only = all(value % DAY == 0 for value in values)
    return [moment_text(value, days_only=days_only) for value in values]


def _corners(feature: NumericFeature, tally: NumericTally) -> tuple[list[float], list[int]]:
    """Where the tally's distribution function is known: positions, and how many values lie below."""
    below = [0, *accumulate(tally.counts)]
    low, high = tally.minimum, tally.maximum
    xs = [low, *(min(max(cut, low), high) for cut in feature.cuts), high]
    return xs, below


def _quantile(feature: NumericFeature, tally: NumericTally, share: float) -> float:
    xs, below = _corners(feature, tally)
    target = share * tally.n
    i = min(max(bisect_right(below, target), 1), len(below) - 1)
    inside = below[i] - below[i - 1]
    part = (target - below[i - 1]) / inside if inside else 0.0
    return xs[i - 1] + (xs[i] - xs[i - 1]) * part


def _rebinned(
    feature: NumericFeature, tally: NumericTally, edges: Sequence[float]
) -> tuple[float, ...]:
    if not tally.n:
        return tuple(0.0 for _ in range(len(edges) + 1))
    xs, below = _corners(feature, tally)

    def share_below(x: float) -> float:
        i = bisect_left(xs, x)
        if i == len(xs):
            return 1.0
        if xs[i] == x or i == 0:
            return below[i] / tally.n
        part = (x - xs[i - 1]) / (xs[i] - xs[i - 1])
        return (below[i - 1] + (below[i] - below[i - 1]) * part) / tally.n

    at = [0.0, *(share_below(edge) for edge in edges), 1.0]
    return tuple(max(0.0, b - a) for a, b in pairwise(at))


def number(value: float) -> str:
    """A number short enough for a label."""
    if abs(value) < 1e6 and value == int(value):
        return str(int(value))
    return f"{value:.4g}"
