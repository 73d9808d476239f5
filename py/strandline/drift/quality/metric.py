"""What every quality metric answers: a value, what binning leaves open, and how sure the sample is."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a sample of labelled rows.

    `value` is `None`, and so is every bound, where the metric is not defined: nothing to divide by.
    """

    name: str
    value: float | None
    low: float | None
    """the raw rows' value lies in [low, high]; the two are `value` where it is exact"""
    high: float | None
    ci_low: float | None
    """the confidence interval for the population's value; what binning leaves open is inside"""
    ci_high: float | None
    n: int
    """rows that it rests on"""
    level: float = 0.95
    """of the confidence interval"""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is infinite becomes null."""
        return {
            "value": _finite(self.value),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "ci": [_finite(self.ci_low), _finite(self.ci_high)],
            "n": self.n,
        }


def undefined(name: str, n: int, level: float) -> Metric:
    """A metric that these rows don't define."""
    return Metric(name, None, None, None, None, None, n, level)


def exact(name: str, value: float, interval: tuple[float, float], n: int, level: float) -> Metric:
    """A metric that binning leaves nothing open of."""
    return Metric(name, value, value, value, *interval, n, level)


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
