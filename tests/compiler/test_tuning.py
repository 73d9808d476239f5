"""Choosing kernels by measuring: by a clock that the test winds, so that no choice depends on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from strandline import Session
from strandline.compiler import tuning
from strandline.compiler.tuning import Tuning
from tests.runtime.models import model, tensor


class Clock:
    """Stands still unless a candidate runs, which takes as long as the test says."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.ran: list[str] = []

    def __call__(self) -> float:
        return self.now

    def prepare(self, name: str) -> Callable[[], None]:
        def run() -> None:
            self.ran.append(name)
            self.now += self.seconds[name]

        return run

    def choose(self, record: Tuning) -> str:
        return record.choose("key", tuple(self.seconds), self.prepare)


def chosen(**seconds: float) -> str:
    clock = Clock(seconds)
    return clock.choose(Tuning(clock=clock))


def test_the_fastest_is_chosen() -> None:
    assert chosen(policy=0.003, other=0.002, third=0.004) == "other"


def test_the_policy_keeps_what_another_hardly_wins() -> None:
    assert chosen(policy=1.0, other=0.98) == "policy"


def test_a_clock_that_does_not_move_leaves_the_policy() -> None:
    assert chosen(policy=0.0, other=0.0) == "policy"


def test_candidates_take_turns() -> None:
    clock = Clock({"a": 1.0, "b": 1.0})
    clock.choose(Tuning(clock=clock))
    assert clock.ran == ["a", "b"] * 4  # once to warm up, then three rounds


def test_a_remembered_choice_is_not_measured() -> None:
    clock = Clock({"a": 1.0, "b": 2.0})
    record = Tuning({"key": "b"}, clock=clock)
    assert clock.choose(record) == "b"
    assert (clock.ran, record.measured) == ([], 0)


def test_a_remembered_name_that_is_no_candidate_is_measured_anew() -> None:
    clock = Clock({"a": 1.0, "b": 2.0})
    record = Tuning({"key": "gone"}, clock=clock)
    assert (clock.choose(record), record.measured) == ("a", 1)


def test_the_record_survives_as_text_and_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tuning.json"
    clock = Clock({"a": 2.0, "b": 1.0})
    first = Tuning(path=path, clock=clock)
    other = Tuning({"elsewhere": "a"}, path=path)
    assert clock.choose(first) == "b"
    clock.ran.clear()
    for again in (Tuning(path=path, clock=clock), Tuning.from_json(first.to_json(), clock=clock)):
        assert clock.choose(again) == "b"
    assert clock.ran == []
    other.choose("new", ("a",), clock.prepare)  # keeps what the first wrote meanwhile
    assert Tuning(path=path).choices == {"key": "b", "elsewhere": "a", "new": "a"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting property name"),
        ("[]", "its schema is not strandline.tuning/1"),
        ('{"schema": "other"}', "its schema is not strandline.tuning/1"),
        ('{"schema": "strandline.tuning/1"}', "its choices are not names by keys"),
        ('{"schema": "strandline.tuning/1", "choices": {"a": 1}}', "its choices are not names"),
    ],
)
def test_what_is_no_record_is_left_aside(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "tuning.json"
    path.write_text(text)
    with pytest.warns(UserWarning, match=f"tuning.json is no record of choices .*{why}"):
        record = Tuning(path=path, clock=Clock({}))
    assert record.choices == {}
    with pytest.warns(UserWarning, match=f"the given record is no record of choices .*{why}"):
        assert Tuning.from_json(text).choices == {}
    clock = Clock({"a": 1.0})
    clock.choose(record)
    assert json.loads(path.read_text())["choices"] == {"key": "a"}


def test_a_place_that_can_not_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    clock = Clock({"a": 1.0})
    record = Tuning(path=tmp_path / "file" / "tuning.json", clock=clock)
    with pytest.warns(UserWarning, match="choices can't be remembered in"):
        assert clock.choose(record) == "a"
    record.choose("more", ("a",), clock.prepare)


# --- sessions ------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
WEIGHTS = {
    "w": RNG.normal(size=(16, 8, 3, 3)).astype(np.float32),
    "d": RNG.normal(size=(16, 1, 3, 3)).astype(np.float32),
    "m": RNG.normal(size=(12, 200)).astype(np.float32),
}
NODES = [
    helper.make_node("Conv", ["x", "w"], ["a"], pads=[1] * 4),
    helper.make_node("Conv", ["a", "d"], ["b"], pads=[1] * 4, group=16),
    helper.make_node("MatMul", ["b", "m"], ["y"]),
]
MODEL = model(NODES, [tensor("x", shape=["N", 8, 40, 12])], [tensor("y")], WEIGHTS)
FEEDS = {"x": RNG.normal(size=(1, 8, 40, 12)).astype(np.float32)}


class Contrary(Tuning):
    """Takes the last candidate instead of the first, having run them all."""

    def choose(self, key: str, names: Any, prepare: Any) -> str:
        for name in names:
            prepare(name)()
        self.choices[key] = names[-1]
        return str(names[-1])


def test_results_are_equal_whichever_is_chosen(isa: str) -> None:
    record = Contrary()
    want, got = Session(MODEL).run(FEEDS)["y"], Session(MODEL, autotune=record).run(FEEDS)["y"]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-3)
    assert len(record.choices) == 3
    assert all(key.startswith(isa) for key in record.choices)


def test_a_session_measures_once(tmp_path: Path) -> None:
    path = tmp_path / "tuning.json"
    first = Tuning(path=path)
    Session(MODEL, autotune=first).run(FEEDS)
    again = Tuning(path=path)
    Session(MODEL, autotune=again).run(FEEDS)
    assert (first.measured, again.measured) == (3, 0)


def test_a_path_and_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Session(MODEL, autotune=True).run(FEEDS)
    assert tuning.default_path() == tmp_path / "strandline" / "tuning.json"
    given = tmp_path / "given.json"
    Session(MODEL, autotune=str(given)).run(FEEDS)
    for path in (tuning.default_path(), given):
        assert len(json.loads(path.read_text())["choices"]) == 3


def test_by_default_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tuning, "choose", None)
    Session(MODEL).run(FEEDS)


def test_losers_leave_no_packed_weights_behind() -> None:
    session = Session(MODEL, autotune=Contrary())
    session.run(FEEDS)
    assert session._engine is not None
    packed = {key[0] for key in session._engine.store._derived}
    kernels = session.explain()
    assert ("pack_winograd_f32" in packed) == ("winograd_f32" in kernels)
