"""Windows from files, one diagnosis: `strandline diagnose reference.csv monday.csv tuesday.csv`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from strandline.bundle.errors import InputError
from strandline.bundle.tables import read_table
from strandline.drift import Profile, Reference
from strandline.drift.features import Kind
from strandline.drift.kinds import are_dates
from strandline.report.series import SeriesReport

Table = Mapping[str, list[Any]]

EVERY: Final = {"year": 4, "month": 7, "day": 10, "hour": 13}
"""letters of an ISO 8601 moment that name the span"""


def diagnose(
    paths: Sequence[str | Path],
    *,
    by: str | None = None,
    every: str | None = None,
    rows: int | None = None,
    columns: Sequence[str] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    accuracy: tuple[str, str] | None = None,
    alpha: float = 0.05,
    outputs: Iterable[str | Path] = (),
) -> SeriesReport:
    """Diagnose files of rows (CSV, .csv.gz or Parquet): the first is the reference, each other one
    a window; or, split by a column, all of them after the reference.

    Parameters
    ----------
    by
        A column whose values name the windows, in the order of their first rows. With one file,
        its first window is the reference.
    every
        ``"year"``, ``"month"``, ``"week"``, ``"day"`` or ``"hour"``: the spans of a column `by` of
        dates, in order of time.
    rows
        Windows of so many rows each, in place of `by`.
    columns, kinds
        As in `report.check`.
    accuracy
        Names of the columns that hold the truth and the prediction: the share of equal ones is the
        model's quality in a window.

    Raises
    ------
    InputError
        As in `report.check`, or where there are too few windows.
    """
    if by is not None and rows is not None:
        raise InputError("windows are either split by a column or of equal rows: leave one out")
    if by is None and rows is None and len(paths) < 3:
        raise InputError(
            "a series needs a reference and at least two windows: name three files, or split one "
            "with --by COLUMN or --rows N"
        )
    tables = dict(zip(_names(paths), map(read_table, paths), strict=True))
    windows = _windows(tables, by, every, rows)
    (first, then), *later = windows.items()
    chosen = _chosen(windows, columns, [by, *(accuracy or ())])
    if not any(then.values()):
        raise InputError(f"{first} has no rows: there is nothing to compare with")
    if len(later) < 2:
        raise InputError(f"there are {len(later)} windows beside the reference {first}: at least 2")
    reference = Reference.from_columns(
        {name: then[name] for name in chosen},
        kinds={name: kind for name, kind in (kinds or {}).items() if name in chosen},
        latency=False,
    )
    profiles = {
        name: Profile.from_rows({column: table[column] for column in chosen}, reference)
        for name, table in later
    }
    quality = [_accuracy(name, table, accuracy) for name, table in later] if accuracy else None
    about = {"title": ", ".join(tables), "reference": first}
    report = SeriesReport.of(reference, profiles, quality=quality, about=about, alpha=alpha)
    for path in outputs:
        report.write(path)
    return report


def _names(paths: Sequence[str | Path]) -> list[str]:
    """Of the files, without folders; the same name again gets a number."""
    names: list[str] = []
    for path in paths:
        name = Path(path).name
        again = sum(other == name or other.startswith(f"{name} (") for other in names)
        names.append(f"{name} ({again + 1})" if again else name)
    return names


def _windows(
    tables: Mapping[str, Table], by: str | None, every: str | None, rows: int | None
) -> dict[str, Table]:
    """The reference, then the windows, by their names."""
    if by is None and rows is None:
        return dict(tables)
    (first, then), *later = tables.items()
    if not later:
        return _split(first, then, by, every, rows)
    found: dict[str, Table] = {first: then}
    for name, table in later:
        for part, window in _split(name, table, by, every, rows).items():
            key = part if by is not None or len(later) == 1 else f"{name}, {part}"
            found[key] = _joined(found[key], window) if key in found else window
    return found


def _split(
    name: str, table: Table, by: str | None, every: str | None, rows: int | None
) -> dict[str, Table]:
    count = len(next(iter(table.values()), []))
    if by is None:
        assert rows is not None
        return {
            f"rows {start + 1} to {min(start + rows, count)}": {
                column: cells[start : start + rows] for column, cells in table.items()
            }
            for start in range(0, count, rows)
        }
    if by not in table:
        raise InputError(f"{name} has no column {by!r}; it has {', '.join(table)}")
    keys = [str(cell) if every is None else _span(cell, every, by) for cell in table[by]]
    places: dict[str, list[int]] = {}
    for i, key in enumerate(keys):
        places.setdefault(key, []).append(i)
    order = sorted(places) if every is not None else list(places)
    return {
        key: {column: [cells[i] for i in places[key]] for column, cells in table.items()}
        for key in order
    }


def _span(cell: Any, every: str, by: str) -> str:
    try:
        moment = datetime.fromisoformat(str(cell).strip())
    except ValueError:
        raise InputError(
            f"{cell!r} in column {by!r} is no date: --every needs ISO 8601, such as 2025-07-01"
        ) from None
    if every == "week":
        year, week, _ = moment.isocalendar()
        return f"{year}-W{week:02}"
    return moment.isoformat()[: EVERY[every]]


def _joined(a: Table, b: Table) -> Table:
    return {name: [*a[name], *b.get(name, [])] for name in a}


def _chosen(
    windows: Mapping[str, Table], columns: Sequence[str] | None, left_out: Iterable[str | None]
) -> list[str]:
    (first, then), *later = windows.items()
    if columns is not None:
        for name, table in windows.items():
            absent = [column for column in columns if column not in table]
            if absent:
                raise InputError(
                    f"{name} has no column {', '.join(map(repr, absent))}; it has {', '.join(table)}"
                )
        return list(columns)
    apart = set(left_out)
    found = [
        column
        for column in then
        if column
        and column not in apart
        and all(column in table for _, table in later)
        and not are_dates(then[column])
    ]
    if not found:
        raise InputError(f"{first} shares no column that can be compared with all windows")
    return found


def _accuracy(name: str, table: Table, pair: tuple[str, str]) -> float | None:
    truth, prediction = pair
    for column in pair:
        if column not in table:
            raise InputError(f"{name} has no column {column!r}; it has {', '.join(table)}")
    known = [
        (a, b)
        for a, b in zip(table[truth], table[prediction], strict=True)
        if a not in (None, "") and b not in (None, "")
    ]
    return sum(str(a) == str(b) for a, b in known) / len(known) if known else None
