"""Batch scoring: a file of rows in; predictions in a CSV file or a table, and the batch's profile."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TextIO

from strandline.bundle import tables
from strandline.bundle.edge import Edge
from strandline.bundle.errors import InputError
from strandline.bundle.manifest import Output
from strandline.bundle.pipeline import open_site

BATCH_ROWS = 8192

Columns = dict[str, list[Any]]


class Sink(Protocol):
    """Where scored batches go."""

    def write(self, kept: Columns, predictions: Columns) -> None:
        """Append rows: the columns kept from the input, and the predictions, all of one length."""


@dataclass(frozen=True, slots=True)
class Scored:
    """How many rows were scored, and the batch's profile as a report that a collector takes."""

    rows: int
    report: dict[str, Any] | None


def score(
    site: str | Path,
    source: str | Path,
    sinks: Sequence[AbstractContextManager[Sink]],
    *,
    keep: Sequence[str] | None = None,
) -> Scored:
    """Predict every row of `source` with the packed model of `site`, in batches, into all `sinks`.

    `keep` names the input columns that go with the predictions (default: all). Sinks commit when all rows are through;
    an error leaves them as they were. Raises InputError, ManifestError.
    """
    manifest, read = open_site(site)
    edge = Edge(manifest.dumps(), read)
    session, started, rows = str(uuid.uuid4()), _now(), 0
    with contextlib.ExitStack() as stack:
        open_sinks = [stack.enter_context(s) for s in sinks]
        for columns in tables.batches(source, BATCH_ROWS):
            kept = _kept(columns, keep, edge.manifest.outputs)
            if not next(iter(columns.values())):
                raise InputError(f"{source} has no rows to score")
            try:
                predictions, _ = edge.predict_columns(columns)
            except InputError as error:
                raise InputError(f"{source}: {error}") from error
            rows += len(next(iter(predictions.values())))
            for sink in open_sinks:
                sink.write(kept, predictions)
    given = {
        "id": str(uuid.uuid4()),
        "session": session,
        "seq": 0,
        "started": started,
        "ended": _now(),
    }
    report = edge.take_window(json.dumps(given))
    return Scored(rows, None if report is None else json.loads(report))


def _kept(columns: Columns, keep: Sequence[str] | None, outputs: Sequence[Output]) -> Columns:
    wanted = list(columns) if keep is None else keep
    absent = [c for c in wanted if c not in columns]
    if absent:
        raise InputError(
            f"there is no column {', '.join(absent)} to keep; the input has {', '.join(columns)}"
        )
    both = [o.name for o in outputs if o.name in wanted]
    if both:
        raise InputError(
            f"the input has a column {', '.join(both)} and so has the output: choose what to carry over with --keep"
        )
    return {c: columns[c] for c in wanted}


def _as_cells(columns: Columns) -> Columns:
    """Vectors as JSON lists, in which they are read again."""
    return {
        name: [json.dumps(v) if isinstance(v, list) else v for v in column]
        if any(isinstance(v, list) for v in column)
        else column
        for name, column in columns.items()
    }


class CsvSink:
    """Rows as CSV lines: the header at the first batch, then the rows."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._begun = False

    def write(self, kept: Columns, predictions: Columns) -> None:
        columns = _as_cells({**kept, **predictions})
        if not self._begun:
            self._writer.writerow(columns)
            self._begun = True
        self._writer.writerows(zip(*columns.values(), strict=True))


@contextmanager
def csv_stream(file: TextIO) -> Iterator[Sink]:
    """An open text file, such as the standard output; rows are written as they are scored."""
    yield CsvSink(file)


@contextmanager
def csv_file(path: Path) -> Iterator[Sink]:
    """A CSV file that appears, or replaces the one before, only when all rows are written."""
    try:
        descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.absolute().parent)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield CsvSink(file)
        Path(fresh).chmod(0o644)
        Path(fresh).replace(path)
    finally:
        Path(fresh).unlink(missing_ok=True)


class TableSink:
    """Rows of a database table; with `key`, a row with the same key is replaced."""

    def __init__(
        self, db: sqlite3.Connection, table: str, key: str | None, model: str, version: str
    ) -> None:
        self._db = db
        self._table = table
        self._key = key
        self._tail = (model, version)
        self._insert: str | None = None

    def write(self, kept: Columns, predictions: Columns) -> None:
        columns = _as_cells({**kept, **predictions})
        if self._insert is None:
            self._insert = self._create(list(columns))
        self._db.executemany(
            self._insert, ((*row, *self._tail) for row in zip(*columns.values(), strict=True))
        )

    def _create(self, names: list[str]) -> str:
        if self._key is not None and self._key not in names:
            raise InputError(
                f"--key names {self._key!r}, which is not among the kept columns {', '.join(names)}"
            )
        names = [*names, "model", "version"]
        key = f", PRIMARY KEY ({_quoted(self._key)})" if self._key is not None else ""
        table = _quoted(self._table)
        self._db.execute(
            f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(map(_quoted, names))}{key})"
        )
        there = [row[1] for row in self._db.execute(f"PRAGMA table_info({table})")]
        if there != names:
            raise InputError(
                f"table {self._table} has the columns {', '.join(there)}, these predictions {', '.join(names)}: "
                f"give another --table"
            )
        slots = ", ".join("?" * len(names))
        return f"INSERT OR REPLACE INTO {table} VALUES ({slots})"


@contextmanager
def sqlite_table(url: str, table: str, key: str | None, model: str, version: str) -> Iterator[Sink]:
    """A table in the SQLite database `sqlite:///path`; all rows go in as one transaction, or none."""
    match = re.fullmatch(r"sqlite:///(.+)", url)
    if match is None:
        raise InputError(f"--db takes sqlite:///path-of-a-file, not {url!r}")
    try:
        db = sqlite3.connect(match[1], isolation_level=None)
        try:
            db.execute("BEGIN IMMEDIATE")
            yield TableSink(db, table, key, model, version)
            db.execute("COMMIT")
        finally:
            db.close()
    except sqlite3.Error as error:
        raise InputError(f"{url}: {error}") from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
