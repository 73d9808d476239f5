"""The queue, the checks and the commits, with a real database and real profiles."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from strandline.collector.ingest import BATCH_REPORTS, BusyError, Ingest, Receipt
from strandline.collector.metrics import Metrics
from strandline.collector.profiles import MAX_ROWS, Catalogue, profile_of
from strandline.collector.register import register
from strandline.collector.sqlite import SQLiteStorage
from strandline.collector.storage import Merged, Outcome, UnavailableError
from strandline.drift import Profile
from tests.collector import samples

HOUR = 3600


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SQLiteStorage]:
    opened = SQLiteStorage(tmp_path / "test.db")
    known(opened)
    yield opened
    opened.close()


def known(storage: SQLiteStorage, **changes: Any) -> None:
    register(storage, json.dumps(samples.manifest(**changes)), samples.reference().to_json())


def raw(document: Any) -> bytes:
    return json.dumps(document).encode()


def with_ingest(
    storage: SQLiteStorage,
    body: Callable[[Ingest], Coroutine[Any, Any, None]],
    *,
    changed: list[set[tuple[str, str]]] | None = None,
    **options: Any,
) -> None:
    async def run() -> None:
        ingest = Ingest(
            storage,
            Catalogue(storage),
            Metrics(),
            window_seconds=HOUR,
            on_change=(changed if changed is not None else []).append,
            **options,
        )
        ingest.start()
        try:
            await body(ingest)
        finally:
            await ingest.close()

    asyncio.run(run())


def submitted(storage: SQLiteStorage, reports: Sequence[Any], **options: Any) -> list[Receipt]:
    receipts: list[Receipt] = []

    async def body(ingest: Ingest) -> None:
        receipts.extend(await ingest.submit([raw(report) for report in reports]))

    with_ingest(storage, body, **options)
    return receipts


def statuses(receipts: Sequence[Receipt]) -> list[str]:
    return [receipt.outcome.status for receipt in receipts]


def collected(storage: SQLiteStorage) -> Profile:
    (model,) = storage.models()
    windows = storage.history(model.id, first=None, last=None, min_sessions=1).windows
    reference = samples.reference()
    return Profile.merge(
        (profile_of(reference, window.features.items()) for window in windows), reference
    )


def test_reports_are_merged_exactly(storage: SQLiteStorage) -> None:
    columns = [samples.rows(7, seed) for seed in range(20)]
    reports = [samples.report(one) for one in columns]
    assert statuses(submitted(storage, reports)) == ["stored"] * 20
    assert statuses(submitted(storage, reports[::-1])) == ["duplicate"] * 20
    whole = {
        name: [value for one in columns for value in one[name]]
        for name in ("speed", "make", "price")
    }
    assert collected(storage) == samples.profile(whole)
    assert storage.totals(1, 1).rows == 140


def test_each_report_has_its_own_result(storage: SQLiteStorage) -> None:
    good = samples.report()
    forged = good | {"seq": 1}
    reports: list[Any] = [
        good,
        samples.report(model="boats"),
        samples.report(reference="0" * 64),
        samples.report(schema="strandline.report/9"),
        "not a report",
        forged,
        good,
        samples.report(ended="1999-01-01T00:00:00Z"),
        samples.report(profile={"schema": "strandline.profile/1"}),
    ]
    receipts = submitted(storage, reports)
    assert statuses(receipts) == [
        "stored",
        *["quarantined"] * 5,
        "duplicate",
        *["quarantined"] * 2,
    ]
    assert [receipt.id for receipt in receipts] == [
        report["id"] if isinstance(report, dict) else None for report in reports
    ]
    reasons = [receipt.outcome.error or "" for receipt in receipts]
    for reason, words in zip(
        reasons,
        [
            "",
            "boats 1 is not registered",
            "is not the one registered for cars 1",
            "schema",
            "Expected `object`",
            "own id",
            "",
            "90 days",
            "profile",
        ],
        strict=True,
    ):
        assert words in reason
    assert storage.quarantine_size() == 7
    assert collected(storage) == samples.profile(samples.rows(5))


def test_an_impossible_number_of_rows_is_refused(storage: SQLiteStorage) -> None:
    report = samples.report({"make": ["Saab"]})
    report["profile"]["features"]["make"]["counts"][0] = MAX_ROWS + 1
    (receipt,) = submitted(storage, [report])
    assert receipt.outcome.error == f"profile: more than {MAX_ROWS} rows in one report"


def test_a_clock_that_is_ahead_is_counted_now_and_noted(storage: SQLiteStorage) -> None:
    ahead = samples.report(ended=samples.iso(time.time() + 5 * HOUR))
    assert statuses(submitted(storage, [ahead])) == ["stored"]
    (window,) = storage.history(1, first=None, last=None, min_sessions=1).windows
    assert window.start <= time.time()
    assert storage.counters()["skewed"] == 1


def test_posts_that_arrive_during_a_commit_share_the_next_one(storage: SQLiteStorage) -> None:
    commits = watched_commits(storage)

    async def body(ingest: Ingest) -> None:
        posts = [[raw(samples.report())] for _ in range(BATCH_REPORTS + 30)]
        await asyncio.gather(*map(ingest.submit, posts))

    with_ingest(storage, body)
    assert sum(commits) == BATCH_REPORTS + 30
    assert max(commits) == BATCH_REPORTS
    assert len(commits) <= 3


def watched_commits(storage: SQLiteStorage) -> list[int]:
    sizes: list[int] = []
    commit = storage.commit

    def counting(submissions: Any, merge: Any) -> list[Outcome]:
        sizes.append(len(submissions))
        return commit(submissions, merge)

    storage.commit = counting  # type: ignore[method-assign]
    return sizes


def test_a_full_queue_is_busy_and_keeps_its_promises(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    commit = storage.commit

    def slow(submissions: Any, merge: Any) -> list[Outcome]:
        release.wait()
        return commit(submissions, merge)

    monkeypatch.setattr(storage, "commit", slow)

    async def body(ingest: Ingest) -> None:
        posts = [asyncio.create_task(ingest.submit([raw(samples.report())])) for _ in range(5)]
        await asyncio.sleep(0)
        assert ingest.depth == 5
        with pytest.raises(BusyError):
            await ingest.submit([raw(samples.report())])
        release.set()
        results = await asyncio.gather(*posts)
        assert [receipt.outcome.status for (receipt,) in results] == ["stored"] * 5
        assert ingest.depth == 0

    with_ingest(storage, body, queue_reports=5)
    assert storage.totals(1, 1).reports == 5


def test_a_database_that_cannot_take_it_is_busy(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = samples.report()

    def full(submissions: Any, merge: Any) -> list[Outcome]:
        raise UnavailableError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "commit", full)
        with pytest.raises(BusyError):
            submitted(storage, [report])
    assert statuses(submitted(storage, [report])) == ["stored"]


def test_one_report_that_cannot_be_merged_spoils_no_other(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    merge = Catalogue.merge

    def fragile(self: Catalogue, model_id: int, held: Any, parts: Any) -> Merged:
        if any(profile.rows == 13 for part in parts.values() for profile in part.profiles):
            raise ArithmeticError("thirteen")
        return merge(self, model_id, held, parts)

    monkeypatch.setattr(Catalogue, "merge", fragile)
    reports = [samples.report(samples.rows(count)) for count in (5, 13, 6)]
    assert statuses(submitted(storage, reports)) == ["stored", "quarantined", "stored"]
    assert storage.totals(1, 1).rows == 11
    assert "thirteen" in caplog.text


def test_closing_commits_what_is_queued(storage: SQLiteStorage) -> None:
    tasks: list[asyncio.Task[list[Receipt]]] = []

    async def body(ingest: Ingest) -> None:
        tasks.extend(asyncio.create_task(ingest.submit([raw(samples.report())])) for _ in range(20))
        await asyncio.sleep(0)

    with_ingest(storage, body)
    assert storage.totals(1, 1).reports == 20


def test_a_closed_queue_is_busy(storage: SQLiteStorage) -> None:
    kept: list[Ingest] = []

    async def body(ingest: Ingest) -> None:
        kept.append(ingest)

    with_ingest(storage, body)
    with pytest.raises(BusyError):
        asyncio.run(_submit(kept[0]))


async def _submit(ingest: Ingest) -> None:
    await ingest.submit([raw(samples.report())])


def test_quarantined_reports_are_counted_when_their_model_comes(storage: SQLiteStorage) -> None:
    waiting = [samples.report(version="2") for _ in range(3)]
    broken = samples.report(version="2", profile={})
    assert set(statuses(submitted(storage, [*waiting, broken]))) == {"quarantined"}
    known(storage, version="2")
    changed: list[set[tuple[str, str]]] = []

    async def body(ingest: Ingest) -> None:
        assert await ingest.requeue("cars", "2") == 3
        assert await ingest.requeue("cars", "2") == 0

    with_ingest(storage, body, changed=changed)
    assert changed == [{("cars", "2")}]
    assert storage.quarantine_size() == 1
    assert statuses(submitted(storage, waiting)) == ["duplicate"] * 3


def test_changes_are_announced_by_model(storage: SQLiteStorage) -> None:
    changed: list[set[tuple[str, str]]] = []
    report = samples.report()
    submitted(storage, [report], changed=changed)
    assert changed == [{("cars", "1")}]
    submitted(storage, [report], changed=changed)
    assert len(changed) == 1
