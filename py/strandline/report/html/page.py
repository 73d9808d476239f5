"""The page: headline, sections, and the policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

from strandline.report import words
from strandline.report.html import charts, features, models, sections, segments

_FOLDER: Final = Path(__file__).parent


def render_html(document: Mapping[str, Any]) -> str:
    """A document of the schema ``drift-1`` as one page. Most telling features first; sorted, filtered
    and unfolded in the page.
    """
    title = str(document["about"].get("title", "Drift report")) if document.get("about") else ""
    parts = [
        sections.tests(document),
        models.section(document),
        sections.dataset(document),
        sections.single(document),
    ]
    place = 1 if sections.asks_drift(document) else 3
    parts[place:place] = [*segments.sections(document), sections.counters(document)]
    taken = sum(len(part.body) for part in parts if part)
    parts.insert(place, features.section(document, taken))
    shown = [part for part in parts if part]
    names = ("report", "segments") if document.get("segments") else ("report",)
    css, js = ("".join(asset(f"{name}.{ending}") for name in names) for ending in ("css", "js"))
    return _PAGE.format(
        title=escape(title or "Drift report"),
        policy=f"default-src 'none'; style-src '{digest(css)}'; script-src '{digest(js)}'; "
        "base-uri 'none'; form-action 'none'",
        css=css,
        js=js,
        headline=escape(headline(document)),
        verdicts=_verdicts(document),
        facts=_facts(document),
        contents=_contents(shown),
        sections="\n".join(part.html() for part in shown),
        glossary=features.glossary(document),
    )


@cache
def asset(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


def digest(text: str) -> str:
    """How a content security policy names an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def headline(document: Mapping[str, Any]) -> str:
    """The report in a sentence."""
    tests = document.get("tests", ())
    failed = sum(test["status"] in ("FAIL", "ERROR") for test in tests)
    tested = f"{failed} of {len(tests)} tests failed" if failed else f"All {len(tests)} tests pass"
    unsure = sum(test["status"] == "WARNING" for test in tests)
    if tests and not failed and unsure:
        tested = f"No test failed, {unsure} of {len(tests)} with a warning"
    drift = _drift_headline(document)
    if not sections.asks_drift(document):
        if tests:
            return tested
        rows = document["rows"]
        return f"{words.whole(rows)} rows, described" if rows else "Nothing to describe yet"
    return f"{drift}; {tested[0].lower()}{tested[1:]}" if tests else drift


def _drift_headline(document: Mapping[str, Any]) -> str:
    found = features.visible(document)
    compared = sum(one["verdict"] != "no data" for one in found)
    drifted = sum(one["verdict"] == "drift" for one in found)
    unsure = sum(one["verdict"] == "bins cannot tell" for one in found)
    if not compared:
        return "Nothing to compare yet"
    noun = "feature" if compared == 1 else "features"
    text = f"{drifted} of {compared} {noun} drifted" if drifted else "No drift found"
    text += f", {unsure} cannot be told from bins" if unsure else ""
    parts = document.get("segments", ())
    there = sum(one["drifted"] > 0 for one in parts)
    return text + (f"; drift in {there} of {len(parts)} segments" if there else "")


def _verdicts(document: Mapping[str, Any]) -> str:
    if not sections.asks_drift(document) or not features.visible(document):
        return ""
    counts = features.counts(document)
    names = ", ".join(f"{words.VERDICT_WORDS[v]} {n}" for v, n in counts if n)
    return f'<div role="img" aria-label="{names}">{charts.strip(counts)}</div>'


def _facts(document: Mapping[str, Any]) -> str:
    about = {k: v for k, v in document.get("about", {}).items() if k != "title"}
    reference, current = about.pop("reference", ""), about.pop("current", "")
    facts: dict[str, Any] = {}
    if document["reference_rows"]:
        facts["reference"] = _rows(reference, document["reference_rows"])
    facts["current"] = _rows(current, document["rows"])
    if sections.asks_drift(document):
        facts["level"] = f"{100 * document['alpha']:g} %, Benjamini-Hochberg"
    return "".join(
        f"<div><dt>{escape(name.capitalize())}</dt><dd>{escape(str(fact))}</dd></div>"
        for name, fact in {**facts, **about}.items()
    )


def _rows(name: Any, rows: int) -> str:
    return f"{name}, {words.whole(rows)} rows" if name else f"{words.whole(rows)} rows"


def _contents(parts: list[sections.Section]) -> str:
    if len(parts) < 2:
        return ""
    links = "".join(f'<a href="#{part.id}">{escape(part.title)}</a>' for part in parts)
    return f'<nav aria-label="Sections">{links}</nav>'


_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the results</a>
<header>
<p class="kicker">{title}</p>
<h1>{headline}</h1>
{verdicts}
<dl class="facts">{facts}</dl>
{contents}
</header>
<main id="main">
{sections}
</main>
<footer>
<h2>How to read this</h2>
{glossary}
</footer>
<script>{js}</script>
</body>
</html>
"""
