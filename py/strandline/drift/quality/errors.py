"""Labelled rows of a regression task: exact sums of labels and errors, and the metrics they give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from math import isfinite, ldexp, sqrt
from typing import Final

from strandline.drift.quality import intervals
from strandline.drift.quality.classes import mean_of_terms
from strandline.drift.quality.metric import Metric, exact, undefined
from strandline.drift.quality.task import RegressionTask

MOST_BITS: Final = 160
"""a label or an error of more than 2^160 units is no number to work with"""


@dataclass(frozen=True)
class ErrorTally:
    """Sums over rows of labels y and errors e = prediction − y, both rounded to the task's unit u.
    Immutable; adds up.
    """

    n: int = 0
    e: int = 0
    """Σe, in u"""
    absolute: int = 0
    """Σ|e|, in u"""
    e2: int = 0
    """Σe², in u²; and so on"""
    e4: int = 0
    y: int = 0
    y2: int = 0
    y3: int = 0
    y4: int = 0
    e2y: int = 0
    e2y2: int = 0

    def __add__(self, other: ErrorTally) -> ErrorTally:
        if not isinstance(other, ErrorTally):
            return NotImplemented
        return ErrorTally(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(ErrorTally))
        )


def count(
    task: RegressionTask, labels: Sequence[float], predictions: Sequence[float]
) -> ErrorTally:
    """The tally of rows; one whose label or prediction is no finite number, or is out of all
    proportion to the reference, is left out.
    """
    most = ldexp(1.0, task.unit + MOST_BITS)
    ys, es = [], []
    for label, predicted in zip(labels, predictions, strict=True):
        error = predicted - label
        if isfinite(error) and abs(label) < most and abs(error) < most:
            ys.append(round(ldexp(label, -task.unit)))
            es.append(round(ldexp(error, -task.unit)))
    squares = [e * e for e in es]
    label_squares = [y * y for y in ys]
    return ErrorTally(
        len(ys),
        sum(es),
        sum(map(abs, es)),
        sum(squares),
        sum(s * s for s in squares),
        sum(ys),
        sum(label_squares),
        sum(s * y for s, y in zip(label_squares, ys, strict=True)),
        sum(s * s for s in label_squares),
        sum(s * y for s, y in zip(squares, ys, strict=True)),
        sum(s * t for s, t in zip(squares, label_squares, strict=True)),
    )


def metrics(task: RegressionTask, tally: ErrorTally, level: float) -> Iterator[Metric]:
    """Every metric that a regression has, in the order of a report."""
    n, bits = tally.n, -task.unit
    yield mean_of_terms("mae", tally.absolute, tally.e2, bits, n, level)
    mse = mean_of_terms("mse", tally.e2, tally.e4, 2 * bits, n, level)
    yield _root(mse, tally)
    yield mse
    yield _r2(tally, level)
    yield mean_of_terms("mean_error", tally.e, tally.e2, bits, n, level, floor=float("-inf"))


def _root(mse: Metric, tally: ErrorTally) -> Metric:
    """RMSE, its interval by the delta method on the scale of ln MSE."""
    if mse.value is None:
        return undefined("rmse", mse.n, mse.level)
    n = mse.n
    squared = 0.0
    if n > 1 and tally.e2:
        spread = n * tally.e4 - tally.e2 * tally.e2
        squared = mse.value**2 * (spread * n / ((n - 1) * tally.e2 * tally.e2)) / n
    low, high = intervals.positive(mse.value, squared, n, mse.level)
    return exact("rmse", sqrt(mse.value), (sqrt(low), sqrt(high)), n, mse.level)


def _r2(tally: ErrorTally, level: float) -> Metric:
    """R² = 1 − Σe²/Σ(y − ȳ)², its interval by the delta method on the scale of ln(1 − R²)."""
    n = tally.n
    total = n * tally.y2 - tally.y * tally.y
    if n < 2 or not total:
        return undefined("r2", n, level)
    ratio = n * tally.e2 / total
    if not tally.e2:
        return exact("r2", 1.0, (1.0, 1.0), n, level)
    # Central moments of y beside e², exactly: everything times a power of n.
    y2c = total  # n² · Σ(y−ȳ)²/n
    y4c = (
        n**3 * tally.y4
        - 4 * n**2 * tally.y * tally.y3
        + 6 * n * tally.y**2 * tally.y2
        - 3 * tally.y**4
    )  # n⁴ · Σ(y−ȳ)⁴/n
    e2y2c = (
        n**2 * tally.e2y2 - 2 * n * tally.y * tally.e2y + tally.y**2 * tally.e2
    )  # n³ · Σe²(y−ȳ)²/n
    # Var ln ratio ≈ (1/n)·[E e⁴/(E e²)² − 2·E e²(y−ȳ)²/(E e²·E(y−ȳ)²) + E(y−ȳ)⁴/(E(y−ȳ)²)²].
    spread = n * tally.e4 / tally.e2**2 - 2 * e2y2c / (tally.e2 * y2c) + y4c / y2c**2
    squared = ratio**2 * max(spread, 0.0) / n
    low, high = intervals.positive(ratio, squared, n, level)
    return exact("r2", 1 - ratio, (1 - high, 1 - low), n, level)
