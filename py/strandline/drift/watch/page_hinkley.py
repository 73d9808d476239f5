"""Page and Hinkley's test: has the mean of a series moved?"""

from __future__ import annotations

from typing import Literal


class PageHinkley:
    """Sums of deviations from the running mean, with an alarm when they run away from their
    extreme.

    A heuristic with thresholds in the series' own unit: how often it alarms without drift depends
    on them. `SequentialTest` has a guarantee; this one watches any series of numbers, such as a
    window's mean, loss or latency.

    Parameters
    ----------
    min_instances
        Values before the first alarm.
    delta
        Deviation that is tolerated at each value.
    threshold
        Alarm when a sum is this far from its extreme.
    alpha
        Forgetting: what a sum keeps at each value, in (0, 1].
    mode
        Which moves of the mean count.

    Examples
    --------
    >>> detector = PageHinkley(threshold=5.0)
    >>> for i in range(200):
    ...     detector.update(0.0 if i < 100 else 1.0)
    ...     if detector.drift_detected:
    ...         print(i)
    105

    References
    ----------
    Page (1954), *Continuous inspection schemes*, Biometrika 41; Hinkley (1971), *Inference about
    the change-point from cumulative sum tests*, Biometrika 58. The parameters are named as in river
    and in Gama et al. (2014), *A survey on concept drift adaptation*.
    """

    def __init__(
        self,
        *,
        min_instances: int = 30,
        delta: float = 0.005,
        threshold: float = 50.0,
        alpha: float = 1 - 0.0001,
        mode: Literal["up", "down", "both"] = "both",
    ) -> None:
        if min_instances < 1 or threshold <= 0 or not 0 < alpha <= 1:
            raise ValueError("min_instances must be at least 1, threshold > 0, alpha in (0, 1]")
        if mode not in ("up", "down", "both"):
            raise ValueError(f"mode must be up, down or both, not {mode!r}")
        self.min_instances = min_instances
        self.delta = delta
        self.threshold = threshold
        self.alpha = alpha
        self.mode = mode
        self.drift_detected = False
        """whether the last value raised the alarm; the next one begins anew"""
        self._restart()

    def _restart(self) -> None:
        self._n = 0
        self._mean = 0.0
        self._up = self._down = 0.0
        self._lowest = float("inf")
        self._highest = float("-inf")

    def update(self, x: float) -> None:
        """The series' next value."""
        if self.drift_detected:
            self._restart()
        self._n += 1
        self._mean += (x - self._mean) / self._n
        deviation = x - self._mean
        self._up = self.alpha * self._up + deviation - self.delta
        self._down = self.alpha * self._down + deviation + self.delta
        self._lowest = min(self._lowest, self._up)
        self._highest = max(self._highest, self._down)
        risen = self.mode != "down" and self._up - self._lowest > self.threshold
        fallen = self.mode != "up" and self._highest - self._down > self.threshold
        self.drift_detected = self._n >= self.min_instances and (risen or fallen)
