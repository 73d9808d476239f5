"""The benchmark's picture: for each case a group of bars, time per call on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from strandline.bench.results import RUNNERS
from strandline.bench.tables import duration

COLOURS = {
    "native": "#1f6f78",
    "onnxruntime": "#8fb8bd",
    "simd128": "#e0a458",
    "relaxed": "#c8553d",
    "prepared": "#8a2c4a",
    "onnxruntime-web": "#b9a99a",
}
LEFT, RIGHT, TOP, BAR, GAP = 240, 770, 44, 9, 7
"""Pixels: where the axis begins and ends, what is above it, a bar's height, what is between groups."""


def svg(result: Mapping[str, Any], path: Path) -> None:
    """Write the picture of a result (see `results.to_json`) to `path`."""
    cases = result["cases"]
    runners = [r for r in RUNNERS if any(r in c["runners"] for c in cases)]
    times = [t["median"] for c in cases for t in c["runners"].values()]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    group = len(runners) * BAR + GAP
    height = TOP + len(cases) * group + 36

    def x(seconds: float) -> float:
        share = (math.log10(seconds) - low) / max(high - low, 1)
        return round(LEFT + share * (RIGHT - LEFT), 1)

    def lines() -> Iterator[str]:
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="840" height="{height}" '
            f'viewBox="0 0 840 {height}" font-family="sans-serif" font-size="11" fill="#222">'
        )
        yield f'<rect width="840" height="{height}" fill="#fff"/>'
        for i, runner in enumerate(runners):
            yield f'<rect x="{12 + 138 * i}" y="10" width="10" height="10" fill="{COLOURS[runner]}"/>'
            yield f'<text x="{26 + 138 * i}" y="19">{RUNNERS[runner]}</text>'
        for power in range(low, high + 1):
            at = x(10.0**power)
            yield f'<path d="M{at} {TOP - 6}V{height - 30}" stroke="#ddd"/>'
            yield f'<text x="{at}" y="{height - 16}" text-anchor="middle">{_tick(power)}</text>'
        yield (
            f'<text x="{(LEFT + RIGHT) / 2}" y="{height - 3}" text-anchor="middle">'
            "per call: median, and quartiles as a line (shorter is better)</text>"
        )
        for i, case in enumerate(cases):
            top = TOP + i * group
            middle = top + len(runners) * BAR / 2 + 4
            yield f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{escape(case["name"])}</text>'
            for place, runner in enumerate(runners):
                if runner in case["runners"]:
                    yield _bar(case["runners"][runner], top + place * BAR, COLOURS[runner], x)
        yield "</svg>"

    path.write_text("\n".join(lines()) + "\n")


def _bar(timing: Mapping[str, Any], top: int, colour: str, x: Any) -> str:
    end, middle = x(timing["median"]), top + BAR / 2
    width = max(round(end - LEFT, 1), 1)
    return (
        f'<rect x="{LEFT}" y="{top}" width="{width}" height="{BAR - 1}" fill="{colour}"/>'
        f'<path d="M{x(timing["q1"])} {middle}H{x(timing["q3"])}" stroke="#222"/>'
        f'<text x="{x(timing["q3"]) + 4}" y="{top + BAR - 1.5}" font-size="8">'
        f"{duration(timing['median'])}</text>"
    )


def _tick(power: int) -> str:
    text = duration(10.0**power)
    number, unit = text.split()
    return f"{float(number):g} {unit}"
