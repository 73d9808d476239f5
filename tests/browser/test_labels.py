"""Labels that come after a reload, without a network, and more than once: counted exactly, and collected."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import flights
import pytest
from playwright.sync_api import Error, expect
from visitor import Row, Visitor

from strandline.bundle.manifest import Window
from strandline.drift.quality import Quality, estimate
from tests.browser.conftest import Stage, as_csv, predict_csv

pytestmark = pytest.mark.browser

TARGET = "long_taxi_out"


@pytest.fixture(scope="module")
def truth(data: flights.Flights) -> list[int]:
    """What became of the fixture `rows`."""
    labels: list[int] = data.current[TARGET].iloc[::50].tolist()
    return labels


def predict(visitor: Visitor, rows: list[Row]) -> tuple[list[Row], list[str]]:
    answer = visitor.page.evaluate("(rows) => strandline.predictTimed(rows)", rows)
    return answer["rows"], answer["ids"]


def label(visitor: Visitor, ids: list[str], labels: list[int]) -> dict[str, Any]:
    given = [{"id": i, "value": v} for i, v in zip(ids, labels, strict=True)]
    answer: dict[str, Any] = visitor.page.evaluate("(all) => strandline.labels(all)", given)
    return answer


def test_labels_of_an_earlier_visit_arrive_exactly_once(
    stage: Stage, visit: Callable[[], Visitor], rows: list[Row], truth: list[int]
) -> None:
    packed = stage.pack(window=Window(rows=10_000, seconds=600), target=TARGET)
    assert packed.quality is not None
    visitor = visit()
    visitor.open(stage.url())
    predicted, ids = predict(visitor, rows[:90])
    assert len(set(ids)) == 90
    assert label(visitor, ids[:10], truth[:10]) == {"counted": 10, "unknown": []}

    visitor.go_offline()
    stage.host.stop()
    visitor.reload()  # the first window dies with its worker, labels and all; its snapshot is queued
    assert label(visitor, ids[5:60], truth[5:60]) == {"counted": 50, "unknown": ids[5:10]}
    assert visitor.page.evaluate("(id) => strandline.label(id, 1)", ids[0]) is False
    visitor.reload()
    answer = visitor.page.evaluate(
        "([ids, labels]) => Promise.all(ids.map((id, i) => strandline.label(id, labels[i])))",
        [ids[60:80] * 2, truth[60:80] * 2],
    )
    assert answer.count(True) == 20, "of two calls for one id, made at once, one counts"
    more, _ = predict(visitor, rows[90:120])

    with stage.collector():
        visitor.go_online()
        visitor.confirmed()
        seen = stage.collected()
    reference = seen.reference.quality
    assert reference is not None and seen.profile.quality is not None
    expected = counted(reference, predicted[:80], truth[:80]) + unlabelled(
        reference, predicted + more
    )
    assert seen.profile.quality == expected
    assert (expected.n, expected.seen) == (80, 120)
    native = stage.pipeline().predict(rows[:80])
    right = sum(a == b for a, b in zip(native["label"], truth[:80], strict=True))
    assert seen.profile.quality.metrics()["accuracy"].value == right / 80
    assert estimate(reference, seen.profile.quality)["accuracy"].n == 120


def counted(reference: Quality, predicted: list[Row], labels: list[int]) -> Quality:
    return Quality.count(
        reference.task, labels, [row["label"] for row in predicted], scores_of(predicted)
    )


def unlabelled(reference: Quality, predicted: list[Row]) -> Quality:
    return Quality.unlabelled(
        reference.task, [row["label"] for row in predicted], scores_of(predicted)
    )


def scores_of(predicted: list[Row]) -> list[list[float]]:
    return [[row["probability:1"] for row in predicted]]


def test_the_page_tells_how_good_it_is(
    stage: Stage, visit: Callable[[], Visitor], rows: list[Row], truth: list[int]
) -> None:
    stage.pack(send=False, target=TARGET)
    visitor = visit()
    visitor.open(stage.url())
    found = visitor.page.evaluate(
        """async (rows) => {
          const predicted = await strandline.predict(rows);
          const ids = predicted.map((row) => row.id);
          return { ids, keys: Object.keys(predicted[0]), again: (await strandline.predict(rows)).map((row) => row.id) };
        }""",
        rows[:20],
    )
    assert found["keys"] == ["label", "probability:0", "probability:1"]
    assert len({*found["ids"], *found["again"]}) == 40
    with pytest.raises(Error, match="a label of long_taxi_out must name a class"):
        label(visitor, found["ids"][:1], [None])  # type: ignore[list-item]
    assert label(visitor, found["ids"], truth[:20])["counted"] == 20
    told = visitor.page.evaluate("strandline.quality()")
    assert (told["task"], told["labels"], told["predictions"]) == ("binary", 20, 40)
    native = stage.pipeline().predict(rows[:20])["label"]
    right = sum(a == b for a, b in zip(native, truth[:20], strict=True))
    assert told["realised"]["accuracy"]["value"] == right / 20
    assert 0.5 < told["estimated"]["accuracy"]["value"] < 1


def test_a_files_labels_are_counted_and_shown(
    stage: Stage, visit: Callable[[], Visitor], rows: list[Row], truth: list[int]
) -> None:
    stage.pack(send=False, target=TARGET)
    visitor = visit()
    visitor.open(stage.url())
    page = visitor.page
    given = [{**row, TARGET: label} for row, label in zip(rows[:30], truth, strict=False)]
    given[7][TARGET] = ""
    predict_csv(page, as_csv(given))
    expect(page.locator("#csv-note")).to_contain_text("29 labels counted")
    native = stage.pipeline().predict(rows[:30])["label"]
    right = sum(a == b for i, (a, b) in enumerate(zip(native, truth, strict=False)) if i != 7)
    shown = page.locator("#quality-table tr[data-metric=accuracy] td").last
    expect(shown).to_have_text(re.compile(rf"{round(right / 29, 4)} \(0\.\d+ – [01](\.\d+)?\)"))
    expect(page.locator("#quality-lead")).to_contain_text(
        f"29 labels of {TARGET}, estimated from 30 predictions"
    )
