"""Segments: for each column that splits the rows, its parts, and the features of each folded below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from strandline.report import words
from strandline.report.drift import overall
from strandline.report.html.packing import packed
from strandline.report.html.sections import Section

PLAIN: Final = 40_000
"""bytes of all segments' features from which on they are packed"""
MOST_LINES: Final = 5_000
"""features of all segments together; of more, those of which nothing can be said but \"no drift\" go"""
MOST_NAMES: Final = 4
"""drifted features that a segment's line names"""

Segment = Mapping[str, Any]


def sections(document: Mapping[str, Any]) -> list[Section]:
    """One for each column that splits the rows."""
    columns: dict[str, list[Segment]] = {}
    for segment in document.get("segments", ()):
        columns.setdefault(segment["column"], []).append(segment)
    lines = sum(len(one["features"]) for parts in columns.values() for one in parts)
    bodies = [[_lines(part, lines > MOST_LINES) for part in parts] for parts in columns.values()]
    large = sum(len(line.encode()) for parts in bodies for lines in parts for line in lines) > PLAIN
    left = MOST_LINES
    found = []
    for i, (column, parts) in enumerate(columns.items()):
        ordered = sorted(zip(parts, bodies[i], strict=True), key=_urgency)
        shown = []
        for segment, rows in ordered:
            shown.append((segment, rows[: max(left, 0)]))
            left -= len(rows)
        found.append(_section(i, column, shown, large, lines > MOST_LINES))
    return found


def _urgency(of: tuple[Segment, Any]) -> tuple[Any, ...]:
    segment, _ = of
    return (-segment["drifted"], segment["value"] is None, -segment["rows"], segment["value"])


def _section(
    i: int, column: str, parts: Sequence[tuple[Segment, list[str]]], large: bool, cut: bool
) -> Section:
    away: list[str] = []
    shown = []
    for k, (segment, rows) in enumerate(parts):
        identity = f"s{i}-{k}"
        body = "".join(rows)
        if large:
            away += [row.replace("<tr", f'<tr data-in="{identity}"', 1) for row in rows]
            body = ""
        shown.append(_part(identity, segment, body))
    verdicts = Counter(f["verdict"] for segment, _ in parts for f in segment["features"])
    buttons = "".join(
        f'<button type="button" data-v="{verdict}" aria-pressed="{str(not verdict).lower()}">'
        f"{label} <span>{count}</span></button>"
        for verdict, label, count in (
            ("", "All", verdicts.total()),
            *((v, words.VERDICT_WORDS[v], verdicts[v]) for v in words.VERDICT_ORDER if verdicts[v]),
        )
    )
    name = escape(column)
    drifted = sum(segment["drifted"] > 0 for segment, _ in parts)
    note = f"{_some(drifted, len(parts))} with a feature that drifted."
    if cut:
        note += " Features without drift are left out: there are too many."
    body = (
        f'<div class="segments"><form class="filters" role="search" aria-label="Filter segments by {name}">'
        '<label>Find <input type="search" name="find" autocomplete="off" placeholder="feature or value">'
        f'</label><div class="pills" role="group" aria-label="Verdict">{buttons}</div></form>'
        f"{''.join(shown)}"
        '<p class="none" role="status" hidden>No segment has a feature that fits these filters.</p></div>'
        f"{packed(away, 'segments')}"
    )
    return Section(f"segments-{i}", f"Segments by {column}", body, note)


def _some(drifted: int, of: int) -> str:
    return f"{drifted or 'None'} of {of} segments" if of > 1 else f"{drifted or 'No'} segment"


def _part(identity: str, segment: Segment, rows: str) -> str:
    value = "all others" if segment["value"] is None else segment["value"]
    found = [f["name"] for f in segment["features"] if f["verdict"] == "drift"]
    named = ", ".join(found[:MOST_NAMES])
    if len(found) > MOST_NAMES:
        named += f" and {len(found) - MOST_NAMES} more"
    verdict = overall(f["verdict"] for f in segment["features"])
    drifted = (
        f"{len(found)} of {len(segment['features'])} drifted" if segment["rows"] else "no rows"
    )
    classes = "" if segment["value"] is not None else ' class="rest"'
    heads = "".join(
        f'<th scope="col"{css}>{label}</th>'
        for label, css in (
            ("Feature", ""),
            ("Verdict", ""),
            ("Effect", ' class="number"'),
            ("PSI", ' class="number"'),
            ("p, adjusted", ' class="number"'),
        )
    )
    return (
        f'<details data-v="{verdict}"><summary><b{classes}>{escape(value)}</b>'
        f'<span class="number">{words.whole(segment["rows"])} rows</span>'
        f'<span class="word">{drifted}</span><small>{escape(named)}</small></summary>'
        f'<div class="wide" tabindex="0" role="region" aria-label="Features of {escape(value)}">'
        f'<table class="plain"><thead><tr>{heads}</tr></thead><tbody id="{identity}">{rows}</tbody>'
        "</table></div></details>"
    )


def _lines(segment: Segment, cut: bool) -> list[str]:
    """A row for each feature, the most telling first."""
    features = sorted(segment["features"], key=_telling)
    return [_line(f) for f in features if not cut or f["verdict"] in words.VERDICT_ORDER[:2]]


def _telling(feature: Mapping[str, Any]) -> tuple[Any, ...]:
    effect = feature["statistics"][0]["effect"] if feature["statistics"] else 0.0
    return (words.VERDICT_ORDER.index(feature["verdict"]), -(effect or 0.0), feature["name"])


def _line(feature: Mapping[str, Any]) -> str:
    first = feature["statistics"][0] if feature["statistics"] else None
    lacking = feature["missing"] is not None and feature["missing"]["verdict"] == "drift"
    verdict = words.VERDICT_WORDS[feature["verdict"]] + (", missing cells" if lacking else "")
    effect = f"{words.value(first['effect'])}" if first else "–"
    return (
        f'<tr data-v="{feature["verdict"]}"><th scope="row">{escape(feature["name"])}</th>'
        f'<td class="word">{verdict}</td><td class="number">{effect}</td>'
        f'<td class="number">{words.value(feature.get("psi"))}</td>'
        f'<td class="number">{words.p_value(feature["p_value"])}</td></tr>'
    )
