"""ADWIN: a window over a series that shrinks when its older part has another mean."""

from __future__ import annotations

from collections import deque
from math import log, sqrt


class ADWIN:
    """Adaptive windowing: the mean of the longest recent stretch of a series that has no change in
    it.

    Whenever two neighbouring parts of the window differ in their means by more than a bound of
    Bernstein's kind, the older part is dropped and an alarm raised. The window is kept as a list of
    buckets of 1, 2, 4 … values, so that memory and time grow with the logarithm of its length.

    Parameters
    ----------
    delta
        Level of a check, in (0, 1): the bound's confidence, corrected for the window's length. For
        values in [0, 1] and one check per value the paper bounds the false alarms by it.
    clock
        Values between checks.
    max_buckets
        Buckets of a size before two are merged.
    min_window_length
        Values that either part of a split must hold.
    grace_period
        Values before the first check.

    Examples
    --------
    >>> import random
    >>> draw = random.Random(1)
    >>> detector = ADWIN()
    >>> for i in range(1200):
    ...     detector.update(draw.gauss(0.3 if i < 1000 else 0.9, 0.1))
    ...     if detector.drift_detected:
    ...         print(i, detector.width)
    1023 112
    1055 80
    1151 144
    >>> round(detector.estimation, 1)
    0.9

    Notes
    -----
    After an alarm the newer part stays, as in the paper, and while older values leave with further
    evidence there are further alarms. (river begins with an empty window instead.)

    References
    ----------
    Bifet & Gavaldà (2007), *Learning from time-changing data with adaptive windowing*, SIAM
    International Conference on Data Mining. The parameters are named as in river.
    """

    def __init__(
        self,
        delta: float = 0.002,
        *,
        clock: int = 32,
        max_buckets: int = 5,
        min_window_length: int = 5,
        grace_period: int = 10,
    ) -> None:
        if not 0 < delta < 1 or min(clock, max_buckets, min_window_length) < 1:
            raise ValueError("delta must lie in (0, 1), clock, max_buckets and lengths must be ≥ 1")
        self.delta = delta
        self.clock = clock
        self.max_buckets = max_buckets
        self.min_window_length = min_window_length
        self.grace_period = grace_period
        self.drift_detected = False
        """whether the last value raised the alarm"""
        self._rows: list[deque[tuple[float, float]]] = [deque()]
        """[level] buckets of 2^level values, newest first: (their sum, Σ(x - mean)²)"""
        self._seen = 0
        self.width = 0
        """values in the window"""
        self._sum = 0.0
        self._squares = 0.0

    @property
    def estimation(self) -> float:
        """The window's mean; 0 before the first value."""
        return self._sum / self.width if self.width else 0.0

    @property
    def variance(self) -> float:
        """The window's mean squared deviation."""
        return self._squares / self.width if self.width else 0.0

    def update(self, x: float) -> None:
        """The series' next value."""
        self._seen += 1
        if self.width:
            self._squares += (x - self.estimation) ** 2 * self.width / (self.width + 1)
        self.width += 1
        self._sum += x
        self._rows[0].appendleft((x, 0.0))
        self._compress()
        self.drift_detected = False
        if self._seen % self.clock == 0 and self.width > self.grace_period:
            while self._shrink():
                self.drift_detected = True

    def _compress(self) -> None:
        """Two buckets of a size too many become one of the next."""
        for level, row in enumerate(self._rows):
            if len(row) <= self.max_buckets:
                return
            if level + 1 == len(self._rows):
                self._rows.append(deque())
            size = 2**level
            (a, a_squares), (b, b_squares) = row.pop(), row.pop()
            between = (a - b) ** 2 / (2 * size)
            self._rows[level + 1].appendleft((a + b, a_squares + b_squares + between))

    def _shrink(self) -> bool:
        """Drop the oldest bucket if some split, oldest part first, has means too far apart."""
        n0, sum0 = 0, 0.0
        for level in range(len(self._rows) - 1, -1, -1):
            for total, _ in reversed(self._rows[level]):
                n0 += 2**level
                sum0 += total
                n1 = self.width - n0
                if n1 < self.min_window_length:
                    return False
                if n0 >= self.min_window_length and self._differ(n0, sum0, n1):
                    self._drop()
                    return True
        return False

    def _differ(self, n0: int, sum0: float, n1: int) -> bool:
        difference = abs(sum0 / n0 - (self._sum - sum0) / n1)
        confidence = log(2 * log(self.width) / self.delta)
        # As MOA and river have it: a part's values beyond the least it must have.
        least = self.min_window_length - 1
        share = 1 / (n0 - least) + 1 / (n1 - least)
        bound = sqrt(2 * share * self.variance * confidence) + 2 / 3 * share * confidence
        return difference > bound

    def _drop(self) -> None:
        total, squares = self._rows[-1].pop()
        size = 2 ** (len(self._rows) - 1)
        left = self.width - size
        between = (total / size - (self._sum - total) / left) ** 2 * size * left / self.width
        self.width, self._sum = left, self._sum - total
        self._squares = max(0.0, self._squares - squares - between)
        while len(self._rows) > 1 and not self._rows[-1]:
            self._rows.pop()
