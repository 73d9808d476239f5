"""One feature over the windows: how far each lies from the reference, and in which direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import sqrt

from strandline.drift.features import Feature, VectorFeature
from strandline.drift.sessions import first_waves
from strandline.drift.tally import Tally, VectorTally
from strandline.drift.vectors import AMPLITUDE
from strandline.drift.watch.cells import Cells


@dataclass(frozen=True)
class Course:
    """A feature's windows that hold rows, in order of time."""

    feature: Feature
    windows: tuple[int, ...]
    """their numbers among all windows"""
    tallies: tuple[Tally, ...]
    drifted: tuple[bool, ...]
    """whether the window's difference is significant, all windows considered, and large enough"""

    @cached_property
    def scores(self) -> list[float]:
        """[windows] how far each lies from the reference along the direction in which they differ
        most; positive for most of the way.

        The windows' shares of cells are compared as square roots, whose sampling variance is the
        same everywhere (1/4m); of vectors the mean features, in a unit that gives them this variance
        too. The direction is the first principal one through the reference.
        """
        if isinstance(self.feature, VectorFeature):
            place = partial(_means, self.feature)
        else:
            place = partial(_roots, Cells.of(self.feature))
        target = place(self.feature.tally)
        away = [
            [a - b for a, b in zip(place(tally), target, strict=True)] for tally in self.tallies
        ]
        direction = _principal(away, [tally.rows for tally in self.tallies])
        scores = [sum(a * b for a, b in zip(row, direction, strict=True)) for row in away]
        return scores if sum(scores) >= 0 else [-score for score in scores]

    @property
    def weights(self) -> list[float]:
        return [float(tally.rows) for tally in self.tallies]

    @property
    def noise(self) -> float:
        """Sampling variance of a score at the mean number of rows."""
        return len(self.tallies) / (4 * sum(self.weights))


def _roots(cells: Cells, tally: Tally) -> list[float]:
    values, (_, missing, invalid) = cells.count(tally)
    return [sqrt(count / tally.rows) for count in (*values, missing, invalid)]


def _means(feature: VectorFeature, tally: Tally) -> list[float]:
    """Mean features of vectors; the reference's where there are none."""
    assert isinstance(tally, VectorTally)
    trace, square, _ = feature.traces
    held = tally if tally.n else feature.tally
    sums = first_waves(tuple(held.sums))
    typical = square / trace if trace else 0.0  # variance in a direction that weighs
    unit = held.n * AMPLITUDE * sqrt(2 * len(sums) * typical)
    lacking = [sqrt(count / tally.rows) for count in (tally.missing, tally.invalid)]
    return [x / unit if unit else 0.0 for x in sums] + lacking


def _principal(rows: Sequence[Sequence[float]], weights: Sequence[int]) -> list[float]:
    """Unit vector along which the weighted rows have the most squared length."""
    size = len(rows[0])
    moments = [
        [
            sum(w * row[a] * row[b] for w, row in zip(weights, rows, strict=True))
            for b in range(size)
        ]
        for a in range(size)
    ]
    vector = max(moments, key=lambda row: sum(map(abs, row)))
    for _ in range(100):
        length = sqrt(sum(x * x for x in vector))
        if not length:
            return [1 / sqrt(size)] * size
        vector = [x / length for x in vector]
        vector = [sum(a * b for a, b in zip(row, vector, strict=True)) for row in moments]
    length = sqrt(sum(x * x for x in vector))
    return [x / length for x in vector]
