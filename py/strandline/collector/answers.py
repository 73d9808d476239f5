"""The JSON answers of the reading endpoints, as docs/collector.md describes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

from strandline.collector.clock import iso
from strandline.collector.profiles import Entry
from strandline.collector.query import ALPHA, Comparison, Course, Known, Versions
from strandline.collector.storage import Window
from strandline.collector.story import Story
from strandline.drift import FeatureDrift, Reference, Segment, Statistic
from strandline.drift.compare import extras
from strandline.drift.features import Feature, holding
from strandline.drift.histogram import histogram
from strandline.drift.multiple import benjamini_hochberg
from strandline.drift.quality.summary import FOREMOST, chosen, summary
from strandline.drift.tally import Tally

LEVEL = 0.95
"""of the confidence intervals of model quality"""


def models(known: list[Known], **settings: int) -> dict[str, Any]:
    """`GET /v1/models`."""
    return {
        "schema": "strandline.models/1",
        **settings,
        "models": [
            {
                "model": one.model.name,
                "version": one.model.version,
                "registered": iso(one.model.registered),
                "reference": one.reference.sha256,
                "reference_rows": one.reference.rows,
                "features": [_named(feature) for feature in one.reference],
                **_splits(one.reference),
                "rows": one.totals.rows,
                "reports": one.totals.reports,
                "sessions": one.totals.sessions,
                "windows": one.totals.windows,
                "hidden_windows": one.totals.hidden_windows,
                "from": _iso(one.totals.first),
                "to": _iso(one.totals.last),
            }
            for one in known
        ],
    }


def drift(found: Comparison, **settings: int) -> dict[str, Any]:
    """`GET /v1/drift`: the members of the schema ``drift-1``, and what they are about."""
    whole = [one for one in found.drifts if one.segment is None]
    return {
        "schema": "strandline.collected/1",
        "model": found.model,
        "version": found.version,
        "from": _iso(found.start),
        "to": _iso(found.end),
        **settings,
        "windows": len(found.shown),
        "hidden_windows": len(found.hidden),
        "hidden_rows": sum(window.rows for window in found.hidden),
        "hidden_sessions": sum(window.sessions for window in found.hidden),
        "reports": sum(window.reports for window in found.shown),
        "sessions": found.sessions,
        "rows": found.profile.rows,
        "reference": found.reference.sha256,
        "reference_rows": found.reference.rows,
        "alpha": ALPHA,
        "drifted": sum(one.verdict == "drift" for one in whole),
        "features": [one.to_json() for one in whole],
        **_extras(found),
        "diagnosis": found.story.model.to_json(),
        "story": [
            {"name": one.name, **found.story.of(one.name)} for one in whole if one.role != "system"
        ],
        **_quality(found),
    }


def _extras(found: Comparison) -> dict[str, Any]:
    """Counters and segments; one whose rows are hidden in all windows is not among these."""
    hidden = found.hidden_segments
    seen = found.profile.segments
    shown = [one for one in found.drifts if one.segment in seen or one.segment not in hidden]
    members = extras(found.profile, shown)
    if hidden:
        members["hidden_segments"] = [
            {"column": part.column, "value": part.value, "windows": hidden[part]}
            for one in found.reference.segmentations
            for part in one.segments
            if part in hidden
        ]
    return members


def _quality(found: Comparison) -> dict[str, Any]:
    """How good the predictions were, where the reference has labels."""
    reference, current = found.reference.quality, found.profile.quality
    if reference is None or current is None:
        return {}
    return {"quality": summary(reference, current, sessions=found.quality_between)}


def versions(found: Versions, **settings: int) -> dict[str, Any]:
    """`GET /v1/versions`: p-values as they are, and adjusted for all that are here."""
    tests = [one for one in (*found.metrics, *found.counters) if one.p_value is not None]
    adjusted = benjamini_hochberg([one.p_value for one in tests if one.p_value is not None])
    by_name = {id(one): p for one, p in zip(tests, adjusted, strict=True)}
    return {
        "schema": "strandline.versions/1",
        "model": found.a.model,
        **settings,
        "level": LEVEL,
        "a": _side(found.a),
        "b": _side(found.b),
        "metrics": [one.to_json() | {"adjusted": by_name.get(id(one))} for one in found.metrics],
        "counters": [one.to_json() | {"adjusted": by_name.get(id(one))} for one in found.counters],
    }


def _side(found: Comparison) -> dict[str, Any]:
    quality = found.profile.quality
    return {
        "version": found.version,
        "from": _iso(found.start),
        "to": _iso(found.end),
        "windows": len(found.shown),
        "hidden_windows": len(found.hidden),
        "sessions": found.sessions,
        "rows": found.profile.rows,
        "labels": 0 if quality is None else quality.n,
    }


def series(
    entry: Entry,
    courses: list[Course],
    feature: str | None,
    segment: Segment | None = None,
    story: Story | None = None,
    **settings: int,
) -> dict[str, Any]:
    """`GET /v1/series`: of all rows or of a segment's; with masses when it is about one feature, with
    what happened where the story is given.
    """
    about = {} if segment is None else {"segment": segment._asdict()}
    found = [
        None
        if course.drifts is None or segment in course.hidden
        else {one.name: one for one in course.drifts if one.segment == segment}
        for course in courses
    ]
    return {
        "schema": "strandline.series/1",
        "model": entry.model.name,
        "version": entry.model.version,
        "reference": entry.reference.sha256,
        **settings,
        **about,
        "features": [
            _course(one, courses, found, masses=feature is not None)
            | ({} if story is None or one.role == "system" else story.of(one.name))
            for one in _counted(entry.reference, segment)
            if feature in {None, one.name}
        ],
        **({} if feature is not None or segment is not None else _counters(entry, courses)),
        **({} if feature is not None or segment is not None else _performance(entry, courses)),
    }


def _performance(entry: Entry, courses: list[Course]) -> dict[str, Any]:
    """Realised and estimated metrics, window by window, beside the reference's."""
    reference = entry.reference.quality
    if reference is None:
        return {}
    names = FOREMOST[reference.task.kind]
    windows = []
    for course in courses:
        held = {} if course.quality is None else course.quality
        windows.append(_window(course.window) | {"hidden": course.profile is None} | held)
    return {
        "quality": {
            "task": reference.task.kind,
            "target": reference.task.target,
            "level": LEVEL,
            "labels": reference.n,
            "reference": chosen(reference.metrics(LEVEL), names),
            "windows": windows,
        }
    }


def _counters(entry: Entry, courses: list[Course]) -> dict[str, Any]:
    """The application's counters, window by window."""
    if not entry.reference.counters:
        return {}
    return {
        "counters": [
            {
                "name": name,
                "windows": [
                    _window(course.window)
                    | {"hidden": course.profile is None}
                    | ({} if course.profile is None else {"count": course.profile.counters[name]})
                    for course in courses
                ],
            }
            for name in entry.reference.counters
        ]
    }


def _splits(reference: Reference) -> dict[str, Any]:
    """The names of the counters and the segments, where there are such."""
    members: dict[str, Any] = {}
    if reference.counters:
        members["counters"] = list(reference.counters)
    if reference.segmentations:
        members["segments"] = [
            {"column": one.column, "values": list(one.vocabulary)}
            for one in reference.segmentations
        ]
    return members


def _counted(reference: Reference, segment: Segment | None) -> list[Feature]:
    """The features that were counted for a segment (`None`: for all rows), as its reference."""
    if segment is None:
        return list(reference)
    segmentation = reference.segmentation(segment.column)
    held = segmentation.tallies[segmentation.segments.index(segment)]
    return [
        holding(one, held.get(one.name, one.empty()))
        for one in reference
        if segmentation.splits(one)
    ]


def _named(feature: Feature) -> dict[str, str]:
    return {"name": feature.name, "role": feature.role, "kind": feature.kind}


def _course(
    feature: Feature,
    courses: list[Course],
    found: list[dict[str, FeatureDrift] | None],
    *,
    masses: bool,
) -> dict[str, Any]:
    """`found`: what each window says of the features by name; `None` when it is hidden."""
    answer: dict[str, Any] = _named(feature)
    if masses:
        scale = _scale(feature, [one[feature.name].current for one in found if one is not None])
        bars = histogram(scale, feature.tally).to_json()
        answer |= {"bins": bars["bins"], "reference": bars["current"]}
    windows = []
    for course, drifts in zip(courses, found, strict=True):
        window = _window(course.window) | {"hidden": drifts is None}
        if drifts is not None:
            one = drifts[feature.name]
            window |= {
                "missing": one.current.missing,
                "invalid": one.current.invalid,
                "verdict": one.verdict,
                "statistics": [_short(statistic) for statistic in one.statistics],
            }
            if one.segment is not None:
                window["rows"] = one.current.rows
            if masses:
                window["current"] = histogram(scale, one.current).to_json()["current"]
        windows.append(window)
    return answer | {"windows": windows}


def _short(statistic: Statistic) -> dict[str, Any]:
    document = statistic.to_json()
    return {name: document[name] for name in ("method", "value", "p_value", "verdict")}


def _scale(feature: Feature, seen: Iterable[Tally]) -> Feature:
    """The feature whose bars all windows are drawn in.

    Bars follow the reference; what has none, such as the latency, follows all windows together.
    """
    if feature.tally.n:
        return feature
    total: Any = reduce(add, seen, feature.empty())
    return replace(feature, tally=total)


def _window(window: Window) -> dict[str, Any]:
    return {
        "start": iso(window.start),
        "end": iso(window.start + window.seconds),
        "rows": window.rows,
        "reports": window.reports,
        "sessions": window.sessions,
    }


def _iso(moment: int | None) -> str | None:
    return None if moment is None else iso(moment)
