"""A real collector in its own process, real sockets, a real file; killed, restarted, stopped."""

from __future__ import annotations

import io
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from strandline.collector.register import RegistrationError, read_site, register
from strandline.collector.server import ServeError, make_known, serve
from strandline.collector.sqlite import SQLiteStorage
from strandline.collector.storage import StorageError
from strandline.drift import Profile
from tests.collector import samples
from tests.collector.server import RunningCollector

CLIENTS = 4
REPORTS = 60


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


class Sender:
    """A page's outbox: sends what it holds until every report is confirmed by its id."""

    def __init__(self, url: str, key: str, reports: list[dict[str, Any]], seed: int) -> None:
        self.url = url
        self.key = key
        self.held = {report["id"]: report for report in reports}
        self.answers: Counter[str] = Counter()
        self._draw = random.Random(seed)

    def run(self) -> None:
        """Until nothing is held, or for a minute at most."""
        deadline = time.monotonic() + 60
        with httpx2.Client(base_url=self.url, timeout=10) as client:
            while self.held and time.monotonic() < deadline:
                ids = list(self.held)
                self._draw.shuffle(ids)
                batch = [self.held[id_] for id_ in ids[: self._draw.randint(1, 5)]]
                try:
                    self._send(client, batch)
                except httpx2.TransportError:
                    self.answers["no answer"] += 1
                    time.sleep(0.02)

    def _send(self, client: httpx2.Client, batch: list[dict[str, Any]]) -> None:
        answer = client.post("/v1/profiles", content=samples.post_body(self.key, batch))
        if self._draw.random() < 0.2:  # an answer that the page never sees
            return
        if answer.status_code != 200:
            self.answers[str(answer.status_code)] += 1
            time.sleep(0.02)
            return
        for result in answer.json()["results"]:
            self.answers[result["status"]] += 1
            if result["status"] in {"stored", "duplicate"}:
                del self.held[result["id"]]


def test_killed_again_and_again_every_report_is_counted_once(tmp_path: Path) -> None:
    site = samples.write_site(tmp_path / "site")
    columns = [samples.rows(3 + i % 5, i) for i in range(CLIENTS * REPORTS)]
    reports = [samples.report(one) for one in columns]
    with RunningCollector(tmp_path / "test.db", site=site) as collector:
        senders = [
            Sender(collector.url, collector.ingest_key, reports[i::CLIENTS], i)
            for i in range(CLIENTS)
        ]
        threads = [threading.Thread(target=sender.run, daemon=True) for sender in senders]
        for thread in threads:
            thread.start()
        for done in (0.2, 0.5, 0.8):
            wait_until(lambda done=done: held(senders) <= (1 - done) * len(reports))  # type: ignore[misc]
            collector.restart(pause=0.05)
        for thread in threads:
            thread.join(60)
        assert held(senders) == 0
        with httpx2.Client(base_url=collector.url) as client:
            drift = client.get("/v1/drift").json()
            metrics = client.get("/v1/metrics").json()
            again = client.post(
                "/v1/profiles", content=samples.post_body(collector.ingest_key, reports[:50])
            ).json()
        assert {result["status"] for result in again["results"]} == {"duplicate"}
        assert collector.stop() in {0, -15}
    answers = sum((sender.answers for sender in senders), Counter())
    assert answers["no answer"] > 0, "nobody was interrupted"
    assert answers["quarantined"] == 0
    assert drift["rows"] == sum(len(one["speed"]) for one in columns)
    assert drift["reports"] == drift["sessions"] == len(reports)
    assert metrics["reports"]["stored"] == len(reports)
    assert stored_profile(tmp_path / "test.db") == Profile.merge(
        map(samples.profile, columns), samples.reference()
    )


def held(senders: list[Sender]) -> int:
    return sum(len(sender.held) for sender in senders)


def stored_profile(path: Path) -> Profile:
    from strandline.collector.query import load_comparison

    return load_comparison(f"sqlite:///{path}", min_sessions=1).profile


def test_a_dashboard_hears_of_changes_and_a_stop_ends_its_stream(tmp_path: Path) -> None:
    site = samples.write_site(tmp_path / "site")
    with RunningCollector(tmp_path / "test.db", site=site) as collector:
        events: list[Any] = []

        def listen() -> None:
            with httpx2.stream("GET", f"{collector.url}/v1/live", timeout=30) as stream:
                for line in stream.iter_lines():
                    if line.startswith("data: "):
                        events.append(json.loads(line.removeprefix("data: ")))

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        wait_until(lambda: len(events) == 1)
        body = samples.post_body(collector.ingest_key, [samples.report()])
        httpx2.post(f"{collector.url}/v1/profiles", content=body)
        wait_until(lambda: len(events) == 2)
        assert events[1] == {
            "models": [{"model": "cars", "version": "1"}],
            "reports": {"stored": 1, "duplicate": 0, "quarantined": 0},
        }
        assert collector.stop() in {0, -15}
        listener.join(10)
        assert not listener.is_alive()


def test_the_keys_are_made_once_and_the_secret_one_is_shown_once(tmp_path: Path) -> None:
    with RunningCollector(tmp_path / "test.db") as collector:
        first = "".join(collector.output)
        ingest, admin = collector.ingest_key, collector.admin_key
        assert ingest in first
        assert admin in first
        assert ingest != admin
        collector.output.clear()
        collector.restart()
        second = "".join(collector.output)
        assert ingest in second
        assert admin not in second
        assert collector.admin_key == admin


def test_reports_that_came_before_their_model_are_counted_at_the_next_start(
    tmp_path: Path,
) -> None:
    site = samples.write_site(tmp_path / "site")
    db = tmp_path / "test.db"
    with RunningCollector(db) as collector:
        body = samples.post_body(collector.ingest_key, [samples.report()])
        answer = httpx2.post(f"{collector.url}/v1/profiles", content=body).json()
        assert answer["results"][0]["status"] == "quarantined"
        collector.stop()
    with RunningCollector(db, site=site) as collector:
        assert httpx2.get(f"{collector.url}/v1/drift").json()["rows"] == 5


# Starting


def test_the_key_in_a_sites_manifest_may_write(tmp_path: Path) -> None:
    sender = {"url": "https://drift.example.org/c", "key": "a-key-of-its-own"}
    site = read_site(samples.write_site(tmp_path / "site", collector=sender))
    assert site.host == "drift.example.org"
    storage = SQLiteStorage(tmp_path / "test.db")
    assert make_known(storage, site) == ("cars", "1")
    assert "a-key-of-its-own" in storage.keys("ingest")
    assert "a-key-of-its-own" not in storage.keys("admin")
    storage.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retain_days": 30}, "92 days is the least"),
        ({"min_sessions": 0}, "at least 1"),
        ({"window_seconds": 0}, "at least 1"),
        ({"host": "192.0.2.1"}, "can't listen on 192.0.2.1"),
        ({"port": 70000}, "can't listen on 127.0.0.1 port 70000"),
    ],
)
def test_what_it_cannot_start_with(tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(ServeError, match=message):
        serve(f"sqlite:///{tmp_path}/test.db", **({"port": 0} | options), out=io.StringIO())


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match="choose another --port"):
            serve(f"sqlite:///{tmp_path}/test.db", port=port, out=io.StringIO())


def test_a_folder_that_is_no_site_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(RegistrationError, match="strandline pack"):
        serve(f"sqlite:///{tmp_path}/test.db", port=0, site=tmp_path, out=io.StringIO())
    assert not (tmp_path / "test.db").exists()


def test_a_site_whose_reference_was_changed_is_refused(tmp_path: Path) -> None:
    site = samples.write_site(tmp_path / "site")
    reference = site / "model" / "reference.json"
    reference.write_text(reference.read_text() + " ")
    with pytest.raises(RegistrationError, match="its SHA-256 differs"):
        read_site(site)
    reference.unlink()
    with pytest.raises(RegistrationError, match=r"reference.json can't be read"):
        read_site(site)


def test_a_broken_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(RegistrationError, match=r"manifest\.json: Input data was truncated"):
        read_site(tmp_path)


def test_another_reference_under_a_counted_version_is_refused(tmp_path: Path) -> None:
    storage = SQLiteStorage(tmp_path / "test.db")
    register(storage, json.dumps(samples.manifest()), samples.reference().to_json())
    with pytest.raises(RegistrationError, match="reference"):
        register(storage, json.dumps(samples.manifest()), "{}")
    storage.close()
    with pytest.raises(StorageError):
        SQLiteStorage(tmp_path / "nowhere" / "test.db")
