"""The runners that live in headless Chromium: this engine in Pyodide, and onnxruntime-web."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from strandline.bench.errors import BenchError
from strandline.bench.native import Feeds

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_path() -> str:
    """The Chromium to drive: `$CHROMIUM`, or the first one on the path."""
    for candidate in (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if candidate and (found := shutil.which(candidate)):
            return found
    raise BenchError(
        "no Chromium found: install it (Debian: apt install chromium) or set CHROMIUM=/its/path"
    )


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium that talks to nobody but its pages' hosts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def write_case(
    folder: Path,
    model: bytes,
    feeds: Feeds,
    other: Feeds | None = None,
    free: bytes | None = None,
) -> dict[str, Any]:
    """Write a case's files to `folder`; returns the spec the workers open (`/cases/<folder>/…`)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model)
    if free is not None:
        (folder / "free.onnx").write_bytes(free)
    return {
        "model": f"/cases/{folder.name}/model.onnx",
        "free": f"/cases/{folder.name}/{'model' if free is None else 'free'}.onnx",
        "feeds": _write_feeds(folder, "feed", feeds),
        "other": None if other is None else _write_feeds(folder, "other", other),
    }


def _write_feeds(folder: Path, prefix: str, feeds: Feeds) -> list[dict[str, Any]]:
    specs = []
    for index, (name, array) in enumerate(feeds.items()):
        is_text = array.dtype.kind in "OU"
        content = (
            json.dumps(array.ravel().tolist()).encode()
            if is_text
            else np.ascontiguousarray(array).tobytes()
        )
        (folder / f"{prefix}{index}").write_bytes(content)
        specs.append(
            {
                "name": name,
                "dtype": "string" if is_text else array.dtype.name,
                "shape": list(array.shape),
                "url": f"/cases/{folder.name}/{prefix}{index}",
            }
        )
    return specs


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a worker of the benchmark page can hold: the worker's kind, and what it boots with."""

    name: str
    kind: str
    options: Mapping[str, str]


def open_page(browser: Browser, origin: str) -> Page:
    """The benchmark page, without any worker, in a context and so a process of its own."""
    page = browser.new_page()
    page.goto(f"{origin}bench/bench.html")
    page.wait_for_function("window.bench")
    return page


@dataclass
class InBrowser:
    """One worker of the benchmark page, holding one runtime."""

    name: str
    page: Page

    def boot(self, kind: str, options: Mapping[str, str]) -> Any:
        """Start the worker and its runtime; returns what the runtime says of itself."""
        self.page.evaluate("([name, kind]) => bench.start(name, kind)", [self.name, kind])
        return self._call({"kind": "boot", "options": dict(options)})

    def open(self, spec: Mapping[str, Any]) -> float:
        """Create the session for a case; returns the seconds that took."""
        return float(self._call({"kind": "open", "spec": spec}))

    def outputs(self) -> Sequence[Any]:
        return [_array(o) for o in self._call({"kind": "outputs"})]

    def time(self, calls: int) -> float:
        return float(self._call({"kind": "time", "calls": calls}))

    def feed(self, specs: Sequence[Mapping[str, Any]]) -> None:
        """Other inputs (as a spec's) for the case that is open."""
        self._call({"kind": "feed", "feeds": list(specs)})

    def plan(self) -> float | None:
        """Seconds until there is a plan for the present inputs' shapes; None from the peer."""
        seconds: float | None = self._call({"kind": "plan"})
        return seconds

    def memory(self) -> Mapping[str, int | None]:
        """`bytes` of WebAssembly memory, and `blocks` that Python holds (None without Python)."""
        found: Mapping[str, int | None] = self._call({"kind": "memory"})
        return found

    def close(self) -> None:
        self._call({"kind": "close"})

    def _call(self, request: Mapping[str, Any]) -> Any:
        return self.page.evaluate(
            "([name, request]) => bench.call(name, request)", [self.name, request]
        )


def _array(output: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    values = output["values"]
    if values and isinstance(values[0], str) and not _is_number(values[0]):
        return np.array(values, dtype=object)
    return np.array([float(v) for v in values])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
