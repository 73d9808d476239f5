"""Columns of any make → numbers, moments or categories. The one place that says what *missing* and
*invalid* mean.

Missing: `None`, NaN, NaT, text that is empty or blank; in a column of numbers or moments also the
texts in `MISSING_TEXT`. Invalid: in a numeric column what `float()` does not read, and ±inf; in one
of moments what is neither a date, nor ISO 8601, nor a number of seconds; in a categorical one what
is not text, number or bool.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import isnan, nan
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from typing_extensions import Buffer

Column: TypeAlias = "Sequence[Any] | Buffer"

MISSING_TEXT: Final = frozenset({"", "na", "n/a", "nan", "null", "none"})

_NUMBER_FORMATS: Final = frozenset("dfbBhHiIlLqQ?")
_PLAIN_TYPES: Final = frozenset({str, type(None)})
_COUNTABLE: Final[tuple[set[type], ...]] = ({int}, {float}, {bool})
_WHOLE: Final = 2.0**53
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NOT_A_TIME: Final = -(2**63)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A numeric column, ready for the core."""

    values: Buffer
    """[N] numbers; NaN where a cell is missing or can't be read; ±inf stay"""
    unreadable: int
    """how many of the NaNs are cells that can't be read as a number"""


@dataclass(frozen=True, slots=True)
class Categories:
    """A categorical column, counted."""

    counts: Mapping[str, int]
    missing: int
    invalid: int


def numbers(column: Column) -> Numbers:
    """Read a column as numbers: a buffer of numbers as it is, else cell by cell (numbers, bools,
    texts, `None`).
    """
    if is_number_buffer(column):
        return Numbers(column, 0)  # type: ignore[arg-type]
    cells = cells_of(column)
    try:
        return Numbers(array("d", cells), 0)
    except (TypeError, OverflowError):
        pass
    read: Iterable[float | None] = map(number, cells)
    if set(map(type, cells)) <= _PLAIN_TYPES:  # texts repeat: each is read once
        known = {cell: number(cell) for cell in set(cells)}
        read = map(known.__getitem__, cells)
    values = array("d", bytes(8 * len(cells)))
    unreadable = 0
    for row, value in enumerate(read):
        if value is None:
            unreadable += 1
            value = nan
        values[row] = value
    return Numbers(values, unreadable)


def number(cell: Any) -> float | None:
    """One cell as a number: NaN when it is missing, `None` when it can't be read."""
    if cell is None:
        return nan
    if isinstance(cell, str) and cell.strip().lower() in MISSING_TEXT:
        return nan
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return None


def moments(column: Column) -> Numbers:
    """Read a column of dates and times as seconds since 1970-01-01 UTC, to the microsecond.

    Date and time objects, ISO 8601 text, NumPy's datetime64, plain numbers of seconds; what names
    no time zone is taken as UTC.
    """
    if is_datetime64(column):
        ticks = column.astype("datetime64[us]").astype("int64").tolist()  # type: ignore[union-attr]
        return Numbers(array("d", (nan if t == _NOT_A_TIME else t / 1e6 for t in ticks)), 0)
    if is_number_buffer(column):
        return Numbers(column, 0)  # type: ignore[arg-type]
    cells = cells_of(column)
    values = array("d", bytes(8 * len(cells)))
    unreadable = 0
    for row, cell in enumerate(cells):
        value = moment(cell)
        if value is None:
            unreadable += 1
            value = nan
        values[row] = value
    return Numbers(values, unreadable)


def moment(cell: Any) -> float | None:
    """One cell as seconds since 1970-01-01 UTC: NaN when it is missing, `None` when it can't be
    read.
    """
    if isinstance(cell, str):
        if cell.strip().lower() in MISSING_TEXT or cell == "NaT":
            return nan
        try:
            cell = datetime.fromisoformat(cell.strip())
        except ValueError:
            return None
    if isinstance(cell, date):
        if cell != cell:  # pandas' NaT is a datetime
            return nan
        if not isinstance(cell, datetime):
            cell = datetime(cell.year, cell.month, cell.day, tzinfo=UTC)
        elif cell.tzinfo is None:
            cell = cell.replace(tzinfo=UTC)
        ticks: int = (cell - _EPOCH) // _MICROSECOND
        return ticks / 1e6
    return None if isinstance(cell, bool) else number(cell)


def moment_text(seconds: float, *, days_only: bool = False) -> str:
    """ISO 8601, UTC, to the second or to the day; the number itself beyond the calendar's years."""
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return f"{seconds:.4g} s"
    return moment.strftime("%Y-%m-%d" if days_only else "%Y-%m-%d %H:%M:%S")


def texts(column: Column) -> list[str | None]:
    """Every cell of a column as the category it names; `None` when it is missing or has no text."""
    cells = cells_of(column)
    if set(map(type, cells)) <= _PLAIN_TYPES:
        return [cell if cell is None or cell.strip() else None for cell in cells]
    return [text(cell) for cell in cells]


def text(cell: Any) -> str | None:
    """The category that a cell names. Whole numbers are written without a point, so that 3 and 3.0
    are one category.
    """
    if isinstance(cell, str):
        return cell if cell.strip() else None
    if isinstance(cell, bool):
        return "True" if cell else "False"
    if isinstance(cell, int):
        return str(cell)
    if isinstance(cell, float):
        if isnan(cell):
            return None
        return str(int(cell)) if abs(cell) < _WHOLE and cell == int(cell) else repr(cell)
    return None


def categories(column: Column) -> Categories:
    """Count the categories of a column."""
    cells = cells_of(column)
    kinds = set(map(type, cells))
    if kinds not in _COUNTABLE and not kinds <= _PLAIN_TYPES:
        # 1, 1.0 and True are equal, hence one key: give every cell its text before counting.
        return _by_text(Counter((text(cell), is_missing(cell)) for cell in cells))
    counted = Counter(cells)
    by_text: Counter[tuple[str | None, bool]] = Counter()
    for cell, count in counted.items():
        by_text[text(cell), is_missing(cell)] += count
    return _by_text(by_text)


def taken(column: Column, rows: Sequence[int]) -> Column:
    """The cells of these rows, as a column of the same make."""
    if isinstance(column, (list, tuple)):
        return [column[row] for row in rows]
    if hasattr(column, "take"):
        some: Column = column.take(rows, axis=0)  # NumPy
        return some
    with memoryview(column) as view:  # type: ignore[arg-type]
        if view.ndim > 1:
            cells = view.tolist()
            return [cells[row] for row in rows]
        return array(view.format, [view[row] for row in rows])


def as_columns(data: Any) -> dict[str, Column]:
    """The columns of a table by name: a mapping, a list of dicts, or a pandas, polars or pyarrow
    table.

    Raises `TypeError` for anything else, `ValueError` when the columns differ in length.
    """
    package = type(data).__module__.partition(".")[0]
    if package == "pandas" and hasattr(data, "iloc"):
        columns = {str(name): _from_pandas(data.iloc[:, i]) for i, name in enumerate(data.columns)}
    elif package == "polars" and hasattr(data, "get_columns"):
        columns = {series.name: _from_polars(series) for series in data.get_columns()}
    elif package == "pyarrow" and hasattr(data, "column_names"):
        columns = {name: _from_arrow(data.column(name)) for name in data.column_names}
    elif isinstance(data, Mapping):
        columns = {str(name): column for name, column in data.items()}
    elif isinstance(data, (list, tuple)) and all(isinstance(row, Mapping) for row in data):
        names = dict.fromkeys(name for row in data for name in row)
        columns = {str(name): [row.get(name) for row in data] for name in names}
    else:
        raise TypeError(
            f"a {type(data).__name__} is not a table: pass a mapping of columns, a list of dicts, "
            "or a pandas, polars or pyarrow table"
        )
    lengths = {name: length(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        first, *_, last = sorted(lengths, key=lengths.__getitem__)
        raise ValueError(
            f"columns differ in length: {first!r} has {lengths[first]} rows, "
            f"{last!r} has {lengths[last]}"
        )
    return columns


def length(column: Column) -> int:
    """How many cells a column has."""
    return len(column) if isinstance(column, Sized) else len(memoryview(column))


def cells_of(column: Column) -> Sequence[Any]:
    """The cells of a column one by one. Raises `TypeError` for a text, which is no column."""
    if isinstance(column, (str, bytes)):
        raise TypeError("a column must be a sequence of cells, not one text")
    if isinstance(column, (list, tuple)):
        return column
    if hasattr(column, "tolist"):
        cells = column.tolist()
        return cells if isinstance(cells, list) else [cells]
    return list(column) if isinstance(column, Iterable) else memoryview(column).tolist()


def is_missing(cell: Any) -> bool:
    """Whether a cell of a categorical column or of texts is missing."""
    return (
        cell is None
        or (isinstance(cell, str) and not cell.strip())
        or (isinstance(cell, float) and isnan(cell))
    )


def is_number_buffer(column: Column) -> bool:
    """Whether a column is a buffer of numbers in one dimension."""
    if isinstance(column, (list, tuple, str, bytes)):
        return False
    try:
        with memoryview(column) as view:  # type: ignore[arg-type]
            return view.ndim == 1 and view.format.lstrip("<=@") in _NUMBER_FORMATS
    except (TypeError, ValueError):
        return False


def _by_text(counted: Mapping[tuple[str | None, bool], int]) -> Categories:
    counts = {name: count for (name, _), count in counted.items() if name is not None}
    missing = sum(count for (_, is_missing), count in counted.items() if is_missing)
    return Categories(counts, missing, sum(counted.values()) - missing - sum(counts.values()))


def _from_pandas(series: Any) -> Column:
    numpy_type = type(series.dtype).__module__.startswith("numpy")
    if numpy_type and series.dtype.kind in "iufbM":
        column: Column = series.to_numpy()
        return column
    cells: list[Any] = series.astype(object).where(series.notna(), None).tolist()
    return cells


def _from_polars(series: Any) -> Column:
    cells: list[Any] = series.to_list()
    return series.to_numpy() if series.dtype.is_numeric() and not series.null_count() else cells


def _from_arrow(column: Any) -> Column:
    kind = str(column.type)
    if column.null_count == 0 and kind.removeprefix("u").startswith(("int", "float", "double")):
        values: Column = column.to_numpy()
        return values
    cells: list[Any] = column.to_pylist()
    return cells


def is_datetime64(column: Any) -> bool:
    """Whether a column is a NumPy array of moments."""
    kind = getattr(getattr(column, "dtype", None), "kind", None)
    return kind == "M"
