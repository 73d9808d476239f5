"""One feature over the windows: how far each lies from the reference, and in which direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

from strandline.drift.features import Feature
from strandline.drift.tally import Tally
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
        same everywhere (1/4m); the direction is the first principal one through the reference.
        """
        cells = Cells.of(self.feature)
        target = _roots(cells, self.feature.tally)
        away = [
            [a - b for a, b in zip(_roots(cells, tally), target, strict=True)]
            for tally in self.tallies
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
