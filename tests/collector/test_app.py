"""The HTTP side in the same process: what each endpoint answers, and what it refuses."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from strandline.collector import live
from strandline.collector.app import Collector, Settings
from strandline.collector.guard import Access
from strandline.collector.keys import Keys, ensure_keys
from strandline.collector.register import register
from strandline.collector.sqlite import SQLiteStorage
from strandline.collector.storage import Outcome
from tests.collector import samples

OPEN = Settings(access=Access.of("127.0.0.1"), min_sessions=1)
BASE = "http://127.0.0.1:8765"


@dataclass
class Running:
    """A collector in this process."""

    client: TestClient
    keys: Keys
    storage: SQLiteStorage

    def post(self, *reports: Any, **options: Any) -> httpx2.Response:
        body = samples.post_body(self.keys.ingest, reports)
        return self.client.post("/v1/profiles", content=body, **options)

    def post_model(self, document: Any, key: str | None = None) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {key or self.keys.admin}"}
        return self.client.post("/v1/models", content=json.dumps(document), headers=headers)


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    return replace(OPEN, **getattr(request, "param", {}))


@pytest.fixture
def collector(tmp_path: Path, settings: Settings) -> Iterator[Running]:
    storage = SQLiteStorage(tmp_path / "test.db")
    keys = ensure_keys(storage)
    register(storage, json.dumps(samples.manifest()), samples.reference().to_json())
    app = Collector(storage, settings).asgi()
    with TestClient(app, base_url=BASE) as client:
        yield Running(client, keys, storage)
    storage.close()


def results(response: httpx2.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["results"]
    return found


# Posting


def test_a_report_is_stored_once(collector: Running) -> None:
    report = samples.report()
    assert results(collector.post(report)) == [{"id": report["id"], "status": "stored"}]
    assert results(collector.post(report)) == [{"id": report["id"], "status": "duplicate"}]


def test_each_report_has_its_own_result(collector: Running) -> None:
    good, bad = samples.report(), samples.report(model="boats")
    first, second, third = results(collector.post(good, bad, {"id": 7}))
    assert first == {"id": good["id"], "status": "stored"}
    assert (second["id"], second["status"]) == (bad["id"], "quarantined")
    assert "boats 1 is not registered" in second["error"]
    assert (third["id"], third["status"]) == (None, "quarantined")


def test_no_report_is_no_error(collector: Running) -> None:
    assert results(collector.post()) == []


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
def test_gzip_is_taken_with_and_without_its_header(
    collector: Running, headers: dict[str, str]
) -> None:
    body = gzip.compress(samples.post_body(collector.keys.ingest, [samples.report()]))
    response = collector.client.post("/v1/profiles", content=body, headers=headers)
    assert [one["status"] for one in results(response)] == ["stored"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"", {}, 400, "not a post of profiles"),
        (b"not json", {}, 400, "not a post of profiles"),
        (b'{"key": "k"}', {}, 400, "missing required field `reports`"),
        (b"[" * 60_000, {}, 400, "post of profiles"),
        (b'{"key":"k","reports":' + b"[" * 60_000, {}, 400, ""),
        (b"\x1f\x8b broken", {}, 400, "gzip"),
        (b"{}", {"Content-Encoding": "br"}, 400, "br is not known"),
        (b"{}", {"Content-Encoding": "gzip"}, 400, "gzip"),
        (b" " * (64 * 1024 + 1), {}, 413, "the limit is 65536"),
        (gzip.compress(b" " * (256 * 1024 + 1)), {}, 413, "inflates to more than 262144"),
        (b'{"key":"k","reports":[' + b"1," * 100 + b"1]}", {}, 413, "101 reports"),
        (b'{"key":"wrong","reports":[]}', {}, 401, "ingest key is not known"),
    ],
)
def test_what_is_refused_as_a_whole(
    collector: Running, body: bytes, headers: dict[str, str], status: int, message: str
) -> None:
    response = collector.client.post("/v1/profiles", content=body, headers=headers)
    assert response.status_code == status
    assert message in response.json()["error"]
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert collector.storage.counters()["quarantined"] == 0


def test_a_body_without_a_length_is_limited_too(collector: Running) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1024

    response = collector.client.post("/v1/profiles", content=chunks())
    assert response.status_code == 413


def test_the_limits_themselves_are_allowed(collector: Running) -> None:
    body = samples.post_body(collector.keys.ingest, [samples.report()])
    assert collector.client.post("/v1/profiles", content=body.ljust(64 * 1024)).status_code == 200
    packed = gzip.compress(body.ljust(256 * 1024))
    assert collector.client.post("/v1/profiles", content=packed).status_code == 200


@pytest.mark.parametrize("settings", [{"queue_reports": 1}], indirect=True)
def test_a_full_queue_says_when_to_come_back(
    collector: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, release = threading.Event(), threading.Event()
    commit = collector.storage.commit

    def slow(submissions: Any, merge: Any) -> list[Outcome]:
        entered.set()
        release.wait()
        return commit(submissions, merge)

    monkeypatch.setattr(collector.storage, "commit", slow)
    answers: list[httpx2.Response] = []
    first = threading.Thread(target=lambda: answers.append(collector.post(samples.report())))
    first.start()
    entered.wait()
    busy = collector.post(samples.report())
    assert busy.status_code == 503
    assert int(busy.headers["Retry-After"]) >= 1
    assert busy.headers["Access-Control-Expose-Headers"] == "Retry-After"
    release.set()
    first.join()
    assert [one["status"] for one in results(answers[0])] == ["stored"]
    assert collector.client.get("/v1/metrics").json()["requests"]["busy"] == 1


# Who may do what


def test_any_page_may_post_and_read_the_answer(collector: Running) -> None:
    response = collector.post(samples.report(), headers={"Origin": "https://example.org"})
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert "set-cookie" not in response.headers


def test_a_preflight_allows_posting(collector: Running) -> None:
    response = collector.client.options(
        "/v1/profiles",
        headers={"Origin": "https://example.org", "Access-Control-Request-Method": "POST"},
    )
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Methods"] == "POST"


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/drift", "/v1/metrics", "/healthz"])
def test_no_other_page_may_read(collector: Running, path: str) -> None:
    response = collector.client.get(path, headers={"Origin": "https://example.org"})
    assert "Access-Control-Allow-Origin" not in response.headers
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/profiles", "/nothing", "/assets/x.js"])
def test_every_answer_carries_the_guarding_headers(collector: Running, path: str) -> None:
    headers = collector.client.get(path).headers
    assert "'unsafe" not in headers["Content-Security-Policy"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] in {"no-store", "no-cache"}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", ""])
@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/profiles", "/healthz"])
def test_a_strangers_host_name_is_refused(collector: Running, host: str, path: str) -> None:
    response = collector.client.get(path, headers={"Host": host})
    assert response.status_code == 400
    assert "not known as" in response.json()["error"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765"])
def test_this_machines_names_are_its_own(collector: Running, host: str) -> None:
    assert collector.client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("settings", [{"access": Access.of("0.0.0.0")}], indirect=True)
@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/drift", "/v1/series", "/v1/metrics"])
def test_reading_needs_the_key_where_others_can_come(collector: Running, path: str) -> None:
    refused = collector.client.get(path)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    for auth in (("anyone", collector.keys.ingest), ("anyone", "")):
        assert collector.client.get(path, auth=auth).status_code == 401
    assert collector.client.get(path, auth=("anyone", collector.keys.admin)).status_code != 401
    assert collector.client.get("/healthz").status_code == 200
    assert results(collector.post(samples.report()))[0]["status"] == "stored"


# Models and quarantine


def site(**changes: Any) -> dict[str, Any]:
    return {
        "manifest": samples.manifest(**changes),
        "reference": json.loads(samples.reference().to_json()),
    }


def test_a_model_is_registered_with_the_admin_key(collector: Running) -> None:
    waiting = samples.report(version="2")
    assert results(collector.post(waiting))[0]["status"] == "quarantined"
    answer = collector.post_model(site(version="2"))
    assert answer.status_code == 201
    assert answer.json() == {
        "model": "cars",
        "version": "2",
        "reference": samples.reference().sha256,
        "requeued": 1,
    }
    assert collector.post_model(site(version="2")).status_code == 200
    assert results(collector.post(waiting))[0]["status"] == "duplicate"
    versions = [one["version"] for one in collector.client.get("/v1/models").json()["models"]]
    assert versions == ["1", "2"]


def test_no_other_key_registers(collector: Running) -> None:
    for key in ("wrong", collector.keys.ingest):
        assert collector.post_model(site(version="2"), key).status_code == 401
    assert collector.client.post("/v1/models", content=b"{}").status_code == 401


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "'manifest' is missing"),
        ({"manifest": {}, "reference": {}}, "missing required field `name`"),
        ({"manifest": samples.manifest(), "reference": {}}, "reference"),
        ([], "Expected `object`"),
    ],
)
def test_a_bad_registration_says_why(collector: Running, document: Any, message: str) -> None:
    answer = collector.post_model(document)
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_a_counted_reference_is_not_replaced(collector: Running) -> None:
    collector.post(samples.report())
    other = site()
    other["reference"]["features"] = other["reference"]["features"][:1]
    answer = collector.post_model(other)
    assert answer.status_code == 409
    assert "new --version" in answer.json()["error"]


def test_quarantine_shows_what_was_refused_and_why(collector: Running) -> None:
    refused = samples.report(model="boats")
    collector.post(refused)
    assert collector.client.get("/v1/quarantine").status_code == 401
    answer = collector.client.get("/v1/quarantine", auth=("", collector.keys.admin)).json()
    (kept,) = answer["reports"]
    assert (answer["total"], kept["id"], kept["model"]) == (1, refused["id"], "boats")
    assert json.loads(kept["report"]) == refused
    assert "not registered" in kept["reason"]


# Itself


def test_metrics_count_what_happened(collector: Running) -> None:
    report = samples.report()
    collector.post(report)
    collector.post(report, samples.report(model="boats"))
    collector.client.post("/v1/profiles", content=b"junk")
    found = collector.client.get("/v1/metrics").json()
    assert found["reports"] == {"stored": 1, "duplicate": 1, "quarantined": 1, "skewed": 0}
    assert found["requests"] == {
        "accepted": 2,
        "bad": 1,
        "unauthorised": 0,
        "too_large": 0,
        "busy": 0,
    }
    assert found["queue"] == {"depth": 0, "capacity": 1000}
    assert found["ingest_ms"]["count"] == found["commit_ms"]["count"] == 2
    assert 0 < found["ingest_ms"]["p50"] <= found["ingest_ms"]["max"]
    assert found["database_bytes"] > 0


def test_health_asks_the_database(collector: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    assert collector.client.get("/healthz").json() == {"status": "ok"}

    def fail() -> None:
        raise OSError("disk is gone")

    monkeypatch.setattr(collector.storage, "ping", fail)
    answer = collector.client.get("/healthz")
    assert (answer.status_code, "disk is gone" in answer.json()["error"]) == (503, True)


def test_unknown_paths_and_methods_are_errors_in_json(collector: Running) -> None:
    assert collector.client.get("/nothing").json() == {"error": "Not Found"}
    assert collector.client.get("/v1/profiles").status_code == 405


def test_a_failure_is_an_error_in_json(collector: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> dict[str, int]:
        raise ZeroDivisionError

    monkeypatch.setattr(collector.storage, "counters", fail)
    client = TestClient(collector.client.app, base_url=BASE, raise_server_exceptions=False)
    answer = client.get("/v1/metrics")
    assert answer.status_code == 500
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "its log says why" in answer.json()["error"]


def test_only_so_many_dashboards_listen(
    collector: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_LISTENERS", 0)
    answer = collector.client.get("/v1/live")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


# The dashboard


@pytest.mark.parametrize("settings", [{"web": Path("/no/such/folder")}], indirect=True)
def test_a_missing_dashboard_says_how_to_get_it(collector: Running) -> None:
    answer = collector.client.get("/")
    assert answer.status_code == 503
    assert "make assets" in answer.text


def test_the_dashboard_is_served_with_its_assets(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "dashboard.html").write_text("<!doctype html><title>Drift</title>")
    (tmp_path / "assets" / "dashboard-1.js").write_text("export {};")
    (tmp_path / "secret.txt").write_text("no")
    storage = SQLiteStorage(tmp_path / "test.db")
    app = Collector(storage, replace(OPEN, web=tmp_path)).asgi()
    with TestClient(app, base_url=BASE) as client:
        page = client.get("/")
        assert (page.status_code, "<title>Drift" in page.text) == (200, True)
        assert page.headers["Cache-Control"] == "no-cache"
        script = client.get("/assets/dashboard-1.js")
        assert script.headers["Content-Type"].startswith("text/javascript")
        assert "immutable" in script.headers["Cache-Control"]
        for path in ("/assets/../secret.txt", "/assets/%2e%2e/secret.txt", "/assets/none.js"):
            assert client.get(path).status_code == 404
    storage.close()


def test_an_access_log_holds_no_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    storage = SQLiteStorage(tmp_path / "test.db")
    app = Collector(storage, replace(OPEN, access_log=True)).asgi()
    caplog.set_level("INFO", "strandline.access")
    with TestClient(app, base_url=BASE, client=("203.0.113.9", 1234)) as client:
        client.get("/healthz")
    assert "GET '/healthz' 200" in caplog.text
    assert "203.0.113.9" not in caplog.text
    storage.close()
