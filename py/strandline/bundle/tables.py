"""Rows from files: CSV (plain or gzip) with the standard library, Parquet with pyarrow."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, TextIO

from strandline.bundle import delimited
from strandline.bundle.errors import InputError

BATCH_ROWS = 65536


def read_table(path: str | Path) -> dict[str, list[Any]]:
    """All rows of a file as columns. Raises InputError with the file's name."""
    columns: dict[str, list[Any]] = {}
    for batch in batches(path, BATCH_ROWS):
        for name, cells in batch.items():
            columns.setdefault(name, []).extend(cells)
    return columns


def sample(path: str | Path, most: int) -> tuple[dict[str, list[Any]], int]:
    """At most `most` rows of a file as columns, and how many rows it has; all of them, in order, if no more.

    Each row is as likely as any other to be among them (Vitter's reservoir, seeded: the same file gives the same
    rows), and no more than these and a batch are ever in memory. Raises InputError with the file's name.
    """
    draw = Random(0)
    columns: dict[str, list[Any]] = {}
    seen = 0
    for batch in batches(path, BATCH_ROWS):
        rows = len(next(iter(batch.values()), ()))
        fresh = min(rows, max(0, most - seen))
        chosen: dict[int, int] = {}
        for row in range(fresh, rows):
            place = draw.randrange(seen + row + 1)
            if place < most:
                chosen[place] = row
        for name, cells in batch.items():
            column = columns.setdefault(name, [])
            column += cells[:fresh]
            for place, row in chosen.items():
                column[place] = cells[row]
        seen += rows
    return columns, seen


def batches(path: str | Path, rows: int) -> Iterator[dict[str, list[Any]]]:
    """The rows of a file as columns, at most `rows` at a time; a file without rows gives its header once.

    CSV cells are strings; Parquet cells are numbers, strings, booleans, lists of numbers or None, dates in ISO 8601.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        yield from _parquet(path, rows) if path.suffix in (".parquet", ".pq") else _csv(path, rows)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} is unreadable: {error} (it must be CSV in UTF-8, .csv.gz, or .parquet)"
        ) from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _csv(path: Path, rows: int) -> Iterator[dict[str, list[Any]]]:
    with _open(path) as file:
        lines = delimited.read(file, str(path))
        header = next(lines)
        batch: list[list[str]] = []
        any_given = False
        for line in lines:
            batch.append(line)
            if len(batch) == rows:
                yield _turned(header, batch)
                any_given, batch = True, []
        if batch or not any_given:
            yield _turned(header, batch)


def _turned(header: list[str], rows: list[list[str]]) -> dict[str, list[Any]]:
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    return {name: list(column) for name, column in zip(header, columns, strict=True)}


def _parquet(path: Path, rows: int) -> Iterator[dict[str, list[Any]]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise InputError(
            f"{path}: reading Parquet needs pyarrow: pip install 'strandline[pack]'"
        ) from None
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is no Parquet file: {error}") from None
    any_given = False
    for batch in file.iter_batches(batch_size=rows):
        any_given = True
        yield {
            name: [_cell(v) for v in column.to_pylist()]
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
    if not any_given:
        yield {name: [] for name in file.schema_arrow.names}


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list) and all(isinstance(v, int | float) for v in value):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
