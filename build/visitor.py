"""A person at a packed page, as the demo and the browser tests need one: opens, predicts, goes offline, sends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import BrowserContext, Page

Row = dict[str, Any]

CONFIRM_SECONDS = 60.0

_NOTE_READY = """
let model;
Object.defineProperty(globalThis, "strandline", {
  get: () => model,
  set: (value) => { model = value; globalThis.readyAfter = performance.now(); },
});
"""

# The page's policy forbids eval, so Playwright's wait_for_function can't be used.
_READY = """async () => {
  const failed = () => document.querySelector("#retry")?.hidden === false;
  const begun = performance.now();
  while (globalThis.readyAfter === undefined && !failed() && performance.now() - begun < 120_000)
    await new Promise((resolve) => setTimeout(resolve, 20));
  return globalThis.readyAfter ?? null;
}"""


class PageError(RuntimeError):
    """The page did not do what was asked of it; the message is what it shows."""


class Visitor:
    """One tab of a browser context, at one packed site."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.page.add_init_script(_NOTE_READY)
        self.page.set_default_timeout(120_000)
        self.loads = 0

    def open(self, url: str) -> float:
        """Visit a site; milliseconds from the start of the navigation until the model is ready."""
        self.page.goto(url)
        return self._ready()

    def reload(self) -> float:
        """As `open`, of the page that is shown."""
        self.page.reload()
        return self._ready()

    def _ready(self) -> float:
        after = self.page.evaluate(_READY)
        if after is None:
            raise PageError(self.page.inner_text("#loading"))
        self.loads += 1
        return float(after)

    def go_offline(self) -> None:
        """Cut the network, once the service worker holds the whole site."""
        self.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        self.context.set_offline(True)

    def go_online(self) -> None:
        self.context.set_offline(False)

    def predict(self, rows: Sequence[Row], batch: int = 100) -> list[Row]:
        """The page's predictions, through its JavaScript API, in batches."""
        predictions: list[Row] = []
        for i in range(0, len(rows), batch):
            given = list(rows[i : i + batch])
            predictions += self.page.evaluate("(rows) => strandline.predict(rows)", given)
        return predictions

    def flush(self) -> Row:
        """Close the window and try to send; the outbox's state after that."""
        state: Row = self.page.evaluate("strandline.flush()")
        return state

    def next_report(self) -> str | None:
        """The report as it would be sent if the window closed now."""
        report: str | None = self.page.evaluate("strandline.nextReport()")
        return report

    def confirmed(self, seconds: float = CONFIRM_SECONDS) -> None:
        """Return when the collector has confirmed everything. Raises PageError when it refuses or is late."""
        deadline = time.monotonic() + seconds
        while True:
            state = self.flush()
            if state["quarantined"] or state["dropped"]:
                raise PageError(f"the collector refused reports: {state}")
            if not state["queued"] and not state["pending"]:
                return
            if time.monotonic() > deadline:
                raise PageError(f"not confirmed within {seconds:.0f} s: {state}")
            time.sleep(0.1)
