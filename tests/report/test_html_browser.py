"""The report as people use it, in Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from .examples import HOSTILE, NASTY, everything, example, segmented

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    example().save_html(path)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Every section there is."""
    path = tmp_path_factory.mktemp("report") / "whole.html"
    everything().save_html(path)
    return path


class Opened:
    """A page that may ask for nothing, and say nothing on its console."""

    def __init__(self, browser: Browser, path: Path) -> None:
        self.page: Page = browser.new_page()
        self.noted: list[str] = []
        self.path = path
        self.page.on("pageerror", lambda error: self.noted.append(str(error)))
        self.page.on("console", lambda message: self.noted.append(message.text))
        self.page.on("request", lambda request: self.noted.append(request.url))
        self.page.on("dialog", lambda dialog: self.noted.append(dialog.message))
        self.page.goto(path.as_uri())


@pytest.fixture
def opened(browser, saved):
    found = Opened(browser, saved)
    yield found.page
    found.page.close()
    assert found.noted == [saved.as_uri()]


@pytest.fixture
def all_of_it(browser, whole):
    found = Opened(browser, whole)
    yield found.page
    found.page.close()
    assert found.noted == [whole.as_uri()]


def names(page):
    shown = page.locator(".features > tbody:visible > tr:first-child > th > :first-child")
    return shown.all_text_contents()


def test_filters_by_name_and_verdict(opened):
    assert len(names(opened)) == 5
    opened.get_by_label("Find").fill("EIGH")
    assert names(opened) == ["height"]
    opened.get_by_label("Find").fill("no such feature")
    expect(opened.get_by_text("No feature fits these filters.")).to_be_visible()
    opened.get_by_label("Find").fill("")
    opened.get_by_role("button", name="Drift 2", exact=True).click()
    assert sorted(names(opened)) == sorted(["speed", NASTY])
    expect(opened.get_by_role("button", name="Drift 2", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )


def test_sorts_by_any_column(opened):
    heading = opened.get_by_role("columnheader", name="Feature")
    heading.get_by_role("button").click()
    assert names(opened) == sorted(names(opened), key=str.lower)
    expect(heading).to_have_attribute("aria-sort", "ascending")
    heading.get_by_role("button").click()
    assert names(opened) == sorted(names(opened), key=str.lower, reverse=True)
    opened.get_by_role("columnheader", name="Effect").get_by_role("button").click()
    assert names(opened)[-1] == "nothing"


def test_unfolds_and_reads_bars_by_keyboard(opened):
    opened.get_by_role("button", name="speed").focus()
    opened.keyboard.press("Enter")
    details = opened.locator(".details:visible")
    expect(details).to_contain_text("Kolmogorov-Smirnov")
    opened.keyboard.press("Tab")
    figure = details.locator(".large")
    expect(figure).to_be_focused()
    for _ in range(3):
        opened.keyboard.press("ArrowRight")
    label, reference, current = figure.get_attribute("data-bars").split("\n")[2].split("\t")
    expect(figure.locator(".read")).to_have_text(
        f"{label}: reference {reference} %, current {current} %"
    )
    opened.keyboard.press("End")
    expect(figure.locator(".read")).to_contain_text("≥")
    opened.get_by_role("button", name="speed").click()
    expect(opened.locator(".details:visible")).to_have_count(0)


def test_reads_bars_by_pointer(opened):
    opened.get_by_role("button", name="speed").click()
    figure = opened.locator(".details:visible .large")
    figure.hover(position={"x": 5, "y": 60})
    expect(figure.locator(".read")).to_contain_text("<")
    opened.locator(".picture").first.hover()
    expect(opened.locator(".tip")).to_contain_text("reference")


def test_opens_everything_at_once(opened):
    opened.get_by_role("button", name="Open all").click()
    expect(opened.locator(".details:visible")).to_have_count(5)
    opened.get_by_role("button", name="Close all").click()
    expect(opened.locator(".details:visible")).to_have_count(0)


def test_shows_the_tests_that_failed_first(all_of_it):
    shown = all_of_it.locator(".tests tbody tr:visible")
    assert set(shown.locator(".badge").all_text_contents()) <= {
        "Fail",
        "Warning",
        "Error",
        "Skipped",
    }
    failed = shown.count()
    all_of_it.get_by_role("group", name="Status").get_by_role("button", name="All").click()
    assert shown.count() > failed
    assert "Pass" in shown.locator(".badge").all_text_contents()


def test_reads_curves_by_keyboard(all_of_it):
    figure = all_of_it.get_by_role("group", name="ROC curve of yes").first
    figure.focus()
    all_of_it.keyboard.press("ArrowRight")
    expect(figure.locator(".read")).to_have_text(
        "reference: false positive rate 0.0, true positive rate 0.0"
    )


def test_hostile_names_do_nothing(all_of_it):
    """The fixture sees to it that nothing was asked for, said or run."""
    all_of_it.get_by_role("button", name="Open all").click()
    for text in HOSTILE:
        assert all_of_it.get_by_text(text, exact=False).count() >= 1, text
    assert all_of_it.locator("img, iframe, object, embed").count() == 0
    assert all_of_it.evaluate("window.hacked") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_fits_and_is_accessible(all_of_it, width, scheme):
    all_of_it.set_viewport_size({"width": width, "height": 800})
    all_of_it.emulate_media(color_scheme=scheme)
    all_of_it.get_by_role("button", name="Open all").click()
    all_of_it.get_by_role("group", name="Status").get_by_role("button", name="All").click()
    assert_fits_and_is_accessible(all_of_it, width)


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1200, "light")])
def test_segments_are_sifted_by_name_and_verdict(browser, tmp_path, width, scheme):
    segmented().save_html(tmp_path / "segments.html")
    opened = Opened(browser, tmp_path / "segments.html")
    page = opened.page
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    first = page.locator(".segments").first
    expect(first.locator("details[open]")).to_have_count(0)
    first.get_by_role("button", name="Drift").click()
    expect(first.locator("tbody tr:visible")).to_have_count(1)
    expect(first.locator("details:visible b")).to_have_text([HOSTILE[0]])
    first.get_by_label("Find").fill("number 2")
    expect(first.locator(".none")).to_be_visible()
    first.get_by_role("button", name="All").click()
    expect(first.locator("tbody tr:visible th")).to_have_text(["number 2"] * 7)
    first.get_by_label("Find").fill("value 1")
    expect(first.locator("tbody tr:visible")).to_have_count(4)
    assert_fits_and_is_accessible(page, width)
    assert page.evaluate("window.hacked") is None
    page.close()
    assert opened.noted == [opened.path.as_uri()]


def assert_fits_and_is_accessible(page, width):
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    problems = [
        (one["id"], node["target"], node["failureSummary"])
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]
    assert not problems, problems


def test_packed_details_unfold(browser, tmp_path):
    example(extra=150).save_html(tmp_path / "large.html")
    opened = Opened(browser, tmp_path / "large.html")
    expect(opened.page.locator(".packed")).to_have_count(0)
    last = opened.page.locator(".unfold").nth(-5)
    last.click()
    expect(opened.page.locator(".details:visible")).to_contain_text("Kolmogorov-Smirnov")
    expect(opened.page.locator(".details:visible .large")).to_have_count(1)
    opened.page.close()
    assert opened.noted == [opened.path.as_uri()]


def test_packed_segments_are_put_in_their_places(browser, tmp_path):
    segmented(40, 31, 2).save_html(tmp_path / "segments.html")
    opened = Opened(browser, tmp_path / "segments.html")
    expect(opened.page.locator(".packed")).to_have_count(0)
    expect(opened.page.locator(".segments").last.locator("tbody tr")).to_have_count(32 * 40)
    opened.page.close()
    assert opened.noted == [opened.path.as_uri()]


def test_everything_is_there_without_scripts(browser, saved):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(saved.as_uri())
    assert page.locator(".details:visible").count() == 5
    context.close()


def test_a_notebook_shows_it_in_a_frame(browser):
    page = browser.new_page()
    page.set_content(example()._repr_html_())
    frame = page.frame_locator("iframe")
    expect(frame.locator("h1")).to_have_text("2 of 5 features drifted")
    page.close()
