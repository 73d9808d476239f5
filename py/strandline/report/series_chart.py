"""Inline SVG of a series: a bar per window, the changed ones marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

WIDTH: Final = 640
HEIGHT: Final = 120


def scores(label: str, names: Sequence[str], windows: Sequence[Mapping[str, Any]]) -> str:
    """How far every window lies from the reference, with its sign; a tooltip for each."""
    values = [window["score"] for window in windows]
    known = [value for value in values if value is not None]
    if not known:
        return ""
    high, low = max(0.02, *known), min(-0.02, *known)
    step = WIDTH / len(values)
    zero = _y(0, low, high)
    bars = "".join(
        f'<rect class="{"differs" if window["differs"] else "same"}" x="{i * step + step * 0.1:.1f}"'
        f' y="{min(zero, _y(value, low, high)):.1f}" width="{step * 0.8:.1f}"'
        f' height="{max(1.0, abs(_y(value, low, high) - zero)):.1f}"><title>{escape(name)}: '
        f"{_tip(window)}</title></rect>"
        for i, (name, window, value) in enumerate(zip(names, windows, values, strict=True))
        if value is not None
    )
    return _svg(label, f'{bars}<path class="zero" d="M0 {zero:.1f}H{WIDTH}"/>', names)


def line(label: str, names: Sequence[str], values: Sequence[float | None]) -> str:
    """A series of numbers as a line, broken where there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    margin = max(0.1 * (high - low), 0.01 * abs(high), 1e-9)
    low, high = low - margin, high + margin
    step = WIDTH / len(values)
    path, pen = "", "M"
    dots = ""
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        if value is None:
            pen = "M"
            continue
        x, y = i * step + step / 2, _y(value, low, high)
        path += f"{pen}{x:.1f} {y:.1f}"
        pen = "L"
        dots += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{escape(name)}: {value:.4g}</title></circle>'
    return _svg(label, f'<path class="line" d="{path}"/>{dots}', names)


def _svg(label: str, body: str, names: Sequence[str]) -> str:
    return (
        f'<figure><svg class="series" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(label)}">{body}</svg><div class="axis" aria-hidden="true">'
        f"<span>{escape(names[0])}</span><span>{escape(names[-1])}</span></div></figure>"
    )


def _y(value: float, low: float, high: float) -> float:
    return 4 + (HEIGHT - 8) * (high - value) / (high - low)


def _tip(window: Mapping[str, Any]) -> str:
    effect = window["effect"]
    p = window["p_value"]
    return ", ".join(
        [
            "differs" if window["differs"] else "like the reference",
            f"effect {effect:.3g}" if effect is not None else "no effect",
            f"p {p:.2g}" if p is not None else "no p-value",
            f"missing {100 * (window['missing'] or 0):.2g} %",
        ]
    )


def sheet(document: Mapping[str, Any], features: Sequence[str]) -> str:
    """A picture that stands alone: the courses of these features, one below the other."""
    names = [window["name"] for window in document["windows"]]
    by_name = {one["name"]: one for one in document["features"]}
    block = HEIGHT + 44
    parts = []
    for i, name in enumerate(features):
        one = by_name[name]
        diagnosis = one["diagnosis"]
        heading = f"{name}: {diagnosis['kind']}, {diagnosis['pattern']}"
        drawn = scores(name, names, one["windows"])
        inner = drawn[drawn.index(">", drawn.index("<svg")) + 1 : drawn.index("</svg>")]
        parts.append(
            f'<g transform="translate(20 {i * block + 12})"><text y="14">{escape(heading)}</text>'
            f'<g transform="translate(0 22)"><rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>'
            f"{inner}</g></g>"
        )
    height = len(features) * block + 34
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 40} {height}" '
        f'role="img" aria-label="Distance from the reference per window">{_SHEET_STYLE}'
        f'<rect class="paper" width="{WIDTH + 40}" height="{height}"/>{"".join(parts)}'
        f'<text class="soft" x="20" y="{height - 12}">{escape(names[0])}</text>'
        f'<text class="soft" x="{WIDTH + 20}" y="{height - 12}" text-anchor="end">'
        f"{escape(names[-1])}</text></svg>\n"
    )


_SHEET_STYLE: Final = (
    "<style>.paper{fill:#fff}.ground{fill:#f5f7fa}.same{fill:#a9b4c2}.differs{fill:#b42318}"
    ".zero{stroke:#566273;fill:none}text{font:600 13px system-ui,sans-serif;fill:#1b2430}"
    ".soft{font-weight:400;fill:#566273}</style>"
)
