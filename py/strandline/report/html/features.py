"""The table of features, each with its details folded below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from strandline.drift.columns import moment_text
from strandline.report import words
from strandline.report.html import charts
from strandline.report.html.packing import packed
from strandline.report.html.sections import Section, asks_drift

BUDGET: Final = 280_000
"""bytes from which on details are packed, so that the file stays below 500 KB"""
MOST_CATEGORIES: Final = 20
"""categories that a feature's details list"""

Feature = Mapping[str, Any]


def visible(document: Mapping[str, Any]) -> list[Feature]:
    """Features to show: system features only when something was seen of them."""
    return [
        one
        for one in document["features"]
        if one["role"] != "system" or one["summary"]["current"]["rows"]
    ]


def counts(document: Mapping[str, Any]) -> list[tuple[str, int]]:
    """How many features have each verdict."""
    found = visible(document)
    return [(v, sum(one["verdict"] == v for one in found)) for v in words.VERDICT_ORDER]


def section(document: Mapping[str, Any], taken: int) -> Section | None:
    """`taken`: characters that the rest of the page needs."""
    found = visible(document)
    if not found:
        return None
    compares = asks_drift(document)
    ordered = sorted(found, key=_urgency) if compares else found
    extra = _by_column(document)
    rows = [_row(i, feature, compares) for i, feature in enumerate(ordered)]
    size = taken + sum(len(row.encode()) for row in rows)
    parts, away = [], []
    for i, (feature, row) in enumerate(zip(ordered, rows, strict=True)):
        details = _details(i, feature, extra.get(feature["name"], ()))
        size += len(details.encode())
        if size > BUDGET:
            away.append(details)
            details = ""
        parts.append(
            f'<tbody data-name="{escape(feature["name"].lower())}" data-v="{feature["verdict"]}">'
            f"{row}{details}</tbody>"
        )
    heads = "".join(
        f'<th scope="col" data-sort="{sort}" class="{classes}">{label}</th>'
        if sort
        else f'<th scope="col">{label}</th>'
        for label, sort, classes in (_HEADS if compares else _PLAIN_HEADS)
    )
    compared = bool(document["reference_rows"])
    legend = (
        '<i class="ref"></i> reference <i class="cur"></i> current'
        if compared
        else '<i class="cur"></i> current'
    )
    body = (
        '<form class="filters" role="search" aria-label="Filter features">'
        '<label>Find <input type="search" name="find" autocomplete="off" placeholder="name"></label>'
        f"{_pills(document) if compares else ''}"
        '<button type="button" class="all">Open all</button>'
        f'<p class="legend">{legend}</p></form>'
        '<table class="features"><caption class="quiet">Features, their distributions and verdicts. '
        f"Column headings sort.</caption><thead><tr>{heads}</tr></thead>{''.join(parts)}</table>"
        '<p class="none" role="status" hidden>No feature fits these filters.</p>'
        f"{packed(away, 'features')}"
    )
    return Section("features", "Drift by feature" if compares else "Columns", body)


_HEADS: Final = (
    ("Feature", "text", ""),
    ("Distribution", "", ""),
    ("Verdict", "number", ""),
    ("Effect", "number", "number"),
    ("PSI", "number", "number"),
    ("p, adjusted", "number", "number"),
    ("Missing", "number", "number"),
)
_PLAIN_HEADS: Final = (
    ("Column", "text", ""),
    ("Distribution", "", ""),
    ("Middle", "number", "number"),
    ("Range", "", ""),
    ("Missing", "number", "number"),
)


def _urgency(feature: Feature) -> tuple[Any, ...]:
    effect = feature["statistics"][0]["effect"] if feature["statistics"] else 0.0
    return (words.VERDICT_ORDER.index(feature["verdict"]), -(effect or 0.0), feature["name"])


def _pills(document: Mapping[str, Any]) -> str:
    found = [("", "All", sum(n for _, n in counts(document)))]
    found += [(v, words.VERDICT_WORDS[v], n) for v, n in counts(document) if n]
    buttons = "".join(
        f'<button type="button" data-v="{verdict}" aria-pressed="{str(not verdict).lower()}">'
        f"{escape(label)} <span>{count}</span></button>"
        for verdict, label, count in found
    )
    return f'<div class="pills" role="group" aria-label="Verdict">{buttons}</div>'


def _by_column(document: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Metrics of a summary that the features' own summaries do not hold."""
    wanted = ("UniqueValueCount", "OutRangeValueCount", "OutListValueCount")
    found: dict[str, list[Mapping[str, Any]]] = {}
    for metric in document.get("metrics", ()):
        if metric["name"] in wanted and metric["preset"]:
            found.setdefault(metric["params"]["column"], []).append(metric)
    return found


def _row(i: int, feature: Feature, compares: bool) -> str:
    name = escape(feature["name"])
    picture = charts.outlines(f"c{i}", feature["reference"], feature["current"])
    constant = _constant(feature)
    note = f"{feature['role']}, {feature['kind']}{', constant' if constant else ''}"
    head = (
        f'<tr><th scope="row" data-key="{name.lower()}"><button class="unfold" '
        f'data-d="d{i}">{name}</button><small>{note}</small></th>'
        f'<td class="picture">{picture}</td>'
    )
    return head + "".join(_compared(feature) if compares else _described(feature)) + "</tr>"


def _constant(feature: Feature) -> bool:
    """Whether neither sample holds more than one value."""
    for side in ("reference", "current"):
        summary = feature["summary"][side]
        if summary.get("min") != summary.get("max"):
            return False
        if "unseen" in summary and sum(share > 0 for share in feature[side]) > 1:
            return False
    return any(feature["reference"]) or any(feature["current"])


def _compared(feature: Feature) -> Iterator[str]:
    first = feature["statistics"][0] if feature["statistics"] else None
    summary = feature["summary"]
    lacking = words.lacking(summary["current"])
    yield (
        f'<td data-label="Verdict" data-key="{words.VERDICT_ORDER.index(feature["verdict"])}">'
        f"{_badge(feature)}</td>"
    )
    if first:
        yield (
            f'<td data-label="Effect" class="number" data-v="{first["verdict"]}" '
            f'data-key="{_number(first["effect"])}">'
            f"{words.value(first['effect'])} {_gauge(first, whole=False)}"
            f"<small>{words.METHOD_NAMES[first['method']]}</small></td>"
        )
    else:
        yield '<td data-label="Effect" class="number" data-key="">–</td>'
    yield (
        f'<td data-label="PSI" class="number" data-key="{_number(feature.get("psi"))}">'
        f"{words.value(feature.get('psi'))}</td>"
        f'<td data-label="p, adjusted" class="number" data-key="{_number(feature["p_value"])}">'
        f"{words.p_value(feature['p_value'])}</td>"
        f'<td data-label="Missing" class="number" data-key="{lacking:.6g}">'
        f"{words.change(words.lacking(summary['reference']), lacking)}</td>"
    )


def _described(feature: Feature) -> Iterator[str]:
    summary = feature["summary"]["current"]
    lacking = words.lacking(summary)
    show = _shower(feature)
    middle, extent = "–", "–"
    if summary.get("quantiles"):
        middle = show(next(q["value"] for q in summary["quantiles"] if q["share"] == 0.5))
        extent = f"{show(summary['min'])} to {show(summary['max'])}"
    elif any(feature["current"]):
        share, label = max(zip(feature["current"], feature["bins"], strict=True))
        middle = f"{escape(label)} ({words.share(share)})"
        named = sum(x > 0 for x in feature["current"])
        extent = f"{named} categories"
    yield (
        f'<td data-label="Middle" class="number" data-key="{_number(summary.get("mean"))}">{middle}</td>'
        f'<td data-label="Range">{escape(extent)}</td>'
        f'<td data-label="Missing" class="number" data-key="{lacking:.6g}">{words.share(lacking)}</td>'
    )


def _number(x: float | None) -> str:
    return "" if x is None else f"{x:.6g}"


def _gauge(statistic: Mapping[str, Any], *, whole: bool = True) -> str:
    """`whole`: with the confidence interval."""
    low, high = (statistic.get(f"effect_ci_{end}") if whole else None for end in ("low", "high"))
    return charts.gauge(statistic["effect"] or 0.0, low, high, statistic["floor"])


def _badge(feature: Feature) -> str:
    verdict = feature["verdict"]
    badge = f'<span class="badge" data-v="{verdict}">{words.VERDICT_WORDS[verdict]}</span>'
    lacking = feature["missing"] is not None and feature["missing"]["verdict"] == "drift"
    return badge + ("<small>missing cells</small>" if lacking else "")


def _details(i: int, feature: Feature, extra: Sequence[Mapping[str, Any]]) -> str:
    bars = _categories(feature) if feature["kind"] == "categorical" else _numeric(i, feature)
    return (
        f'<tr class="details" id="d{i}"><td colspan="7"><div class="detail">'
        f'<p class="reason">{escape(words.reason(feature))}</p>{bars}'
        f"{_summary(feature, extra)}{_statistics(feature)}</div></td></tr>"
    )


def large(identity: str, name: str, bars: Mapping[str, Any]) -> str:
    """A large picture of bars whose exact values pointer and arrow keys read."""
    labels = bars["bins"]
    if not labels:
        return ""
    lines = zip(labels, bars["reference"], bars["current"], strict=True)
    data = "\n".join(f"{label}\t{100 * r:.3g}\t{100 * c:.3g}" for label, r, c in lines)
    top = words.share(max([*bars["reference"], *bars["current"]]))
    ends = (labels[0], labels[len(labels) // 2], labels[-1])
    axis = "".join(f"<span>{escape(label)}</span>" for label in ends)
    return (
        f'<div class="large" tabindex="0" role="group" data-bars="{escape(data)}" '
        f'aria-label="{escape(name)}: bars; arrow keys read them one by one">'
        f'<span class="top" aria-hidden="true">{top}</span>'
        f'{charts.echo(identity)}<div class="axis" aria-hidden="true">{axis}</div>'
        f'<p class="read" aria-live="polite"></p></div>'
    )


def _numeric(i: int, feature: Feature) -> str:
    return large(f"c{i}", feature["name"], feature)


def _categories(feature: Feature) -> str:
    bars = list(zip(feature["bins"], feature["reference"], feature["current"], strict=True))
    bars.sort(key=lambda bar: -max(bar[1], bar[2]))
    used = [bar for bar in bars if bar[1] or bar[2]]
    if not used:
        return ""
    top = max(max(r, c) for _, r, c in used)
    compared = any(r for _, r, _ in used)
    body = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td>{charts.pair(r, c, top)}</td>'
        f"{f'<td>{words.share(r)}</td>' if compared else ''}<td>{words.share(c)}</td></tr>"
        for label, r, c in used[:MOST_CATEGORIES]
    )
    more = used[MOST_CATEGORIES:]
    if more:
        r, c = (sum(bar[k] for bar in more) for k in (1, 2))
        cell = f"<td>{words.share(r)}</td>" if compared else ""
        body += (
            f'<tr class="more"><th scope="row">and {len(more)} smaller ones</th><td></td>'
            f"{cell}<td>{words.share(c)}</td></tr>"
        )
    reference = '<th scope="col">Reference</th>' if compared else ""
    return (
        '<table class="categories"><thead><tr><th scope="col">Category</th>'
        f'<td></td>{reference}<th scope="col">Current</th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _statistics(feature: Feature) -> str:
    found = [*feature["statistics"], *([feature["missing"]] if feature["missing"] else [])]
    if not found:
        return ""
    body = "".join(
        f'<tr data-v="{s["verdict"]}"><th scope="row">{words.METHOD_NAMES[s["method"]]}</th>'
        f"<td>{words.value(s['value'])}</td>"
        f"<td>{'on bins' if s['binned'] else words.interval(s)}</td>"
        f"<td>{words.p_value(s['p_value'])}</td><td>{words.effect(s)}</td>"
        f"<td>{_gauge(s)}</td><td>{words.value(s['floor'])}</td>"
        f'<td class="word">{words.VERDICT_WORDS[s["verdict"]]}</td></tr>'
        for s in found
    )
    return (
        f'<div class="wide stats" tabindex="0" role="region" aria-label="Statistics of {escape(feature["name"])}">'
        '<table class="plain"><thead><tr><th scope="col">Statistic</th><th scope="col">Value</th>'
        '<th scope="col">On the raw rows</th><th scope="col">p</th><th scope="col">Effect</th>'
        '<td></td><th scope="col">Floor</th><th scope="col">Verdict</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _summary(feature: Feature, extra: Sequence[Mapping[str, Any]]) -> str:
    then, now = feature["summary"]["reference"], feature["summary"]["current"]
    show = _shower(feature)
    lines: list[tuple[str, str, str]] = [
        ("Rows", words.whole(then["rows"]), words.whole(now["rows"]))
    ]
    for name in ("missing", "invalid", "unseen"):
        if name in now and (then.get(name) or now[name]):
            label = "Unknown category" if name == "unseen" else name.capitalize()
            before, after = (words.part(one[name], one["rows"]) for one in (then, now))
            lines.append((label, before, after))
    if "mean" in now:
        lines.append(("Mean", show(then["mean"]), show(now["mean"])))
        spread = [words.value(one["std"]) for one in (then, now)]
        if feature["kind"] == "numeric":
            lines.append(("Standard deviation", spread[0], spread[1]))
        lines.append(("Minimum", show(then["min"]), show(now["min"])))
        found = [{q["share"]: q for q in one.get("quantiles", ())} for one in (then, now)]
        for share in sorted(found[0].keys() | found[1].keys()):
            label = "Median" if share == 0.5 else f"Quantile {100 * share:g} %"
            cells = [show(one[share]["value"]) if share in one else "–" for one in found]
            lines.append((label, cells[0], cells[1]))
        lines.append(("Maximum", show(then["max"]), show(now["max"])))
    for metric in extra:
        label = _EXTRA[metric["name"]]
        sides = [metric[side] for side in ("reference", "current")]
        if metric["name"] == "UniqueValueCount":
            sides = [one and {**one, "share": None} for one in sides]
        lines.append((label, words.measure(sides[0]), words.measure(sides[1])))
    compared = bool(then["rows"])
    body = "".join(
        f'<tr><th scope="row">{name}</th>{f"<td>{escape(a)}</td>" if compared else ""}'
        f"<td>{escape(b)}</td></tr>"
        for name, a, b in lines
    )
    reference = '<th scope="col">Reference</th>' if compared else ""
    return (
        '<table class="plain summary"><thead><tr><th scope="col">Values</th>'
        f'{reference}<th scope="col">Current</th></tr></thead><tbody>{body}</tbody></table>'
    )


_EXTRA: Final = {
    "UniqueValueCount": "Different values",
    "OutRangeValueCount": "Outside the reference's range",
    "OutListValueCount": "Not in the reference",
}


def _shower(feature: Feature) -> Any:
    return moment if feature["kind"] == "datetime" else words.value


def moment(seconds: float | None) -> str:
    return "–" if seconds is None else moment_text(seconds)


def glossary(document: Mapping[str, Any]) -> str:
    """What the words of the verdicts and the statistics mean."""
    if not asks_drift(document):
        return (
            "<p>Everything here comes from counts per bin and exact sums. Where bins leave a value open, "
            "the interval that holds the raw rows' value is shown.</p>"
        )
    segmented = " and segments" if document.get("segments") else ""
    used = {s["method"] for one in document["features"] for s in one["statistics"]} | {"missing"}
    terms = "".join(
        f"<dt>{name}</dt><dd>{escape(words.METHOD_WORDS[method])}</dd>"
        for method, name in words.METHOD_NAMES.items()
        if method in used
    )
    return (
        f"<p>A feature drifted when its deciding test is significant at {100 * document['alpha']:g} % "
        f"(Benjamini-Hochberg over all features{segmented}) <em>and</em> the effect is at least the floor, the "
        "mark in the middle of the effect's scale. Reference and current are both taken as samples. "
        "“Bins cannot tell”: depending on where the rows lie within their bins it is drift or "
        f'not.</p><dl class="glossary">{terms}</dl>'
    )
