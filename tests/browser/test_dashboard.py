"""The collector's dashboard in Chromium, over a real collector and reports that a packed site's own code makes."""

from __future__ import annotations

import json
import re
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import flights
import pytest
from playwright.sync_api import Browser, Page, expect
from visitor import Row

from strandline.bundle.edge import Edge
from strandline.bundle.pipeline import open_site
from tests.browser.conftest import Stage, Trained

pytestmark = pytest.mark.browser

expect.set_options(timeout=60_000)  # a busy machine is slow, not wrong


@dataclass
class Watched:
    """A collector with some reports, and its dashboard as one browser shows it."""

    stage: Stage
    url: str
    page: Page
    complaints: list[str] = field(default_factory=list)

    def report(
        self, rows: list[Row], labels: Sequence[int] | None = None, sessions: int = 1
    ) -> None:
        """What pages would send after predicting these rows, and after learning what became of them."""
        manifest, read = open_site(self.stage.sites / "mlp")
        assert manifest.collector is not None
        edge = Edge(manifest.dumps(), read)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        reports = []
        for i in range(sessions):
            kept = json.loads(edge.predict(json.dumps(rows[i::sessions])))["kept"]
            told = zip(kept, (labels or ())[i::sessions], strict=False)
            edge.label(json.dumps([{"kept": row, "label": label} for row, label in told]))
            header = {
                "id": str(uuid.uuid4()),
                "session": str(uuid.uuid4()),
                "seq": 0,
                "started": now,
                "ended": now,
            }
            reports.append(edge.take_window(json.dumps(header)))
        for report in reports:
            body = f'{{"key": {json.dumps(manifest.collector.key)}, "reports": [{report}]}}'
            request = urllib.request.Request(
                f"{self.url}/v1/profiles", body.encode(), {"Content-Type": "text/plain"}
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                results = json.load(answer)["results"]
            assert [result["status"] for result in results] == ["stored"], results

    def drift(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/v1/drift", timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


@pytest.fixture(scope="module")
def dashboard(
    browser: Browser,
    trained: Callable[[str], Trained],
    rows: list[Row],
    data: flights.Flights,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:
    stage = Stage(tmp_path_factory.mktemp("dashboard"), trained)
    stage.pack(target="long_taxi_out")
    context = browser.new_context()
    with stage.collector() as collector:
        watched = Watched(stage, collector.url, context.new_page())
        labels = data.current["long_taxi_out"].iloc[::50].tolist()[:150]
        watched.report(rows[:200], labels, sessions=20)
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("console", lambda message: watched.complaints.append(message.text))
        watched.page.goto(collector.url)
        expect(watched.page.locator("#table tbody tr").first).to_be_visible()
        yield watched
        context.close()


def test_the_table_says_what_the_collector_answers(dashboard: Watched) -> None:
    page = dashboard.page
    expect(page.locator("#live")).to_have_text("Live")
    words = {"drift": "drift", "no drift": "no drift", "bins cannot tell": "can't tell"}
    features = [f for f in dashboard.drift()["features"] if f["role"] != "system"]
    expect(page.locator("#table tbody tr")).to_have_count(len(features))
    for feature in features:
        row = page.locator(
            "#table tbody tr", has=page.get_by_role("rowheader", name=feature["name"])
        )
        expect(row.locator(".verdict")).to_have_text(words[feature["verdict"]])
        expect(row).to_contain_text(
            f"{feature['psi']:.3f}" if feature["psi"] >= 0.001 else "< 0.001"
        )
    assert dashboard.complaints == []


def test_performance_is_drawn_and_told(dashboard: Watched) -> None:
    page = dashboard.page
    told = dashboard.drift()["quality"]
    section = page.locator("#performance")
    expect(section).to_contain_text("Accuracy of long_taxi_out")
    expect(section).to_contain_text("150 labels came; estimated from 200 predictions")
    for part in ("realised", "estimated"):
        expect(section.locator(f"path.line.{part}")).to_have_count(1)
    page.get_by_label("Metric").select_option("roc_auc")
    expect(page).to_have_url(re.compile("metric=roc_auc"))
    section.locator("summary").click()
    for part in ("realised", "estimated"):
        expect(section.locator("tbody")).to_contain_text(f"{told[part]['roc_auc']['value']:.4g}")
    assert dashboard.complaints == []


def test_it_follows_what_comes_in(dashboard: Watched, rows: list[Row]) -> None:
    page = dashboard.page
    before = dashboard.drift()["rows"]
    expect(page.locator("#tiles")).to_contain_text(f"{before:,}")
    dashboard.report([{**row, "distance": 4900.0} for row in rows[:300]], sessions=30)
    expect(page.locator("#tiles")).to_contain_text(f"{before + 300:,}")
    row = page.locator("#table tbody tr", has=page.get_by_role("rowheader", name="distance"))
    expect(row.locator(".verdict")).to_have_text("drift")


def test_a_feature_is_shown_and_kept_in_the_address(dashboard: Watched) -> None:
    page = dashboard.page
    page.get_by_role("button", name="weekday", exact=True).click()
    expect(page.locator("#detail-title")).to_have_text("weekday")
    expect(page).to_have_url(re.compile("feature=weekday"))
    weekday = next(f for f in dashboard.drift()["features"] if f["name"] == "weekday")
    assert page.locator("#detail-plot rect.is").count() == len(weekday["bins"])
    assert page.locator("#detail-bins tbody tr").count() == len(weekday["bins"])
    page.reload()
    expect(page.locator("#detail-title")).to_have_text("weekday")


def test_it_tells_what_happened(dashboard: Watched) -> None:
    page = dashboard.page
    answer = dashboard.drift()
    expect(page.locator("#diagnosis")).to_have_text(answer["diagnosis"]["sentence"])
    page.get_by_role("button", name="weekday", exact=True).click()
    told = next(one for one in answer["story"] if one["name"] == "weekday")
    expect(page.locator("#detail-story")).to_contain_text(told["diagnosis"]["sentence"])
    alarm = "no alarm" if told["watch"]["since"] is None else "alarm at"
    expect(page.locator("#detail-story")).to_contain_text(f"Sequential test: {alarm}")
    row = page.locator("#table tbody tr", has=page.get_by_role("rowheader", name="weekday"))
    expect(row.locator(".told")).to_contain_text(told["diagnosis"]["kind"])


def test_columns_sort_by_mouse_and_keyboard(dashboard: Watched) -> None:
    page = dashboard.page
    by_psi = page.get_by_role("columnheader", name="PSI", exact=True)
    by_psi.get_by_role("button").click()
    expect(by_psi).to_have_attribute("aria-sort", "descending")
    features = [f for f in dashboard.drift()["features"] if f["role"] != "system"]
    expected = [f["name"] for f in sorted(features, key=lambda f: -f["psi"])]
    assert page.locator("#table tbody th").all_inner_texts() == expected
    page.keyboard.press("Enter")  # the header keeps the focus when the table is drawn again
    expect(by_psi).to_have_attribute("aria-sort", "ascending")
    assert page.locator("#table tbody th").all_inner_texts() == expected[::-1]


def test_it_fits_a_phone(dashboard: Watched) -> None:
    dashboard.page.set_viewport_size({"width": 360, "height": 740})
    for scheme in ("light", "dark"):
        dashboard.page.emulate_media(color_scheme=scheme)
        assert dashboard.page.evaluate("document.documentElement.scrollWidth") <= 360
