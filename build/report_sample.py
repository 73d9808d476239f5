"""Make docs/examples/report-flights.html and its picture: a report on real flights and a real model.

`python build/report_sample.py` needs the test group's packages and Chromium.
"""

from __future__ import annotations

import sys
from typing import Any

import flights
import pandas as pd
from cache import REPO, say

from strandline.bench.browser import chromium
from strandline.report import (
    BinaryClassification,
    ClassificationPreset,
    DataDefinition,
    DataDriftPreset,
    DataSummaryPreset,
    Report,
    Snapshot,
)

PAGE = REPO / "docs/examples/report-flights.html"
PICTURE = REPO / "docs/img/report.png"
DEFINITION = DataDefinition(
    classification=[
        BinaryClassification(
            name="long taxi", target="long_taxi_out", prediction_labels="predicted",
            prediction_probas="probability", pos_label=1,
        )
    ]
)  # fmt: skip


def report() -> Snapshot:
    """The second half of 2015 against rows of the first half that the model has not seen."""
    data = flights.load()
    model = flights.train("gradient-boosting", data.reference.iloc[::2])
    made = Report(
        [DataDriftPreset(), ClassificationPreset(model="long taxi"), DataSummaryPreset()],
        include_tests=True,
        about={
            "title": "Long taxi times: flights of the second half of 2015 against the first",
            "reference": "January to June",
            "current": "July to December",
        },
    )
    halves = (scored(model, rows) for rows in (data.current, data.reference.iloc[1::2]))
    return made.run(*halves, data_definition=DEFINITION)


def scored(model: Any, rows: pd.DataFrame) -> pd.DataFrame:
    probability = model.predict_proba(rows[list(flights.FEATURES)])[:, 1].round(4)
    return rows.assign(probability=probability, predicted=(probability >= 0.5).astype(int))


def picture() -> None:
    """What a reader sees first."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.goto(PAGE.as_uri())
        page.locator("#features").scroll_into_view_if_needed()
        page.get_by_role("button", name="taxi_out_yesterday").click()
        page.evaluate("document.querySelector('#features').scrollIntoView()")
        page.wait_for_timeout(500)
        page.screenshot(path=PICTURE)


def main() -> int:
    PAGE.parent.mkdir(exist_ok=True)
    report().save_html(PAGE)
    picture()
    for path in (PAGE, PICTURE):
        say(f"{path.relative_to(REPO)}: {path.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
