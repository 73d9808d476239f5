"""Labelled predictions: metrics with intervals, confusion matrix, ROC, calibration, errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from strandline.report import words
from strandline.report.html import charts, features
from strandline.report.html.sections import Section, table

SIDES: Final = ("reference", "current")
MOST_CURVES: Final = 6
"""classes whose curves are drawn"""
SHADES: Final = 8


def section(document: Mapping[str, Any]) -> Section | None:
    found = document.get("models")
    if not found:
        return None
    body = "".join(
        _model(i, model, document["metrics"], several=len(found) > 1)
        for i, model in enumerate(found)
    )
    return Section("models", "Model quality", body)


def _model(
    i: int, model: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]], *, several: bool
) -> str:
    head = f"<h3>{escape(model['name'])}</h3>" if several else ""
    if model["current"] is None and model["reference"] is None:
        return head + '<p class="none">No labels have come yet.</p>'
    counted = " and ".join(
        f"{words.whole(model[side]['rows'])} labelled rows ({'now' if side == 'current' else side})"
        for side in SIDES
        if model[side] is not None
    )
    late = "" if model["current"] else " Labels of the current rows have not come yet."
    head += (
        f'<p class="note">{escape(str(model["task"]))}: {escape(", ".join(model["columns"]))}; '
        f"{counted}.{late}</p>"
    )
    mine = [one for one in metrics if one["params"].get("model") == model["name"]]
    return (
        head
        + _metrics(model["name"], [one for one in mine if "label" not in one["params"]])
        + f'<div class="figures">{"".join(_pictures(i, model))}</div>'
        + _by_class(model["name"], [one for one in mine if "label" in one["params"]])
    )


def _metrics(model: str, metrics: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for metric in metrics:
        sides = [metric[side] for side in SIDES]
        rows.append(
            (
                escape(metric["title"]),
                escape(_value(sides[0])),
                escape(_value(sides[1])),
                charts.whiskers([_whisker(side) for side in sides]),
            )
        )
    heads = ("Metric", "Reference", "Current", "95 % intervals")
    return table(heads, rows, f"Metrics of {model}", "stack") if rows else ""


def _value(measure: Mapping[str, Any] | None) -> str:
    return words.measure(measure)


def _whisker(measure: Mapping[str, Any] | None) -> tuple[float, float, float] | None:
    if measure is None or measure["value"] is None:
        return None
    low, high = measure.get("confidence") or (measure["value"], measure["value"])
    value = measure["value"]
    return value, value if low is None else low, value if high is None else high


def _by_class(model: str, metrics: Sequence[Mapping[str, Any]]) -> str:
    if not metrics:
        return ""
    names = list(dict.fromkeys(metric["name"] for metric in metrics))
    labels = dict.fromkeys(metric["params"]["label"] for metric in metrics)
    cells = {(m["params"]["label"], m["name"]): m for m in metrics}

    def cell(label: str, name: str) -> str:
        metric = cells.get((label, name))
        if metric is None:
            return "–"
        then, now = (metric[side] and metric[side]["value"] for side in SIDES)
        shown = words.value(now)
        return shown if then is None else f"{words.value(then)} → {shown}"

    rows = [(escape(label), *(escape(cell(label, name)) for name in names)) for label in labels]
    heads = ("Class", *(name.removesuffix("ByLabel") for name in names))
    return table(heads, rows, f"Metrics of {model} by class")


def _pictures(i: int, model: Mapping[str, Any]) -> Iterator[str]:
    for side in SIDES:
        found = model[side]
        if found and "confusion" in found:
            yield _confusion(found["confusion"], model["classes"], side, model["name"])
    curves = {
        side: {curve["class"]: curve for curve in (model[side] or {}).get("curves", ())}
        for side in SIDES
    }
    names = list(dict.fromkeys([*curves["current"], *curves["reference"]]))
    for name in names[:MOST_CURVES]:
        both = [curves[side].get(name) for side in SIDES]
        yield _roc(name, both)
        if any(one and one["calibration"] for one in both):
            yield _calibration(name, both)
    if "errors" in model:
        yield _errors(i, model["errors"])


def _confusion(
    matrix: Sequence[Sequence[int]], classes: Sequence[str], side: str, model: str
) -> str:
    used = list(range(len(classes)))
    others = len(classes)
    if any(matrix[others]) or any(row[others] for row in matrix):
        used.append(others)
    names = [*classes, "other"]
    head = "".join(f'<th scope="col">{escape(names[j])}</th>' for j in used)
    body = ""
    for i in used:
        total = sum(matrix[i]) or 1
        cells = "".join(
            f'<td class="s{round(SHADES * matrix[i][j] / total)}">{words.whole(matrix[i][j])}'
            f"<small>{words.share(matrix[i][j] / total)}</small></td>"
            for j in used
        )
        body += f'<tr><th scope="row">{escape(names[i])}</th>{cells}</tr>'
    return (
        f'<figure class="confusion"><figcaption>Confusion, {side}<small>rows: label, '
        "columns: prediction, shares of the label</small></figcaption>"
        f'<div class="wide" tabindex="0" role="region" aria-label="Confusion matrix of {escape(model)}, {side}">'
        f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div></figure>"
    )


def _points(name: str, points: Sequence[Sequence[Any]]) -> str:
    return "\n".join("\t".join((name, *(str(x) for x in point))) for point in points)


def _square(title: str, note: str, lines: str, data: Sequence[str], label: str) -> str:
    readable = escape("\n".join(filter(None, data)))
    return (
        f'<div class="curve" tabindex="0" role="group" data-points="{readable}" '
        f'aria-label="{escape(label)}; arrow keys read the points one by one">'
        f"<div class=heading>{escape(title)}<small>{escape(note)}</small></div>"
        f'{charts.square(label, lines)}<p class="read" aria-live="polite"></p></div>'
    )


def _roc(name: str, both: Sequence[Mapping[str, Any] | None]) -> str:
    lines, data = "", []
    for css, side, one in zip(("ref", "cur"), SIDES, both, strict=True):
        if one:
            lines += charts.curve(css, one["roc"])
            data.append(
                _points(f"{side}: false positive rate {{x}}, true positive rate {{y}}", one["roc"])
            )
    return _square(
        f"ROC, {name}",
        "true against false positive rate",
        lines,
        data,
        f"ROC curve of {name}, reference and current",
    )


def _calibration(name: str, both: Sequence[Mapping[str, Any] | None]) -> str:
    lines, data = "", []
    for css, side, one in zip(("ref", "cur"), SIDES, both, strict=True):
        if one:
            lines += charts.dots(css, one["calibration"])
            data.append(
                _points(
                    f"{side}: score {{x}}, share of rows {{y}}",
                    [(group["score"], group["share"]) for group in one["calibration"]],
                )
            )
    return _square(
        f"Calibration, {name}",
        "share of rows of the class against the score, 95 % intervals",
        lines,
        data,
        f"Calibration of {name}, reference and current",
    )


def _errors(i: int, errors: Mapping[str, Any]) -> str:
    picture = charts.outlines(f"e{i}", errors["reference"], errors["current"])
    return (
        '<div class="errors"><div class="heading">Errors<small>prediction − target</small></div>'
        f'<div class="hide">{picture}</div>{features.large(f"e{i}", "Errors", errors)}</div>'
    )
