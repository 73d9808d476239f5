"""A/B: two versions of a model beside each other, by quality and by what the application counts.

The interval of a difference is made of the intervals of its two sides (MOVER, method of variance
estimates recovery), which for shares is Newcombe's: it keeps their asymmetry and never leaves the
possible range. The p-value belongs to it: it is at most 1 − level exactly when the interval is on one
side of 0.

References: Newcombe (1998), method 10; Zou & Donner (2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import Any

from strandline.drift.quality.intervals import normal_quantile
from strandline.drift.quality.metric import Metric, exact, undefined
from strandline.drift.quality.quality import Quality
from strandline.drift.quality.task import ClassTask
from strandline.drift.stats.special import normal_sf


@dataclass(frozen=True, slots=True)
class Difference:
    """B − A of one metric. `None` where one of the two is not defined."""

    name: str
    a: Metric
    b: Metric
    value: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    """two-sided, of no difference"""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is infinite becomes null."""
        return {
            "name": self.name,
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "difference": self.value,
            "ci": [_finite(self.ci_low), _finite(self.ci_high)],
            "p_value": self.p_value,
        }


def differences(a: Quality, b: Quality, level: float = 0.95) -> tuple[Difference, ...]:
    """Every metric that both have, B − A, rows and versions taken as independent.

    The tasks may have other cuts, names and units, not another kind, or other classes: `ValueError`.
    """
    if _asks(a) != _asks(b):
        raise ValueError("the two do not answer the same question: kind or classes differ")
    left, right = a.metrics(level), b.metrics(level)
    return tuple(difference(left[name], right[name]) for name in left if name in right)


def rates(name: str, a: tuple[int, int], b: tuple[int, int], level: float = 0.95) -> Difference:
    """How often something was counted per row, B − A, from (count, rows): taken as Poisson, which is
    on the safe side for what happens at most once per row.
    """
    return difference(rate(name, *a, level), rate(name, *b, level))


def rate(name: str, count: int, rows: int, level: float = 0.95) -> Metric:
    """A count per row, with the score interval of a Poisson rate."""
    if not rows:
        return undefined(name, 0, level)
    z = normal_quantile(level)
    middle, half = count + z * z / 2, z * sqrt(count + z * z / 4)
    return exact(name, count / rows, ((middle - half) / rows, (middle + half) / rows), rows, level)


def difference(a: Metric, b: Metric) -> Difference:
    """B − A of two independent estimates at the same level."""
    if not _known(a) or not _known(b):
        return Difference(b.name, a, b, None, None, None, None)
    value = b.value - a.value  # type: ignore[operator]
    below = _reach(b.value - b.ci_low, a.ci_high - a.value)  # type: ignore[operator]
    above = _reach(b.ci_high - b.value, a.value - a.ci_low)  # type: ignore[operator]
    toward = below if value > 0 else above
    z = normal_quantile(b.level)
    if not value:
        p_value = 1.0
    elif not toward:
        p_value = 0.0
    else:
        p_value = min(1.0, 2 * normal_sf(z * abs(value) / toward))
    return Difference(b.name, a, b, value, value - below, value + above, p_value)


def foremost(found: Sequence[Difference], names: Sequence[str]) -> tuple[Difference, ...]:
    """Those of the given names, in that order."""
    by_name = {one.name: one for one in found}
    return tuple(by_name[name] for name in names if name in by_name)


def _known(metric: Metric) -> bool:
    return metric.value is not None and metric.ci_low is not None and metric.ci_high is not None


def _reach(one: float, other: float) -> float:
    return sqrt(one * one + other * other) if isfinite(one) and isfinite(other) else inf


def _asks(quality: Quality) -> tuple[Any, ...]:
    task = quality.task
    return (task.kind, task.classes) if isinstance(task, ClassTask) else (task.kind,)


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
