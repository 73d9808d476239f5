"""A report of a series as one HTML file that needs nothing else, no script either."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from strandline.report import series_chart, words

if TYPE_CHECKING:
    from strandline.report.series import SeriesReport


MOST_ROWS: Final = 120
"""windows of a table; of more, the bars' tooltips and the JSON tell the numbers"""


def render_html(report: SeriesReport) -> str:
    """The page: the model's diagnosis, then every feature with its course; drifting ones first."""
    document = report.document
    about = document["about"]
    names = [window["name"] for window in document["windows"]]
    quality = ""
    if document["quality"] is not None:
        drawn = series_chart.line("Quality per window", names, document["quality"])
        quality = f"<article><header><h2>Quality per window</h2></header>{drawn}</article>"
    order = sorted(document["features"], key=lambda one: one["diagnosis"]["kind"] == "no drift")
    facts = {
        "Reference": f"{document['reference_rows']:,} rows",
        "Windows": f"{len(names)}, {sum(w['rows'] for w in document['windows']):,} rows",
        **{name.capitalize(): str(value) for name, value in about.items() if name != "title"},
    }
    title = escape(str(about.get("title", "Drift over time")))
    return _PAGE.format(
        title=title,
        css=(files("strandline.report") / "series.css").read_text("utf-8"),
        headline=escape(_headline(document["model"])),
        sentence=escape(document["model"]["sentence"]),
        facts="".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>"
            for name, text in facts.items()
        ),
        quality=quality,
        features="".join(_feature(one, document["windows"]) for one in order),
    )


def _headline(model: Mapping[str, Any]) -> str:
    kind = model["kind"]
    if kind == "no drift":
        return "No drift"
    return f"{kind.capitalize()}, {model['pattern']}"


def _feature(one: Mapping[str, Any], windows: list[Mapping[str, Any]]) -> str:
    diagnosis, watch = one["diagnosis"], one["watch"]
    names = [window["name"] for window in windows]
    chart = series_chart.scores(
        f"{one['name']}: distance from the reference, per window", names, one["windows"]
    )
    badge = diagnosis["kind"] if diagnosis["fault"] is None else f"fault: {diagnosis['fault']}"
    return (
        f"<article><header><h2>{escape(one['name'])}</h2>"
        f'<span class="badge" data-kind="{diagnosis["kind"]}">{escape(badge)}</span>'
        f"<small>{escape(diagnosis['pattern'])}, {one['role']}, {one['kind']}</small></header>"
        f"<p>{escape(diagnosis['sentence'])}</p>{_watch(watch)}{chart}{_table(one, windows)}</article>"
    )


def _watch(watch: Mapping[str, Any] | None) -> str:
    if watch is None:
        return ""
    said = f"alarm at {escape(str(watch['since']))}" if watch["since"] is not None else "no alarm"
    return f"<p><small>Sequential test: {said}, p {words.p_value(watch['p_value'])}</small></p>"


def _table(one: Mapping[str, Any], windows: list[Mapping[str, Any]]) -> str:
    if len(windows) > MOST_ROWS:
        return ""
    body = "".join(
        f"<tr><th scope=row>{escape(window['name'])}</th><td>{window['rows']:,}</td>"
        f"<td>{words.value(seen['effect'])}</td><td>{words.p_value(seen['p_value'])}</td>"
        f"<td>{words.share(seen['missing'] or 0.0)}</td>"
        f"<td>{'differs' if seen['differs'] else '–'}</td></tr>"
        for window, seen in zip(windows, one["windows"], strict=True)
    )
    return (
        "<details><summary>Windows as a table</summary><div class=wide><table><thead><tr>"
        "<th scope=col>Window</th><th scope=col>Rows</th><th scope=col>Effect</th>"
        "<th scope=col>p, adjusted</th><th scope=col>Missing</th><th scope=col></th></tr></thead>"
        f"<tbody>{body}</tbody></table></div></details>"
    )


_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{css}</style>
</head>
<body>
<header>
<p class="kicker">{title}</p>
<h1>{headline}</h1>
<p>{sentence}</p>
<dl class="facts">{facts}</dl>
</header>
<main>
{quality}{features}
</main>
<footer>
<p><small>Bars: how far a window's distribution lies from the reference's along the direction
in which the windows differ most (square roots of shares), red where the difference is significant over all
windows and large enough.</small></p>
</footer>
</body>
</html>
"""
