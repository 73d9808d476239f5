"""Server-sent events: which models changed, soon after they did."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable

from strandline.collector.profiles import Key

PAUSE = 0.5
HEARTBEAT = 15.0
MAX_LISTENERS = 100


class Live:
    """Tells every listener which (model, version) changed; runs in the event loop's thread."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self._sequence = 0
        self._closed = False

    @property
    def full(self) -> bool:
        return len(self._listeners) >= MAX_LISTENERS

    def changed(self, keys: Iterable[Key]) -> None:
        self._sequence += 1
        keys = set(keys)
        for listener in self._listeners:
            listener.pending |= keys
            listener.wake.set()

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._closed = True
        for listener in self._listeners:
            listener.wake.set()

    async def stream(
        self,
        everything: Iterable[Key],
        counted: dict[str, int],
        counters: Callable[[], dict[str, int]],
    ) -> AsyncIterator[str]:
        """Events as text: one at once that names `everything`, then one per change, at most one per
        half second.
        """
        listener = _Listener()
        self._listeners.add(listener)
        try:
            yield f"retry: 2000\n\n{self._event(everything, counted)}"
            if self._closed:
                listener.wake.set()
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        await listener.wake.wait()
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if self._closed:
                    return
                keys, listener.pending = listener.pending, set()
                listener.wake.clear()
                yield self._event(keys, await asyncio.to_thread(counters))
                await asyncio.sleep(PAUSE)
        finally:
            self._listeners.discard(listener)

    def _event(self, keys: Iterable[Key], counters: dict[str, int]) -> str:
        models = [{"model": name, "version": version} for name, version in sorted(keys)]
        data = json.dumps({"models": models, "reports": counters}, ensure_ascii=False)
        return f"event: change\nid: {self._sequence}\ndata: {data}\n\n"


class _Listener:
    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.pending: set[Key] = set()
