"""The storage's laws, with whole numbers in place of profiles."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline.collector.sqlite import SQLiteStorage, intake
from strandline.collector.storage import (
    Accepted,
    Merged,
    Part,
    Refused,
    StorageError,
    UnavailableError,
    open_storage,
)

HOUR = 3600
VERSIONS = count()


def add(model_id: int, held: Mapping[str, str], parts: Mapping[UUID, Part]) -> Merged:
    """Profiles are numbers here; a session's are kept as the text of their sum."""
    sums = {session: sum(part.profiles) for session, part in parts.items()}
    kept = {s: str(int(parts[s].held or b"0") + sums[s]).encode() for s in sums}
    return Merged({"x": str(int(held.get("x", 0)) + sum(sums.values()))}, kept)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SQLiteStorage]:
    opened = SQLiteStorage(tmp_path / "test.db")
    yield opened
    opened.close()


def model_of(storage: SQLiteStorage, version: str = "1", sha256: str = "a" * 64) -> int:
    model, _ = storage.register("m", version, "{}", "{}", sha256)
    return model.id


def report(
    model_id: int,
    value: int,
    *,
    id_: UUID | None = None,
    session: int = 1,
    start: int = 0,
    content: bytes | None = None,
) -> Accepted:
    id_ = id_ or uuid4()
    return Accepted(
        id=id_,
        content=content or id_.bytes + bytes([value % 256]),
        model_id=model_id,
        session=UUID(int=session),
        start=start,
        seconds=HOUR,
        rows=value,
        received=0,
        skewed=False,
        profile=value,
        body=b"{}",
    )


def refused(content: bytes, **changes: Any) -> Refused:
    values = {"id": None, "received": 0, "model": "m", "version": "1", "reason": "because"}
    return Refused(**values | {"content": content, "unregistered": True, "body": b"{}"} | changes)


def test_a_report_is_counted_once(storage: SQLiteStorage) -> None:
    model = model_of(storage)
    one = report(model, 5)
    first, second = storage.commit([one, one], add)
    (third,) = storage.commit([one], add)
    assert [o.status for o in (first, second, third)] == ["stored", "duplicate", "duplicate"]
    history = storage.history(model, first=None, last=None, min_sessions=1)
    assert [(w.rows, w.reports, dict(w.features)) for w in history.windows] == [(5, 1, {"x": "5"})]
    assert storage.counters() == {"stored": 1, "duplicate": 2, "quarantined": 0, "skewed": 0}


def test_the_same_id_with_other_content_is_set_aside(storage: SQLiteStorage) -> None:
    model = model_of(storage)
    one = report(model, 5)
    forged = report(model, 7, id_=one.id)
    assert [o.status for o in storage.commit([one, forged], add)] == ["stored", "quarantined"]
    assert [o.status for o in storage.commit([forged, one], add)] == ["quarantined", "duplicate"]
    assert storage.totals(model, 1).rows == 5
    assert [q.id for q in storage.quarantined(limit=10)] == [one.id]


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_interleaving_of_retries_gives_the_same_counts(
    storage: SQLiteStorage, data: st.DataObject
) -> None:
    model = model_of(storage, version=str(next(VERSIONS)))
    values = data.draw(st.lists(st.integers(1, 1000), min_size=1, max_size=12))
    reports = [report(model, v, session=i % 3, start=HOUR * (i % 2)) for i, v in enumerate(values)]
    order = data.draw(st.permutations(reports + reports + reports))
    while order:
        size = data.draw(st.integers(1, len(order)))
        storage.commit(order[:size], add)
        order = order[size:]
    totals = storage.totals(model, 1)
    history = storage.history(model, first=None, last=None, min_sessions=1)
    assert (totals.rows, totals.reports) == (sum(values), len(values))
    assert totals.sessions == history.sessions == min(3, len(values))
    for window in history.windows:
        assert int(window.features["x"]) == window.rows
    assert [w.rows for w in history.windows] == [
        sum(values[start::2]) for start in range(len(history.windows))
    ]


def test_a_failed_merge_changes_nothing(storage: SQLiteStorage) -> None:
    model = model_of(storage)

    def broken(model_id: int, held: Mapping[str, str], parts: Mapping[UUID, Part]) -> Merged:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        storage.commit([report(model, 5), refused(b"1")], broken)
    assert storage.totals(model, 1).reports == 0
    assert storage.quarantine_size() == 0
    assert storage.counters()["stored"] == 0


def test_a_locked_database_is_unavailable_and_unchanged(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(storage)
    storage._writer.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(storage.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    one = report(model, 5)
    with pytest.raises(UnavailableError, match="locked"):
        storage.commit([one], add)
    other.execute("ROLLBACK")
    other.close()
    assert storage.commit([one], add)[0].status == "stored"


def test_a_window_seen_by_too_few_sessions_gives_no_profile(storage: SQLiteStorage) -> None:
    model = model_of(storage)
    storage.commit([report(model, 1, session=s, start=0) for s in (1, 2, 2)], add)
    storage.commit([report(model, 10, session=3, start=HOUR)], add)
    shown, hidden = storage.history(model, first=None, last=None, min_sessions=2).windows
    assert (shown.sessions, dict(shown.features)) == (2, {"x": "3"})
    assert (hidden.sessions, hidden.rows, dict(hidden.features)) == (1, 10, {})
    assert storage.history(model, first=None, last=None, min_sessions=2).sessions == 2
    assert storage.totals(model, 2).hidden_windows == 1


def test_what_a_session_had_is_handed_back_until_its_window_is_settled(
    storage: SQLiteStorage,
) -> None:
    model = model_of(storage)
    seen: list[dict[UUID, bytes | None]] = []

    def noting(model_id: int, held: Mapping[str, str], parts: Mapping[UUID, Part]) -> Merged:
        seen.append({session: part.held for session, part in parts.items()})
        return add(model_id, held, parts)

    first, *others = (report(model, v, session=s) for v, s in ((1, 1), (2, 1), (4, 2), (8, 1)))
    storage.commit([first], noting)
    storage.commit(others[:2], noting)
    assert storage.settle(HOUR - 1) == 0
    assert storage.settle(HOUR) == 2
    storage.commit(others[2:], noting)
    one, two = first.session, others[1].session
    assert seen == [{one: None}, {one: b"1", two: None}, {one: None}]


def test_history_is_limited_to_the_range_and_the_newest(storage: SQLiteStorage) -> None:
    model = model_of(storage)
    storage.commit([report(model, i + 1, start=i * HOUR) for i in range(4)], add)
    windows = storage.history(model, first=HOUR, last=3 * HOUR, min_sessions=1).windows
    assert [w.rows for w in windows] == [2, 3]
    windows = storage.history(model, first=None, last=None, min_sessions=1, newest=2).windows
    assert [w.rows for w in windows] == [3, 4]


def test_quarantine_keeps_one_copy_and_is_bounded(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "QUARANTINE_LIMIT", 3)
    outcomes = storage.commit([refused(bytes([i])) for i in (1, 1, 2, 3, 4)], add)
    assert {(o.status, o.error) for o in outcomes} == {("quarantined", "because")}
    assert storage.quarantine_size() == 3
    assert storage.counters()["quarantined"] == 5


def test_quarantine_gives_back_what_waits_for_a_model(storage: SQLiteStorage) -> None:
    waiting, other = refused(b"1"), refused(b"2", version="2")
    broken = refused(b"3", unregistered=False)
    storage.commit([waiting, other, broken], add)
    assert len(storage.quarantined(limit=-1, model=("m", "1"))) == 1
    model = model_of(storage)
    storage.commit([report(model, 5, content=b"1")], add)
    assert storage.quarantined(limit=-1, model=("m", "1")) == []
    assert storage.quarantine_size() == 2


def test_a_reference_is_replaced_only_while_nothing_was_counted(storage: SQLiteStorage) -> None:
    first, new = storage.register("m", "1", "{}", "old", "a" * 64)
    assert new
    assert storage.register("m", "1", "{}", "old", "a" * 64) == (first, False)
    second, new = storage.register("m", "1", "{}", "new", "b" * 64)
    assert new
    assert storage.models() == [second]
    storage.commit([report(second.id, 5)], add)
    with pytest.raises(StorageError, match=r"1 reports were counted.*new --version"):
        storage.register("m", "1", "{}", "old", "a" * 64)


def test_pruning_forgets_windows_and_the_ids_in_them(storage: SQLiteStorage) -> None:
    model = model_of(storage)
    old, new = report(model, 5, start=0), report(model, 7, start=HOUR)
    storage.commit([old, new], add)
    assert storage.prune(HOUR) == (1, 1)
    assert storage.totals(model, 1).rows == 7
    assert storage.commit([new], add)[0].status == "duplicate"
    assert storage._writer.execute("SELECT count(*) FROM reports").fetchone() == (1,)


def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    first = open_storage(url)
    assert isinstance(first, SQLiteStorage)
    model = model_of(first)
    first.commit([report(model, 5)], add)
    first.close()
    again = open_storage(url, create=False)
    assert again.totals(model, 1).rows == 5
    again.close()


def test_the_file_is_private(storage: SQLiteStorage) -> None:
    assert storage.path.stat().st_mode & 0o077 == 0


def test_commits_are_flushed_to_the_disk(storage: SQLiteStorage) -> None:
    assert storage._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert storage._writer.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("strandline.db", "not a database URL"),
        ("postgresql://localhost/db", "no storage for postgresql"),
        ("sqlite://strandline.db", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////no/such/folder/x.db", "no folder /no/such/folder"),
    ],
)
def test_urls_that_name_no_database(url: str, message: str) -> None:
    with pytest.raises(StorageError, match=message):
        open_storage(url)


def test_relative_urls_are_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_storage("sqlite:///here.db").close()
    assert (tmp_path / "here.db").is_file()


def test_a_missing_database_is_not_made_for_reading(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no database"):
        open_storage(f"sqlite:///{tmp_path}/missing.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    text, foreign = tmp_path / "notes.db", tmp_path / "foreign.db"
    text.write_text("not a database, but a text that is longer than a header\n" * 30)
    with pytest.raises(StorageError, match="can't be used as a database"):
        SQLiteStorage(text)
    other = sqlite3.connect(foreign)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = foreign.read_bytes()
    with pytest.raises(StorageError, match="another program's database"):
        SQLiteStorage(foreign)
    assert foreign.read_bytes() == before


def test_a_newer_schema_is_refused(storage: SQLiteStorage) -> None:
    storage._writer.execute("PRAGMA user_version = 999")
    with pytest.raises(StorageError, match="upgrade Strandline"):
        SQLiteStorage(storage.path)
