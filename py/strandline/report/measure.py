"""One number of a metric, with what is certain about it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from strandline.drift.stats import Verdict


@dataclass(frozen=True, slots=True)
class Measure:
    """A value of one sample, or of a comparison.

    The value that the raw rows give lies in [low, high]; where these are `None` it is `value`
    itself.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    of: int | None = None
    """how many there could be, for a count: its share is ``value / of``"""
    verdict: Verdict | None = None
    method: str | None = None
    """the statistic that the verdict is of"""
    note: str | None = None
    """what else the verdict rests on"""
    confidence: tuple[float, float] | None = None
    """where the value of the population lies, at 95 %"""

    @property
    def bounds(self) -> tuple[float, float]:
        assert self.value is not None
        low = self.value if self.low is None else self.low
        return low, self.value if self.high is None else self.high

    @property
    def share(self) -> float | None:
        return self.value / self.of if self.value is not None and self.of else None

    @property
    def share_bounds(self) -> tuple[float, float]:
        low, high = self.bounds
        assert self.of
        return low / self.of, high / self.of

    def to_json(self) -> dict[str, Any]:
        """For the schema ``drift-1``; only what there is."""
        found: dict[str, Any] = {"value": finite(self.value)}
        if self.low is not None or self.high is not None:
            found |= {"low": finite(self.low), "high": finite(self.high)}
        if self.of is not None:
            found["share"] = self.share
        said = {"verdict": self.verdict, "method": self.method, "note": self.note}
        found |= {name: text for name, text in said.items() if text is not None}
        if self.confidence is not None:
            found["confidence"] = [finite(x) for x in self.confidence]
        return found


def count(value: int, of: int, high: int | None = None) -> Measure:
    """A count among `of`; between `value` and `high` when it is not known exactly."""
    if high is None or high == value:
        return Measure(value, of=of)
    return Measure((value + high) // 2, value, high, of)


def finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
