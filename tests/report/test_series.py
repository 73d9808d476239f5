"""Reports of a series, and windows from files."""

from __future__ import annotations

import csv
import json
import random
import re
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from strandline.bundle.errors import InputError
from strandline.drift import wire
from strandline.report import diagnose

DAYS = 16
SCHEMA = wire.schema("diagnosis-1")


def write(path: Path, columns: dict[str, list[object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def rows(day: int, count: int = 200) -> dict[str, list[object]]:
    """From day 8 on the speed is in other units; the prediction is wrong more often, too."""
    draw = random.Random(day)
    factor = 1000 if day >= 8 else 1
    return {
        "day": [str(date(2025, 7, 1) + timedelta(days=day))] * count,
        "speed": [round(draw.gauss(50, 10) * factor, 3) for _ in range(count)],
        "make <b>": [draw.choice("abc") for _ in range(count)],
        "truth": [1] * count,
        "said": [int(draw.random() < (0.9 if day < 8 else 0.6)) for _ in range(count)],
    }


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / f"{day:02}.csv", rows(day)) for day in range(DAYS)]


@pytest.fixture
def one_file(tmp_path: Path) -> Path:
    parts = [rows(day) for day in range(DAYS)]
    whole = {name: [cell for part in parts for cell in part[name]] for name in parts[0]}
    return write(tmp_path / "all.csv", whole)


def test_files_and_columns_and_counts_give_the_same_windows(
    files: list[Path], one_file: Path
) -> None:
    columns = ["speed", "make <b>"]
    found = [
        diagnose(files, columns=columns).document,
        diagnose([one_file], by="day", columns=columns).document,
        diagnose([one_file], by="day", every="day", columns=columns).document,
        diagnose([one_file], rows=200, columns=columns).document,
        diagnose([files[0], one_file], by="day", columns=columns).document,
    ]
    for document in found:
        assert document["reference"] == found[0]["reference"]
        assert document["model"]["kind"] == "pipeline fault"
    assert found[0]["model"]["onset"] == "08.csv"
    assert found[1]["model"]["onset"] == found[2]["model"]["onset"] == "2025-07-09"
    assert found[3]["model"]["onset"] == "rows 1601 to 1800"
    assert [len(document["windows"]) for document in found] == [15, 15, 15, 15, 16]


def test_months_and_weeks(one_file: Path) -> None:
    weeks = diagnose([one_file], by="day", every="week", columns=["speed"]).document["windows"]
    assert [window["name"] for window in weeks] == ["2025-W28", "2025-W29"]
    assert [window["rows"] for window in weeks] == [1400, 600]
    with pytest.raises(InputError, match="at least 2"):
        diagnose([one_file], by="day", every="month")


def test_quality_is_the_share_of_right_predictions(one_file: Path) -> None:
    document = diagnose(
        [one_file], by="day", accuracy=("truth", "said"), columns=["make <b>"]
    ).document
    assert document["model"]["kind"] == "concept drift"
    assert document["quality"][0] == pytest.approx(0.9, abs=0.06)
    assert document["quality"][-1] == pytest.approx(0.6, abs=0.1)


def test_the_sequential_test_alarms_at_once(one_file: Path) -> None:
    document = diagnose([one_file], by="day", columns=["speed", "make <b>"]).document
    speed, make = document["features"]
    assert speed["watch"]["since"] == "2025-07-09"
    assert make["watch"]["since"] is None
    assert (speed["diagnosis"]["fault"], make["diagnosis"]["kind"]) == ("unit", "no drift")
    assert [w["differs"] for w in speed["windows"]] == [False] * 7 + [True] * 8


class Page(HTMLParser):
    """What a browser would show, and whether tags match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_writes_html_json_and_markdown(one_file: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / f"out.{ending}" for ending in ("html", "json", "md")]
    report = diagnose([one_file], by="day", accuracy=("truth", "said"), outputs=outputs)
    page = outputs[0].read_text("utf-8")
    shown = Page(page)
    assert "speed" in shown.words
    assert "make <b>" in shown.words
    assert not re.search(r"<script|https?://|<b>", page)
    assert page.count('class="differs"') == sum(
        w["differs"] for one in report.document["features"] for w in one["windows"]
    )
    document = json.loads(outputs[1].read_text("utf-8"))
    assert document == report.document
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    text = outputs[2].read_text("utf-8")
    assert report.document["model"]["sentence"] in text
    assert "| speed | pipeline fault (unit) |" in text
    with pytest.raises(ValueError, match="ends in"):
        report.write(tmp_path / "out.pdf")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "at least two windows"),
        ({"by": "week"}, "has no column 'week'"),
        ({"by": "speed", "every": "month"}, "is no date"),
        ({"by": "day", "rows": 10}, "leave one out"),
        ({"by": "day", "columns": ["x"]}, "has no column 'x'"),
        ({"by": "day", "accuracy": ("truth", "x")}, "has no column 'x'"),
    ],
)
def test_mistakes_are_explained(one_file: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        diagnose([one_file], **options)
