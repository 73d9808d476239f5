"""A live watch: rows in, windows out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from strandline.drift.compare import FeatureDrift, compare
from strandline.drift.profile import Profile
from strandline.drift.reference import Reference


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

    def close(self) -> Profile:
        """Close the open window, tell `on_window` unless it is empty, and open the next."""
        closed, self.window = self.window, Profile(self.reference)
        self._opened = self._clock()
        if closed.rows:
            self._on_window(closed)
        return closed

    def drift(self, **options: Any) -> tuple[FeatureDrift, ...]:
        """`compare` of everything since the start; takes its options."""
        return compare(self.reference, self.total, **options)

    def _is_over(self) -> bool:
        full = self._rows is not None and self.window.rows >= self._rows
        late = self._seconds is not None and self._clock() - self._opened >= self._seconds
        return full or late
