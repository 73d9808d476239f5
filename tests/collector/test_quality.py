"""Model quality at the collector: kept exactly, told window by window, and compared between versions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from starlette.testclient import TestClient

from strandline.collector.app import Collector, Settings
from strandline.collector.guard import Access
from strandline.collector.register import register
from strandline.collector.sqlite import SQLiteStorage
from strandline.drift import Profile, Reference, SessionMoments
from strandline.drift.quality import Quality, summary
from tests.collector import samples
from tests.collector.test_docs import example, members

HOUR = 3600


def loans(n: int, seed: int, *, flip: float = 0.0, shift: float = 0.0) -> dict[str, list[Any]]:
    """Incomes, calibrated scores and what became of them; of a share `flip` the opposite became."""
    rng = np.random.default_rng(seed)
    income = rng.normal(shift, 1, n)
    score = 1 / (1 + np.exp(-2 * income))
    repaid = rng.random(n) < np.where(rng.random(n) < flip, 1 - score, score)
    return {
        "income": income.tolist(),
        "label": (score >= 0.5).astype(int).tolist(),
        "probability:1": score.tolist(),
        "repaid": repaid.astype(int).tolist(),
    }


@cache
def reference() -> Reference:
    rows = loans(2000, 1)
    quality = Quality.from_table(rows, "binary", "repaid", "label", "probability:1")
    return Reference.from_columns(
        rows,
        roles={"label": "output", "probability:1": "output"},
        kinds={"label": "categorical"},
        counters=["called"],
        quality=quality,
    )


class Site:
    """A collector, and reports of the versions 1 and 2."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.now = time.time()

    def put(self, profile: Profile, hours_ago: float, version: str = "1") -> None:
        ended = samples.iso(self.now - hours_ago * HOUR)
        report = samples.report(
            {},
            model="loans",
            version=version,
            reference=reference().sha256,
            ended=ended,
            started=ended,
            session=str(uuid4()),
            profile=profile.to_wire(),
        )
        body = samples.post_body("key", [report])
        answer = self.client.post("/v1/profiles", content=body).json()
        assert [one["status"] for one in answer["results"]] == ["stored"], answer

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    storage = SQLiteStorage(tmp_path / "test.db")
    storage.add_key("key", "ingest")
    for version in ("1", "2"):
        manifest = samples.manifest(
            name="loans",
            version=version,
            reference={"file": "model/reference.json", "sha256": reference().sha256},
        )
        register(storage, json.dumps(manifest), reference().to_json())
    app = Collector(storage, Settings(Access.of("127.0.0.1"), min_sessions=1)).asgi()
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield Site(client)
    storage.close()


def seen(rows: dict[str, list[Any]]) -> Profile:
    """Predictions without their labels."""
    profile = Profile(reference())
    profile.update({name: column for name, column in rows.items() if name != "repaid"})
    return profile


def judged(rows: dict[str, list[Any]]) -> Profile:
    """The labels, when they come."""
    profile = Profile(reference())
    profile.label({name: column for name, column in rows.items() if name != "income"})
    return profile


def in_sessions(rows: dict[str, list[Any]]) -> list[dict[str, list[Any]]]:
    """Twenty rows each."""
    starts = range(0, len(rows["income"]), 20)
    return [{name: column[i : i + 20] for name, column in rows.items()} for i in starts]


def test_versions_seen_in_one_session_each_can_not_be_told_apart(site: Site) -> None:
    for version, rows in (("1", loans(900, 7, flip=0.15)), ("2", loans(900, 8))):
        site.put(seen(rows) + judged(rows), 5, version)
    answer = site.get("/v1/versions?model=loans&a=1&b=2")
    assert {one["name"] for one in answer["metrics"] if one["p_value"] < 0.05} == set()
    assert answer["metrics"][0]["a"]["ci"] == [0.0, 1.0]


def test_labels_that_come_later_are_told_as_the_rows_would_tell_them(site: Site) -> None:
    days = [loans(300, seed) for seed in (2, 3)]
    for rows in days:
        site.put(seen(rows), 30)
    for rows in days:  # a report that holds labels only, of another session
        site.put(judged(rows), 30)
    answer = site.get("/v1/drift?model=loans&version=1")
    both = {name: days[0][name] + days[1][name] for name in days[0]}
    expected = seen(both) + judged(both)
    assert reference().quality is not None and expected.quality is not None
    between = SessionMoments.of(*map(judged, days)).quality
    told = summary(reference().quality, expected.quality, sessions=between)
    assert answer["quality"] == json.loads(json.dumps(told))
    alone = summary(reference().quality, expected.quality)["realised"]["accuracy"]["ci"]
    low, high = answer["quality"]["realised"]["accuracy"]["ci"]
    assert low < alone[0] and alone[1] < high, "two sessions say less than 600 rows"
    assert (answer["rows"], answer["quality"]["labels"]) == (600, 600)


def test_concept_drift_shows_where_inputs_hold(site: Site) -> None:
    """In the newest window the labels turn, and nothing else: realised performance falls, the estimate
    stays, no feature drifts. In the one before, the inputs shift, and the estimate follows.
    """
    for hours, rows in (
        (50, loans(800, 4)),
        (26, loans(800, 5, shift=1.0)),
        (2, loans(800, 6, flip=0.3)),
    ):
        for some in in_sessions(rows):
            site.put(seen(some) + judged(some), hours)
    series = site.get("/v1/series?model=loans&version=1")
    steady, shifted, turned = series["quality"]["windows"]
    known = series["quality"]["reference"]["accuracy"]["value"]
    for window in (steady, shifted):
        low, high = window["estimated"]["accuracy"]["ci"]
        assert low <= window["realised"]["accuracy"]["value"] <= high
    assert shifted["estimated"]["accuracy"]["ci"][0] > known, "easier rows: a better estimate"
    assert turned["realised"]["accuracy"]["ci"][1] < turned["estimated"]["accuracy"]["ci"][0]
    assert turned["estimated"]["accuracy"]["value"] == pytest.approx(known, abs=0.03)
    income = next(one for one in series["features"] if one["name"] == "income")
    assert [w["verdict"] for w in income["windows"]] == ["no drift", "drift", "no drift"]


def test_versions_are_compared(site: Site) -> None:
    a, b = loans(900, 7, flip=0.15), loans(900, 8)
    for version, rows, calls in (("1", a, 90), ("2", b, 45)):
        for some in in_sessions(rows):
            profile = seen(some) + judged(some)
            profile.count("called", calls // 45)
            site.put(profile, 5, version)
    answer = site.get("/v1/versions?model=loans&a=1&b=2")
    assert [answer[side]["labels"] for side in "ab"] == [900, 900]
    accuracy = answer["metrics"][0]
    right = [
        sum(x == y for x, y in zip(rows["label"], rows["repaid"], strict=True)) / 900
        for rows in (a, b)
    ]
    assert [accuracy[side]["value"] for side in "ab"] == right
    assert accuracy["difference"] == right[1] - right[0] > 0
    assert accuracy["ci"][0] > 0 and accuracy["p_value"] <= accuracy["adjusted"] < 0.01
    assert members(answer) == members(example("strandline.versions/1"))
    (called,) = answer["counters"]
    assert called["difference"] == pytest.approx(-0.05) and called["adjusted"] < 0.01


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("model=loans&a=1", 400, "name the two versions"),
        ("model=loans&a=1&b=1", 400, "one version"),
        ("model=loans&a=1&b=9", 404, "no version '9'"),
    ],
)
def test_a_comparison_that_has_no_answer_says_why(
    site: Site, query: str, status: int, message: str
) -> None:
    answer = site.client.get(f"/v1/versions?{query}")
    assert answer.status_code == status and message in answer.text


def test_an_impossible_quality_is_quarantined(site: Site) -> None:
    profile = judged(loans(20, 9)).to_wire()
    profile["quality"]["sums"]["log_loss"] = "-1p0"
    report = samples.report(
        {}, model="loans", version="1", reference=reference().sha256, profile=profile
    )
    answer = site.client.post("/v1/profiles", content=samples.post_body("key", [report])).json()
    assert answer["results"][0]["status"] == "quarantined"
    assert "quality.sums" in answer["results"][0]["error"]
