"""Profiles and comparisons of stored windows, remembered for as long as a window stays the same.

Most windows of a history are over; a dashboard that asks again after every commit then costs only
the windows that changed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from strandline.collector.profiles import Entry, moments_of, profile_of, too_few
from strandline.collector.storage import Window
from strandline.drift import FeatureDrift, Profile, Segment, SessionMoments, compare
from strandline.drift.quality.summary import brief

REMEMBERED = 1000

_Key = tuple[int, int, int, int]


@dataclass(slots=True)
class _Held:
    profile: Profile
    sessions: SessionMoments | None
    hidden: frozenset[Segment]
    drifts: tuple[FeatureDrift, ...] | None = None
    quality: dict[str, Any] | None = None


class Windows:
    """Answers for windows by (model, start, length, reports): a changed window has more reports."""

    def __init__(self, alpha: float, min_sessions: int, remembered: int = REMEMBERED) -> None:
        self._alpha = alpha
        self._min_sessions = min_sessions
        self._remembered = remembered
        self._held: OrderedDict[_Key, _Held] = OrderedDict()
        self._lock = threading.Lock()

    def profile(self, entry: Entry, window: Window) -> Profile:
        """The window's merged profile without its hidden segments; not to be changed."""
        return self._hold(entry, window).profile

    def drifts(self, entry: Entry, window: Window) -> tuple[FeatureDrift, ...]:
        """The window beside its reference."""
        held = self._hold(entry, window)
        if held.drifts is None:
            held.drifts = compare(
                entry.reference, held.profile, alpha=self._alpha, sessions=held.sessions
            )
        return held.drifts

    def quality(self, entry: Entry, window: Window) -> dict[str, Any] | None:
        """How good the window's predictions were; `None` for a model without labels."""
        held = self._hold(entry, window)
        reference, current = entry.reference.quality, held.profile.quality
        if held.quality is None and reference is not None and current is not None:
            between = None if held.sessions is None else held.sessions.quality
            held.quality = brief(reference, current, sessions=between)
        return held.quality

    def sessions(self, entry: Entry, window: Window) -> SessionMoments | None:
        """The moments between the window's sessions; `None` when they are not known."""
        return self._hold(entry, window).sessions

    def hidden(self, entry: Entry, window: Window) -> frozenset[Segment]:
        """The segments that too few of the window's sessions had rows in."""
        return self._hold(entry, window).hidden

    def _hold(self, entry: Entry, window: Window) -> _Held:
        key = (entry.model.id, window.start, window.seconds, window.reports)
        with self._lock:
            held = self._held.get(key)
            if held is not None:
                self._held.move_to_end(key)
                return held
        hidden = too_few(entry.reference, window.features, self._min_sessions)
        profile = profile_of(entry.reference, window.features.items())
        held = _Held(
            profile.without(hidden) if hidden else profile,
            moments_of(entry.reference, window.features),
            hidden,
        )
        with self._lock:
            self._held[key] = held
            while len(self._held) > self._remembered:
                self._held.popitem(last=False)
        return held
