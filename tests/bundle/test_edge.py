from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strandline.bundle.edge import Edge, columns_of, process_memory, rows_of
from strandline.bundle.errors import InputError
from strandline.bundle.manifest import ManifestError
from strandline.bundle.pack import Packed
from strandline.bundle.pipeline import open_site
from strandline.drift import Profile, Segment, wire
from tests.bundle.models import mixed
from tests.onnx.test_source import Elsewhere

HEADER = {"id": str(uuid.UUID(int=1)), "session": str(uuid.UUID(int=2)), "seq": 0,
          "started": "2026-01-01T00:00:00.000Z", "ended": "2026-01-01T00:01:00.000Z"}  # fmt: skip
SYSTEM = ["latency_ms", "load_ms", "memory_mb"]
ROWS = [{"city": "Oslo", "age": 30, "visits": 1}, {"city": "Bodø", "age": None, "visits": 2}]


@pytest.fixture
def edge(tmp_path: Path, packed: Callable[..., Packed]) -> Edge:
    rows = "city,age,visits\n" + "Oslo,30.5,3\nBergen,41,4\n" * 50
    packed(mixed, rows, name="mixed", version="7")
    manifest, read = open_site(tmp_path / "site")
    ticks = iter(range(1000))
    return Edge(manifest.dumps(), read, clock=lambda: next(ticks) / 100, memory=lambda: 64.0)


@pytest.fixture
def split(tmp_path: Path, packed: Callable[..., Packed]) -> Edge:
    rows = "city,age,visits,region\n" + "Oslo,30.5,3,east\nBergen,41,4,west\nTromsø,25,1,\n" * 50
    packed(mixed, rows, name="mixed", version="8", segments=["region", "city"], counters=["bought"])
    manifest, read = open_site(tmp_path / "site")
    return Edge(manifest.dumps(), read, memory=lambda: None)


def test_a_site_whose_files_lie_elsewhere(tmp_path: Path, packed: Callable[..., Packed]) -> None:
    packed(mixed, "city,age,visits\n" + "Oslo,30.5,3\n" * 9, name="mixed", version="7")
    manifest, read = open_site(tmp_path / "site")
    rows = json.dumps(ROWS)
    here = Edge(manifest.dumps(), read)
    there = Edge(manifest.dumps(), lambda path: Elsewhere(read(path)))
    assert json.loads(there.predict(rows))["rows"] == json.loads(here.predict(rows))["rows"]
    with pytest.raises(ManifestError, match=manifest.model.file):
        Edge(manifest.dumps(), lambda path: Elsewhere(read(path) + b" "))


def test_segments_need_not_be_features(split: Edge) -> None:
    assert split.columns == ("city", "age", "visits", "region")
    assert [f.categories for f in split.manifest.segments] == [
        ("east", "west"), ("Bergen", "Oslo", "Tromsø"),
    ]  # fmt: skip
    split.predict(json.dumps([{**ROWS[0], "region": "west"}, ROWS[1], {**ROWS[0], "region": "x"}]))
    split.predict_csv("city,age,visits,region\nOslo,1,2,east\n")
    split.predict(json.dumps(ROWS))
    report = json.loads(split.take_window(json.dumps(HEADER)) or "")
    profile = Profile.from_wire(report["profile"], split.reference)
    rows = {s: profile.segment(s)["total"].rows for s in split.reference.segmentations[0].segments}
    assert {segment.value: count for segment, count in rows.items()} == {
        "east": 1,
        "west": 1,
        None: 4,
    }
    oslo = profile.segment(Segment("city", "Oslo"))
    assert (oslo["age"].rows, oslo["label"].rows) == (4, 4)
    assert "city" not in oslo
    view = json.loads(split.drift())
    wire.check(view, wire.RESULT)
    assert len(view["segments"]) == 3 + 4
    assert profile["memory_mb"].rows == 0


def test_counters_are_sent_even_without_a_row(split: Edge) -> None:
    assert split.empty()
    split.observe('{"load_ms": 812.5, "weather": 3}')
    split.count("bought", 0)
    assert split.empty()
    assert split.take_window(json.dumps(HEADER)) is None
    split.count("bought", 2)
    split.count("bought")
    assert (split.empty(), split.pending()) == (False, 0)
    report = json.loads(split.take_window(json.dumps(HEADER)) or "")
    wire.check(report, wire.REPORT)
    assert report["profile"]["counters"] == {"bought": 3}
    assert Profile.from_wire(report["profile"], split.reference)["load_ms"].maximum == 812.5
    assert split.empty()
    assert json.loads(split.drift())["counters"] == {"bought": 3}
    for name, by in (("sold", 1), ("bought", -1)):
        with pytest.raises(InputError, match="counter"):
            split.count(name, by)


def test_the_process_says_how_much_memory_it_holds() -> None:
    held = process_memory()
    assert held is not None
    assert 1 < held < 2**20


def test_rows_in_predictions_out(edge: Edge) -> None:
    answer = json.loads(edge.predict(json.dumps(ROWS)))
    assert answer == {
        "rows": [{"total": 31.0, "label": 1}, {"total": None, "label": 0}],
        "ms": pytest.approx(10),
    }


def test_csv_gives_what_rows_give(edge: Edge) -> None:
    text = "visits;city;age\r\n1;Oslo;30\r\n2;Bodø;\r\n"
    assert (
        json.loads(edge.predict_csv(text))["rows"]
        == json.loads(edge.predict(json.dumps(ROWS)))["rows"]
    )


def test_every_prediction_is_counted_once(edge: Edge) -> None:
    edge.predict(json.dumps(ROWS))
    edge.predict(json.dumps(ROWS[:1]))
    assert edge.pending() == 3
    peeked = edge.peek_window(json.dumps(HEADER))
    text = edge.take_window(json.dumps(HEADER))
    assert text is not None
    assert text == peeked
    report = json.loads(text)
    wire.check(report, wire.REPORT)
    assert (report["model"], report["version"], report["reference"]) == (
        "mixed",
        "7",
        edge.reference.sha256,
    )
    profile = Profile.from_wire(report["profile"], edge.reference)
    expected = Profile(edge.reference)
    expected.update(
        {"city": ["Oslo", "Bodø", "Oslo"], "age": [30.0, None, 30.0], "visits": [1, 2, 1]}
        | {"total": [31.0, None, 31.0], "label": [1, 0, 1], "latency_ms": [5.0, 10.0]}
    )
    assert {n: profile[n] for n in profile if profile.reference[n].role != "system"} == {
        n: expected[n] for n in expected if expected.reference[n].role != "system"
    }
    assert profile["latency_ms"].rows == 2
    assert (profile["memory_mb"].n, profile["memory_mb"].minimum) == (1, 64.0)
    assert (edge.pending(), edge.take_window(json.dumps(HEADER))) == (0, None)


def test_drift_covers_all_rows_since_the_start(edge: Edge) -> None:
    edge.predict(json.dumps(ROWS))
    edge.take_window(json.dumps(HEADER))
    edge.predict(json.dumps(ROWS))
    view = json.loads(edge.drift())
    assert view["rows"] == 4
    by_name = {f["name"]: f for f in view["features"]}
    assert list(by_name) == ["city", "age", "visits", "total", "label", *SYSTEM]
    for feature in view["features"]:
        assert len(feature["bins"]) == len(feature["reference"]) == len(feature["current"])
    assert {by_name[n]["role"] for n in ("total", "label")} == {"output"}
    city = dict(zip(by_name["city"]["bins"], by_name["city"]["current"], strict=True))
    assert city["Oslo"] == 0.5
    assert by_name["city"]["psi"] > 0


def bad(message: str, rows: Any) -> Any:
    return pytest.param(rows if isinstance(rows, str) else json.dumps(rows), message, id=message)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        bad("not JSON", "[{"),
        bad("list of objects", {"city": "Oslo"}),
        bad("row 2 is no object", [ROWS[0], 5]),
        bad("lack column age", [{"city": "Oslo", "visits": 1}]),
        bad("no rows", []),
        bad("row 1, column 'city'", [{**ROWS[0], "city": ["Oslo"]}]),
        bad("whole numbers, row 2 has 1.5", [ROWS[0], {**ROWS[0], "visits": 1.5}]),
        bad("whole numbers, row 1 has nan", [{**ROWS[0], "visits": None}]),
        bad("whole numbers, row 1 has inf", [{**ROWS[0], "visits": "inf"}]),
    ],
)
def test_a_failed_batch_changes_nothing(edge: Edge, rows: str, message: str) -> None:
    edge.predict(json.dumps(ROWS))
    before = edge.peek_window(json.dumps(HEADER)), edge.drift()
    with pytest.raises(InputError, match=message):
        edge.predict(rows)
    assert (edge.peek_window(json.dumps(HEADER)), edge.drift()) == before


def test_rows_may_lack_cells_but_not_whole_columns() -> None:
    assert columns_of([{"a": 1}, {"b": 2}], ["a", "b", "c"]) == {"a": [1, None], "b": [None, 2]}


def test_what_json_cannot_say_is_null() -> None:
    assert rows_of({"x": [1.5, float("nan"), float("inf")], "y": ["a", "b", "c"]}) == [
        {"x": 1.5, "y": "a"}, {"x": None, "y": "b"}, {"x": None, "y": "c"},
    ]  # fmt: skip
