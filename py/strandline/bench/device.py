"""What a runtime costs a visitor's device: the peak resident memory of a renderer process that holds it
alone, boot and all, beyond that of the same page without it. Only Linux tells."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strandline.bench.browser import InBrowser, Runtime, open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LATER_RUNS = 3

_SPIN = "() => { const end = performance.now() + 200; while (performance.now() < end); }"


def peak_resident(pid: int | str) -> int:
    """The most bytes that a process had in memory at once since it began (`VmHWM`, proc_pid_status(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) * 1024


class Device:
    """Measures pages in a browser, each in a new context, to which it gives a process of its own."""

    def __init__(self, browser: Browser, origin: str) -> None:
        self._browser, self._origin = browser, origin
        self._cdp = browser.new_browser_cdp_session()

    def measure(self, runtimes: Sequence[Runtime], spec: Mapping[str, Any]) -> dict[str, int]:
        """By runtime, the bytes that it adds to a page when it boots, makes the spec's session and runs it.
        Runtimes that fail are left out, and so are all where the system is not Linux."""
        if sys.platform != "linux":
            return {}
        blank = self._peak(lambda page: None)
        found = {}
        for runtime in runtimes:

            def live(page: Page, runtime: Runtime = runtime) -> None:
                runner = InBrowser(runtime.name, page)
                runner.boot(runtime.kind, runtime.options)
                runner.open(spec)
                runner.time(1)
                runner.time(LATER_RUNS)

            try:
                found[runtime.name] = self._peak(live) - blank
            except Exception:  # the main table says why
                continue
        return found

    def _peak(self, live: Callable[[Page], None]) -> int:
        """Bytes of a new page's process once it has lived."""
        page = open_page(self._browser, self._origin)
        try:
            live(page)
            return peak_resident(self._process(page))
        finally:
            page.close()

    def _process(self, page: Page) -> int:
        """The page's process: the one that is busy while the page's thread is."""
        before = self._seconds()
        page.evaluate(_SPIN)
        after = self._seconds()
        return max(after, key=lambda pid: after[pid] - before.get(pid, 0.0))

    def _seconds(self) -> dict[int, float]:
        """Processor time of every renderer, by process."""
        about = self._cdp.send("SystemInfo.getProcessInfo")["processInfo"]
        return {each["id"]: each["cpuTime"] for each in about if each["type"] == "renderer"}
