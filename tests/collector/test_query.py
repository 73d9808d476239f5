"""What the reading endpoints answer about real profiles."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from strandline.collector import answers
from strandline.collector.envelope import decode_report
from strandline.collector.profiles import Catalogue
from strandline.collector.query import (
    Comparison,
    Query,
    QueryError,
    Question,
    UnknownError,
    load_comparison,
)
from strandline.collector.register import register
from strandline.collector.sqlite import SQLiteStorage
from strandline.collector.storage import Accepted, StorageError
from strandline.drift import SessionMoments, compare, result, wire
from tests.collector import samples

HOUR = 3600
START = 1_751_360_400  # 2025-07-01T09:00:00Z


class Filled:
    """A database that reports are put into, window by window."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self.storage = SQLiteStorage(path)
        self.catalogue = Catalogue(self.storage)

    def know(self, **changes: Any) -> None:
        text = json.dumps(samples.manifest(**changes))
        register(self.storage, text, samples.reference().to_json())

    def put(self, hour: int, columns: dict[str, list[Any]], *, version: str = "1") -> None:
        """One report of one session in the window that starts `hour` hours after START."""
        report = samples.report(columns, version=version)
        checked = self.catalogue.check(decode_report(json.dumps(report).encode()))
        accepted = Accepted(
            id=uuid4(),
            content=uuid4().bytes,
            model_id=checked.model_id,
            session=uuid4(),
            start=START + hour * HOUR,
            seconds=HOUR,
            rows=checked.rows,
            received=0,
            skewed=False,
            profile=checked.profile,
            body=b"",
        )
        (outcome,) = self.storage.commit([accepted], self.catalogue.merge)
        assert outcome.status == "stored"

    def query(self, min_sessions: int = 1) -> Query:
        return Query(self.storage, self.catalogue, min_sessions=min_sessions)


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    one = Filled(tmp_path / "test.db")
    one.know()
    yield one
    one.storage.close()


def drift_json(found: Comparison, min_sessions: int = 1) -> dict[str, Any]:
    return answers.drift(found, window_seconds=HOUR, min_sessions=min_sessions)


def joined(*tables: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: [v for table in tables for v in table[name]] for name in tables[0]}


def sessions_of(tables: list[dict[str, list[Any]]]) -> SessionMoments:
    """Between sessions that had one of these tables each."""
    return SessionMoments.of(*(samples.profile(table) for table in tables))


def test_drift_is_what_the_rows_themselves_would_give(filled: Filled) -> None:
    tables = [samples.rows(60, seed, faster=15) for seed in range(5)]
    for i, table in enumerate(tables):
        filled.put(i % 3, table)
    found = filled.query().comparison(Question())
    assert found.profile == samples.profile(joined(*tables))
    profile, moments = samples.profile(joined(*tables)), sessions_of(tables)
    assert found.drifts == compare(samples.reference(), profile, sessions=moments)
    answer = drift_json(found)
    assert (answer["rows"], answer["reports"], answer["sessions"]) == (300, 5, 5)
    assert (answer["from"], answer["to"]) == ("2025-07-01T09:00:00Z", "2025-07-01T12:00:00Z")
    verdicts = {one["name"]: one["verdict"] for one in answer["features"]}
    assert (verdicts["speed"], verdicts["make"]) == ("drift", "no drift")
    for one in answer["features"]:
        assert len(one["bins"]) == len(one["reference"]) == len(one["current"])
        if one["role"] != "system":
            assert one["summary"]["current"]["rows"] == 300
            assert sum(one["current"]) == pytest.approx(1, abs=1e-4)


def test_rows_that_come_in_sessions_are_no_alarm(filled: Filled) -> None:
    """Thirty cars that always drive alike, each the same fast or slow: not thirty times thirty cars."""
    draw = random.Random(1)
    columns = [
        {
            "speed": [round(draw.gauss(90, 20), 1)] * 30,
            "make": ["Saab"] * 30,
            "price": [2000.0] * 30,
        }
        for _ in range(30)
    ]
    for one in columns:
        filled.put(0, one)
    found = filled.query().comparison(Question())
    independent = compare(found.reference, found.profile)
    speeds = [
        next(d for d in drifts if d.name == "speed") for drifts in (found.drifts, independent)
    ]
    assert [speed.verdict == "drift" for speed in speeds] == [False, True]
    (course,) = filled.query().series(Question(), None)[1]
    assert course.drifts == found.drifts


def test_the_answer_holds_the_published_result(filled: Filled) -> None:
    filled.put(0, samples.rows(60, faster=15))
    found = filled.query().comparison(Question())
    table = samples.rows(60, faster=15)
    published = result(samples.reference(), samples.profile(table), sessions=sessions_of([table]))
    answer = drift_json(found) | {"schema": published["schema"]}
    assert {name: answer[name] for name in published} == published
    wire.check(published, wire.RESULT)


def test_windows_of_few_sessions_are_hidden_from_every_answer(filled: Filled) -> None:
    shown = [samples.rows(10, 1), samples.rows(10, 2)]
    for table in shown:
        filled.put(0, table)
    filled.put(1, {"speed": [31337.0], "make": ["Lada"], "price": [1.0]})
    query = filled.query(min_sessions=2)
    found = query.comparison(Question())
    assert found.profile == samples.profile(joined(*shown))
    answer = drift_json(found, 2)
    assert (answer["windows"], answer["hidden_windows"]) == (1, 1)
    assert (answer["rows"], answer["hidden_rows"], answer["hidden_sessions"]) == (20, 1, 1)
    assert (answer["sessions"], answer["reports"]) == (2, 2)
    assert answer["to"] == "2025-07-01T10:00:00Z"
    entry, courses = query.series(Question(), "speed")
    (speed,) = answers.series(entry, courses, "speed")["features"]
    first, second = speed["windows"]
    assert not first["hidden"]
    assert second == {
        "start": "2025-07-01T10:00:00Z",
        "end": "2025-07-01T11:00:00Z",
        "rows": 1,
        "reports": 1,
        "sessions": 1,
        "hidden": True,
    }
    assert "31337" not in json.dumps([answer, speed])


def test_a_window_is_shown_as_soon_as_enough_sessions_were_seen(filled: Filled) -> None:
    query = filled.query(min_sessions=3)
    for count in range(1, 5):
        filled.put(0, samples.rows(10, count))
        assert query.comparison(Question()).profile.rows == (0 if count < 3 else 10 * count)


def test_a_range_takes_windows_that_start_in_it(filled: Filled) -> None:
    for hour in range(4):
        filled.put(hour, samples.rows(10 + hour, hour))
    query = filled.query()

    def rows(start: str | None, end: str | None) -> int:
        return query.comparison(Question(start=start, end=end)).profile.rows

    assert rows(None, None) == 46
    assert rows("2025-07-01T10:00:00Z", "2025-07-01T12:00:00Z") == 23
    assert rows("2025-07-01T10:00:01Z", None) == 25
    assert rows("2026-01-01", None) == 0


def test_nothing_collected_is_no_error(filled: Filled) -> None:
    answer = drift_json(filled.query().comparison(Question()))
    assert (answer["rows"], answer["windows"], answer["from"], answer["to"]) == (0, 0, None, None)
    assert {one["verdict"] for one in answer["features"]} == {"no data"}
    assert [one["statistics"] for one in answer["features"]] == [[]] * 4
    entry, courses = filled.query().series(Question(), None)
    assert [one["windows"] for one in answers.series(entry, courses, None)["features"]] == [[]] * 4


def test_the_series_follows_every_feature(filled: Filled) -> None:
    tables = [samples.rows(100, hour, faster=20.0 * hour) for hour in range(3)]
    for hour, table in enumerate(tables):
        filled.put(2 * hour, table)
    entry, courses = filled.query().series(Question(), None)
    answer = answers.series(entry, courses, None)
    assert [one["name"] for one in answer["features"]] == ["speed", "make", "price", "latency_ms"]
    speed = answer["features"][0]
    assert "bins" not in speed
    assert [w["start"][11:13] for w in speed["windows"]] == ["09", "11", "13"]
    values = [
        next(s["value"] for s in w["statistics"] if s["method"] == "psi") for w in speed["windows"]
    ]
    assert values == sorted(values)
    for window, table in zip(speed["windows"], tables, strict=True):
        one = compare(samples.reference(), samples.profile(table))[0]
        assert [s["value"] for s in window["statistics"]] == [s.value for s in one.statistics]
        assert "current" not in window


def test_the_series_of_one_feature_has_bars_on_one_scale(filled: Filled) -> None:
    filled.put(0, samples.rows(50, 1) | {"latency_ms": [1.0, 2.0]})
    filled.put(1, samples.rows(50, 2) | {"latency_ms": [400.0]})
    for name in ("speed", "make", "latency_ms"):
        entry, courses = filled.query().series(Question(), name)
        (one,) = answers.series(entry, courses, name)["features"]
        for window in one["windows"]:
            assert len(window["current"]) == len(one["bins"]) == len(one["reference"])
            assert sum(window["current"]) == pytest.approx(1, abs=1e-4)
        if name == "latency_ms":
            assert one["reference"] == [0.0] * len(one["bins"])
            assert one["windows"][0]["current"] != one["windows"][1]["current"]


def test_answers_stay_right_while_a_window_grows(filled: Filled) -> None:
    query = filled.query()
    tables = []
    for seed in range(6):
        tables.append(samples.rows(20, seed))
        filled.put(0, tables[-1])
        expected = samples.profile(joined(*tables))
        assert query.comparison(Question()).profile == expected
        _, (course,) = query.series(Question(), None)
        moments = sessions_of(tables)
        assert course.drifts == compare(samples.reference(), expected, sessions=moments)


def test_every_answer_under_load_is_one_moment(filled: Filled) -> None:
    done = threading.Event()
    torn: list[tuple[int, int]] = []
    seen: list[int] = []

    def read() -> None:
        query = filled.query()
        while not done.is_set():
            answer = drift_json(query.comparison(Question()))
            seen.append(answer["rows"])
            speed = answer["features"][0]["summary"]["current"]["rows"]
            if not answer["rows"] == speed == 5 * answer["reports"] == 5 * answer["sessions"]:
                torn.append((answer["rows"], answer["reports"]))

    readers = [threading.Thread(target=read, daemon=True) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(60):
        filled.put(i % 4, samples.rows(5, i))
    done.set()
    for reader in readers:
        reader.join()
    assert torn == []
    assert len(seen) > 3
    assert filled.query().comparison(Question()).profile.rows == 300


def test_models_come_with_their_totals(filled: Filled) -> None:
    filled.know(version="2")
    filled.put(0, samples.rows(10))
    filled.put(2, samples.rows(5), version="2")
    filled.put(3, samples.rows(7), version="2")
    answer = answers.models(filled.query(min_sessions=2).models(), min_sessions=2)
    first, second = answer["models"]
    assert (first["version"], first["rows"], first["reference_rows"]) == ("1", 10, 200)
    assert first["features"][0] == {"name": "speed", "role": "feature", "kind": "numeric"}
    assert (second["rows"], second["reports"], second["sessions"]) == (12, 2, 2)
    assert (second["windows"], second["hidden_windows"]) == (2, 2)
    assert (second["from"], second["to"]) == ("2025-07-01T11:00:00Z", "2025-07-01T13:00:00Z")


def test_the_newest_version_is_meant_unless_it_is_named(filled: Filled) -> None:
    filled.know(version="2")
    filled.put(0, samples.rows(10))
    filled.put(0, samples.rows(5), version="2")
    query = filled.query()
    assert query.comparison(Question()).version == "2"
    assert query.comparison(Question("cars")).profile.rows == 5
    assert query.comparison(Question("cars", "1")).profile.rows == 10


@pytest.mark.parametrize(
    ("question", "kind", "message"),
    [
        (Question("boats"), UnknownError, "no model 'boats' is registered; there are: cars"),
        (Question("cars", "9"), UnknownError, "cars has no version '9'; there are: 1"),
        (Question(start="yesterday"), QueryError, "'yesterday' is not an ISO 8601 date"),
        (Question(end="2025-99-01"), QueryError, "not an ISO 8601 date"),
    ],
)
def test_a_question_that_has_no_answer_says_why(
    filled: Filled, question: Question, kind: type[QueryError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        filled.query().comparison(question)


def test_an_unknown_feature_says_where_to_look(filled: Filled) -> None:
    with pytest.raises(UnknownError, match="cars 1 has no feature 'weight': /v1/models"):
        filled.query().series(Question(), "weight")


def test_a_database_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    empty = Filled(tmp_path / "empty.db")
    with pytest.raises(UnknownError, match="--site"):
        empty.query().comparison(Question())
    empty.storage.close()


def test_a_comparison_is_loaded_without_a_server(filled: Filled) -> None:
    filled.put(0, samples.rows(30))
    found = load_comparison(filled.url, min_sessions=1)
    assert found.profile == samples.profile(samples.rows(30))
    assert load_comparison(filled.url, "cars", "1", min_sessions=2).profile.rows == 0
    with pytest.raises(StorageError, match="there is no database"):
        load_comparison(filled.url + "x", min_sessions=1)
