"""The file, its two connections, and every question asked of it.

One connection writes, behind a lock, and a few read: in WAL mode readers see the last commit and
never wait for the writer, nor it for them.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import LifoQueue
from typing import Any
from uuid import UUID

from strandline.collector.sqlite.intake import take_in
from strandline.collector.sqlite.schema import APPLICATION_ID, MIGRATIONS
from strandline.collector.storage import (
    History,
    KeyKind,
    Merge,
    Model,
    Outcome,
    Quarantined,
    StorageError,
    Submission,
    Totals,
    UnavailableError,
    Window,
)

BUSY_SECONDS = 10.0
READERS = 4
HOUR = 3600

_MODEL = "id, name, version, reference_sha256, manifest, reference, registered"
_QUARANTINED = "id, received, model, version, reason, body"
_SESSIONS = "(SELECT count(*) FROM window_sessions WHERE window_id = windows.id)"


class SQLiteStorage:
    """A `Storage` in one SQLite file, made (readable by its owner only) when it isn't there."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        if not path.exists():
            if not create:
                raise StorageError(
                    f"there is no database at {path}: `strandline collect --db` makes it"
                )
            if not path.parent.is_dir():
                raise StorageError(f"there is no folder {path.parent}: make it first")
            path.touch(mode=0o600)
        self.path = path
        self._readers: LifoQueue[sqlite3.Connection] = LifoQueue()
        try:
            self._writer = self._connect()
            self._check_and_migrate()
            for _ in range(READERS):
                self._readers.put(self._connect())
        except sqlite3.DatabaseError as error:
            raise StorageError(f"{path} can't be used as a database: {error}") from error
        self._write_lock = threading.Lock()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _check_and_migrate(self) -> None:
        db = self._writer
        try:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if application != APPLICATION_ID and tables:
                raise StorageError(f"{self.path} is another program's database: name a new file")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > len(MIGRATIONS):
                raise StorageError(
                    f"{self.path} has schema {version}, this Strandline knows schemas up to "
                    f"{len(MIGRATIONS)}: upgrade Strandline"
                )
            for script in MIGRATIONS[version:]:
                for statement in script.split(";"):
                    db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
            db.execute("COMMIT")
        except BaseException:
            db.close()
            raise

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._write_lock:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise UnavailableError(str(error)) from error
                raise

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        reader = self._readers.get()
        try:
            reader.execute("BEGIN")
            try:
                yield reader
            finally:
                reader.execute("COMMIT")
        finally:
            self._readers.put(reader)

    def commit(self, submissions: Sequence[Submission], merge: Merge) -> list[Outcome]:
        with self._write() as db:
            outcomes, counts = take_in(db, submissions, merge)
            hour = int(time.time()) // HOUR * HOUR
            db.executemany(
                """
                INSERT INTO metrics VALUES (?, ?, ?)
                ON CONFLICT DO UPDATE SET value = value + excluded.value
                """,
                [(hour, name, count) for name, count in counts.items()],
            )
        return outcomes

    # Models

    def register(
        self, name: str, version: str, manifest: str, reference: str, sha256: str
    ) -> tuple[Model, bool]:
        with self._write() as db:
            known = _find(db, name, version)
            if known is not None and known.reference_sha256 == sha256:
                return known, False
            if known is not None:
                (reports,) = db.execute(
                    "SELECT coalesce(sum(reports), 0) FROM windows WHERE model_id = ?", (known.id,)
                ).fetchone()
                if reports:
                    raise StorageError(
                        f"{name} {version} is registered with reference "
                        f"{known.reference_sha256[:12]}… and {reports} reports were counted "
                        "against it: pack the new reference under a new --version"
                    )
                db.execute("DELETE FROM models WHERE id = ?", (known.id,))
            db.execute(
                """
                INSERT INTO models
                  (name, version, reference_sha256, manifest, reference, registered)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
                (name, version, sha256, manifest, reference, int(time.time())),
            )
            model = _find(db, name, version)
            assert model is not None
        return model, True

    def models(self) -> list[Model]:
        with self._read() as db:
            rows = db.execute(f"SELECT {_MODEL} FROM models ORDER BY name, registered, id")
            return [Model(*row) for row in rows]

    def model(self, name: str, version: str) -> Model | None:
        with self._read() as db:
            return _find(db, name, version)

    # Windows

    def totals(self, model_id: int, min_sessions: int) -> Totals:
        with self._read() as db:
            rows, reports, windows, hidden, first, last = db.execute(
                f"""
                SELECT coalesce(sum(rows), 0), coalesce(sum(reports), 0), count(*),
                  coalesce(sum({_SESSIONS} < ?), 0), min(start), max(start + seconds)
                FROM windows WHERE model_id = ?
                """,
                (min_sessions, model_id),
            ).fetchone()
            (sessions,) = db.execute(
                """
                SELECT count(DISTINCT session)
                FROM window_sessions JOIN windows ON id = window_id WHERE model_id = ?
                """,
                (model_id,),
            ).fetchone()
        return Totals(rows, reports, sessions, windows, hidden, first, last)

    def history(
        self,
        model_id: int,
        *,
        first: int | None,
        last: int | None,
        min_sessions: int,
        newest: int | None = None,
    ) -> History:
        windows = []
        seen: set[bytes] = set()
        with self._read() as db:
            rows = db.execute(
                f"""
                SELECT id, start, seconds, rows, reports, {_SESSIONS} FROM windows
                WHERE model_id = :model AND start >= coalesce(:first, start)
                  AND start < coalesce(:last, start + 1)
                ORDER BY start DESC, seconds DESC LIMIT coalesce(:newest, -1)
                """,
                {"model": model_id, "first": first, "last": last, "newest": newest},
            ).fetchall()
            for window, start, seconds, total, reports, sessions in reversed(rows):
                features: dict[str, str] = {}
                if sessions >= min_sessions:
                    features |= db.execute(
                        "SELECT feature, profile FROM window_features WHERE window_id = ?",
                        (window,),
                    ).fetchall()
                    seen |= _column(
                        db, "SELECT session FROM window_sessions WHERE window_id = ?", window
                    )
                windows.append(Window(start, seconds, total, reports, sessions, features))
        return History(tuple(windows), len(seen))

    def settle(self, before: int) -> int:
        with self._write() as db:
            return db.execute(
                """
                UPDATE window_sessions SET profile = NULL
                WHERE profile IS NOT NULL
                  AND window_id IN (SELECT id FROM windows WHERE start + seconds <= ?)
                """,
                (before,),
            ).rowcount

    def prune(self, before: int) -> tuple[int, int]:
        with self._write() as db:
            (reports,) = db.execute(
                "SELECT coalesce(sum(reports), 0) FROM windows WHERE start + seconds <= ?",
                (before,),
            ).fetchone()
            windows = db.execute(
                "DELETE FROM windows WHERE start + seconds <= ?", (before,)
            ).rowcount
            db.execute("DELETE FROM quarantine WHERE received < ?", (before * 1000,))
        return windows, reports

    # Quarantine, counters, keys

    def quarantined(self, *, limit: int, model: tuple[str, str] | None = None) -> list[Quarantined]:
        with self._read() as db:
            if model is None:
                rows = db.execute(
                    f"SELECT {_QUARANTINED} FROM quarantine ORDER BY seq DESC LIMIT ?", (limit,)
                ).fetchall()
            else:
                rows = db.execute(
                    f"""
                    SELECT {_QUARANTINED} FROM quarantine
                    WHERE unregistered AND model = ? AND version = ? ORDER BY seq LIMIT ?
                    """,
                    (*model, limit),
                ).fetchall()
        return [Quarantined(UUID(bytes=id_) if id_ else None, *rest) for id_, *rest in rows]

    def quarantine_size(self) -> int:
        with self._read() as db:
            (count,) = db.execute("SELECT count(*) FROM quarantine").fetchone()
        return int(count)

    def counters(self) -> dict[str, int]:
        names = ("stored", "duplicate", "quarantined", "skewed")
        with self._read() as db:
            found = dict(
                db.execute("SELECT name, sum(value) FROM metrics GROUP BY name").fetchall()
            )
        return {name: found.get(name, 0) for name in names}

    def keys(self, kind: KeyKind) -> frozenset[str]:
        with self._read() as db:
            return frozenset(_column(db, "SELECT key FROM keys WHERE kind = ?", kind))

    def add_key(self, key: str, kind: KeyKind) -> None:
        with self._write() as db:
            db.execute("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", (key, kind, int(time.time())))

    # The file

    def size(self) -> int:
        with self._read() as db:
            (pages,) = db.execute("PRAGMA page_count").fetchone()
            (page,) = db.execute("PRAGMA page_size").fetchone()
        return int(pages) * int(page)

    def ping(self) -> None:
        with self._read() as db:
            db.execute("SELECT 1 FROM models LIMIT 1").fetchall()

    def close(self) -> None:
        for _ in range(READERS):
            self._readers.get().close()
        with self._write_lock:
            self._writer.close()


def _find(db: sqlite3.Connection, name: str, version: str) -> Model | None:
    row = db.execute(
        f"SELECT {_MODEL} FROM models WHERE name = ? AND version = ?", (name, version)
    ).fetchone()
    return Model(*row) if row else None


def _column(db: sqlite3.Connection, query: str, value: object) -> set[Any]:
    return {row[0] for row in db.execute(query, (value,))}
