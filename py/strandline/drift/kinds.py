"""What a column is a column of, judged by its cells."""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Literal

from strandline import core
from strandline.drift import vectors
from strandline.drift.columns import (
    Column,
    cells_of,
    is_datetime64,
    is_missing,
    is_number_buffer,
    length,
    numbers,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

FEW_VALUES: Final = 10
"""a column of whole numbers with no more different ones is a code, not a quantity"""
FEW_CELLS: Final = 20
"""texts that are looked at to know lists of numbers from prose"""

_DATE: Final = re.compile(r"\s*\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?\s*$")
_MANY_WORDS: Final = 3
"""words that free text has on average, at least"""


def infer_kind(column: Column) -> Literal["numeric", "categorical", "datetime", "text", "vector"]:
    """Whether a column is a quantity, a name, a moment, free text or vectors.

    Vector: a buffer of two dimensions, or the first cell that is not missing is a sequence of
    numbers, or the first ones are texts of such (`are_vectors`). Datetime: every cell that is not
    missing is one (`are_dates`). Numeric: at least 99 % of the cells that are not missing read as
    numbers (numbers in text, as CSV has them, too), except columns of bools, and of whole numbers
    with at most `FEW_VALUES` different ones that occur ten times each on average: those are codes,
    and categorical. A column with nothing in it is numeric if it is a buffer of numbers. Text: at
    least half of at least 20 texts are different, and they have three words or more on average.
    The rest is categorical.
    """
    if is_datetime64(column):
        return "datetime"
    if are_vectors(column):
        return "vector"
    buffer = is_number_buffer(column)
    cells = [] if buffer else cells_of(column)
    if _is_bools(column, buffer, cells):
        return "categorical"
    if not buffer and _are_dates(cells):
        return "datetime"
    read = numbers(column)
    rows = length(column)
    missing = _count_nan(read.values) - read.unreadable
    if missing == rows:
        return "numeric" if buffer else "categorical"
    if read.unreadable > (rows - missing) / 100:
        return "text" if _is_prose(cells) else "categorical"
    different = _few_whole(read.values)
    return "categorical" if different and rows - missing >= 10 * different else "numeric"


def are_vectors(column: Any) -> bool:
    """Whether a column is a table of numbers, or begins with cells that are sequences of numbers, or
    JSON lists of numbers in text.
    """
    if getattr(column, "ndim", 1) == 2:
        return True
    if is_number_buffer(column):
        return False
    given = (cell for cell in cells_of(column) if not is_missing(cell))
    first = next(given, None)
    if isinstance(first, str):
        return all(map(vectors.is_list, (first, *islice(given, FEW_CELLS))))
    return hasattr(first, "__len__") and not isinstance(first, (bytes, Mapping))


def _is_prose(cells: Sequence[Any]) -> bool:
    given = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    if len(given) < 20 or 2 * len(given) < len(cells) or 2 * len(set(given)) < len(given):
        return False
    return sum(len(cell.split()) for cell in given) >= _MANY_WORDS * len(given)


def _count_nan(values: Buffer) -> int:
    return core.tally(values, array("d"), array("q", [0])).nan


def _few_whole(values: Buffer) -> int:
    """How many different values there are when all are whole and at most `FEW_VALUES` different."""
    different: set[float] = set()
    with memoryview(values) as view:
        for start in range(0, len(view), 1024):
            different |= {v for v in view[start : start + 1024].tolist() if isfinite(v)}
            if len(different) > FEW_VALUES:
                return 0
    return len(different) if all(v == int(v) for v in different) else 0


def are_dates(column: Column) -> bool:
    """Whether every cell that is not missing is a date or time: an object or ISO 8601 text."""
    if is_datetime64(column):
        return True
    return _are_dates([] if is_number_buffer(column) else cells_of(column))


def _are_dates(cells: Sequence[Any]) -> bool:
    some = False
    for cell in cells:
        if isinstance(cell, date) or (isinstance(cell, str) and _DATE.match(cell)):
            some = True
        elif not is_missing(cell):
            return False
    return some


def _is_bools(column: Column, buffer: bool, cells: Sequence[Any]) -> bool:
    if buffer:
        with memoryview(column) as view:  # type: ignore[arg-type]
            return view.format.lstrip("<=@") == "?"
    return set(map(type, cells)) - {type(None)} == {bool}
