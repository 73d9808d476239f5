"""The packed page as people use it: the form, a CSV, the plots, without a network, and after an update."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect
from visitor import PageError, Row, Visitor

from strandline.bundle.manifest import Window
from strandline.drift import Profile
from tests.browser.conftest import Elsewhere, Stage, Trained, as_csv, predict_csv

pytestmark = pytest.mark.browser

expect.set_options(timeout=60_000)  # a busy machine is slow, not wrong

Visit = Callable[[], Visitor]


def fill_form(page: Page, row: Row) -> None:
    for name, value in row.items():
        field = page.get_by_label(name, exact=True)
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value or "")
        else:
            field.fill("" if value is None else str(value))


@dataclass(frozen=True)
class Shared:
    """One open page for the tests that only look at it and predict, and what its browser complains about."""

    stage: Stage
    page: Page
    complaints: list[str]

    def rows(self) -> int:
        """Rows predicted so far."""
        return int(self.page.evaluate("strandline.drift()")["rows"])


@pytest.fixture(scope="module")
def shared(
    browser: Browser,
    trained: Callable[[str], Trained],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shared]:
    stage = Stage(tmp_path_factory.mktemp("shared"), trained)
    stage.pack(send=False)
    context = browser.new_context()
    with stage.host:
        visitor = Visitor(context)
        made = Shared(stage, visitor.page, [])
        note_complaints(visitor.page, made.complaints)
        visitor.open(stage.url())
        yield made
    context.close()


def note_complaints(page: Page, complaints: list[str]) -> None:
    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))


def test_before_the_first_row_only_the_reference_is_drawn(stage: Stage, visit: Visit) -> None:
    stage.pack(send=False)
    visitor = visit()
    visitor.open(stage.url())
    expect(visitor.page.locator("#drift-lead")).to_contain_text("Nothing predicted yet")
    expect(visitor.page.locator("#drift-plots .verdict")).to_have_count(0)
    names = visitor.page.evaluate("strandline.manifest.features.map((f) => f.name)")
    for name in names:
        bars = visitor.page.locator(f'[data-feature="{name}"] rect.was')
        heights = bars.evaluate_all("all => all.map((bar) => Number(bar.getAttribute('height')))")
        assert max(heights) > 0, name


def test_the_form_predicts_what_python_predicts(shared: Shared, rows: list[Row]) -> None:
    page = shared.page
    expect(page).to_have_title("mlp 1")
    pipeline = shared.stage.pipeline()
    before = shared.rows()
    for row in rows[:3]:
        fill_form(page, row)
        expected = pipeline.predict([row])
        with page.expect_event("console", lambda m: m.text == "predicted"):
            page.evaluate(WHEN_PREDICTED)
            page.click("#predict")
        share = f"{100 * float(expected['probability:1'][0]):.0f}"
        expect(page.locator("#result dd").last).to_have_text(re.compile(rf"^{share}(\.\d)? %"))
        expect(page.locator("#result strong")).to_have_text(str(expected["label"][0]))
    assert shared.rows() == before + 3
    assert shared.complaints == []


WHEN_PREDICTED = """() => {
  const note = document.querySelector("#result");
  new MutationObserver((_, observer) => { observer.disconnect(); console.log("predicted"); })
    .observe(note, { childList: true });
}"""


def test_a_missing_value_and_a_value_out_of_range_are_predicted(
    shared: Shared, rows: list[Row]
) -> None:
    page = shared.page

    def missing() -> dict[str, int]:
        features = page.evaluate("strandline.drift()")["features"]
        return {f["name"]: f["summary"]["current"]["missing"] for f in features}

    before = missing()
    fill_form(page, {**rows[0], "distance": 99_999.0, "departure_delay": None})
    with page.expect_event("console", lambda m: m.text == "predicted"):
        page.evaluate(WHEN_PREDICTED)
        page.click("#predict")
    expect(page.locator("#form-note")).to_be_empty()
    after = missing()
    assert after["departure_delay"] == before["departure_delay"] + 1
    assert after["distance"] == before["distance"]


def test_a_csv_is_predicted_shown_and_saved(shared: Shared, rows: list[Row]) -> None:
    page = shared.page
    predict_csv(page, as_csv(rows[:150]))
    expect(page.locator("#csv-note")).to_contain_text("150 rows in")
    expect(page.locator("#csv-result tbody tr")).to_have_count(100)
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as CSV").click()
    saved = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    native = shared.stage.pipeline().predict(rows[:150])
    assert len(saved) == 150
    assert [row["label"] for row in saved] == [str(label) for label in native["label"]]
    browser = [float(row["probability:1"]) for row in saved]
    assert browser == pytest.approx([float(p) for p in native["probability:1"]], rel=1e-4)
    assert [row["airline"] for row in saved] == [row["airline"] for row in rows[:150]]


def test_files_are_predicted_dropped_or_chosen(
    shared: Shared, rows: list[Row], tmp_path: Path
) -> None:
    page = shared.page
    before = shared.rows()
    transfer = page.evaluate_handle(
        """text => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([text], "flights.csv", { type: "text/csv" }));
          return transfer;
        }""",
        as_csv(rows[:20]),
    )
    page.dispatch_event("#csv-zone", "drop", {"dataTransfer": transfer})
    expect(page.locator("#csv-note")).to_contain_text("20 rows in")
    file = tmp_path / "more.csv"
    file.write_text(as_csv(rows[:5]))
    page.set_input_files("#csv-file", file)
    expect(page.locator("#csv-note")).to_contain_text("5 rows in")
    assert shared.rows() == before + 25


def test_a_bad_csv_is_explained_and_counted_nowhere(shared: Shared, rows: list[Row]) -> None:
    page = shared.page
    before = shared.rows()
    without = [{k: v for k, v in row.items() if k != "distance"} for row in rows[:5]]
    for text, said in [
        (as_csv(without), "distance"),
        ("airline,weekday\nAA", "line 2"),
        ("   \n", "Paste rows first"),
    ]:
        predict_csv(page, text)
        expect(page.locator("#csv-note")).to_contain_text(said)
        expect(page.locator("#csv-note")).not_to_contain_text("Traceback")
    assert shared.rows() == before


def test_the_plots_follow_the_predictions(shared: Shared, rows: list[Row]) -> None:
    page = shared.page
    predict_csv(page, as_csv([{**row, "distance": 4900.0} for row in rows[:300]]))
    plot = page.locator('[data-feature="distance"]')
    expect(plot.locator(".verdict")).to_have_text("drift")
    expect(plot.locator("svg")).to_have_attribute("aria-label", re.compile("most gained by"))
    drift = page.evaluate("strandline.drift()")
    distance = next(f for f in drift["features"] if f["name"] == "distance")
    expect(plot.locator(".stats")).to_contain_text(f"PSI {distance['psi']:.3f}")
    assert plot.locator("rect.is").count() == len(distance["bins"])


def test_the_page_can_be_used_by_keyboard_and_at_any_width(shared: Shared) -> None:
    page = shared.page
    page.set_viewport_size({"width": 360, "height": 740})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    before = shared.rows()
    page.locator("#fields input").first.focus()
    with page.expect_event("console", lambda m: m.text == "predicted"):
        page.evaluate(WHEN_PREDICTED)
        page.keyboard.press("Enter")
    assert shared.rows() == before + 1
    unnamed = page.evaluate(
        """[...document.querySelectorAll("input, select, textarea")]
          .filter((field) => field.labels.length === 0).map((field) => field.id)"""
    )
    assert unnamed == []


def test_it_works_offline_and_asks_no_other_origin(
    stage: Stage, visit: Visit, rows: list[Row], elsewhere: Elsewhere
) -> None:
    stage.pack(send=False)
    visitor = visit()
    requests: list[str] = []
    visitor.context.on("request", lambda request: requests.append(request.url))
    visitor.open(stage.url())
    expect(visitor.page.locator("#chip-offline")).to_have_text("Works offline")
    stage.host.stop()
    visitor.go_offline()
    visitor.reload()
    expect(visitor.page.locator("#chip-network")).to_have_text("Offline")
    predict_csv(visitor.page, as_csv(rows[:10]))
    expect(visitor.page.locator("#csv-note")).to_contain_text("10 rows in")
    assert {urlsplit(url).netloc for url in requests if not url.startswith("blob:")} == {
        urlsplit(stage.host.url).netloc
    }
    assert elsewhere.asked == []


def test_what_is_sent_is_shown_to_the_letter(stage: Stage, visit: Visit, rows: list[Row]) -> None:
    stage.pack(window=Window(rows=10_000, seconds=600))
    visitor = visit()
    visitor.open(stage.url())
    page = visitor.page
    predict_csv(page, as_csv(rows[:40]))
    expect(page.locator("#outbox-pending")).to_have_text("40 rows")
    page.click("#report summary")
    expect(page.locator("#report-text")).to_contain_text('"schema"')
    shown = json.loads(page.locator("#report-text").text_content() or "")
    report = json.loads(visitor.next_report() or "")
    assert {**shown, "ended": None} == {**report, "ended": None}
    expect(page.locator("#privacy-lead")).to_contain_text("127.0.0.1:")
    page.click("#send")
    expect(page.locator("#outbox-pending")).to_have_text("0 rows")
    expect(page.locator("#outbox-queued")).to_have_text("1 report")
    expect(page.locator("#outbox-trouble")).to_contain_text("can't be reached")


def test_the_page_counts_and_measures_itself(stage: Stage, visit: Visit, rows: list[Row]) -> None:
    stage.pack(counters=["conversion"], segments=[next(iter(rows[0]))])
    visitor = visit()
    visitor.open(stage.url())
    assert visitor.next_report() is None  # what was measured goes with the first rows or counts
    visitor.page.evaluate("strandline.count('conversion', 2)")
    visitor.predict(rows[:3])
    visitor.page.evaluate("strandline.count('conversion')")
    with pytest.raises(Error, match="no counter 'sale'; it has 'conversion'"):
        visitor.page.evaluate("strandline.count('sale')")
    report = json.loads(visitor.next_report() or "")
    profile = Profile.from_wire(report["profile"], stage.reference())
    assert profile.counters == {"conversion": 3}
    segmentation = profile.reference.segmentations[0]
    name = next(iter(profile.segment(segmentation.segments[0])))
    assert sum(profile.segment(one)[name].rows for one in segmentation.segments) == 3
    assert profile["load_ms"].n == profile["memory_mb"].n == 1
    assert 10 < profile["load_ms"].maximum < 600_000
    assert 16 <= profile["memory_mb"].maximum < 4096
    visitor.page.click("#send")
    expect(visitor.page.locator("#outbox-queued")).to_have_text("1 report")


def test_a_window_survives_the_death_of_its_tab(
    stage: Stage, visit: Visit, rows: list[Row]
) -> None:
    stage.pack(window=Window(rows=10_000, seconds=600))
    visitor = visit()
    visitor.open(stage.url())
    visitor.predict(rows[:30])
    window = json.loads(visitor.next_report() or "")["id"]
    visitor.page.wait_for_timeout(2000)  # a snapshot is written half a second after a prediction
    with visitor.page.expect_event("crash"), pytest.raises(Error):
        visitor.page.goto("chrome://crash")
    heir = Visitor(visitor.context)
    heir.page.goto(stage.url() + "model/reference.json")
    left = stored(heir.page, stage.url(), "open")
    assert [report["id"] for report in left] == [window]
    assert stored(heir.page, stage.url(), "queue") == []
    heir.open(stage.url())
    assert stored(heir.page, stage.url(), "open") == []
    queued = stored(heir.page, stage.url(), "queue")
    assert [report["id"] for report in queued] == [window]
    assert json.loads(queued[0]["text"])["profile"] == json.loads(left[0]["text"])["profile"]
    assert Profile.from_wire(json.loads(queued[0]["text"])["profile"], stage.reference()).rows == 30


def stored(page: Page, site: str, store: str) -> list[Row]:
    """What the outbox of a site holds on this device."""
    found: list[Row] = page.evaluate(
        """([site, store]) => new Promise((resolve, reject) => {
          const open = indexedDB.open(`strandline ${site}`);
          open.onerror = () => reject(open.error);
          open.onsuccess = () => {
            const all = open.result.transaction(store).objectStore(store).getAll();
            all.onsuccess = () => { open.result.close(); resolve(all.result); };
          };
        })""",
        [site, store],
    )
    return found


def test_a_damaged_file_is_named_and_not_run(stage: Stage, visit: Visit) -> None:
    stage.pack(send=False)
    (stage.sites / "mlp/model/model.onnx").write_bytes(b"something else")
    with pytest.raises(PageError, match=r"model/model\.onnx does not have the SHA-256"):
        visit().open(stage.url())


def test_a_damaged_copy_on_the_device_is_fetched_again(
    stage: Stage, visit: Visit, rows: list[Row]
) -> None:
    stage.pack(send=False)
    visitor = visit()
    visitor.open(stage.url())
    visitor.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    damaged = visitor.page.evaluate(
        """async () => {
          let damaged = 0;
          for (const name of await caches.keys()) {
            const cache = await caches.open(name);
            for (const request of await cache.keys()) {
              if (!request.url.endsWith("/model.onnx")) continue;
              await cache.put(request, new Response("something else"));
              damaged += 1;
            }
          }
          return damaged;
        }"""
    )
    assert damaged == 1
    visitor.reload()
    assert len(visitor.predict(rows[:2])) == 2


def test_an_update_is_offered_when_all_of_it_is_there(stage: Stage, visit: Visit) -> None:
    stage.pack(send=False)
    visitor = visit()
    visitor.open(stage.url())
    visitor.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    new_version(stage.sites / "mlp", "2")
    visitor.reload()
    page = visitor.page
    expect(page.locator("#version")).to_have_text("version 1")
    expect(page.locator("#update")).to_contain_text("Version 2")
    page.click("#update-now")
    expect(page.locator("#version")).to_have_text("version 2")
    visitor.go_offline()
    visitor.reload()
    expect(page.locator("#version")).to_have_text("version 2")


def new_version(site: Path, version: str) -> None:
    """Publish the site again under another version, as another file would be."""
    manifest = json.loads((site / "manifest.json").read_text())
    manifest["version"] = version
    fresh = site / "manifest.json.new"
    fresh.write_text(json.dumps(manifest))
    shutil.move(fresh, site / "manifest.json")
