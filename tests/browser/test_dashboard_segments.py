"""The dashboard of a model with segments and counters, whose names are hostile, in Chromium."""

from __future__ import annotations

import json
import random
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from strandline.drift import Profile, Reference
from tests.collector import samples
from tests.collector.server import RunningCollector

pytestmark = pytest.mark.browser

NASTY = '"><img src=x onerror="window.hacked=1">'
REGIONS = ("north", NASTY, "south")
WINDOWS = 5


def rows(seed: int, moved: float) -> dict[str, list[Any]]:
    """Only the north moves."""
    draw = random.Random(seed)
    regions = [draw.choice(REGIONS) for _ in range(900)]
    return {
        "speed": [draw.gauss(50, 8) + (moved if one == "north" else 0) for one in regions],
        "height": [draw.gauss(0, 1) for _ in regions],
        "region": list(regions),
    }


def reference() -> Reference:
    return Reference.from_columns(
        rows(0, 0.0),
        features=["speed", "height"],
        segments=["region"],
        counters=["conversion", NASTY],
        bins=20,
    )


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCollector]:
    folder = tmp_path_factory.mktemp("segments")
    frozen = reference()
    site = samples.write_site(folder / "site", frozen)
    with RunningCollector(folder / "c.db", site=site, window_seconds=60) as running:
        reports = []
        for k in range(WINDOWS):
            profile = Profile.from_rows(rows(k + 1, 4.0 * k), frozen)
            profile.count("conversion", 30 + 20 * k)
            reports.append(report(profile, 60 * (WINDOWS - k)))
        send(running, reports)
        yield running


def report(profile: Profile, seconds_ago: float) -> dict[str, Any]:
    """Of a session of its own."""
    ended = samples.iso(time.time() - seconds_ago)
    about = {"started": ended, "ended": ended, "reference": profile.reference.sha256}
    return samples.report(profile=profile.to_wire(), **about)


def send(collector: RunningCollector, reports: list[dict[str, Any]]) -> None:
    request = urllib.request.Request(
        f"{collector.url}/v1/profiles",
        samples.post_body(collector.ingest_key, reports),
        {"Content-Type": "text/plain"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        results = json.load(answer)["results"]
    assert [one["status"] for one in results] == ["stored"] * len(reports), results


@pytest.fixture
def page(browser: Browser, collector: RunningCollector) -> Iterator[Page]:
    page = browser.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(collector.url)
    expect(page.locator("#table tbody tr").first).to_be_visible()
    yield page
    assert page.evaluate("window.hacked") is None
    page.close()
    assert complaints == []


def answer(collector: RunningCollector, path: str, **query: str) -> Any:
    url = f"{collector.url}/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)


def test_a_segment_narrows_the_table_and_the_course(
    page: Page, collector: RunningCollector
) -> None:
    segments = answer(collector, "drift")["segments"]
    north = next(one for one in segments if one["value"] == "north")
    chooser = page.get_by_label("Rows")
    expect(chooser.locator("option")).to_have_count(1 + len(segments))
    chooser.select_option(str(segments.index(north)))
    expect(page).to_have_url(re.compile("segment=region&value=north"))
    expect(page.locator("#detail-title")).to_contain_text("region = north")
    speed = next(one for one in north["features"] if one["name"] == "speed")
    row = page.locator("#table tbody tr", has=page.get_by_role("rowheader", name="speed"))
    expect(row).to_contain_text(f"{speed['summary']['current']['rows']:,}")
    expect(row).to_contain_text(f"{speed['psi']:.3f}")
    row.click()
    (course,) = answer(collector, "series", segment="region", value="north", feature="speed")[
        "features"
    ]
    tips = page.locator("#detail-course title").all_text_contents()
    assert len(tips) == len(course["windows"]) == WINDOWS
    for tip, window in zip(tips, course["windows"], strict=True):
        assert f" {window['rows']} rows" in tip
    page.reload()
    expect(page.locator("#detail-title")).to_have_text("speed, region = north")
    page.get_by_label("Rows").select_option(label="All")
    expect(page.locator("#detail-title")).to_have_text("speed")
    expect(page).not_to_have_url(re.compile("segment="))


def test_hostile_values_are_text(page: Page, collector: RunningCollector) -> None:
    segments = answer(collector, "drift")["segments"]
    nasty = next(i for i, one in enumerate(segments) if one["value"] == NASTY)
    page.get_by_label("Rows").select_option(str(nasty))
    expect(page.locator("#detail-title")).to_contain_text(f"region = {NASTY}")
    expect(page.locator("#counters strong")).to_have_text(["conversion", NASTY])


def test_segments_of_too_few_sessions_are_named_and_not_shown(
    browser: Browser, tmp_path: Path
) -> None:
    frozen = reference()
    site = samples.write_site(tmp_path / "site", frozen)
    drawn = rows(1, 0.0)
    split = {
        region: {
            name: [cell for cell, one in zip(cells, drawn["region"], strict=True) if one == region]
            for name, cells in drawn.items()
        }
        for region in REGIONS
    }
    visits = [("north", NASTY), ("north", NASTY), ("north", NASTY), ("north", "south")]
    with RunningCollector(
        tmp_path / "c.db", site=site, window_seconds=3600, min_sessions=3
    ) as running:
        reports = []
        for regions in visits:
            profile = Profile(frozen)
            for region in regions:
                profile.update(split[region])
            reports.append(report(profile, 1))
        send(running, reports)
        found = answer(running, "drift")
        shown = {one["value"] for one in found["segments"]}
        hidden = {one["value"] for one in found["hidden_segments"]} - shown
        assert "south" in hidden and "north" in shown
        page = browser.new_page()
        page.goto(running.url)
        chooser = page.get_by_label("Rows")
        for value in hidden:
            name = f"region = {value or 'all others'}"
            option = chooser.locator("option", has_text=name)
            expect(option).to_have_text(f"{name}: hidden, too few sessions")
            expect(option).to_be_disabled()
        expect(chooser.locator("option:not([disabled])")).to_have_count(1 + len(shown))
        expect(chooser.locator("option[disabled]")).to_have_count(len(hidden))
        page.goto(f"{running.url}/?segment=region&value=south")
        expect(page.locator("#table tbody tr").first).to_be_visible()
        expect(page.locator("#detail-title")).not_to_contain_text("south")
        expect(page.get_by_label("Rows")).to_have_value("")
        page.close()


def test_counters_have_a_course(page: Page, collector: RunningCollector) -> None:
    total = answer(collector, "drift")["counters"]["conversion"]
    rate = 1000 * total / (900 * WINDOWS)
    figure = page.locator("#counters figure").first
    expect(figure.locator("figcaption")).to_contain_text(f"{total}, {rate:.4g} per 1,000 rows")
    (one, _) = answer(collector, "series")["counters"]
    tips = figure.locator("title").all_text_contents()
    assert len(tips) == WINDOWS
    for tip, window in zip(tips, one["windows"], strict=True):
        assert tip.split(": ")[1].startswith(f"{window['count']}, ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits(page: Page, width: int, scheme: Any) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.get_by_label("Rows").select_option(index=2)
    expect(page.locator("#detail-title")).to_contain_text("region = ")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
