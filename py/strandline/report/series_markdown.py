"""A report of a series as Markdown: sentences and one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strandline.report import words

if TYPE_CHECKING:
    from strandline.report.series import SeriesReport


def render_markdown(report: SeriesReport) -> str:
    """The model's diagnosis, and a line for every feature."""
    document = report.document
    title = document["about"].get("title", "Drift over time")
    names = [window["name"] for window in document["windows"]]
    rows = sum(window["rows"] for window in document["windows"])
    extent = (
        f"{len(names)} windows ({names[0]} to {names[-1]}, {rows:,} rows) against "
        f"{document['reference_rows']:,} rows of the reference."
    )
    lines = [
        f"# {title}",
        "",
        extent,
        "",
        f"**{document['model']['sentence']}**",
        "",
        "| column | kind | pattern | since | windows that differ | largest effect | sequential test |",
        "|---|---|---|---|---|---|---|",
        *(_line(one) for one in document["features"]),
        "",
        *(
            f"- {_escaped(one['diagnosis']['sentence'])}"
            for one in document["features"]
            if one["diagnosis"]["kind"] != "no drift"
        ),
    ]
    return "\n".join(lines) + "\n"


def _line(one: dict[str, Any]) -> str:
    diagnosis, watch = one["diagnosis"], one["watch"]
    effects = [w["effect"] for w in one["windows"] if w["effect"] is not None]
    since = watch and watch["since"]
    kind = diagnosis["kind"] + (f" ({diagnosis['fault']})" if diagnosis["fault"] else "")
    pattern = diagnosis["pattern"]
    if diagnosis["period"]:
        pattern += f", {diagnosis['period']:.3g} windows"
    cells = [
        one["name"],
        kind,
        pattern,
        diagnosis["onset"] or "",
        f"{sum(w['differs'] for w in one['windows'])} of {len(one['windows'])}",
        words.value(max(effects, default=None)),
        f"alarm at {since}" if since else "no alarm",
    ]
    return "| " + " | ".join(map(_escaped, cells)) + " |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
