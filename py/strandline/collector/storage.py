"""What the collector asks of a database: the values that cross the door, and the door itself.

A storage knows ids, hashes, windows and texts; what is inside a profile it never reads. How two
profiles are merged is handed to `Storage.commit` as a function, so that every database merges in
the same way and in the same transaction as it takes in the id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import UUID

Status = Literal["stored", "duplicate", "quarantined"]
KeyKind = Literal["ingest", "admin"]


@dataclass(frozen=True, slots=True)
class Part:
    """What one session adds to a window: its new `profiles`, and what the window still `held` of its
    earlier ones (`None`: nothing).
    """

    held: bytes | None
    profiles: Sequence[Any]
    settled: bool = False
    """whether there were earlier ones that are forgotten"""


@dataclass(frozen=True, slots=True)
class Merged:
    """What a window holds now, as far as it changed: by feature, and of each session that added to it."""

    features: Mapping[str, str]
    sessions: Mapping[UUID, bytes]


Merge = Callable[[int, Mapping[str, str], Mapping[UUID, Part]], Merged]
"""(model id, what the window holds: feature -> text, what is new by session) -> what it holds now."""


class StorageError(ValueError):
    """A database that can't be used: wrong address, another program's file, a newer schema."""


class UnavailableError(Exception):
    """The database can't take anything now (locked, disk full, I/O error); nothing was changed, try
    again later.
    """


@dataclass(frozen=True, slots=True)
class Model:
    """A registered version of a model. `registered` is in Unix seconds."""

    id: int
    name: str
    version: str
    reference_sha256: str
    manifest: str
    reference: str
    registered: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """A report that passed every check and may be counted, once.

    `content` is the SHA-256 of the report; `start` (Unix seconds) and `seconds` name its window;
    `profile` goes to `Merge` as it is.
    """

    id: UUID
    content: bytes
    model_id: int
    session: UUID
    start: int
    seconds: int
    rows: int
    received: int
    skewed: bool
    profile: Any
    body: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A report that can't be counted, with the reason.

    `unregistered`: it could be, once its model is registered.
    """

    id: UUID | None
    content: bytes
    received: int
    model: str | None
    version: str | None
    reason: str
    unregistered: bool
    body: bytes


Submission = Accepted | Refused


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one report; given back only after the transaction is on disk."""

    status: Status
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A window's totals, and its merged profile per feature (as far as it was asked for)."""

    start: int
    seconds: int
    rows: int
    reports: int
    sessions: int
    features: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class History:
    """The windows of one model in one range, read in one transaction.

    `sessions` counts the different sessions in the windows that are shown (seen by at least
    `min_sessions`); the features of the others were not even read.
    """

    windows: tuple[Window, ...]
    sessions: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything that was ever stored for one model.

    `first` and `last` are the limits of its windows, Unix seconds.
    """

    rows: int
    reports: int
    sessions: int
    windows: int
    hidden_windows: int
    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A report kept for the operator; `received` in Unix milliseconds."""

    id: UUID | None
    received: int
    model: str | None
    version: str | None
    reason: str
    body: bytes


class Storage(Protocol):
    """A database of reports, windows and models.

    Methods block; each is one transaction, and may be called from any thread.
    """

    def commit(self, submissions: Sequence[Submission], merge: Merge) -> list[Outcome]:
        """Take in reports: ids, merged windows, quarantine and counters in one durable transaction,
        in the given order.

        Raises `UnavailableError` when the database can't do it now; whatever `merge` raises goes
        through, and nothing is changed.
        """

    def register(
        self, name: str, version: str, manifest: str, reference: str, sha256: str
    ) -> tuple[Model, bool]:
        """The model, and whether it is new.

        Another reference replaces one that nothing was counted against, else `StorageError`.
        """

    def models(self) -> list[Model]:
        """All models, by name, then by registration."""

    def model(self, name: str, version: str) -> Model | None:
        """One registered version."""

    def totals(self, model_id: int, min_sessions: int) -> Totals:
        """What was stored for a model, over all windows."""

    def history(
        self,
        model_id: int,
        *,
        first: int | None,
        last: int | None,
        min_sessions: int,
        newest: int | None = None,
    ) -> History:
        """The windows that start in [first, last), oldest first; at most the `newest` ones."""

    def quarantined(self, *, limit: int, model: tuple[str, str] | None = None) -> list[Quarantined]:
        """The newest reports in quarantine, or the oldest that wait for this (name, version) to be
        registered.
        """

    def quarantine_size(self) -> int:
        """How many reports are kept in quarantine."""

    def counters(self) -> dict[str, int]:
        """Reports `stored`, `duplicate`, `quarantined`, `skewed`, ever."""

    def keys(self, kind: KeyKind) -> frozenset[str]:
        """The keys that are valid for this use."""

    def add_key(self, key: str, kind: KeyKind) -> None:
        """Make a key valid; again is harmless."""

    def settle(self, before: int) -> int:
        """Forget what single sessions had in windows that ended before this Unix time; the windows'
        sums stay. How many sessions.
        """

    def prune(self, before: int) -> tuple[int, int]:
        """Forget windows that ended before this Unix time, and the ids of their reports: how many
        windows and reports.
        """

    def size(self) -> int:
        """Bytes on disk."""

    def ping(self) -> None:
        """Raise if the database doesn't answer."""

    def close(self) -> None:
        """Finish, and give back the files."""


def open_storage(url: str, *, create: bool = True) -> Storage:
    """The storage at a database URL: `sqlite:///relative.db` or `sqlite:////absolute.db`.

    With `create=False` a database that isn't there is an error instead of a new file.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise StorageError(
            f"{url!r} is not a database URL: write sqlite:///strandline.db (a file here) or sqlite:////var/lib/strandline.db"
        )
    if scheme != "sqlite":
        raise StorageError(f"no storage for {scheme}:// yet: use sqlite:///strandline.db")
    if not rest.startswith("/") or rest in {"/", "/:memory:"} or rest.endswith("/"):
        raise StorageError(
            f"{url!r} names no file: write sqlite:///strandline.db (a file here) or sqlite:////var/lib/strandline.db"
        )
    from strandline.collector.sqlite import SQLiteStorage

    return SQLiteStorage(Path(rest[1:]), create=create)
