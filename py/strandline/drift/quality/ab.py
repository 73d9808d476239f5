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
from fractions import Fraction
from math import inf, isfinite, sqrt
from typing import Any

from strandline.drift.quality.intervals import normal_quantile, student_quantile
from strandline.drift.quality.metric import Metric, exact, undefined
from strandline.drift.quality.products import SessionProducts
from strandline.drift.quality.quality import Quality
from strandline.drift.quality.sessions import metrics
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


def differences(
    a: Quality,
    b: Quality,
    level: float = 0.95,
    *,
    sessions: tuple[SessionProducts | None, SessionProducts | None] = (None, None),
) -> tuple[Difference, ...]:
    """Every metric that both have, B − A; the versions are taken as independent, and so are rows where
    the `sessions` that they came in are not known.

    The tasks may have other cuts, names and units, not another kind, or other classes: `ValueError`.
    """
    if _asks(a) != _asks(b):
        raise ValueError("the two do not answer the same question: kind or classes differ")
    left, right = metrics(a, sessions[0], level), metrics(b, sessions[1], level)
    return tuple(difference(left[name], right[name]) for name in left if name in right)


def rates(
    name: str,
    a: tuple[int, int],
    b: tuple[int, int],
    level: float = 0.95,
    *,
    sessions: tuple[SessionProducts | None, SessionProducts | None] = (None, None),
) -> Difference:
    """How often something was counted per row, B − A, from (count, rows): taken as Poisson, which is
    on the safe side for what happens at most once per row; `sessions` are those of (rows, count).
    """
    return difference(
        rate(name, *a, level, sessions=sessions[0]), rate(name, *b, level, sessions=sessions[1])
    )


def rate(
    name: str,
    count: int,
    rows: int,
    level: float = 0.95,
    *,
    sessions: SessionProducts | None = None,
) -> Metric:
    """A count per row, with the score interval of a Poisson rate; with `sessions` that of the count at
    which a Poisson rate would be as uncertain as sessions make it, if that is wider.
    """
    if not rows:
        return undefined(name, 0, level)
    low, high = (end / rows for end in _poisson(count, level))
    if sessions is not None:
        effective = sessions.effective(0, rows)
        if sessions.sessions < 2 or effective <= 1:
            return exact(name, count / rows, (0.0, inf), rows, level)
        slope = {1: Fraction(1, rows), 0: -Fraction(count, rows * rows)}
        variance = sessions.variance(slope, effective)
        stretch = (student_quantile(level, effective - 1) / normal_quantile(level)) ** 2
        if variance:
            value = count / rows
            worth = value * value / (variance * stretch)
            few = tuple(end * value / worth for end in _poisson(worth, level))
            low, high = min(low, few[0]), max(high, few[1])
    return exact(name, count / rows, (low, high), rows, level)


def _poisson(count: float, level: float) -> tuple[float, float]:
    """The score interval of a Poisson mean."""
    z = normal_quantile(level)
    middle, half = count + z * z / 2, z * sqrt(count + z * z / 4)
    return middle - half, middle + half


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
