"""docs/calibration.md and its pictures, from the figures that calibrate.py measures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from pathlib import Path
from typing import Any, Final

from scipy import stats

ALPHA: Final = 0.05
OUTSIDE: Final = 1e-4
"""chance that a test with its exact level falls out of its band, either way, in one cell"""
SHARED: Final = ("psi", "kl_div", "jensenshannon", "hellinger", "tvd")
"""have the p-value of `chisquare`"""
COLUMNS: Final = {
    "numeric": (
        "ks", "cramer_von_mises", "anderson", "es", "mannw", "t_test", "wasserstein", "ed",
        "chisquare", "g_test",
    ),
    "categorical": ("chisquare", "g_test", "z", "fisher_exact"),
    "vector": ("mmd",),
    "missing": ("missing",),
}  # fmt: skip
COLOURS: Final = {
    "ours": "#0a7d6c",
    "evidently": "#d1495b",
    "whylogs": "#8f6bb3",
    "nannyml": "#c98a1b",
}

Cell = dict[str, Any]


def band(cases: int) -> tuple[int, int]:
    """The fewest and the most alarms that a test with its exact level gives."""
    law = stats.binom(cases, ALPHA)
    return int(law.ppf(OUTSIDE / 2)), int(law.isf(OUTSIDE / 2))


def over(cells: Iterable[Cell]) -> list[str]:
    """What alarms too often, in words; tests that do not know of sessions are left out."""
    lines = []
    for cell in cells:
        most = band(cell["cases"])[1]
        for name, count in cell["alarms"].items():
            if count > most and not name.endswith("*"):
                share = 100 * count / cell["cases"]
                lines.append(
                    f"{name} in {share:.1f} % of {cell['shape']}, {cell['n']} and {cell['m']} rows"
                )
    return lines


def write(found: dict[str, Any], docs: Path) -> list[str]:
    """Write the page and its pictures; what alarms too often comes back."""
    ours = found["ours"]
    for one in ours:
        for name in SHARED:
            if "chisquare" in one["alarms"] and one["alarms"][name] != one["alarms"]["chisquare"]:
                raise ValueError(f"{name} no longer has the p-value of chisquare: give it a column")
    failing = over(ours)
    (docs / "img").mkdir(exist_ok=True)
    (docs / "img/calibration.svg").write_text(_levels(found))
    (docs / "img/power.svg").write_text(_power(found["power"], found["cases"]))
    (docs / "calibration.md").write_text(_page(found, failing))
    return failing


def _page(found: dict[str, Any], failing: list[str]) -> str:
    cases = found["cases"]
    low, high = (100 * x / cases for x in band(cases))
    theirs = max((c["cases"] for c in found["peers"]["cells"]), default=0)
    tests = sum(len(c["alarms"]) for c in found["ours"] if c["family"] != "sessions")
    verdict = (
        "**No test of ours alarms more often than its band allows, in any cell.**"
        if not failing
        else "**Too many alarms:** " + "; ".join(failing) + "."
    )
    parts = [
        f"""# Calibration: how often the tests alarm when nothing has drifted

Made by `make calibrate CALIBRATE_ARGS="--cases {cases} --peer-cases {theirs}"` ({found["seconds"] / 60:.0f} minutes;
{cases} drift-free cases in each cell, a third as many with sessions; seeds fixed). In every case reference and
current are drawn anew from one distribution and the reference is frozen anew, bins, vocabulary and all; the figures
are the percentage of cases with p ≤ 0.05.

{verdict}

A test whose level is exactly 5 % lies within {low:.1f} to {high:.1f} % in {cases} cases, but for one cell in
{1 / OUTSIDE:,.0f}; there are {tests:,} figures below. ▽ is below that band: a test that is cautious there. Why: the
exact tests (`fisher_exact`, and `missing` where it uses Fisher's) and others on few different outcomes can't
reach 5 %; `t_test` takes the larger one of two p-values where single rows dominate the mean; `ks` goes by the
limit of D, which is cautious with few rows, and in sessions by the largest variance; with a few dozen rows
`chisquare` has two or three cells only.

![False-alarm rates of ours and of others](img/calibration.svg)
""",
        """## Numbers

`psi`, `kl_div`, `jensenshannon`, `hellinger` and `tvd` have the p-value of `chisquare`. Above 20,000 rows counts are
drawn instead of rows, from the very distribution that rows would give.
""",
    ]
    for family, title in (
        ("numeric", ""),
        ("categorical", "## Categories\n"),
        ("missing", "## Missing cells\n"),
    ):
        parts.append(title)
        chosen = [c for c in found["ours"] if c["family"] == family]
        for shape in dict.fromkeys(c["shape"] for c in chosen):
            parts.append(_table([c for c in chosen if c["shape"] == shape], shape, COLUMNS[family]))
    parts.append(_sessions([c for c in found["ours"] if c["family"] == "sessions"]))
    if found["peers"]["cells"]:
        parts.append(_peers(found))
    parts.append(_power_table(found["power"], cases))
    return "\n".join(part for part in parts if part)


def _rows(n: int) -> str:
    return f"{n:,}"


def _share(count: int, cases: int) -> str:
    low, high = band(cases)
    mark = " ▽" if count < low else " **△**" if count > high else ""
    return f"{100 * count / cases:.1f}{mark}"


def _lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in body) + "\n"


def _table(cells: Sequence[Cell], shape: str, columns: Sequence[str]) -> str:
    rows = [
        [
            f"{_rows(c['n'])} / {_rows(c['m'])}",
            *(_share(c["alarms"][name], c["cases"]) for name in columns),
        ]
        for c in cells
    ]
    return f"**{shape}**\n\n" + _lines(
        ["reference / current rows", *(f"`{c}`" for c in columns)], rows
    )


def _sessions(cells: Sequence[Cell]) -> str:
    parts = [
        """## Rows that come in sessions

Sessions of geometric sizes, each with a mean (shares) of its own that makes the given part of the variance. First
the test that knows the sessions' moments, in brackets the one that takes rows for independent.
"""
    ]
    for kind in dict.fromkeys(c["shape"].split(",")[0] for c in cells):
        chosen = [c for c in cells if c["shape"].startswith(kind)]
        columns = COLUMNS[kind]
        rows = [
            [
                c["shape"].split(", ", 1)[1],
                *(
                    f"{_share(c['alarms'][name], c['cases'])} ({100 * c['alarms'][name + '*'] / c['cases']:.0f})"
                    for name in columns
                ),
            ]
            for c in chosen
        ]
        parts.append(_lines([kind, *(f"`{c}`" for c in columns)], rows))
    return "\n".join(parts)


def _peers(found: dict[str, Any]) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in found["peers"]["versions"].items())
    rows = []
    mine = {(c["shape"], c["n"], c["m"]): c for c in found["ours"]}
    for cell in found["peers"]["cells"]:
        own = mine[cell["shape"], cell["n"], cell["m"]]
        for name, count in cell["alarms"].items():
            method = name.split()[1]
            rows.append(
                [
                    f"{cell['shape']}, {_rows(cell['n'])} / {_rows(cell['m'])}",
                    f"`{method}`",
                    name.split()[0],
                    _share(count, cell["cases"]),
                    _share(own["alarms"][method], own["cases"]),
                    str(cell["cases"]),
                ]
            )
    header = ["case", "method", "library", "alarms %", "ours %", "their cases"]
    return f"""## The same cases through other libraries

{versions}, in an environment of their own (`build/requirements-peers.lock`), each asked as its own reports ask it and
at its own threshold (p < 0.05; nannyml's `ks`: three standard deviations of the reference's chunks). **△** is above
the band of as many cases. evidently's `chisquare` takes the reference's shares for exact; its `g_test` raises an
error when the samples differ in size and has no figure there. Up to 20,000 rows the rows are those that ours sees.

{_lines(header, rows)}"""


def _power_table(power: Sequence[dict[str, Any]], cases: int) -> str:
    names = COLUMNS["numeric"]
    rows = []
    for name in names:
        row = [f"`{name}`"]
        for one in power:
            raw = one["alarms"].get(f"{name} raw")
            text = f"{100 * one['alarms'][name] / cases:.0f}"
            row.append(text if raw is None else f"{text} ({100 * raw / cases:.0f})")
        rows.append(row)
    return f"""## Power

The alarms are not bought with blindness: 1,000 and 1,000 normal rows, the current's mean moved by so many standard
deviations; in brackets SciPy's test on the raw rows. Percentage of alarms.

{_lines(["shift", *(f"{one['shift']:g}" for one in power)], rows)}
![Power](img/power.svg)
"""


def _levels(found: dict[str, Any]) -> str:
    """Every figure a dot: methods along the bottom, percentages (in roots) upwards."""
    names = [*COLUMNS["numeric"], "z", "fisher_exact", "missing"]
    width, height, left, base = 960, 420, 50, 360

    def y(share: float) -> float:
        return base - 330 * sqrt(min(1.0, share))

    parts = [_head(width, height, "False-alarm rates at 5 % by method")]
    low, high = (x / found["cases"] for x in band(found["cases"]))
    parts.append(
        f'<rect x="{left}" y="{y(high):.1f}" width="{width - left - 10}" '
        f'height="{y(low) - y(high):.1f}" fill="#0a7d6c" fill-opacity=".15"/>'
    )
    for tick in (0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1):
        parts.append(
            f'<line x1="{left}" x2="{width - 10}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" class="g"/>'
            f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.0%}</text>'
        )
    step = (width - left - 10) / len(names)
    for k, name in enumerate(names):
        x = left + step * (k + 0.5)
        parts.append(f'<text x="{x:.0f}" y="{base + 20}" text-anchor="middle">{name}</text>')
        dots = [
            ("ours", c["alarms"][name] / c["cases"]) for c in found["ours"] if name in c["alarms"]
        ]
        for cell in found["peers"]["cells"]:
            dots += [
                (who.split()[0], count / cell["cases"])
                for who, count in cell["alarms"].items()
                if who.split()[1] == name
            ]
        shift = {"ours": -14, "evidently": 2, "whylogs": 10, "nannyml": 18}
        for i, (who, share) in enumerate(dots):
            jitter = (i * 7 % 11) - 5 if who == "ours" else 0
            parts.append(
                f'<circle cx="{x + shift[who] + jitter:.1f}" cy="{y(share):.1f}" '
                f'r="{2 if who == "ours" else 3.5}" fill="{COLOURS[who]}" fill-opacity=".75"/>'
            )
    for k, (who, colour) in enumerate(COLOURS.items()):
        parts.append(
            f'<circle cx="{left + 20 + 110 * k}" cy="{height - 18}" r="5" fill="{colour}"/>'
            f'<text x="{left + 30 + 110 * k}" y="{height - 14}">{who}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _power(power: Sequence[dict[str, Any]], cases: int) -> str:
    """Curves of ours, dashed SciPy's on raw rows, one small picture per method."""
    names = [name for name in COLUMNS["numeric"] if f"{name} raw" in power[0]["alarms"]]
    side, top = 150, 30
    width, height = side * len(names) + 20, side + 60
    parts = [_head(width, height, "Power of ours and of SciPy on raw rows")]
    for k, name in enumerate(names):
        x0 = 15 + side * k

        def path(key: str, x0: float = x0) -> str:
            most = power[-1]["shift"]
            points = [
                f"{x0 + (side - 25) * one['shift'] / most:.1f},"
                f"{top + side * (1 - one['alarms'][key] / cases):.1f}"
                for one in power
            ]
            return " ".join(points)

        parts.append(
            f'<rect x="{x0}" y="{top}" width="{side - 25}" height="{side}" fill="none" class="g"/>'
            f'<text x="{x0}" y="{top - 8}">{name}</text>'
            f'<polyline points="{path(name)}" fill="none" stroke="{COLOURS["ours"]}" stroke-width="2"/>'
            f'<polyline points="{path(name + " raw")}" fill="none" '
            f'stroke="{COLOURS["evidently"]}" stroke-width="1.5" stroke-dasharray="4 3"/>'
        )
    last = power[-1]["shift"]
    parts.append(
        f'<text x="15" y="{height - 8}">shift 0 to {last:g} standard deviations; '
        "solid: ours, dashed: SciPy on raw rows</text>"
    )
    return "\n".join([*parts, "</svg>\n"])


def _head(width: int, height: int, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="11" role="img">'
        f"<title>{title}</title><style>text{{fill:#555}}.g{{stroke:#bbb;stroke-width:.5}}"
        "@media(prefers-color-scheme:dark){text{fill:#bbb}.g{stroke:#555}}</style>"
    )
