"""Metrics that compare: the drift of a column, and of how many columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from strandline.drift.compare import DEFAULT_METHODS, Criteria, FeatureDrift
from strandline.drift.features import Feature
from strandline.drift.stats import METHODS, Statistic
from strandline.report.comparison import Comparison
from strandline.report.conditions import Condition, lt, no_drift, of_share
from strandline.report.measure import Measure, count
from strandline.report.metrics import Counted, Metric

ALIASES: Final = {"emperical_mmd": "mmd", "kl": "kl_div", "js": "jensenshannon"}
"""other names that methods go by"""

Methods = str | Sequence[str]
Drift = Mapping[str, FeatureDrift]


def method_names(methods: Methods) -> tuple[str, ...]:
    """One name: that method, then the default ones, which also serve kinds that it does not fit.
    Several: these. Raises `ValueError` for a name that there is not.
    """
    given = (methods,) if isinstance(methods, str) else tuple(methods)
    plain = [name.strip().lower().replace("-", "_") for name in given]
    plain = [ALIASES.get(name, name) for name in plain]
    unknown = [name for name in plain if name not in METHODS]
    if unknown:
        raise ValueError(
            f"there is no statistic {', '.join(unknown)}; there are {', '.join(METHODS)}"
        )
    if isinstance(methods, str):
        plain += [name for name in DEFAULT_METHODS if name not in plain]
    return tuple(plain)


def criteria(feature: Feature, methods: Methods | None, threshold: float | None) -> Criteria:
    """What a feature is judged by; `threshold` is the floor of the effect of the deciding method."""
    names = DEFAULT_METHODS if methods is None else method_names(methods)
    if threshold is None:
        return Criteria(names)
    deciding = next((name for name in names if feature.kind in METHODS[name].kinds), None)
    return Criteria(names, {} if deciding is None else {deciding: threshold})


@dataclass(frozen=True)
class ValueDrift(Metric):
    """Whether a column drifted, and by how much: the value is the deciding statistic's.

    Parameters
    ----------
    column
        A column of text is compared by what describes it; its value is the one that drifted most.
    method
        A statistic by name (`drift.stats.METHODS`), or several of which the first that fits decides.
    threshold
        Floor of the effect, in place of the method's own.
    """

    title = "Drift of {column}"
    column: str
    method: Methods | None = None
    threshold: float | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def measures(self, comparison: Comparison, drift: Drift) -> tuple[Measure | None, None]:
        found = [one for one in drift.values() if one.feature.column == self.column]
        judged = [one for one in found if one.statistics]
        verdict = overall(one.verdict for one in found)
        if not judged:
            return Measure(None, verdict=verdict), None
        first = max((self._statistic(one) for one in judged), key=lambda s: s.effect)
        lacking = any(one.missing and one.missing.verdict == "drift" for one in found)
        note = "missing cells" if lacking else None
        measure = Measure(first.value, first.low, first.high, None, verdict, first.method, note)
        return measure, None

    def _statistic(self, found: FeatureDrift) -> Statistic:
        if self.method is not None:
            names = method_names(self.method)
            return next((s for s in found.statistics if s.method in names), found.statistics[0])
        return found.statistics[0]

    def defaults(self, has_reference: bool) -> list[Condition]:
        return [no_drift()] if has_reference else []


def overall(verdicts: Iterable[str]) -> Any:
    """The verdict of several together: the worst."""
    found = set(verdicts)
    order = ("drift", "bins cannot tell", "no drift")
    return next((one for one in order if one in found), "no data")


@dataclass(frozen=True)
class DriftedColumnsCount(Counted):
    """How many columns drifted; at most those, too, of which the bins cannot tell."""

    title = "Columns that drifted"
    drift_share: float = 0.5
    """from this share on the whole dataset counts as drifted"""
    names: tuple[str, ...] | None = field(default=None, repr=False)

    @property
    def columns(self) -> tuple[str, ...] | None:
        return self.names

    def measures(self, comparison: Comparison, drift: Drift) -> tuple[Measure | None, None]:
        columns: dict[str, list[str]] = {}
        for one in drift.values():
            if self.names is None or one.feature.column in self.names:
                columns.setdefault(one.feature.column, []).append(one.verdict)
        found = [overall(verdicts) for verdicts in columns.values()]
        compared = [verdict for verdict in found if verdict != "no data"]
        if not compared:
            return None, None
        sure = compared.count("drift")
        return count(sure, len(compared), sure + compared.count("bins cannot tell")), None

    def defaults(self, has_reference: bool) -> list[Condition]:
        return [of_share(lt(self.drift_share))] if has_reference else []
