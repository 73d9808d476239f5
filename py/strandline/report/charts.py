"""Inline SVG: reference and current as two outlines over the same bars."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 240, 80


def chart(identity: str, label: str, reference: Sequence[float], current: Sequence[float]) -> str:
    """A picture that stretches to the size its CSS gives it; `echo` draws it again elsewhere."""
    top = max([*reference, *current, 1e-12])
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(label)}"><g id="{identity}">'
        f'<path class="reference" d="{_outline(reference, top, close=True)}"/>'
        f'<path class="current" d="{_outline(current, top, close=False)}"/></g></svg>'
    )


def echo(identity: str) -> str:
    """The same picture again, for the eye only."""
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none"'
        f' aria-hidden="true"><use href="#{identity}"/></svg>'
    )


def _outline(shares: Sequence[float], top: float, *, close: bool) -> str:
    """Steps along the tops of the bars; nothing when all shares are 0."""
    if not any(shares):
        return ""
    step = WIDTH / len(shares)
    y = [round((HEIGHT - 3) * (1 - share / top) + 2, 1) for share in shares]
    path = f"M0 {HEIGHT}" + "".join(f"V{at:g}H{(i + 1) * step:.4g}" for i, at in enumerate(y))
    return path + f"V{HEIGHT}" + ("Z" if close else "")
