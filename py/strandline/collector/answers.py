"""The JSON answers of the reading endpoints, as docs/collector.md describes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

from strandline.collector.clock import iso
from strandline.collector.profiles import Entry
from strandline.collector.query import Comparison, Course, Known
from strandline.collector.storage import Window
from strandline.drift import FeatureDrift
from strandline.drift.features import Feature
from strandline.drift.histogram import histogram
from strandline.drift.tally import Tally


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
    """`GET /v1/drift`."""
    return {
        "schema": "strandline.collected/1",
        "model": found.model,
        "version": found.version,
        "reference": found.reference.sha256,
        "from": _iso(found.start),
        "to": _iso(found.end),
        **settings,
        "windows": len(found.shown),
        "hidden_windows": len(found.hidden),
        "hidden_rows": sum(window.rows for window in found.hidden),
        "hidden_sessions": sum(window.sessions for window in found.hidden),
        "rows": found.profile.rows,
        "reports": sum(window.reports for window in found.shown),
        "sessions": found.sessions,
        "features": [_compared(one) for one in found.drifts],
    }


def series(
    entry: Entry, courses: list[Course], feature: str | None, **settings: int
) -> dict[str, Any]:
    """`GET /v1/series`: with masses when it is about one feature."""
    return {
        "schema": "strandline.series/1",
        "model": entry.model.name,
        "version": entry.model.version,
        "reference": entry.reference.sha256,
        **settings,
        "features": [
            _course(one, i, courses, masses=feature is not None)
            for i, one in enumerate(entry.reference)
            if feature in {None, one.name}
        ],
    }


def _named(feature: Feature) -> dict[str, str]:
    return {"name": feature.name, "role": feature.role, "kind": feature.kind}


def _compared(one: FeatureDrift) -> dict[str, Any]:
    document = one.to_json()
    statistics = [*one.statistics, *([one.missing] if one.missing else [])]
    return {
        **_named(one.feature),
        "verdict": one.verdict,
        "p_value": one.p_value,
        **_counts(one),
        **{name: document[name] for name in ("bins", "reference", "current", "summary")},
        "drift": [statistic.to_json() for statistic in statistics],
    }


def _counts(one: FeatureDrift) -> dict[str, int]:
    return {
        "rows": one.current.rows,
        "missing": one.current.missing,
        "invalid": one.current.invalid,
    }


def _course(feature: Feature, i: int, courses: list[Course], *, masses: bool) -> dict[str, Any]:
    answer: dict[str, Any] = _named(feature)
    if masses:
        scale = _scale(feature, [c.drifts[i].current for c in courses if c.drifts is not None])
        bars = histogram(scale, feature.tally).to_json()
        answer |= {"bins": bars["bins"], "reference": bars["current"]}
    windows = []
    for course in courses:
        window = _window(course.window) | {"hidden": course.drifts is None}
        if course.drifts is not None:
            one = course.drifts[i]
            window |= _counts(one) | {"verdict": one.verdict}
            window["drift"] = [
                {"method": s["method"], "value": s["value"], "p_value": s["p_value"]}
                for s in (statistic.to_json() for statistic in one.statistics)
            ]
            if masses:
                window["current"] = histogram(scale, one.current).to_json()["current"]
        windows.append(window)
    return answer | {"windows": windows}


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
