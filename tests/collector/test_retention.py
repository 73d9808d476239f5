from __future__ import annotations

import asyncio

import pytest

from strandline.collector import retention
from strandline.collector.retention import DAY, Retention


class Pruned:
    """A storage that notes what it is asked to forget; the first time it can't."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.settled: list[int] = []

    def settle(self, before: int) -> int:
        self.settled.append(before)
        return 0

    def prune(self, before: int) -> tuple[int, int]:
        self.asked.append(before)
        if len(self.asked) == 1:
            raise OSError("disk is away")
        return 2, 30


def test_it_forgets_every_day_and_survives_a_bad_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    days = iter([1000.0 * DAY, 1001.0 * DAY])
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(retention.asyncio, "sleep", sleep)
    caplog.set_level("INFO", "strandline.collector")
    storage = Pruned()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(Retention(storage, 100, lambda: next(days)).run())  # type: ignore[arg-type]
    assert storage.asked == [900 * DAY, 901 * DAY]
    assert storage.settled == [999 * DAY, 1000 * DAY]
    assert slept == [DAY, DAY]
    assert "disk is away" in caplog.text
    assert "forgot 2 windows (30 reports)" in caplog.text
