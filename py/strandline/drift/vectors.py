"""Vectors, such as embeddings: rows of a fixed number of coordinates, and their random Fourier
features.

The features approximate the Gaussian kernel exp(-|x - y|²/2σ²): cosines and sines of the phases
ω·x/σ at random frequencies ω, of which only whole numbers are summed up. The phase is rounded down
to 1/4096 turn and the wave to 1/1024, so what is compared is the kernel of these very features,
exactly. References: Rahimi & Recht (2007).
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, dist, fsum, inf, isfinite, nan, pi, sqrt
from operator import mul
from random import Random
from typing import TYPE_CHECKING, Any, Final, cast

from strandline.drift import columns
from strandline.drift.columns import Column, Numbers

if TYPE_CHECKING:
    from typing_extensions import Buffer

STEPS: Final = 4096
"""of a turn"""
AMPLITUDE: Final = 1024
"""of the wave, in integers"""
FREQUENCIES: Final = 64
MEDIAN_ROWS: Final = 200
"""vectors whose pairwise distances make the bandwidth"""

_UNIFORMS: Final = 12
"""16-bit numbers whose sum is nearly normal, with the variance 65536² - 1"""


@dataclass(frozen=True, slots=True)
class Vectors:
    """A column of vectors, ready for the core."""

    values: Buffer
    """[n·dimensions] float64; a coordinate may still be infinite or NaN"""
    n: int
    missing: int
    invalid: int
    """cells that are no vector of this many numbers"""


def read(column: Column, dimensions: int) -> Vectors:
    """Read a column of vectors: a two-dimensional buffer, else cell by cell (sequences of numbers,
    JSON lists in text, `None`).
    """
    whole = _matrix(column)
    if whole is not None and whole.shape is not None:
        n = whole.shape[0]
        if whole.shape[1] != dimensions:
            return Vectors(array("d"), 0, 0, n)
        return Vectors(_flat(whole), n, 0, 0)
    values = array("d")
    n = missing = invalid = 0
    for cell in columns.cells_of(column):
        found = vector(cell, dimensions)
        if found is not None:
            values += found
            n += 1
        elif columns.is_missing(cell):
            missing += 1
        else:
            invalid += 1
    return Vectors(values, n, missing, invalid)


def vector(cell: Any, dimensions: int) -> array[float] | None:
    """A cell's coordinates; `None` when it is missing, or no vector of this many numbers."""
    found = _numbers(cell)
    return found if found is not None and len(found) == dimensions else None


def dimensions_of(column: Column) -> int | None:
    """How many coordinates the vectors of a column have, by the first that is there; `None` when it
    holds no vectors.
    """
    whole = _matrix(column)
    if whole is not None and whole.shape is not None:
        return whole.shape[1] or None
    if (
        isinstance(column, (list, tuple))
        or getattr(getattr(column, "dtype", None), "kind", None) == "O"
    ):
        for cell in columns.cells_of(column):
            if not columns.is_missing(cell):
                found = _numbers(cell)
                return len(found) if found else None
    return None


def is_list(text: str) -> bool:
    """Whether a text is a JSON list of numbers."""
    return bool(_numbers(text))


def norms(column: Column, dimensions: int) -> Numbers:
    """The Euclidean norm of every vector, as a numeric column."""
    found = read(column, dimensions)
    with memoryview(found.values) as view:
        flat = view.tolist()
    values = array("d", [nan]) * found.missing
    unreadable = found.invalid
    for start in range(0, len(flat), dimensions):
        norm = _norm(flat[start : start + dimensions])
        values.append(norm)
        unreadable += norm != norm
    values += array("d", [nan]) * found.invalid
    return Numbers(values, unreadable)


def _norm(vector: Sequence[float]) -> float:
    """Rounded once and then by the root, so that it is the same on every machine."""
    try:
        return sqrt(fsum(map(mul, vector, vector)))
    except (OverflowError, ValueError):
        return inf


def bandwidth(vectors: Vectors, dimensions: int) -> float:
    """The median distance between vectors, spread evenly over the column; 1.0 when they are all the
    same.
    """
    with memoryview(vectors.values) as view:
        step = max(1, vectors.n // MEDIAN_ROWS)
        picked = [
            view[i * dimensions : (i + 1) * dimensions].tolist() for i in range(0, vectors.n, step)
        ]
    some = [vector for vector in picked if all(map(isfinite, vector))][:MEDIAN_ROWS]
    distances = sorted(dist(a, b) for i, a in enumerate(some) for b in some[:i])
    middle = distances[len(distances) // 2] if distances else 0.0
    return middle if 0 < middle < inf else 1.0


@cache
def wave() -> array[int]:
    """[4096] int16: one turn of the cosine. No value lies so near to a half that the processor's
    cosine could matter.
    """
    return array("h", (round(AMPLITUDE * cos(2 * pi * step / STEPS)) for step in range(STEPS)))


@cache
def norm_limits() -> tuple[int, int]:
    """The least and the most that cosine² + sine² of one frequency can be."""
    turn = wave()
    quarter = STEPS // 4
    found = [turn[i] ** 2 + turn[i - quarter] ** 2 for i in range(STEPS)]
    return min(found), max(found)


def frequencies(dimensions: int, count: int, seed: int, sigma: float) -> array[float]:
    """[dimensions·count] float64, in steps per unit: the same on every machine.

    Normal but for the tails: sums of twelve uniform numbers, without a function that processors
    round differently.
    """
    drawn = array("H", Random(seed).randbytes(2 * _UNIFORMS * dimensions * count))
    centre = _UNIFORMS * 65535 // 2
    factor = STEPS / (2 * pi * sigma) / 65536
    parts = (drawn[i::_UNIFORMS] for i in range(_UNIFORMS))
    return array("d", ((sum(one) - centre) * factor for one in zip(*parts, strict=True)))


def traces(sums: Sequence[int], products: Sequence[int], n: int) -> tuple[float, float, float]:
    """tr Σ, tr Σ² and tr Σ³ of the covariance Σ of the features of n vectors, where k(x, x) is 1;
    the latter two without what sampling adds to them.
    """
    width = len(sums)
    if n < 2:
        return 0.0, 0.0, 0.0
    scale = 1 / (n * (n - 1) * AMPLITUDE**2 * (width // 2))
    rows = [
        [(n * products[i * width + j] - sums[i] * sums[j]) * scale for j in range(width)]
        for i in range(width)
    ]
    first = sum(row[i] for i, row in enumerate(rows))
    second = third = 0.0
    for i, row in enumerate(rows):  # symmetric: the half, twice
        second += sum(map(mul, row, row))
        half = sum(row[j] * sum(map(mul, row, rows[j])) for j in range(i))
        third += 2 * half + row[i] * sum(map(mul, row, row))
    # E tr S² = tr Σ² + (tr Σ² + (tr Σ)²)/(n-1), and alike for the third, of a Wishart matrix S.
    m = n - 1
    second = max((second - first**2 / m) * m**2 / ((m + 2) * max(m - 1, 1)), first**2 / width)
    third = max(
        third - 3 * first * second / m - first**3 / m**2, second**2 / first if first else 0.0
    )
    return first, second, third


def _matrix(column: Any) -> memoryview | None:
    """A column that is a table of doubles or floats in one buffer."""
    if isinstance(column, (list, tuple, str, bytes)):
        return None
    try:
        view = memoryview(column)
    except (TypeError, ValueError):
        return None
    return view if view.ndim == 2 and view.format in ("d", "f", "<d", "<f") else None


def _flat(whole: memoryview) -> Buffer:
    if whole.format == "d" and whole.c_contiguous:
        return whole.cast("B").cast("d")
    rows = cast("list[list[float]]", whole.tolist())
    return array("d", [x for row in rows for x in row])


def _numbers(cell: Any) -> array[float] | None:
    """A cell's coordinates; `None` when it isn't a sequence of numbers."""
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    if isinstance(cell, (str, bytes)) or not hasattr(cell, "__len__"):
        return None
    try:
        return array("d", cast("Iterable[float]", cell))
    except (TypeError, ValueError, OverflowError):
        return None
