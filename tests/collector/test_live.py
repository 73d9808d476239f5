from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from strandline.collector import live
from strandline.collector.live import Live


def run(body: Callable[[Live], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(20):
            await body(Live())

    asyncio.run(whole())


def listen(one: Live, stored: int = 0) -> AsyncIterator[str]:
    return one.stream([("cars", "1"), ("cars", "2")], {"stored": stored}, lambda: {"stored": 7})


def data(event: str) -> Any:
    (line,) = [line for line in event.splitlines() if line.startswith("data: ")]
    return json.loads(line.removeprefix("data: "))


def test_the_first_event_comes_at_once_and_names_everything() -> None:
    async def body(one: Live) -> None:
        stream = listen(one, 3)
        first = await anext(stream)
        assert first.startswith("retry: 2000\n\nevent: change\nid: 0\n")
        assert first.endswith("\n\n")
        assert data(first) == {
            "models": [{"model": "cars", "version": "1"}, {"model": "cars", "version": "2"}],
            "reports": {"stored": 3},
        }

    run(body)


def test_changes_are_gathered_into_one_event() -> None:
    async def body(one: Live) -> None:
        stream = listen(one)
        await anext(stream)
        one.changed([("cars", "2")])
        one.changed([("cars", "2")])
        second = await anext(stream)
        assert data(second) == {
            "models": [{"model": "cars", "version": "2"}],
            "reports": {"stored": 7},
        }
        assert "id: 2\n" in second

    run(body)


def test_every_listener_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_LISTENERS", 2)

    async def body(one: Live) -> None:
        streams = [listen(one), listen(one)]
        for stream in streams:
            await anext(stream)
        assert one.full
        one.changed([("cars", "1")])
        for stream in streams:
            assert data(await anext(stream))["models"] == [{"model": "cars", "version": "1"}]
        one.close()
        for stream in streams:
            assert [event async for event in stream] == []
        assert not one.full

    run(body)


def test_silence_is_broken_by_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT", 0.01)

    async def body(one: Live) -> None:
        stream = listen(one)
        await anext(stream)
        assert (await anext(stream)).startswith(":")

    run(body)


def test_a_stream_that_opens_after_the_end_ends() -> None:
    async def body(one: Live) -> None:
        one.close()
        assert len([event async for event in listen(one)]) == 1

    run(body)
