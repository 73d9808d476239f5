"""Forgetting: what single sessions had, once a window is over for a day; and windows older than the
operator wants to keep, with the ids of their reports.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from strandline.collector.storage import Storage

DAY = 86_400

log = logging.getLogger("strandline.collector")


class Retention:
    """Prunes at the start and then once a day;

    `days` is at least `clock.MIN_RETENTION`, which keeps counts exact.
    """

    def __init__(self, storage: Storage, days: int, now: Callable[[], float] = time.time) -> None:
        self._storage = storage
        self._days = days
        self._now = now

    async def run(self) -> None:
        while True:
            now = int(self._now())
            try:
                await asyncio.to_thread(self._storage.settle, now - DAY)
                windows, reports = await asyncio.to_thread(
                    self._storage.prune, now - self._days * DAY
                )
            except Exception as error:
                log.error("old windows could not be forgotten, next try tomorrow: %s", error)
            else:
                log.info(
                    "forgot %d windows (%d reports) older than %d days",
                    windows,
                    reports,
                    self._days,
                )
            await asyncio.sleep(DAY)
