"""Rows that come in sessions: the covariance of the difference of shares and means of scores, without
drift, and the tail of quadratic forms of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import mul
from typing import TypeAlias

from strandline.drift.features import Feature
from strandline.drift.sessions import Moments, cells_of
from strandline.drift.stats.cells import effective_n
from strandline.drift.stats.special import f_sf
from strandline.drift.tally import Tally

Matrix: TypeAlias = list[list[float]]
Corrected: TypeAlias = tuple[float, float]
"""p-value, and how many times the variance is that of independent rows"""


@dataclass(frozen=True)
class Sample:
    """A feature's cells, and the covariance of the difference of shares when nothing has drifted."""

    feature: Feature
    current: Tally
    moments: Moments
    reference_counts: tuple[int, ...]
    current_counts: tuple[int, ...]
    """both per cell of `sessions.spans`, then those without a value if `whole`"""
    whole: bool

    @staticmethod
    def of(feature: Feature, current: Tally, moments: Moments, *, whole: bool = False) -> Sample:
        """`whole`: shares of all rows, not only of those with a value."""
        reference_counts, current_counts = (
            cells_of(feature, tally)[: None if whole else -1] for tally in (feature.tally, current)
        )
        return Sample(feature, current, moments, reference_counts, current_counts, whole)

    @property
    def n(self) -> int:
        return sum(self.reference_counts)

    @property
    def m(self) -> int:
        return sum(self.current_counts)

    @cached_property
    def pooled(self) -> list[float]:
        total = self.n + self.m
        return [
            (r + c) / total for r, c in zip(self.reference_counts, self.current_counts, strict=True)
        ]

    @property
    def freedom(self) -> float:
        """One less than the sessions there would be if all were of one size."""
        size = len(self.current_counts)
        squares = sum(sum(row[:size]) for row in self.moments.matrix[:size])
        return max(1e-9, self.m**2 / squares - 1)

    def between(self, scores: Sequence[Sequence[float]]) -> Matrix:
        """Covariance of the current's means of several scores of cells, as the sessions show it."""
        m, sessions = self.m, self.moments.sessions
        shares = [c / m for c in self.current_counts]
        matrix = self.moments.matrix
        size = range(len(shares))
        centred = []
        for row in scores:
            mean = sum(s * p for s, p in zip(row, shares, strict=True))
            centred.append([s - mean for s in row])
        through = [[sum(map(mul, u, matrix[j])) for j in size] for u in centred]
        scale = sessions / max(1, sessions - 1) / m**2
        return _symmetric(len(scores), lambda i, j: scale * sum(map(mul, through[i], centred[j])))

    def independent(self, scores: Sequence[Sequence[float]], rows: float) -> Matrix:
        """Covariance of the means of scores of so many independent rows of both samples together."""
        weighted = [list(map(mul, self.pooled, row)) for row in scores]
        means = list(map(sum, weighted))

        def covariance(i: int, j: int) -> float:
            product: float = sum(map(mul, weighted[i], scores[j]))
            return (product - means[i] * means[j]) / rows

        return _symmetric(len(scores), covariance)

    @property
    def design_effect(self) -> float:
        """Variance of the current's shares, of all cells together, beside that of independent rows
        (Rao & Scott's first order).
        """
        size = len(self.current_counts)
        cells = [[float(i == j) for j in range(size)] for i in range(size)]
        trace = sum(self.between([one])[0][0] for one in cells)
        alone = sum(self.independent([one], self.m)[0][0] for one in cells)
        return trace / alone if alone > 0 else 1.0

    def difference(self, scores: Sequence[Sequence[float]]) -> Matrix:
        """Covariance of the difference of the samples' means of scores, without drift."""
        return _added(self.independent(scores, self.n), self.between(scores))

    def naive(self, scores: Sequence[Sequence[float]]) -> Matrix:
        """The same if the current's rows were independent too."""
        return self.independent(scores, effective_n(self.n, self.m))


def tail(value: float, mean: float, variance: float, freedom: float) -> float:
    """Fisher's F with the degrees of freedom that mean and variance are worth, and as many times the
    sessions' below (Thomas & Rao).
    """
    if not (mean > 0 and variance > 0):
        return 1.0
    shape = 2 * mean * mean / variance
    return f_sf(value / mean, shape, max(1.0, shape) * freedom)


def form_moments(form: Matrix) -> tuple[float, float]:
    """Mean and variance of a quadratic form."""
    trace = sum(row[i] for i, row in enumerate(form))
    return trace, 2 * sum(x * x for row in form for x in row)


def _symmetric(size: int, entry: Callable[[int, int], float]) -> Matrix:
    """A symmetric matrix, each pair of entries computed once."""
    matrix = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            matrix[i][j] = matrix[j][i] = entry(i, j)
    return matrix


def _added(a: Matrix, b: Matrix) -> Matrix:
    return [[x + y for x, y in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]
