from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from strandline.bundle import serve
from strandline.bundle.pack import Packed
from strandline.bundle.pipeline import Pipeline
from tests.bundle.models import regression


@pytest.fixture
def client(tmp_path: Path, packed: Callable[..., Packed]) -> TestClient:
    packed(regression, name="linear", version="2")
    return TestClient(serve.application(tmp_path / "site"))


def test_the_service_predicts_what_the_pipeline_predicts(
    client: TestClient, tmp_path: Path
) -> None:
    rows = [{"a": 1, "b": 2}, {"a": "3", "b": None}]
    answer = client.post("/v1/predict", json={"rows": rows})
    assert answer.status_code == 200
    expected = Pipeline.from_site(tmp_path / "site").predict({"a": [1, 3], "b": [2, 0]})[
        "prediction"
    ]
    assert answer.json()["rows"] == [{"prediction": expected[0]}, {"prediction": None}]
    drift = client.get("/v1/drift").json()
    assert drift["rows"] == 2


def test_the_site_and_the_health_are_served(client: TestClient) -> None:
    assert client.get("/").text == "index.html linear 'self' "
    assert client.get("/healthz").json() == {"status": "ok", "model": "linear", "version": "2"}
    assert client.get("/manifest.json").json()["name"] == "linear"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"5", "list of objects"),
        (b'{"rows": [{"a": 1}]}', "lack column b"),
        (b'{"rows": []}', "no rows"),
    ],
)
def test_bad_requests_are_told_why(client: TestClient, body: bytes, message: str) -> None:
    answer = client.post("/v1/predict", content=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert client.get("/v1/drift").json()["rows"] == 0


def test_long_requests_are_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "MAX_BODY", 10)
    assert client.post("/v1/predict", content=b" " * 11).status_code == 413
