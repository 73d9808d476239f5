"""Reference against profile: statistics per feature, and verdicts with the false alarms of all
features held together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Final

from strandline.drift.features import Feature, Kind, NumericFeature, Role, holding
from strandline.drift.histogram import histogram
from strandline.drift.multiple import benjamini_hochberg, threshold
from strandline.drift.profile import Profile
from strandline.drift.quantiles import QUARTILES, quantile
from strandline.drift.reference import Reference
from strandline.drift.segments import Segment
from strandline.drift.sessions import Moments, SessionMoments, as_alike
from strandline.drift.stats import ALIASES, METHODS, Statistic, Verdict, method, missing
from strandline.drift.stats.clustered import corrected, design_effect
from strandline.drift.tally import CategoricalTally, NumericTally, Tally, VectorTally

DEFAULT_METHODS: Final = ("ks", "chisquare", "mmd", "psi", "jensenshannon", "wasserstein")
"""the first that fits a feature's kind decides on it"""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a feature is judged by."""

    methods: Sequence[str] = DEFAULT_METHODS
    """names in `stats.METHODS`; the first that fits the feature's kind decides"""
    floors: Mapping[str, float] = field(default_factory=dict)
    """effect floors by method name (`"missing"` too), in place of the defaults"""


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """What can be said of one feature."""

    feature: Feature
    current: Tally
    statistics: tuple[Statistic, ...]
    """the first one decides; empty when there is nothing to compare"""
    missing: Statistic | None
    """of the share of missing and invalid cells; `None` when there are none, or no rows"""
    p_value: float | None
    """the smaller one of the deciding tests, adjusted for all tests of the comparison"""
    verdict: Verdict
    segment: Segment | None = None
    """the rows that were compared; `None`: all"""

    @property
    def name(self) -> str:
        return self.feature.name

    @property
    def kind(self) -> Kind:
        return self.feature.kind

    @property
    def role(self) -> Role:
        return self.feature.role

    def __getitem__(self, method: str) -> Statistic:
        """The statistic of a method; `KeyError` when it was not computed."""
        name = ALIASES.get(method, method)
        for statistic in (*self.statistics, *([self.missing] if self.missing else [])):
            if statistic.method == name:
                return statistic
        raise KeyError(method)

    def to_json(self) -> dict[str, Any]:
        """For the schema ``drift-1``: verdict, statistics, and bars to draw."""
        document: dict[str, Any] = {
            "name": self.name,
            "role": self.role,
            "kind": self.kind,
            "verdict": self.verdict,
            "p_value": self.p_value,
            **histogram(self.feature, self.current).to_json(),
            **{s.method: s.to_json()["value"] for s in self.statistics},
            "statistics": [s.to_json() for s in self.statistics],
            "missing": self.missing and self.missing.to_json(),
            "summary": {
                "reference": summary(self.feature, self.feature.tally),
                "current": summary(self.feature, self.current),
            },
        }
        return document


def compare(
    reference: Reference,
    profile: Profile,
    *,
    alpha: float = 0.05,
    methods: Sequence[str] = DEFAULT_METHODS,
    floors: Mapping[str, float] | None = None,
    per_feature: Mapping[str, Criteria] | None = None,
    sessions: SessionMoments | None = None,
) -> tuple[FeatureDrift, ...]:
    """Compare what a profile holds with its reference, feature by feature, in the reference's
    order; then the features of each segment, where the reference has segments.

    Two tests decide on a feature: the first of `methods` that fits its kind, and whether the share
    of missing and invalid cells changed. Benjamini-Hochberg over all these tests, of all features
    and segments, holds the expected share of false alarms at `alpha`; an effect below its floor is
    no drift, however significant. Reference and profile are both taken as samples.

    Parameters
    ----------
    alpha
        Level, in (0, 1).
    methods
        Names in `stats.METHODS`, or `stats.ALIASES`.
    floors
        Effect floors by method name (`"missing"` too), in place of the defaults.
    per_feature
        By feature name, in place of `methods` and `floors`.
    sessions
        Moments between the sessions that the profile's rows come from: p-values and confidence
        intervals then allow for rows of a session being alike (`stats.clustered`). A segment's rows
        are taken to be as alike as all rows of the feature are.

    Raises
    ------
    ValueError
        For a method or a feature that there is not, an `alpha` outside (0, 1), or a profile or
        moments of another reference.
    """
    common = Criteria(methods, floors or {})
    special = per_feature or {}
    absent = [name for name in special if name not in reference]
    if absent:
        raise ValueError(f"the reference has no feature {', '.join(map(repr, absent))}")
    asked = dict.fromkeys(name for one in (common, *special.values()) for name in one.methods)
    unknown = [name for name in asked if ALIASES.get(name, name) not in METHODS]
    if unknown:
        raise ValueError(
            f"there is no statistic {', '.join(unknown)}; there are {', '.join(METHODS)}"
        )
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    if profile.reference is not reference and profile.reference.sha256 != reference.sha256:
        raise ValueError("the profile belongs to another reference")
    if sessions is not None and sessions.reference.sha256 != reference.sha256:
        raise ValueError("the sessions' moments belong to another reference")
    found = [
        _compute(
            feature,
            profile[feature.name],
            special.get(feature.name, common),
            sessions.get(feature.name) if sessions is not None else None,
        )
        for feature in reference
    ]
    alike = {
        name: _Alike(reference[name], profile[name], moments)
        for name, moments in (sessions.features if sessions is not None else {}).items()
    }
    for segmentation in reference.segmentations:
        for segment, held in zip(segmentation.segments, segmentation.tallies, strict=True):
            for name, current in profile.segment(segment).items():
                feature = holding(reference[name], held.get(name, reference[name].empty()))
                one = _compute(feature, current, special.get(name, common), alike.get(name))
                found.append(replace(one, segment=segment))
    tests = [test.p_value for one in found for test in _deciding(one) if test.p_value is not None]
    level = threshold(tests, alpha)
    adjusted = iter(benjamini_hochberg(tests))
    return tuple(_judge(one, level, adjusted) for one in found)


@dataclass(frozen=True, slots=True)
class _Alike:
    """How alike all rows of a feature are, for one of its segments."""

    feature: Feature
    current: Tally
    moments: Moments
    effects: dict[str, float] = field(default_factory=dict)
    """by method, as far as asked for"""

    def effect(self, method: str) -> float:
        """The design effect of what a statistic looks at."""
        if method not in self.effects:
            self.effects[method] = design_effect(method, self.feature, self.current, self.moments)
        return self.effects[method]

    def of(self, effect: float, segment: Feature, current: Tally) -> Moments:
        """The moments that the segment's rows would have."""
        if not isfinite(effect):
            return as_alike(segment, current, 1.0, 1)
        return as_alike(segment, current, effect, self.moments.sessions)


def _compute(
    feature: Feature,
    current: Tally,
    criteria: Criteria,
    moments: Moments | _Alike | None = None,
) -> FeatureDrift:
    statistics: tuple[Statistic, ...] = ()
    lacking = None
    if feature.tally.n and current.n:
        fitting = (method(name) for name in criteria.methods if feature.kind in method(name).kinds)
        statistics = tuple(_with_floor(one(feature, current), criteria.floors) for one in fitting)
    if (
        feature.tally.rows
        and current.rows
        and feature.tally.n + current.n < (feature.tally.rows + current.rows)
    ):
        lacking = _with_floor(missing(feature, current), criteria.floors)
    if isinstance(moments, _Alike):
        effects = {one.method: moments.effect(one.method) for one in (*statistics, lacking) if one}
        own = {effect: moments.of(effect, feature, current) for effect in {*effects.values()}}
        known = {method: own[effect] for method, effect in effects.items()}
        statistics = tuple(corrected(s, feature, current, known[s.method]) for s in statistics)
        lacking = lacking and corrected(lacking, feature, current, known["missing"])
    elif moments is not None:
        statistics = tuple(corrected(one, feature, current, moments) for one in statistics)
        lacking = lacking and corrected(lacking, feature, current, moments)
    return FeatureDrift(feature, current, statistics, lacking, None, "no data")


def _with_floor(statistic: Statistic, floors: Mapping[str, float]) -> Statistic:
    floor = floors.get(statistic.method)
    return statistic if floor is None else replace(statistic, floor=floor)


def _deciding(drift: FeatureDrift) -> list[Statistic]:
    return [*drift.statistics[:1], *([drift.missing] if drift.missing else [])]


def _judge(drift: FeatureDrift, level: float, adjusted: Iterable[float]) -> FeatureDrift:
    """`adjusted` yields the adjusted p-values of the deciding tests, in order."""
    source = iter(adjusted)
    statistics = tuple(statistic.judged(level) for statistic in drift.statistics)
    lacking = drift.missing and drift.missing.judged(level)
    judged = replace(drift, statistics=statistics, missing=lacking)
    deciding = _deciding(judged)
    p_values = [next(source) for test in deciding if test.p_value is not None]
    verdicts = {test.verdict for test in deciding}
    order: tuple[Verdict, ...] = ("drift", "bins cannot tell", "no drift", "no data")
    verdict = next((one for one in order if one in verdicts), order[-1])
    return replace(judged, p_value=min(p_values, default=None), verdict=verdict)


def summary(feature: Feature, tally: Tally) -> dict[str, Any]:
    """Rows, missing and invalid cells; of numbers moments, extremes, quantiles; of categories the
    unseen.
    """
    common: dict[str, Any] = {
        "rows": tally.rows,
        "missing": tally.missing,
        "invalid": tally.invalid,
    }
    if isinstance(tally, CategoricalTally):
        return common | {"unseen": tally.unseen}
    if isinstance(tally, VectorTally):
        return common
    assert isinstance(feature, NumericFeature)
    return common | _moments(tally) | {"quantiles": _quantiles(feature, tally)}


def _moments(tally: NumericTally) -> dict[str, Any]:
    if not tally.n:
        return {"mean": None, "std": None, "min": None, "max": None}
    std = tally.std
    return {
        "mean": tally.mean,
        "std": std if std != float("inf") else None,
        "min": tally.minimum,
        "max": tally.maximum,
    }


def _quantiles(feature: NumericFeature, tally: NumericTally) -> list[dict[str, float]]:
    if not tally.n:
        return []
    found = (quantile(feature, tally, share) for share in QUARTILES)
    return [{"share": q.share, "value": q.value, "low": q.low, "high": q.high} for q in found]


def result(
    reference: Reference,
    profile: Profile,
    *,
    alpha: float = 0.05,
    methods: Sequence[str] = DEFAULT_METHODS,
    floors: Mapping[str, float] | None = None,
    per_feature: Mapping[str, Criteria] | None = None,
    sessions: SessionMoments | None = None,
) -> dict[str, Any]:
    """`compare` as a JSON document of the schema ``drift-1``, with bars to draw for each feature."""
    found = compare(
        reference,
        profile,
        alpha=alpha,
        methods=methods,
        floors=floors,
        per_feature=per_feature,
        sessions=sessions,
    )
    return document(reference, profile, found, alpha)


def document(
    reference: Reference, profile: Profile, found: Sequence[FeatureDrift], alpha: float
) -> dict[str, Any]:
    """What `compare` found, as `result` gives it."""
    whole = [one for one in found if one.segment is None]
    return {
        "schema": "strandline.drift/1",
        "reference": reference.sha256,
        "reference_rows": reference.rows,
        "rows": profile.rows,
        "alpha": alpha,
        "drifted": sum(one.verdict == "drift" for one in whole),
        "features": [one.to_json() for one in whole],
        **extras(profile, found),
    }


def extras(profile: Profile, found: Sequence[FeatureDrift]) -> dict[str, Any]:
    """The members `counters` and `segments` of a result, where the reference has such."""
    members: dict[str, Any] = {}
    if profile.reference.counters:
        members["counters"] = profile.counters
    by_segment: dict[Segment, list[FeatureDrift]] = {}
    for one in found:
        if one.segment is not None:
            by_segment.setdefault(one.segment, []).append(one)
    if by_segment:
        members["segments"] = [
            {
                "column": segment.column,
                "value": segment.value,
                "rows": max(one.current.rows for one in drifts),
                "drifted": sum(one.verdict == "drift" for one in drifts),
                "features": [one.to_json() for one in drifts],
            }
            for segment, drifts in by_segment.items()
        ]
    return members
