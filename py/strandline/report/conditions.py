"""Pass or fail: conditions on a metric that know that its value may be an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isclose
from typing import Any, Final, Literal, TypeAlias

from strandline.report import words
from strandline.report.measure import Measure

Status: TypeAlias = Literal["SUCCESS", "FAIL", "WARNING", "ERROR", "SKIPPED"]
Of: TypeAlias = Literal["value", "share", "verdict", "confidence"]


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """The metric's value in the reference, and how far from it a value may lie.

    The larger one of `absolute` and `relative` times the reference's value is allowed; neither:
    nothing. In Evidently: ``evidently.tests.Reference``.
    """

    relative: float | None = None
    absolute: float | None = None

    def band(self, reference: float) -> tuple[float, float]:
        """The least and the largest value that are still as the reference's."""
        slack = max(self.absolute or 0.0, (self.relative or 0.0) * abs(reference))
        return reference - slack, reference + slack

    def words(self, sign: str) -> str:
        slack = [f"{100 * self.relative:g} %"] if self.relative else []
        slack += [words.value(self.absolute)] if self.absolute else []
        return "reference" + (f" {sign} {' or '.join(slack)}" if slack else "")


Bound: TypeAlias = float | ReferenceValue

_SIGNS: Final = {"eq": "=", "not_eq": "≠", "gt": ">", "gte": "≥", "lt": "<", "lte": "≤"}
_OPPOSITE: Final = {"not_eq": "eq", "not_in": "is_in"}


@dataclass(frozen=True, slots=True)
class Condition:
    """What a metric has to fulfil; made by `eq`, `gt`, `in_range` and their like."""

    operator: str
    bounds: tuple[Bound, ...] = ()
    critical: bool = True
    """when not, a condition that does not hold is a warning and no failure"""
    of: Of = "value"
    """``"share"``: of a count metric's share of the rows; ``"confidence"``: of everything in the
    confidence interval
    """

    def __str__(self) -> str:
        show = words.share if self.of == "share" else words.value
        side = {"gt": "−", "gte": "−", "lt": "+", "lte": "+"}.get(self.operator, "±")
        shown = [b.words(side) if isinstance(b, ReferenceValue) else show(b) for b in self.bounds]
        if self.operator == "no_drift":
            return "no drift"
        if self.operator in _SIGNS:
            return f"{_SIGNS[self.operator]} {shown[0]}"
        if self.operator == "in_range":
            return f"{shown[0]} to {shown[1]}"
        return f"{'one of' if self.operator == 'is_in' else 'none of'} {', '.join(shown)}"

    @property
    def needs_reference(self) -> bool:
        return any(isinstance(bound, ReferenceValue) for bound in self.bounds)

    def status(self, current: Measure | None, reference: Measure | None) -> Status:
        """What can be said.

        FAIL (or WARNING when it is not critical): the condition does not hold, wherever the value
        lies in its interval. WARNING: it depends on where in the interval. ERROR: the metric has no
        value. SKIPPED: there is no reference to compare with.
        """
        if self.operator == "no_drift":
            verdict = current.verdict if current else None
            if verdict in (None, "no data"):
                return "SKIPPED"
            holds = None if verdict == "bins cannot tell" else verdict == "no drift"
        else:
            if self.needs_reference and (reference is None or self._point(reference) is None):
                return "SKIPPED"
            if current is None or self._point(current) is None:
                return "ERROR"
            holds = self._holds(current, reference)
        if holds is None:
            return "WARNING"
        return "SUCCESS" if holds else "FAIL" if self.critical else "WARNING"

    def _point(self, measure: Measure) -> float | None:
        return measure.share if self.of == "share" else measure.value

    def _holds(self, current: Measure, reference: Measure | None) -> bool | None:
        low, high = current.share_bounds if self.of == "share" else current.bounds
        if self.of == "confidence" and current.confidence is not None:
            low, high = current.confidence
        known = None if reference is None else self._point(reference)
        bands = [_band(bound, known) for bound in self.bounds]
        operator = _OPPOSITE.get(self.operator, self.operator)
        if operator in ("eq", "is_in"):
            answer = _within_any(low, high, bands)
        elif operator == "in_range":
            answer = _within_any(low, high, [(bands[0][0], bands[1][1])])
        else:
            # With slack, “at least the reference” means its lower edge, “at most” its upper one.
            edge = bands[0][0] if operator in ("gt", "gte") else bands[0][1]
            answer = _all_or_none(_compare(operator, x, edge) for x in (low, high))
        negated = operator != self.operator
        return answer if answer is None or not negated else not answer


def _band(bound: Bound, reference: float | None) -> tuple[float, float]:
    if isinstance(bound, ReferenceValue):
        assert reference is not None
        return bound.band(reference)
    return bound, bound


def _within_any(low: float, high: float, bands: Sequence[tuple[float, float]]) -> bool | None:
    """Whether a value in [low, high] lies in one of the bands; `None` when it depends."""
    if any(_at_least(low, a) and _at_least(b, high) for a, b in bands):
        return True
    return None if any(_at_least(high, a) and _at_least(b, low) for a, b in bands) else False


def _at_least(x: float, y: float) -> bool:
    return x >= y or isclose(x, y, rel_tol=1e-9, abs_tol=0.0)


def _compare(operator: str, x: float, edge: float) -> bool:
    if operator == "gt":
        return x > edge
    if operator == "gte":
        return _at_least(x, edge)
    if operator == "lt":
        return x < edge
    return _at_least(edge, x)


def _all_or_none(answers: Any) -> bool | None:
    found = set(answers)
    return found.pop() if len(found) == 1 else None


def _number(bound: Any) -> Bound:
    if isinstance(bound, ReferenceValue):
        return bound
    if isinstance(bound, bool) or not isinstance(bound, (int, float)) or bound != bound:
        raise TypeError(f"a condition compares with a number or a ReferenceValue, not {bound!r}")
    return bound


def eq(expected: Bound, *, is_critical: bool = True) -> Condition:
    """Equal; with a `ReferenceValue` within its slack."""
    return Condition("eq", (_number(expected),), is_critical)


def not_eq(expected: Bound, *, is_critical: bool = True) -> Condition:
    return Condition("not_eq", (_number(expected),), is_critical)


def gt(threshold: Bound, *, is_critical: bool = True) -> Condition:
    return Condition("gt", (_number(threshold),), is_critical)


def gte(threshold: Bound, *, is_critical: bool = True) -> Condition:
    return Condition("gte", (_number(threshold),), is_critical)


def lt(threshold: Bound, *, is_critical: bool = True) -> Condition:
    return Condition("lt", (_number(threshold),), is_critical)


def lte(threshold: Bound, *, is_critical: bool = True) -> Condition:
    return Condition("lte", (_number(threshold),), is_critical)


def in_range(left: Bound, right: Bound, *, is_critical: bool = True) -> Condition:
    """From `left` to `right`, both included."""
    return Condition("in_range", (_number(left), _number(right)), is_critical)


def is_in(values: Sequence[float], *, is_critical: bool = True) -> Condition:
    return Condition("is_in", tuple(map(_number, values)), is_critical)


def not_in(values: Sequence[float], *, is_critical: bool = True) -> Condition:
    return Condition("not_in", tuple(map(_number, values)), is_critical)


def no_drift(*, is_critical: bool = True) -> Condition:
    """The verdict is no drift; a warning where the bins cannot tell."""
    return Condition("no_drift", (), is_critical, "verdict")


def of_share(condition: Condition) -> Condition:
    """The same condition, on the share of the rows."""
    return replace(condition, of="share")


def of_confidence(condition: Condition) -> Condition:
    """The same condition, on every value in the confidence interval: it fails when none fulfils it."""
    return replace(condition, of="confidence")
