"""Inline SVG for shares, intervals and curves. No style attributes: the page's policy forbids them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT = 240, 80
SIDE = 200
MARGIN = 6


def outlines(identity: str, reference: Sequence[float], current: Sequence[float]) -> str:
    """Reference and current as two outlines over the same bars, for the eye; `echo` draws them again."""
    top = max([*reference, *current, 1e-12])
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none"'
        f' aria-hidden="true"><g id="{identity}">'
        f'<path class="ref" d="{_outline(reference, top)}"/>'
        f'<path class="cur" d="{_outline(current, top)}"/></g></svg>'
    )


def echo(identity: str) -> str:
    """The same picture again, for the eye only."""
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none"'
        f' aria-hidden="true"><use href="#{identity}"/></svg>'
    )


def _outline(shares: Sequence[float], top: float) -> str:
    """Steps along the tops of the bars; nothing when all shares are 0."""
    if not any(shares):
        return ""
    step = WIDTH / len(shares)
    path, last = f"M0 {HEIGHT}", -1
    for i, share in enumerate(shares):
        at = round((HEIGHT - 3) * (1 - share / top) + 3)
        if at != last:
            path += (f"H{i * step:.4g}" if i else "") + f"V{at}"
            last = at
    return path + f"H{WIDTH}V{HEIGHT}Z"


def pair(reference: float, current: float, top: float) -> str:
    """Two bars, one above the other."""
    r, c = (round(100 * x / top, 1) for x in (reference, current))
    return (
        '<svg class="pair" viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="M0 .5h{r:g}"/><path d="M0 1.5h{c:g}"/></svg>'
    )


def gauge(effect: float, low: float | None, high: float | None, bound: float) -> str:
    """An effect and its confidence interval beside its floor, which is the middle of the track
    whatever the scale.
    """

    def at(x: float) -> float:
        x = max(x, 0.0)
        return round(100 * x / (x + bound), 1) if bound else 100.0

    sure = ""
    if low is not None and high is not None and high > low:
        sure = f'<path d="M{at(low):g} 9H{at(high):g}"/>'
    return (
        '<svg class="gauge" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="M0 5h{at(effect):g}"/>{sure}</svg>'
    )


def strip(parts: Iterable[tuple[str, int]]) -> str:
    """Counts as pieces of one bar."""
    parts = list(parts)
    total = sum(count for _, count in parts) or 1
    x, pieces = 0.0, ""
    for verdict, count in parts:
        width = 100 * count / total
        if count:
            pieces += f'<path data-v="{verdict}" d="M{x:.2f} 0h{width:.2f}v4h-{width:.2f}z"/>'
        x += width
    return (
        '<svg class="strip" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        f"{pieces}</svg>"
    )


def whiskers(pairs: Sequence[tuple[float, float, float] | None]) -> str:
    """(value, low, high) of reference and current on one scale; `None` leaves a line empty."""
    known = [one for one in pairs if one is not None]
    if not known:
        return ""
    least = min(low for _, low, _ in known)
    most = max(high for _, _, high in known)
    span = most - least or 1.0

    def at(x: float) -> float:
        return round(4 + 92 * (x - least) / span, 1)

    drawn = ""
    for y, name, one in zip((4, 10), ("ref", "cur"), pairs, strict=True):
        if one is not None:
            value, low, high = map(at, one)
            drawn += (
                f'<path class="{name}" d="M{low:g} {y}H{high:g}"/>'
                f'<circle class="{name}" cx="{value:g}" cy="{y}" r="2.2"/>'
            )
    return f'<svg class="whiskers" viewBox="0 0 100 14" aria-hidden="true">{drawn}</svg>'


def square(label: str, lines: str) -> str:
    """A unit square with its diagonal, and curves in it."""
    low, high = MARGIN, SIDE - MARGIN
    return (
        f'<svg class="square" viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{escape(label)}">'
        f'<path class="frame" d="M{low} {low}V{high}H{high}"/>'
        f'<path class="frame" d="M{low} {high}L{high} {low}"/>{lines}</svg>'
    )


def _place(x: float, y: float) -> tuple[float, float]:
    inner = SIDE - 2 * MARGIN
    return round(MARGIN + x * inner, 1), round(SIDE - MARGIN - y * inner, 1)


def curve(name: str, points: Sequence[Sequence[float]]) -> str:
    if not points:
        return ""
    placed = [_place(x, y) for x, y in points]
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in placed)
    return f'<path class="{name} line" d="{path}"/>'


def dots(name: str, groups: Sequence[Mapping[str, Any]]) -> str:
    """Groups of a calibration curve with their intervals."""
    drawn = ""
    for group in groups:
        x, y = _place(group["score"], group["share"])
        _, low = _place(0, group["ci"][0])
        _, high = _place(0, group["ci"][1])
        drawn += (
            f'<path class="{name} line" d="M{x:g} {low:g}V{high:g}"/>'
            f'<circle class="{name}" cx="{x:g}" cy="{y:g}" r="3"/>'
        )
    return drawn
