"""One HTML file that holds everything: no request, no script from elsewhere, readable without any
script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from strandline.report import charts, words
from strandline.report.report import Report

BUDGET: Final = 450_000
"""characters after which features come without their details, so that the file stays below 500 KB
"""
MOST_CATEGORIES: Final = 20
"""categories that a feature's details list"""

_FOLDER: Final = Path(__file__).parent


def render_html(report: Report) -> str:
    """The whole page as text. Most telling features first; sorted, filtered and unfolded in the
    page.
    """
    document = report.document
    features = sorted(filter(_is_shown, document["features"]), key=_urgency)
    size = sum(len(_row(i, feature, "")) for i, feature in enumerate(features))
    rows: list[str] = []
    for i, feature in enumerate(features):
        details = _details(i, feature)
        size += len(details)
        rows.append(_row(i, feature, details if size < BUDGET else ""))
    title = str(document["about"].get("title", "Drift report"))
    return _PAGE.format(
        title=escape(title),
        css=(_FOLDER / "report.css").read_text("utf-8"),
        js=(_FOLDER / "report.js").read_text("utf-8"),
        headline=_headline(features),
        facts=_facts(document),
        filters=_filters(features),
        rows="".join(rows),
        glossary=_glossary(features),
        alpha=f"{100 * document['alpha']:g}",
    )


def _is_shown(feature: Mapping[str, Any]) -> bool:
    return feature["role"] != "system" or bool(feature["summary"]["current"]["rows"])


def _urgency(feature: Mapping[str, Any]) -> tuple[Any, ...]:
    effect = feature["statistics"][0]["effect"] if feature["statistics"] else 0.0
    return (words.VERDICT_ORDER.index(feature["verdict"]), -(effect or 0.0), feature["name"])


def _headline(features: Sequence[Mapping[str, Any]]) -> str:
    compared = sum(one["verdict"] != "no data" for one in features)
    drifted = sum(one["verdict"] == "drift" for one in features)
    unsure = sum(one["verdict"] == "bins cannot tell" for one in features)
    if not compared:
        return "Nothing to compare yet"
    text = f"{drifted} of {compared} features drifted" if drifted else "No drift found"
    return text + (f", {unsure} cannot be told from bins" if unsure else "")


def _facts(document: Mapping[str, Any]) -> str:
    about = {k: v for k, v in document["about"].items() if k != "title"}
    facts: dict[str, Any] = {
        "reference": about.pop("reference", "reference"),
        "current": about.pop("current", "current"),
    }
    facts["reference"] = f"{facts['reference']}, {document['reference_rows']:,} rows"
    facts["current"] = f"{facts['current']}, {document['rows']:,} rows"
    return "".join(
        f"<div><dt>{escape(name.capitalize())}</dt><dd>{escape(str(fact))}</dd></div>"
        for name, fact in {**facts, **about}.items()
    )


def _filters(features: Sequence[Mapping[str, Any]]) -> str:
    buttons = [("", "All", len(features))]
    for verdict in words.VERDICT_ORDER:
        count = sum(one["verdict"] == verdict for one in features)
        if count:
            buttons.append((verdict, words.VERDICT_WORDS[verdict], count))
    return "".join(
        f'<button type="button" data-verdict="{verdict}" aria-pressed="{str(not verdict).lower()}">'
        f"{escape(label)} <span>{count}</span></button>"
        for verdict, label, count in buttons
    )


def _row(i: int, feature: Mapping[str, Any], details: str) -> str:
    name = escape(feature["name"])
    verdict = feature["verdict"]
    first = feature["statistics"][0] if feature["statistics"] else None
    summary = feature["summary"]
    lacking = words.lacking(summary["current"])
    picture = charts.chart(
        f"c{i}",
        f"{feature['name']}: reference and current",
        feature["reference"],
        feature["current"],
    )
    head = (
        f'<button type="button" class="unfold" aria-expanded="true" aria-controls="d{i}">{name}'
        "</button>"
        if details
        else f"<span>{name}</span>"
    )
    method = f"<small>{words.METHOD_NAMES[first['method']]}</small>" if first else ""
    return (
        f'<tbody data-name="{name.lower()}" data-verdict="{verdict}">'
        f'<tr><th scope="row" data-key="{name.lower()}">{head}'
        f"<small>{feature['role']}, {feature['kind']}</small></th>"
        f'<td class="picture">{picture}</td>'
        f'<td data-label="Verdict" data-key="{words.VERDICT_ORDER.index(verdict)}">{_badge(feature)}</td>'
        f'<td data-label="Effect" class="number" data-key="{_key(first, "effect")}">'
        f"{words.value(first['effect']) if first else '–'}{method}</td>"
        f'<td data-label="PSI" class="number" data-key="{_number(feature.get("psi"))}">'
        f"{words.value(feature.get('psi'))}</td>"
        f'<td data-label="p, adjusted" class="number" data-key="{_number(feature["p_value"])}">'
        f"{words.p_value(feature['p_value'])}</td>"
        f'<td data-label="Missing" class="number" data-key="{lacking:.6g}">'
        f"{words.share(words.lacking(summary['reference']))} → {words.share(lacking)}</td></tr>{details}</tbody>"
    )


def _key(statistic: Mapping[str, Any] | None, name: str) -> str:
    return _number(statistic[name]) if statistic else ""


def _number(x: float | None) -> str:
    return "" if x is None else f"{x:.6g}"


def _badge(feature: Mapping[str, Any]) -> str:
    verdict = feature["verdict"]
    badge = f'<span class="badge" data-verdict="{verdict}">{words.VERDICT_WORDS[verdict]}</span>'
    lacking = feature["missing"] is not None and feature["missing"]["verdict"] == "drift"
    return badge + ("<small>missing cells</small>" if lacking else "")


def _details(i: int, feature: Mapping[str, Any]) -> str:
    bars = _categories(feature) if feature["kind"] == "categorical" else _numeric(i, feature)
    return (
        f'<tr class="details" id="d{i}"><td colspan="7"><div class="detail">'
        f"<p>{escape(words.reason(feature))}</p>{bars}{_statistics(feature)}{_summary(feature)}"
        "</div></td></tr>"
    )


def _numeric(i: int, feature: Mapping[str, Any]) -> str:
    labels = feature["bins"]
    if not labels:
        return ""
    ends = f"<span>{escape(labels[0])}</span><span>{escape(labels[-1])}</span>"
    body = "".join(
        f"<tr><th scope=row>{escape(label)}</th><td>{words.share(r)}</td><td>{words.share(c)}</td></tr>"
        for label, r, c in zip(labels, feature["reference"], feature["current"], strict=True)
    )
    return (
        f'<figure class="large" tabindex="0" aria-label="Bars; arrow keys read them one by one">'
        f'{charts.echo(f"c{i}")}<div class="axis" aria-hidden="true">{ends}</div>'
        f'<figcaption aria-live="polite"></figcaption></figure>'
        f'<details class="bars"><summary>Bars as a table</summary><table>'
        f"<thead><tr><th scope=col>Values</th><th scope=col>Reference</th>"
        f"<th scope=col>Current</th></tr></thead><tbody>{body}</tbody></table></details>"
    )


def _categories(feature: Mapping[str, Any]) -> str:
    bars = list(zip(feature["bins"], feature["reference"], feature["current"], strict=True))
    bars.sort(key=lambda bar: -max(bar[1], bar[2]))
    used = [bar for bar in bars if bar[1] or bar[2]]
    top = max((max(r, c) for _, r, c in used), default=1.0)
    body = "".join(
        f"<tr><th scope=row>{escape(label)}</th>"
        f'<td><i class="reference" style="width:{60 * r / top:.1f}%"></i>{words.share(r)}</td>'
        f'<td><i class="current" style="width:{60 * c / top:.1f}%"></i>{words.share(c)}</td></tr>'
        for label, r, c in used[:MOST_CATEGORIES]
    )
    more = len(used) - MOST_CATEGORIES
    note = f"<p><small>and {more} smaller ones</small></p>" if more > 0 else ""
    return (
        f'<table class="categories"><thead><tr><th scope=col>Category</th>'
        f"<th scope=col>Reference</th><th scope=col>Current</th></tr></thead>"
        f"<tbody>{body}</tbody></table>{note}"
    )


def _statistics(feature: Mapping[str, Any]) -> str:
    found = [*feature["statistics"], *([feature["missing"]] if feature["missing"] else [])]
    if not found:
        return ""
    body = "".join(
        f"<tr><th scope=row>{words.METHOD_NAMES[s['method']]}</th><td>{words.value(s['value'])}</td>"
        f"<td>{'by definition' if s['binned'] else words.interval(s)}</td>"
        f"<td>{words.p_value(s['p_value'])}</td><td>{words.value(s['effect'])}</td>"
        f"<td>{words.value(s['floor'])}</td><td>{escape(words.VERDICT_WORDS[s['verdict']])}</td></tr>"
        for s in found
    )
    return (
        "<div class=wide><table><thead><tr><th scope=col>Statistic</th><th scope=col>Value</th>"
        "<th scope=col>On the raw rows</th><th scope=col>p</th><th scope=col>Effect</th>"
        "<th scope=col>Floor</th><th scope=col>Verdict</th></tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _summary(feature: Mapping[str, Any]) -> str:
    reference, current = feature["summary"]["reference"], feature["summary"]["current"]
    body = "".join(
        f"<tr><th scope=row>{name.capitalize()}</th><td>{_cell(reference[name])}</td>"
        f"<td>{_cell(current[name])}</td></tr>"
        for name in reference
        if name != "quantiles"
    )
    return (
        "<div class=wide><table><thead><tr><th scope=col>Cells</th><th scope=col>Reference</th>"
        f"<th scope=col>Current</th></tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(x: float | None) -> str:
    return f"{x:,}" if isinstance(x, int) else words.value(x)


def _glossary(features: Sequence[Mapping[str, Any]]) -> str:
    used = {s["method"] for one in features for s in one["statistics"]} | {"missing"}
    return "".join(
        f"<dt>{name}</dt><dd>{escape(words.METHOD_WORDS[method])}</dd>"
        for method, name in words.METHOD_NAMES.items()
        if method in used
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
<dl class="facts">{facts}</dl>
</header>
<main>
<form class="filters" role="search" aria-label="Filter features">
<label>Find <input type="search" name="find" autocomplete="off" placeholder="feature name"></label>
<div role="group" aria-label="Verdict">{filters}</div>
<p class="legend"><i class="reference"></i> reference <i class="current"></i> current</p>
</form>
<table class="features">
<caption class="quiet">Features, their distributions and verdicts. Column headings sort.</caption>
<thead><tr>
<th scope="col" data-sort="text">Feature</th>
<th scope="col">Reference and current</th>
<th scope="col" data-sort="number">Verdict</th>
<th scope="col" data-sort="number" class="number">Effect</th>
<th scope="col" data-sort="number" class="number">PSI</th>
<th scope="col" data-sort="number" class="number">p, adjusted</th>
<th scope="col" data-sort="number" class="number">Missing</th>
</tr></thead>
{rows}
</table>
<p class="none" role="status" hidden>No feature fits these filters.</p>
</main>
<footer>
<h2>How to read this</h2>
<p>A feature drifted when its deciding test is significant at {alpha} % (Benjamini-Hochberg over all
features) <em>and</em> the effect is at least the floor. Reference and current are both taken as samples.
“Bins cannot tell”: depending on where the rows lie within their bins it is drift or not.</p>
<dl class="glossary">{glossary}</dl>
</footer>
<script>
{js}</script>
</body>
</html>
"""
