"""Sections of the page but for features and models: tests, the dataset as a whole, single metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from strandline.report import words

STATUS_ORDER: Final = ("FAIL", "ERROR", "WARNING", "SKIPPED", "SUCCESS")
DRIFT_METRICS: Final = frozenset({"ValueDrift", "DriftedColumnsCount"})


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page that the contents link to."""

    id: str
    title: str
    body: str
    note: str = ""

    def html(self) -> str:
        note = f'<p class="note">{escape(self.note)}</p>' if self.note else ""
        return (
            f'<section id="{self.id}" aria-labelledby="{self.id}-h">'
            f'<h2 id="{self.id}-h">{escape(self.title)}</h2>{note}{self.body}</section>'
        )


def asks_drift(document: Mapping[str, Any]) -> bool:
    """Whether the document says what drifted; a bare comparison always does."""
    metrics = document.get("metrics")
    return metrics is None or any(metric["name"] in DRIFT_METRICS for metric in metrics)


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], label: str, classes: str = ""
) -> str:
    """A table whose first column names the row; cells are HTML already."""
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
    names = [escape(one) for one in heads[1:]]
    body = ""
    for first, *rest in rows:
        cells = "".join(
            f'<td data-label="{name}">{cell}</td>' for name, cell in zip(names, rest, strict=True)
        )
        body += f'<tr><th scope="row">{first}</th>{cells}</tr>'
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(label)}">'
        f'<table class="plain {classes}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def tests(document: Mapping[str, Any]) -> Section | None:
    found = document.get("tests")
    if not found:
        return None
    ordered = sorted(found, key=lambda test: STATUS_ORDER.index(test["status"]))
    counts = {s: sum(test["status"] == s for test in found) for s in STATUS_ORDER}
    pills = "".join(
        f'<button type="button" data-status="{status}" aria-pressed="{str(not status).lower()}">'
        f"{label} <span>{count}</span></button>"
        for status, label, count in (
            ("", "All", len(found)),
            ("!", "Not passed", len(found) - counts["SUCCESS"]),
            *((s, words.STATUS_WORDS[s], counts[s]) for s in STATUS_ORDER if counts[s]),
        )
    )
    rows = "".join(
        f'<tr data-status="{test["status"]}"><td>{_status(test["status"])}</td>'
        f'<th scope="row">{escape(test["name"])}</th>'
        f"<td>{escape(test['condition'])}</td><td>{_tested(test)}</td></tr>"
        for test in ordered
    )
    reference = document.get("reference_rows")
    note = (
        "A condition holds or fails wherever the rows lie within their bins; a warning says that it "
        "depends on them, or on chance."
    )
    return Section(
        "tests",
        "Tests",
        f'<div class="pills" role="group" aria-label="Status">{pills}</div>'
        '<table class="tests"><thead><tr><th scope="col">Status</th><th scope="col">Test</th>'
        '<th scope="col">Condition</th><th scope="col">Found'
        f"{', reference' if reference else ''}</th></tr></thead><tbody>{rows}</tbody></table>"
        '<p class="none passed" hidden>Nothing to look at: every test passed.</p>',
        note,
    )


def _status(status: str) -> str:
    return f'<span class="badge" data-v="{status}">{words.STATUS_WORDS[status]}</span>'


def _tested(test: Mapping[str, Any]) -> str:
    current, reference = test["current"], test["reference"]
    if test["of"] == "verdict":
        return escape(words.measure(current))
    if test["of"] == "share" and current and current.get("share") is not None:
        shown = words.share(current["share"])
        then = reference and reference.get("share")
        return shown if then is None else f"{shown}, {words.share(then)}"
    shown = words.measure(current)
    return escape(shown if reference is None else f"{shown}, {words.measure(reference)}")


def dataset(document: Mapping[str, Any]) -> Section | None:
    """The metrics of a summary that are of no single column."""
    wanted = [
        metric
        for metric in document.get("metrics", ())
        if metric["preset"] == "DataSummaryPreset" and "column" not in metric["params"]
    ]
    if not wanted:
        return None
    cards = "".join(
        f"<div><dt>{escape(metric['title'])}</dt><dd>{escape(words.measure(metric['current']))}"
        + (
            f"<small>reference {escape(words.measure(metric['reference']))}</small>"
            if metric["reference"]
            else ""
        )
        + "</dd></div>"
        for metric in wanted
    )
    return Section("dataset", "Dataset", f'<dl class="cards">{cards}</dl>')


def counters(document: Mapping[str, Any]) -> Section | None:
    """What the application counted, beside the rows that were predicted meanwhile."""
    found = document.get("counters")
    if not found:
        return None
    total = document["rows"]
    rows = [
        (escape(name), words.whole(n), words.value(1000 * n / total) if total else "–")
        for name, n in found.items()
    ]
    heads = ("Counter", "Count", "Per 1,000 rows")
    return Section("counters", "Counters", table(heads, rows, "Table of counters", "counts"))


def single(document: Mapping[str, Any]) -> Section | None:
    """Metrics that were asked for one by one."""
    wanted = [
        metric
        for metric in document.get("metrics", ())
        if metric["preset"] is None and metric["name"] not in DRIFT_METRICS
    ]
    if not wanted:
        return None
    rows = [
        (
            escape(metric["title"]) + _params(metric["params"]),
            escape(words.measure(metric["current"])),
            escape(words.measure(metric["reference"])),
        )
        for metric in wanted
    ]
    return Section(
        "metrics",
        "Metrics",
        table(("Metric", "Current", "Reference"), rows, "Table of metrics", "stack"),
    )


def _params(params: Mapping[str, Any]) -> str:
    rest = {k: v for k, v in params.items() if k not in ("column", "model", "category", "label")}
    shown = ", ".join(f"{name} {value}" for name, value in rest.items())
    return f"<small>{escape(shown)}</small>" if shown else ""
