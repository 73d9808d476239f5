"""A live watch: rows in, windows out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from strandline.drift.compare import FeatureDrift, compare
from strandline.drift.profile import Profile
from strandline.drift.reference import Reference


class Detector(Protocol):
    """What `Monitor.follow` takes."""

    @property
    def drift_detected(self) -> bool: ...

    def update(self, x: Any, /) -> None: ...


class Monitor:
    """A reference, everything seen since the start, and the open window.

    Parameters
    ----------
    reference
        What is compared with.
    rows, seconds
        The window closes with the update that fills it, or that comes after this time; `None`:
        never for this reason.
    on_window
        Called with each closed window's profile.
    on_alarm
        Called with the name of a detector (`follow`) and the window that made it alarm.
    clock
        Seconds that never run backwards.

    Examples
    --------
    >>> reference = Reference.from_columns({"speed": [0.5, 1.5, 2.5, 3.5]})
    >>> windows = []
    >>> monitor = Monitor(reference, rows=3, on_window=windows.append)
    >>> for speed in (1.0, 2.0, 2.0, 3.0):
    ...     monitor.update({"speed": [speed]})
    >>> len(windows), windows[0].rows, monitor.window.rows, monitor.total.rows
    (1, 3, 1, 4)
    """

    def __init__(
        self,
        reference: Reference,
        *,
        rows: int | None = 500,
        seconds: float | None = None,
        on_window: Callable[[Profile], None] = lambda profile: None,
        on_alarm: Callable[[str, Profile], None] = lambda name, profile: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if (rows is not None and rows < 1) or (seconds is not None and seconds <= 0):
            raise ValueError("a window must hold at least one row and some time")
        self.reference = reference
        self.total = Profile(reference)
        self.window = Profile(reference)
        self._rows = rows
        self._seconds = seconds
        self._on_window = on_window
        self._on_alarm = on_alarm
        self._followers: dict[str, tuple[Detector, Callable[[Profile], Any]]] = {}
        self._clock = clock
        self._opened = clock()

    def update(self, columns: Mapping[str, Any]) -> None:
        """Count cells in, by feature name. Raises `ValueError`, and counts nothing, as
        `Profile.update` does.
        """
        batch = Profile(self.reference)
        batch.update(columns)
        self.window += batch
        self.total += batch
        if self._is_over():
            self.close()

    def follow(self, name: str, detector: Detector, of: Callable[[Profile], Any]) -> Detector:
        """Let a detector see each closed window; returns it.

        `of` gives what it is updated with, or `None` for no update: a tally for a
        `watch.SequentialTest`, a number for `watch.PageHinkley` and `watch.ADWIN`. A test whose
        alarm stays tells of it once.

        >>> from strandline.drift.watch import PageHinkley
        >>> reference = Reference.from_columns({"speed": [0.5, 1.5, 2.5, 3.5]})
        >>> alarms = []
        >>> monitor = Monitor(reference, rows=1, on_alarm=lambda name, window: alarms.append(name))
        >>> mean = PageHinkley(threshold=2, min_instances=5)
        >>> mean = monitor.follow("mean speed", mean, lambda window: window["speed"].mean)
        >>> for i in range(20):
        ...     monitor.update({"speed": [1.0 if i < 10 else 3.0]})
        >>> alarms
        ['mean speed']
        """
        self._followers[name] = detector, of
        return detector

    def close(self) -> Profile:
        """Close the open window, tell `on_window` unless it is empty, and open the next."""
        closed, self.window = self.window, Profile(self.reference)
        self._opened = self._clock()
        if closed.rows:
            self._on_window(closed)
            self._tell_followers(closed)
        return closed

    def _tell_followers(self, window: Profile) -> None:
        for name, (detector, of) in self._followers.items():
            value = of(window)
            if value is None:
                continue
            before = detector.drift_detected
            detector.update(value)
            if detector.drift_detected and not before:
                self._on_alarm(name, window)

    def drift(self, **options: Any) -> tuple[FeatureDrift, ...]:
        """`compare` of everything since the start; takes its options."""
        return compare(self.reference, self.total, **options)

    def _is_over(self) -> bool:
        full = self._rows is not None and self.window.rows >= self._rows
        late = self._seconds is not None and self._clock() - self._opened >= self._seconds
        return full or late
