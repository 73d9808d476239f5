"""Sums over sessions of products: what the variance of any ratio of sums follows from, when rows come in
sessions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from operator import add, sub
from typing import Any, TypeAlias

from strandline.drift import triangle

Gradient: TypeAlias = Mapping[int, Fraction]
"""by the number of a sum, what one more of it adds to a metric"""


@dataclass(frozen=True)
class SessionProducts:
    """Sums over sessions s of products of what s had. Adds up and subtracts exactly."""

    sessions: int
    """with at least one row"""
    products: tuple[int, ...]
    """Σ_s v_si·v_sj for i ≤ j, row by row, of what a session had"""

    @staticmethod
    def of(sums: Sequence[int]) -> SessionProducts:
        """Of a single session that had these sums."""
        return SessionProducts(1, triangle.pairs(sums))

    @cached_property
    def matrix(self) -> tuple[tuple[int, ...], ...]:
        """Σ_s v_s·v_s', symmetric."""
        return triangle.symmetric(self.products)

    def effective(self, i: int, total: int) -> float:
        """How many sessions there are, if all had the same part of the i-th sum's total."""
        squares = self.matrix[i][i]
        return total * total / squares if squares else 0.0

    def variance(self, gradient: Gradient, effective: float) -> float:
        """Of what the gradient is of: the linearised estimator, a session's part of it squared."""
        found = Fraction(0)
        for i, a in gradient.items():
            for j, b in gradient.items():
                found += a * b * self.matrix[i][j]
        return max(0.0, float(found)) * effective / (effective - 1)

    def __add__(self, other: SessionProducts) -> SessionProducts:
        return self._combined(other, add)

    def __sub__(self, other: SessionProducts) -> SessionProducts:
        return self._combined(other, sub)

    def _combined(self, other: SessionProducts, by: Any) -> SessionProducts:
        if not isinstance(other, SessionProducts):
            return NotImplemented
        return SessionProducts(
            by(self.sessions, other.sessions), tuple(map(by, self.products, other.products))
        )
