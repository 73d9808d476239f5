"""The report as people use it, in Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from strandline.report import render_html

from .examples import NASTY, example

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(example()), "utf-8")
    return path


@pytest.fixture
def opened(browser, saved):
    page = browser.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.on("request", lambda request: problems.append(request.url))
    page.goto(saved.as_uri())
    yield page
    page.close()
    assert problems == [saved.as_uri()]


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
    figure = details.locator("figure")
    figure.focus()
    for _ in range(3):
        opened.keyboard.press("ArrowRight")
    row = details.locator(".bars > table > tbody > tr").nth(2)
    label = row.locator("th").text_content()
    expect(figure.locator("figcaption")).to_contain_text(f"{label}: reference")
    opened.get_by_role("button", name="speed").click()
    expect(opened.locator(".details:visible")).to_have_count(0)


def test_reads_bars_by_pointer(opened):
    opened.get_by_role("button", name="speed").click()
    figure = opened.locator(".details:visible figure")
    figure.hover(position={"x": 5, "y": 20})
    first = figure.locator("xpath=..").locator(".bars > table > tbody th").first.text_content()
    expect(figure.locator("figcaption")).to_contain_text(f"{first}: reference")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_fits_phones_and_desks_in_light_and_dark(opened, width, scheme):
    opened.set_viewport_size({"width": width, "height": 800})
    opened.emulate_media(color_scheme=scheme)
    for button in opened.locator(".unfold").all():
        button.click()
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    contrast = opened.evaluate(CONTRAST)
    assert min(contrast.values()) >= 4.5, contrast


def test_everything_is_there_without_scripts(browser, saved):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(saved.as_uri())
    assert page.locator(".details:visible").count() == 5
    context.close()


CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgb(text).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    const own = rgb(getComputedStyle(element).backgroundColor);
    if (own.length === 3 || own[3] > 0) return getComputedStyle(element).backgroundColor;
    return element.parentElement ? background(element.parentElement) : "rgb(255, 255, 255)";
  };
  const found = {};
  const badges = ["drift", "no drift"].map((verdict) => `.badge[data-verdict="${verdict}"]`);
  for (const selector of ["body", "small", ".kicker", "thead th", "footer", ...badges]) {
    const element = document.querySelector(selector);
    const pair = [light(getComputedStyle(element).color), light(background(element))];
    const [a, b] = pair.sort((x, y) => y - x);
    found[selector] = (a + 0.05) / (b + 0.05);
  }
  return found;
}"""
