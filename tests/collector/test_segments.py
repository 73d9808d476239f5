"""Segments and counters from reports to answers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from strandline.collector.app import Collector, Settings
from strandline.collector.guard import Access
from strandline.collector.profiles import profile_of, texts_of
from strandline.collector.register import register
from strandline.collector.sqlite import SQLiteStorage
from strandline.drift import Profile, Reference, SessionMoments, result
from tests.collector import samples

REFERENCE = Reference.from_columns(
    {
        "speed": [float(v % 50) for v in range(500)],
        "region": ["north", "north", "south", "island", "south"] * 100,
    },
    features=["speed"],
    segments=["region"],
    max_segments=2,
    counters=["conversion"],
    bins=10,
)


def profile(seed: int) -> Profile:
    draw = random.Random(seed)
    found = Profile(REFERENCE)
    found.update(
        {
            "speed": [draw.uniform(0, 50) for _ in range(40)],
            "region": [draw.choice(["north", "south", "island", None]) for _ in range(40)],
        }
    )
    found.count("conversion", seed)
    return found


def report(found: Profile, **changes: Any) -> dict[str, Any]:
    return samples.report(reference=REFERENCE.sha256, profile=found.to_wire(), **changes)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    storage = SQLiteStorage(tmp_path / "test.db")
    storage.add_key("key", "ingest")
    digest = {"file": "model/reference.json", "sha256": REFERENCE.sha256}
    register(storage, json.dumps(samples.manifest(reference=digest)), REFERENCE.to_json())
    app = Collector(storage, Settings(Access.of("127.0.0.1"), min_sessions=2)).asgi()
    with TestClient(app, base_url="http://127.0.0.1") as opened:
        yield opened
    storage.close()


def post(client: TestClient, *reports: Any) -> list[str]:
    answer = client.post("/v1/profiles", content=samples.post_body("key", reports))
    return [one["status"] for one in answer.json()["results"]]


def test_texts_and_back() -> None:
    found = profile(3)
    texts = texts_of(found)
    assert set(texts) >= {"speed", "\x1fcounters", "region\x1f0\x1fspeed", "region\x1f2\x1fspeed"}
    assert profile_of(REFERENCE, texts.items()) == found


def test_what_is_served_is_what_all_reports_held(client: TestClient) -> None:
    parts = [profile(seed) for seed in range(1, 6)]
    assert post(client, *(report(one) for one in parts[:3])) == ["stored"] * 3
    for one in parts[3:]:
        assert post(client, report(one)) == ["stored"]
    whole = Profile.merge(parts, REFERENCE)
    expected = json.loads(json.dumps(result(REFERENCE, whole, sessions=SessionMoments.of(*parts))))
    answer = client.get("/v1/drift").json()
    for name in ("features", "segments", "counters", "drifted", "rows"):
        assert answer[name] == expected[name]
    assert answer["counters"] == {"conversion": 15}
    (model,) = client.get("/v1/models").json()["models"]
    assert model["counters"] == ["conversion"]
    assert model["segments"] == [{"column": "region", "values": ["north", "south"]}]


def test_a_report_of_one_segment_leaves_the_others_as_they_were(client: TestClient) -> None:
    only = Profile(REFERENCE)
    only.update({"speed": [1.0, 2.0], "region": ["south", "south"]})
    parts = [profile(1), profile(2), only]
    assert [post(client, report(one)) for one in parts] == [["stored"]] * 3
    whole, moments = Profile.merge(parts, REFERENCE), SessionMoments.of(*parts)
    expected = json.loads(json.dumps(result(REFERENCE, whole, sessions=moments)))
    assert client.get("/v1/drift").json()["segments"] == expected["segments"]


def test_the_series_of_a_segment_and_of_the_counters(client: TestClient) -> None:
    parts = [profile(seed) for seed in (1, 2)]
    post(client, *(report(one) for one in parts))
    whole = Profile.merge(parts, REFERENCE)
    everything = client.get("/v1/series").json()
    (counter,) = everything["counters"]
    assert counter["name"] == "conversion"
    assert [w["count"] for w in counter["windows"] if not w["hidden"]] == [3]
    south = client.get("/v1/series", params={"segment": "region", "value": "south"}).json()
    assert south["segment"] == {"column": "region", "value": "south"}
    (speed,) = south["features"]
    segmentation = REFERENCE.segmentations[0]
    tally = whole.segment(segmentation.segments[1])["speed"]
    assert speed["windows"][0]["rows"] == tally.rows
    one = client.get("/v1/series", params={"segment": "region", "feature": "speed"}).json()
    (others,) = one["features"]
    assert sum(others["windows"][0]["current"]) == pytest.approx(1, abs=1e-4)
    assert others["windows"][0]["rows"] == whole.segment(segmentation.segments[2])["speed"].rows
    for params in ({"segment": "region", "value": "east"}, {"segment": "speed"}):
        answer = client.get("/v1/series", params=params)
        assert answer.status_code == 404
        assert "no segment" in answer.json()["error"]


def test_segments_that_do_not_add_up_and_huge_counts_are_quarantined(client: TestClient) -> None:
    wrong = report(profile(1))
    wrong["profile"]["segments"]["region"][0] = {}
    huge = report(profile(1))
    huge["profile"]["counters"]["conversion"] = 10**9
    assert post(client, wrong, huge) == ["quarantined", "quarantined"]
    hidden = client.get("/v1/series").json()["counters"][0]["windows"]
    assert hidden == []


def test_counters_alone_are_a_report(client: TestClient) -> None:
    found = Profile(REFERENCE)
    found.count("conversion", 2)
    assert post(client, report(found), report(found)) == ["stored", "stored"]
    assert client.get("/v1/drift").json()["counters"] == {"conversion": 4}
