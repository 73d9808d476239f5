"""From raw reports to outcomes: check, queue, and commit many posts in one transaction.

Posts that arrive while a commit is on its way to the disk wait, and go together in the next one (up
to 100 reports): a lone post waits for nobody, a crowd shares the disk's flushes. One worker thread
checks, merges and commits, so the event loop stays free.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from strandline.collector.clock import ClockError, place
from strandline.collector.envelope import BodyError, content_hash, decode_report, identify
from strandline.collector.metrics import Metrics
from strandline.collector.profiles import Catalogue, Key, ProfileError
from strandline.collector.storage import (
    Accepted,
    Outcome,
    Refused,
    Storage,
    Submission,
    UnavailableError,
)

BATCH_REPORTS = 100
QUEUE_REPORTS = 1000
QUEUE_BYTES = 32 * 1024 * 1024
RETRY_AFTER_SECONDS = 2

log = logging.getLogger("strandline.collector")


class BusyError(Exception):
    """The queue is full, or the database can't take anything now: come back later."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a report; `id` as text, `None` when it couldn't be read."""

    id: str | None
    outcome: Outcome

    def to_json(self) -> dict[str, Any]:
        error = {} if self.outcome.error is None else {"error": self.outcome.error}
        return {"id": self.id, "status": self.outcome.status, **error}


@dataclass(slots=True)
class _Post:
    reports: Sequence[bytes]
    received: float
    done: asyncio.Future[list[Receipt]]

    @property
    def bytes(self) -> int:
        return sum(map(len, self.reports))


class Ingest:
    """The queue and its worker.

    `submit` returns after the commit; `on_change` hears (in the event loop) which models changed.
    """

    def __init__(
        self,
        storage: Storage,
        catalogue: Catalogue,
        metrics: Metrics,
        *,
        window_seconds: int,
        on_change: Callable[[set[Key]], None],
        queue_reports: int = QUEUE_REPORTS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.queue_reports = queue_reports
        self.depth = 0
        self._bytes = 0
        self._storage = storage
        self._catalogue = catalogue
        self._metrics = metrics
        self._window_seconds = window_seconds
        self._on_change = on_change
        self._changed: set[Key] = set()
        self._now = now
        self._queue: deque[_Post] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="strandline-commit")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Commit what is queued, then stop."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def submit(self, reports: Sequence[bytes]) -> list[Receipt]:
        """Receipts in the reports' order, once they are on disk. Raises `BusyError`."""
        if not reports:
            return []
        post = _Post(reports, self._now(), asyncio.get_running_loop().create_future())
        full = (
            self.depth + len(reports) > self.queue_reports or self._bytes + post.bytes > QUEUE_BYTES
        )
        if self._closing or full:
            raise BusyError
        self.depth += len(reports)
        self._bytes += post.bytes
        self._queue.append(post)
        self._arrived.set()
        return await post.done

    async def requeue(self, name: str, version: str) -> int:
        """Take in the quarantined reports that waited for this model; how many were counted."""
        loop = asyncio.get_running_loop()
        counted = await loop.run_in_executor(self._thread, self._requeue, name, version)
        self._announce()
        return counted

    def _announce(self) -> None:
        changed, self._changed = self._changed, set()
        if changed:
            self._on_change(changed)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._queue:
                batch = self._next_batch()
                began = time.perf_counter()
                try:
                    receipts: Sequence[list[Receipt] | None] = await loop.run_in_executor(
                        self._thread, self._commit_posts, batch
                    )
                except Exception as error:
                    # Whatever it was, nobody is told "stored": the senders keep their reports.
                    log.exception("nothing was committed: %s", error)
                    receipts = [None] * len(batch)
                self._metrics.commits.add(time.perf_counter() - began)
                self._announce()
                for post, receipt in zip(batch, receipts, strict=True):
                    self.depth -= len(post.reports)
                    self._bytes -= post.bytes
                    if post.done.cancelled():
                        continue
                    if receipt is None:
                        post.done.set_exception(BusyError())
                    else:
                        post.done.set_result(receipt)
            if self._closing:
                return

    def _next_batch(self) -> list[_Post]:
        batch = [self._queue.popleft()]
        count = len(batch[0].reports)
        while self._queue and count + len(self._queue[0].reports) <= BATCH_REPORTS:
            batch.append(self._queue.popleft())
            count += len(batch[-1].reports)
        return batch

    # In the worker thread

    def _commit_posts(self, posts: Sequence[_Post]) -> list[list[Receipt]]:
        checked = [[self._check(raw, post.received) for raw in post.reports] for post in posts]
        outcomes = iter(self._commit([submission for group in checked for submission in group]))
        return [
            [Receipt(str(s.id) if s.id else None, next(outcomes)) for s in group]
            for group in checked
        ]

    def _commit(self, submissions: Sequence[Submission]) -> list[Outcome]:
        try:
            outcomes = self._storage.commit(submissions, self._catalogue.merge)
        except (UnavailableError, MemoryError):
            raise
        except Exception:
            if len(submissions) == 1:
                return self._set_aside(submissions[0])
            # One report that can't be merged must not hold up the others.
            return [outcome for one in submissions for outcome in self._commit([one])]
        self._changed |= {
            self._catalogue.key(s.model_id)
            for s, outcome in zip(submissions, outcomes, strict=True)
            if isinstance(s, Accepted) and outcome.status == "stored"
        }
        return outcomes

    def _set_aside(self, submission: Submission) -> list[Outcome]:
        log.exception("report %s could not be merged", submission.id)
        reason = "passed every check but could not be merged: see the collector's log"
        one = submission
        refused = Refused(one.id, one.content, one.received, None, None, reason, False, one.body)
        return self._storage.commit([refused], self._catalogue.merge)

    def _check(self, raw: bytes, received: float) -> Submission:
        content, milliseconds = content_hash(raw), int(received * 1000)
        try:
            report = decode_report(raw)
            placed = place(report.ended_at(), received, self._window_seconds)
            checked = self._catalogue.check(report)
        except (BodyError, ClockError, ProfileError) as error:
            id_, model, version = identify(raw)
            waits = isinstance(error, ProfileError) and error.unregistered
            return Refused(id_, content, milliseconds, model, version, str(error), waits, raw)
        return Accepted(
            id=UUID(report.id),
            content=content,
            model_id=checked.model_id,
            session=UUID(report.session),
            start=placed.start,
            seconds=self._window_seconds,
            rows=checked.rows,
            received=milliseconds,
            skewed=placed.skewed,
            profile=checked.profile,
            body=raw,
        )

    def _requeue(self, name: str, version: str) -> int:
        waiting = self._storage.quarantined(limit=-1, model=(name, version))
        counted = 0
        for first in range(0, len(waiting), BATCH_REPORTS):
            batch = [
                submission
                for kept in waiting[first : first + BATCH_REPORTS]
                if isinstance(submission := self._check(kept.body, kept.received / 1000), Accepted)
            ]
            counted += sum(o.status == "stored" for o in self._commit(batch)) if batch else 0
        return counted


def raw_reports(reports: Sequence[msgspec.Raw]) -> list[bytes]:
    """The reports' own bytes, free of the post they came in."""
    return [bytes(raw) for raw in reports]
