"""Symmetric matrices of products, kept as the rows of their upper triangle."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt


def pairs(of: Sequence[int]) -> tuple[int, ...]:
    """The products of all pairs, an entry with itself among them."""
    return tuple(a * b for i, a in enumerate(of) for b in of[i:])


def entries(size: int) -> int:
    """How many a matrix with so many rows has in its triangle."""
    return size * (size + 1) // 2


def rows(triangle: Sequence[int]) -> int:
    """How many rows the matrix has."""
    return (isqrt(8 * len(triangle) + 1) - 1) // 2


def symmetric(triangle: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The whole matrix."""
    size = rows(triangle)
    matrix = [[0] * size for _ in range(size)]
    each = iter(triangle)
    for i in range(size):
        for j in range(i, size):
            matrix[i][j] = matrix[j][i] = next(each)
    return tuple(map(tuple, matrix))
