"""What every drift statistic answers, and the table of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Any, Literal, TypeAlias

from strandline.drift.features import Feature, Kind
from strandline.drift.tally import Tally

Verdict: TypeAlias = Literal["drift", "no drift", "bins cannot tell", "no data"]


@dataclass(frozen=True, slots=True)
class Statistic:
    """One statistic of one feature, reference against current.

    The value that the raw rows would give lies in [low, high]; where a statistic is *defined* on
    bins (`binned`), the three are equal.
    """

    method: str
    value: float
    low: float
    high: float
    p_value: float | None
    """of `low`, two-sample: conservative; `None` where the method has no test"""
    p_value_high: float | None
    """of `high`: the raw rows' p-value is not smaller"""
    effect: float
    """how large the difference is at least, on a scale that does not grow with the number of rows
    """
    effect_high: float
    """how large it is at most"""
    floor: float
    """an effect below this is no drift, however significant"""
    binned: bool = False
    effect_ci_low: float = 0.0
    """95 % confidence: the populations' effect is not smaller"""
    effect_ci_high: float = inf
    """95 % confidence: nor is it larger; `inf` where nothing can be said"""
    verdict: Verdict = "no data"

    def judged(self, alpha: float) -> Statistic:
        """With its verdict at the level `alpha`.

        Drift: significant and at least the floor, wherever the rows lie in their bins. No drift:
        neither could be, or one can't. Otherwise the bins cannot tell.
        """
        verdict: Verdict
        if self.effect >= self.floor and (self.p_value is None or self.p_value <= alpha):
            verdict = "drift"
        elif self.effect_high < self.floor or (
            self.p_value_high is not None and self.p_value_high > alpha
        ):
            verdict = "no drift"
        else:
            verdict = "bins cannot tell"
        return replace(self, verdict=verdict)

    def to_json(self) -> dict[str, Any]:
        """For the schema ``drift-1``; what is infinite becomes null."""
        return {
            "method": self.method,
            "value": _finite(self.value),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "p_value": self.p_value,
            "effect": _finite(self.effect),
            "effect_ci_low": _finite(self.effect_ci_low),
            "effect_ci_high": _finite(self.effect_ci_high),
            "floor": self.floor,
            "binned": self.binned,
            "verdict": self.verdict,
        }


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


Compute: TypeAlias = Callable[[Any, Any], Statistic]
"""(feature with its reference tally, current tally) -> statistic; both tallies hold at least one
value
"""


@dataclass(frozen=True, slots=True)
class Method:
    """A statistic by its name, and the kinds of features it is for."""

    name: str
    kinds: tuple[Kind, ...]
    compute: Compute

    def __call__(self, feature: Feature, current: Tally) -> Statistic:
        """Raises `ValueError` when there is nothing to compare or the kind doesn't fit."""
        if feature.kind not in self.kinds:
            raise ValueError(
                f"{self.name} is not for {feature.kind} features such as {feature.name!r}"
            )
        if not feature.tally.n or not current.n:
            raise ValueError(f"{feature.name!r} has no values to compare")
        return self.compute(feature, current)


METHODS: dict[str, Method] = {}

ALIASES: dict[str, str] = {"TVD": "tvd"}
"""other spellings of names in `METHODS`"""


def method(name: str) -> Method:
    """The statistic of this name or alias; `KeyError` when there is none."""
    return METHODS[ALIASES.get(name, name)]


def statistic(*kinds: Kind) -> Callable[[Compute], Method]:
    """Enter a function into `METHODS` under its name.

    What is for numbers is for moments too: seconds are numbers.
    """
    fitting: tuple[Kind, ...] = (*kinds, "datetime") if "numeric" in kinds else kinds

    def enter(compute: Compute) -> Method:
        method = Method(compute.__name__, fitting, compute)
        METHODS[method.name] = method
        return method

    return enter
