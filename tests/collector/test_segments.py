"""Segments and counters from reports to answers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from strandline.collector.app import Collector, Settings
from strandline.collector.guard import Access
from strandline.collector.profiles import (
    SEGMENTS,
    Catalogue,
    profile_of,
    sessions_of,
    texts_of,
    too_few,
)
from strandline.collector.register import register
from strandline.collector.sqlite import SQLiteStorage
from strandline.collector.storage import Part
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


def seen(*regions: str | None) -> Profile:
    found = Profile(REFERENCE)
    found.update({"speed": [float(10 + i) for i in range(len(regions))], "region": list(regions)})
    return found


def test_a_segment_of_too_few_sessions_is_in_no_answer(client: TestClient) -> None:
    lone, other, third = uuid4(), uuid4(), uuid4()
    begun = [
        report(seen("south", "north", None), session=str(lone)),
        report(seen("south", "south"), session=str(lone)),
        report(seen("north", None), session=str(other)),
        report(seen("north"), session=str(third)),
    ]
    assert post(client, *begun) == ["stored"] * 4
    answer = client.get("/v1/drift").json()
    # South has one session; with the others' rows gone too, the whole less the north tells of two.
    assert [one["value"] for one in answer["segments"]] == ["north"]
    assert answer["hidden_segments"] == [
        {"column": "region", "value": "south", "windows": 1},
        {"column": "region", "value": None, "windows": 1},
    ]
    assert answer["rows"] == 8
    south = {"segment": "region", "value": "south"}
    (speed,) = client.get("/v1/series", params=south).json()["features"]
    assert [one["hidden"] for one in speed["windows"]] == [True]
    assert "statistics" not in speed["windows"][0]
    assert post(client, report(seen("south"), session=str(other))) == ["stored"]
    answer = client.get("/v1/drift").json()
    assert "hidden_segments" not in answer
    rows = {one["value"]: one["rows"] for one in answer["segments"]}
    assert rows == {"north": 3, "south": 4, None: 2}
    (speed,) = client.get("/v1/series", params=south).json()["features"]
    assert [(one["hidden"], one["rows"]) for one in speed["windows"]] == [(False, 4)]


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    reports=st.lists(
        st.tuples(
            st.integers(0, 4),
            st.lists(st.sampled_from(["north", "south", "island"]), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=8,
    ),
    least=st.integers(1, 4),
    data=st.data(),
)
def test_neither_a_segment_nor_the_rest_is_of_too_few(
    tmp_path_factory: pytest.TempPathFactory,
    reports: list[tuple[int, list[str]]],
    least: int,
    data: st.DataObject,
) -> None:
    storage = SQLiteStorage(tmp_path_factory.mktemp("few") / "test.db")
    digest = {"file": "model/reference.json", "sha256": REFERENCE.sha256}
    register(storage, json.dumps(samples.manifest(reference=digest)), REFERENCE.to_json())
    catalogue, model = Catalogue(storage), storage.models()[0]
    ids = [uuid4() for _ in range(5)]
    catalogue.entry(model)
    window: dict[str, str] = {}
    kept: dict[UUID, bytes] = {}
    left = reports
    while left:
        size = data.draw(st.integers(1, len(left)))
        some, left = left[:size], left[size:]
        parts = {
            ids[s]: Part(kept.get(ids[s]), [seen(*rows) for t, rows in some if t == s])
            for s in {s for s, _ in some}
        }
        merged = catalogue.merge(model.id, window, parts)
        window |= merged.features
        kept |= merged.sessions
    storage.close()
    names = {"north": "north", "south": "south", "island": None}
    common = {part.value for part in REFERENCE.segmentations[0].segments}
    by_segment: dict[Any, set[int]] = {}
    for session, rows in reports:
        for row in rows:
            value = row if row in common else names.get(row)
            by_segment.setdefault(value, set()).add(session)
    counts = sessions_of(REFERENCE, window)
    assert {part.value: n for part, n in (counts or {}).items() if n} == {
        value: len(sessions) for value, sessions in by_segment.items()
    }
    hidden = {part.value for part in too_few(REFERENCE, window, least)}
    shown = by_segment.keys() - hidden
    assert all(len(by_segment[value]) >= least for value in shown)
    rest = set().union(*(by_segment[value] for value in by_segment.keys() & hidden))
    assert not rest or not shown or len(rest) >= least
    assert hidden == set() or any(len(by_segment[value]) < least for value in hidden)
    del window[SEGMENTS]
    assert {part.value for part in too_few(REFERENCE, window, least)} == by_segment.keys()


def test_sessions_whose_rows_are_forgotten_are_not_counted_twice(
    client: TestClient, tmp_path: Path
) -> None:
    session = str(uuid4())
    post(client, report(seen("north"), session=session), report(seen("south"), session=session))
    storage = SQLiteStorage(tmp_path / "test.db")
    assert storage.settle(10**11) == 1
    assert post(client, report(seen("north"), session=session)) == ["stored"]
    assert post(client, report(seen("south"))) == ["stored"]
    (window,) = storage.history(
        storage.models()[0].id, first=None, last=None, min_sessions=0
    ).windows
    storage.close()
    counts = sessions_of(REFERENCE, window.features)
    assert {part.value: n for part, n in (counts or {}).items()} == {
        "north": 1,
        "south": 2,
        None: 0,
    }
