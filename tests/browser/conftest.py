"""A stage for browser tests: models trained on real flights, a static host, a collector, visitors."""

from __future__ import annotations

import csv
import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import flights
import pandas as pd
import processes
import pytest
from playwright.sync_api import Browser, Page, expect
from visitor import Row, Visitor

from strandline.bundle.manifest import Collector, Window
from strandline.bundle.pack import Packed, pack
from strandline.bundle.pipeline import Pipeline
from strandline.collector.keys import read_keys
from strandline.collector.query import Comparison, load_comparison
from strandline.drift import Reference

REFERENCE_ROWS = 5000


@dataclass(frozen=True)
class Trained:
    """A model file and the rows that it was trained on."""

    model: Path
    reference: Path


@pytest.fixture(scope="session")
def data() -> flights.Flights:
    return flights.load()


@pytest.fixture(scope="session")
def rows(data: flights.Flights) -> list[Row]:
    """Flights of the second half of 2015, as a page gets them."""
    chosen = data.current[list(flights.FEATURES)].iloc[::50]
    return [
        {k: None if isinstance(v, float) and pd.isna(v) else v for k, v in row.items()}
        for row in chosen.to_dict("records")
    ]


@pytest.fixture(scope="session")
def trained(
    data: flights.Flights, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Trained]:
    """`trained("mlp")`: that model of the demo, fitted on a few thousand flights, once."""

    @cache
    def train(kind: str) -> Trained:
        folder = tmp_path_factory.mktemp(kind)
        some = data.reference.iloc[:: len(data.reference) // REFERENCE_ROWS]
        some.to_csv(folder / "reference.csv", index=False)
        flights.export(flights.train(kind, some), folder / "model.onnx")
        return Trained(folder / "model.onnx", folder / "reference.csv")

    return train


class Stage:
    """A static host and a collector of one test, and what is packed for them."""

    def __init__(self, folder: Path, trained: Callable[[str], Trained]) -> None:
        self.sites = folder / "sites"
        self.sites.mkdir()
        self.host = processes.static_host(self.sites, folder / "host.log")
        self._db = folder / "collector.db"
        self._log = folder / "collector.log"
        self._port = processes.free_port()
        self._trained = trained

    def pack(
        self,
        kind: str = "mlp",
        *,
        model: Path | None = None,
        reference: Path | None = None,
        send: bool = True,
        window: Window | None = None,
        **options: Any,
    ) -> Packed:
        """Pack a model as the site `/<name>/`, which sends to this stage's collector."""
        if model is None or reference is None:
            model, reference = self._trained(kind).model, self._trained(kind).reference
        name = options.pop("name", kind)
        key = read_keys(f"sqlite:///{self._db}").ingest
        collector = Collector(f"http://127.0.0.1:{self._port}", key) if send else None
        return pack(
            model,
            reference,
            self.sites / name,
            name=name,
            version="1",
            collector=collector,
            window=window or Window(rows=10_000, seconds=600),
            **options,
        )

    def url(self, name: str = "mlp") -> str:
        return f"{self.host.url}/{name}/"

    def pipeline(self, name: str = "mlp") -> Pipeline:
        """The same site, run natively."""
        return Pipeline.from_site(self.sites / name)

    def reference(self, name: str = "mlp") -> Reference:
        return Reference.from_json((self.sites / name / "model/reference.json").read_bytes())

    def collected(self, name: str = "mlp") -> Comparison:
        """What the collector holds, merged over all its windows."""
        return load_comparison(f"sqlite:///{self._db}", name, "1", min_sessions=1)

    def collector(self) -> processes.Server:
        """`strandline collect` for what was packed so far: a context manager; always the same port."""
        return processes.collector(self._db, sorted(self.sites.iterdir()), self._log, self._port)


@pytest.fixture
def stage(tmp_path: Path, trained: Callable[[str], Trained]) -> Iterator[Stage]:
    """A static host that runs, and a collector that the test starts: `with stage.collector():`."""
    made = Stage(tmp_path, trained)
    with made.host:
        yield made


@dataclass
class Elsewhere:
    """A proxy that stands for all other origins: it notes what is asked of it, and answers nothing."""

    port: int
    asked: list[str]


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """What a browser context sends anywhere but to this machine (see `visitor`)."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        noted = Elsewhere(listener.getsockname()[1], [])

        def listen() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    noted.asked.append(connection.recv(4096).decode("latin-1").partition("\r\n")[0])

        threading.Thread(target=listen, daemon=True).start()
        yield noted


@pytest.fixture
def visit(browser: Browser, elsewhere: Elsewhere) -> Iterator[Callable[[], Visitor]]:
    """`visit()`: a visitor with a browser profile of their own, whose pages ask no other origin."""
    proxy = {"server": f"http://127.0.0.1:{elsewhere.port}", "bypass": "127.0.0.1"}
    contexts = []

    def arrive() -> Visitor:
        contexts.append(browser.new_context(proxy=proxy))
        return Visitor(contexts[-1])

    yield arrive
    for context in contexts:
        context.close()
    assert elsewhere.asked == []


def as_csv(rows: list[Row]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
    return text.getvalue()


def predict_csv(page: Page, text: str) -> None:
    page.fill("#csv-text", text)
    page.click("#csv-predict")
    expect(page.locator("#csv-note")).not_to_have_text("Predicting …")
