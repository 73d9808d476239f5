"""A model that takes and gives embeddings: from the page's form to the dashboard."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from visitor import Row, Visitor

from strandline.bundle import score
from strandline.drift import Profile
from tests.browser.conftest import Stage
from tests.bundle.models import encoder

pytestmark = pytest.mark.browser

expect.set_options(timeout=60_000)  # a busy machine is slow, not wrong

SIZE, CODE = 24, 70

Visit = Callable[[], Visitor]


def rows_of(n: int, seed: int, moved: float = 0.0) -> list[Row]:
    """Numbers whose sums are exact in float32, so that every machine predicts the same bits."""
    draw = random.Random(seed)
    return [
        {
            "embedding": [round(64 * draw.gauss(moved, 1)) / 64 for _ in range(SIZE)],
            "age": draw.randrange(18, 80),
        }
        for _ in range(n)
    ]


def as_csv(rows: list[Row]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(rows[0])
    writer.writerows([json.dumps(row["embedding"]), row["age"]] for row in rows)
    return text.getvalue()


@pytest.fixture
def packed(stage: Stage, tmp_path: Path) -> Stage:
    (tmp_path / "reference.csv").write_text(as_csv(rows_of(500, 0)))
    model = encoder(tmp_path / "encoder.onnx", size=SIZE, out=CODE)
    stage.pack(name="encoder", model=model, reference=tmp_path / "reference.csv")
    return stage


def watched(profile: Profile) -> dict[str, Any]:
    return {f.name: profile[f.name] for f in profile.reference if f.role != "system"}


TYPED = """(rows) => strandline.predict(
  rows.map((row) => ({ ...row, embedding: Float64Array.from(row.embedding) })))"""


def test_what_a_page_sends_is_what_the_same_rows_give_natively(
    packed: Stage, visit: Visit, tmp_path: Path
) -> None:
    rows = rows_of(240, 1)
    rows[100]["embedding"] = None
    rows[101]["embedding"] = [1.0]
    (tmp_path / "today.csv").write_text(
        as_csv(rows).replace("null", "").replace('"[1.0]"', "[1.0]")
    )
    visitor = visit()
    visitor.open(packed.url("encoder"))
    predicted = visitor.predict(rows[:1])
    predicted += visitor.predict(rows[1:120])
    predicted += visitor.page.evaluate(TYPED, rows[120:200])
    answer = visitor.page.evaluate("(text) => strandline.predictCsv(text)", as_csv(rows[200:]))
    predicted += answer["rows"]

    native = packed.pipeline("encoder").predict(rows)
    there = [row["code"] for row in predicted]
    assert there[:100] + there[102:] == native["code"][:100] + native["code"][102:]
    assert there[100] == there[101] == [None] * CODE
    scored = score.score(packed.sites / "encoder", tmp_path / "today.csv", [])
    assert scored.report is not None
    reference = packed.reference("encoder")
    report = json.loads(visitor.next_report() or "")
    sent = Profile.from_wire(report["profile"], reference)
    assert watched(sent) == watched(Profile.from_wire(scored.report["profile"], reference))
    assert (sent["embedding"].missing, sent["embedding"].invalid) == (1, 1)
    with packed.collector():
        visitor.confirmed()
        assert watched(packed.collected("encoder").profile) == watched(sent)


def send(packed: Stage, port: int, reports: list[Any]) -> None:
    """As a batch job does."""
    manifest = json.loads((packed.sites / "encoder/manifest.json").read_text())
    body = json.dumps({"key": manifest["collector"]["key"], "reports": reports}).encode()
    url = f"http://127.0.0.1:{port}/v1/profiles"
    request = urllib.request.Request(url, body, {"Content-Type": "text/plain"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        results = json.load(answer)["results"]
    assert [one["status"] for one in results] == ["stored"] * len(reports), results


def test_a_moved_embedding_is_seen_on_the_page_and_on_the_dashboard(
    packed: Stage, visit: Visit, browser: Browser, tmp_path: Path
) -> None:
    visitor = visit()
    with packed.collector() as collector:
        visitor.open(packed.url("encoder"))
        visitor.predict(rows_of(100, 2, moved=0.5))
        visitor.confirmed()
        alone = {one.name: one for one in packed.collected("encoder").drifts}
        assert alone["embedding"]["mmd"].p_value == 1, "one session is no sample of sessions"
        batches = []
        for seed in range(3, 15):
            (tmp_path / "rows.csv").write_text(as_csv(rows_of(60, seed, moved=0.5)))
            scored = score.score(packed.sites / "encoder", tmp_path / "rows.csv", [])
            batches.append(scored.report)
        send(packed, collector.port, batches)
        seen = packed.collected("encoder")
        shown = browser.new_page()
        complaints: list[str] = []
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("console", lambda message: complaints.append(message.text))
        shown.goto(f"http://127.0.0.1:{collector.port}/")
        drifts = {one.name: one for one in seen.drifts}
        for name in ("embedding", "code"):
            mmd = drifts[name]["mmd"]
            row = shown.locator(
                "#table tbody tr", has=shown.get_by_role("rowheader", name=name, exact=True)
            )
            expect(row).to_contain_text("vector")
            expect(row.locator(".verdict")).to_have_text("drift")
            expect(row).to_contain_text(f"{mmd.value:.3f}")
            row.click()
            expect(shown.locator("#detail-title")).to_have_text(name)
            expect(shown.locator("#detail-lead")).to_contain_text(f"shifted by {mmd.effect:.3f}")
            expect(shown.locator("#detail-course svg")).to_have_attribute(
                "aria-label", re.compile(r"MMD² per window")
            )
        shown.close()
        assert complaints == []
    page = visitor.page
    page.click("#predict")  # the page draws what was seen since it was opened
    figure = page.locator('[data-feature="embedding"]')
    expect(figure.locator(".verdict")).to_have_text("drift")
    expect(figure).to_contain_text(re.compile(r"MMD² 0\.\d+.*shift 0\.\d+"))


def test_the_form_and_the_file_show_vectors_briefly(packed: Stage, visit: Visit) -> None:
    visitor = visit()
    visitor.open(packed.url("encoder"))
    page = visitor.page
    field = page.get_by_label("embedding", exact=True)
    usual = json.loads(field.input_value())
    assert len(usual) == SIZE
    field.fill("[1, 2]")
    assert field.evaluate("field => field.validationMessage") == (
        f"Give a list of {SIZE} numbers: [0.25, -1.5, …]"
    )
    (row,) = rows_of(1, 3)
    field.fill(json.dumps(row["embedding"]))
    page.get_by_label("age", exact=True).fill(str(row["age"]))
    page.click("#predict")
    expect(page.locator("#result")).to_contain_text(f"… {CODE} numbers]")
    assert page.evaluate("strandline.drift()")["rows"] == 1
    expect(page.locator("#sample")).to_contain_text(f"new Float32Array({SIZE})")
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.fill("#csv-text", as_csv(rows_of(3, 4)))
    page.click("#csv-predict")
    cell = page.locator("#csv-result tbody td").first
    expect(cell).to_contain_text(f"… {CODE} numbers]")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as CSV").click()
    with download.value.path().open(newline="", encoding="utf-8") as file:
        saved = list(csv.DictReader(file))
    native = packed.pipeline("encoder").predict(rows_of(3, 4))
    assert [json.loads(line["code"]) for line in saved] == native["code"]
