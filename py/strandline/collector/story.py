"""What happened over the shown windows: diagnoses, and the sequential test that is never reset.

A history is told in at most `MOST_PARTS` parts of equally many windows. What was computed for the
parts that are full is kept, so that a new report costs one part only.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from strandline.collector.clock import iso
from strandline.collector.profiles import Entry
from strandline.collector.storage import Window
from strandline.drift import FeatureDrift, Profile, compare
from strandline.drift.diagnosis import METHODS, Diagnosis, diagnose
from strandline.drift.watch import Watch, Watched

MOST_PARTS = 100
REMEMBERED = 20
METRICS = ("accuracy", "r2")
"""what quality is read from, the first that there is"""


@dataclass(frozen=True, slots=True)
class Story:
    """Diagnoses of the model and of its features by name, and what the watch says of them."""

    model: Diagnosis
    features: dict[str, Diagnosis]
    watched: dict[str, Watched]
    parts: tuple[str, ...]
    """when each part starts"""

    def of(self, name: str) -> dict[str, Any]:
        """The members `diagnosis` and `watch` of a feature; null for what is not watched."""
        told, seen = self.features.get(name), self.watched.get(name)
        return {
            "diagnosis": told and told.to_json(),
            "watch": seen
            and {
                "p_value": seen.p_value,
                "since": None if seen.since is None else self.parts[seen.since - 1],
            },
        }


@dataclass(slots=True)
class _Held:
    """What the full parts came to."""

    watch: Watch
    keys: list[tuple[tuple[int, int], ...]] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)
    drifts: list[tuple[FeatureDrift, ...]] = field(default_factory=list)


class Stories:
    """Tells stories, and remembers what doesn't change any more."""

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha
        self._held: OrderedDict[tuple[int, int, int], _Held] = OrderedDict()
        self._lock = threading.Lock()

    def tell(
        self, entry: Entry, windows: Sequence[Window], profile: Callable[[Window], Profile]
    ) -> Story:
        """`windows` are shown ones, oldest first; `profile` gives what a window holds."""
        each = max(1, ceil(len(windows) / MOST_PARTS))
        parts = [windows[i : i + each] for i in range(0, len(windows), each)]
        with self._lock:
            held = self._prefix(entry, parts, each)
            for part in parts[len(held.keys) : -1]:
                self._add(held, entry, part, profile)
            last = _Held(held.watch.copy(), [*held.keys], [*held.profiles], [*held.drifts])
        if parts:
            self._add(last, entry, parts[-1], profile)
        starts = tuple(iso(part[0].start) for part in parts)
        quality = [_quality(one) for one in last.profiles]
        whole, *features = diagnose(
            entry.reference,
            last.profiles,
            names=starts,
            drifts=last.drifts,
            quality=quality,
            model=f"{entry.model.name} {entry.model.version}",
            alpha=self._alpha,
        )
        return Story(
            whole,
            {one.subject: one for one in features},
            {one.name: one for one in last.watch.features},
            starts,
        )

    def _prefix(self, entry: Entry, parts: Sequence[Sequence[Window]], each: int) -> _Held:
        """What is held of the first parts, or a new beginning when one of them has changed."""
        key = (entry.model.id, parts[0][0].start if parts else 0, each)
        held = self._held.get(key)
        if held is None or held.keys != [_key(part) for part in parts[:-1][: len(held.keys)]]:
            held = _Held(Watch(entry.reference, alpha=self._alpha))
            self._held[key] = held
        self._held.move_to_end(key)
        while len(self._held) > REMEMBERED:
            self._held.popitem(last=False)
        return held

    def _add(
        self,
        held: _Held,
        entry: Entry,
        part: Sequence[Window],
        profile: Callable[[Window], Profile],
    ) -> None:
        merged = Profile.merge(map(profile, part), entry.reference)
        sessions, rows = sum(window.sessions for window in part), merged.rows
        # Rows of one session are alike: each session counts as one row.
        held.watch.update(merged, min(1.0, sessions / rows) if rows else 1.0)
        held.keys.append(_key(part))
        held.profiles.append(merged)
        held.drifts.append(compare(entry.reference, merged, alpha=self._alpha, methods=METHODS))


def _key(part: Sequence[Window]) -> tuple[tuple[int, int], ...]:
    return tuple((window.start, window.reports) for window in part)


def _quality(profile: Profile) -> float | None:
    if profile.quality is None or not profile.quality.n:
        return None
    found = profile.quality.metrics()
    return next((found[name].value for name in METRICS if name in found), None)
