"""Which simple curve a series of numbers follows: constant, step, ramp, interlude, or cycle.

Every curve is fitted by weighted least squares over all its change-points or periods, and the one
with the smallest Bayesian information criterion is taken. A change-point and a period are searched
for, so they count as more than one parameter.

References: Schwarz (1978), *Estimating the dimension of a model*; Zhang & Siegmund (2007), *A
modified Bayes information criterion*, Biometrics 63, on the price of a change-point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, cos, inf, log, pi, sin
from typing import Final, Literal, TypeAlias

Curve: TypeAlias = Literal["constant", "step", "ramp", "interlude", "cycle"]

PARAMETERS: Final = {"constant": 1, "step": 4, "ramp": 6, "interlude": 6, "cycle": 6}
SECOND_HARMONIC: Final = 2
"""parameters more when a cycle is no plain sine"""
LEAST_RAMP: Final = 4
"""windows that a ramp takes: what is shorter is a step"""
LEAST_CYCLES: Final = 2.0
"""cycles that a series must hold: one rise and fall may as well be a single event"""
LEAST_WINDOWS: Final = 8
"""windows before a curve with a search is tried, but for the step"""
_KNOTS: Final = 60
"""change-points that ramps and interludes try; more windows are tried in steps"""


@dataclass(frozen=True, slots=True)
class Shape:
    """A curve that was fitted."""

    curve: Curve
    bic: float
    fitted: tuple[float, ...]
    onset: int = 0
    """index of the first changed value; of a cycle 0"""
    end: int | None = None
    """index after the last changed value of an interlude; where a ramp has risen"""
    period: float | None = None
    """windows per cycle"""


def shapes(y: Sequence[float], weights: Sequence[float], noise: float) -> list[Shape]:
    """The best fit of every curve to `y`, best first.

    Parameters
    ----------
    weights
        Of the values, such as rows behind them; only their ratios count.
    noise
        Variance that a value of mean weight has by chance: no fit is believed to be better.
    """
    n = len(y)
    total = sum(weights)
    data = _Data(y, [weight * n / total for weight in weights])

    def shape(curve: Curve, fit: Fit, extra: int = 0) -> Shape:
        spread = max(fit.rss / n, noise / 4, 1e-300)
        bic = n * log(spread) + (PARAMETERS[curve] + extra) * log(n)
        fitted = tuple(map(fit.curve, range(n)))
        return Shape(curve, bic, fitted, fit.onset, fit.end, fit.period)

    found = [shape("constant", data.constant())]
    if n >= 3:
        found.append(shape("step", _best(data.steps())))
    if n >= LEAST_WINDOWS:
        found.append(shape("ramp", _best(data.ramps())))
        found.append(shape("interlude", _best(data.interludes())))
        plain, harmonic = data.cycles()
        both = (shape("cycle", plain), shape("cycle", harmonic, SECOND_HARMONIC))
        found.append(min(both, key=lambda one: one.bic))
    return sorted(found, key=lambda one: one.bic)


@dataclass(frozen=True, slots=True)
class Fit:
    rss: float
    curve: Callable[[int], float]
    onset: int = 0
    end: int | None = None
    period: float | None = None


def _best(fits: Iterator[Fit]) -> Fit:
    return min(fits, key=lambda fit: fit.rss)


class _Data:
    """A weighted series with its running sums, so that a fit costs no pass over it."""

    def __init__(self, y: Sequence[float], w: Sequence[float]) -> None:
        self.n = len(y)
        self.y, self.w = y, w
        t = range(self.n)
        self.s0 = _running(w)
        self.s1 = _running([a * i for i, a in zip(t, w, strict=True)])
        self.s2 = _running([a * i * i for i, a in zip(t, w, strict=True)])
        self.sy = _running([a * b for a, b in zip(w, y, strict=True)])
        self.sty = _running([a * b * i for i, a, b in zip(t, w, y, strict=True)])
        self.syy = sum(a * b * b for a, b in zip(w, y, strict=True))

    def constant(self) -> Fit:
        mean = self.sy[-1] / self.s0[-1]
        return Fit(max(0.0, self.syy - mean * self.sy[-1]), lambda t: mean)

    def steps(self) -> Iterator[Fit]:
        for i in range(1, self.n):
            yield self._two_levels(i, self.n)

    def interludes(self) -> Iterator[Fit]:
        """From the second value on at the earliest, and over by the last but one."""
        every = ceil(self.n / _KNOTS)
        for i in range(1, self.n - 2, every):
            for j in range(i + 1, self.n - 1, every):
                yield self._two_levels(i, j)

    def _two_levels(self, i: int, j: int) -> Fit:
        """One level in [i, j), another one outside."""
        inside, inside_y = self.s0[j] - self.s0[i], self.sy[j] - self.sy[i]
        outside, outside_y = self.s0[-1] - inside, self.sy[-1] - inside_y
        a, b = outside_y / outside, inside_y / inside
        rss = max(0.0, self.syy - a * outside_y - b * inside_y)
        return Fit(rss, lambda t: b if i <= t < j else a, i, j if j < self.n else None)

    def ramps(self) -> Iterator[Fit]:
        """Level until i, even rise or fall to the level from j on."""
        every = ceil(self.n / _KNOTS)
        for i in range(0, self.n - LEAST_RAMP, every):
            for j in range(i + LEAST_RAMP, self.n, every):
                yield self._ramp(i, j)

    def _ramp(self, i: int, j: int) -> Fit:
        length = j - i
        w0, w1, w2 = (s[j] - s[i] for s in (self.s0, self.s1, self.s2))
        after, after_y = self.s0[-1] - self.s0[j], self.sy[-1] - self.sy[j]
        g = (w1 - i * w0) / length + after
        gg = (w2 - 2 * i * w1 + i * i * w0) / length**2 + after
        gy = (self.sty[j] - self.sty[i] - i * (self.sy[j] - self.sy[i])) / length + after_y
        total, total_y = self.s0[-1], self.sy[-1]
        slope = (total * gy - g * total_y) / (total * gg - g * g)
        level = (total_y - slope * g) / total
        rss = max(0.0, self.syy - level * total_y - slope * gy)
        return Fit(rss, lambda t: level + slope * min(1.0, max(0.0, (t - i) / length)), i + 1, j)

    def cycles(self) -> tuple[Fit, Fit]:
        """The best plain sine, and the best one with its second harmonic."""
        quarters = range(int(4 * LEAST_CYCLES), 2 * self.n + 1)
        frequencies = [k / 4 / self.n for k in quarters]
        plain = sorted((self._cycle(f, 1) for f in frequencies), key=lambda fit: fit.rss)
        # The second harmonic may be the stronger one: then the cycle is twice as long.
        promising = {1 / fit.period for fit in plain[:4] if fit.period}
        promising |= {f / 2 for f in promising if f / 2 * self.n >= LEAST_CYCLES}
        return plain[0], _best(self._cycle(f, 2) for f in promising if f <= 0.25) if any(
            f <= 0.25 for f in promising
        ) else plain[0]

    def _cycle(self, frequency: float, harmonics: int) -> Fit:
        rows = [_waves(t, frequency, harmonics) for t in range(self.n)]
        size = len(rows[0])
        matrix = [
            [
                sum(w * row[a] * row[b] for w, row in zip(self.w, rows, strict=True))
                for b in range(size)
            ]
            for a in range(size)
        ]
        right = [
            sum(w * row[a] * v for w, row, v in zip(self.w, rows, self.y, strict=True))
            for a in range(size)
        ]
        found = _solve(matrix, right)
        rss = self.syy - sum(a * b for a, b in zip(found, right, strict=True)) if found else inf

        def curve(t: int) -> float:
            return sum(a * b for a, b in zip(found, _waves(t, frequency, harmonics), strict=True))

        return Fit(max(0.0, rss), curve, period=1 / frequency)


def _running(values: Sequence[float]) -> list[float]:
    return [0.0, *accumulate(values)]


def _waves(t: int, frequency: float, harmonics: int) -> list[float]:
    angles = [2 * pi * frequency * k * t for k in range(1, harmonics + 1)]
    return [1.0, *(wave(angle) for angle in angles for wave in (cos, sin))]


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gauss's elimination; a column that depends on the others gets 0."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    pivots: list[int | None] = []
    used: set[int] = set()
    for column in range(size):
        free = [i for i in range(size) if i not in used]
        best = max(free, key=lambda i: abs(rows[i][column]))
        if abs(rows[best][column]) < 1e-9 * max(1.0, abs(matrix[0][0])):
            pivots.append(None)
            continue
        used.add(best)
        pivots.append(best)
        for i in range(size):
            if i != best:
                factor = rows[i][column] / rows[best][column]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[best], strict=True)]
    return [
        0.0 if pivot is None else rows[pivot][-1] / rows[pivot][column]
        for column, pivot in enumerate(pivots)
    ]
