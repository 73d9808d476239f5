"""The whole way: a packed page predicts offline, and what reaches the collector is exact."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import flights
import onnx
import onnx.helper
import pytest
from playwright.sync_api import Error as PlaywrightError
from visitor import PageError, Row, Visitor

from strandline.bundle.manifest import Window
from strandline.drift import Profile
from tests.browser.conftest import Elsewhere, Stage

pytestmark = pytest.mark.browser

Visit = Callable[[], Visitor]


def columns_of(rows: list[Row]) -> dict[str, list[object]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def same_tallies(profile: Profile, expected: Profile) -> bool:
    """Features and outputs bit for bit (latency is each run's own)."""
    watched = [f.name for f in profile.reference if f.role != "system"]
    return [profile[name] for name in watched] == [expected[name] for name in watched]


def test_rows_predicted_offline_are_counted_once(
    stage: Stage, visit: Visit, rows: list[Row], elsewhere: Elsewhere
) -> None:
    stage.pack(window=Window(rows=60, seconds=600))
    visitor = visit()
    visitor.open(stage.url())
    visitor.go_offline()
    stage.host.stop()
    visitor.reload()
    predicted = visitor.predict(rows[:200], batch=7)
    assert visitor.flush()["queued"] == 4, "three full windows and the last one wait on the device"
    with stage.collector():
        visitor.go_online()
        visitor.confirmed()
        seen = stage.collected()
    assert len(predicted) == 200
    assert seen.profile.rows == 200
    expected = Profile.from_rows(columns_of(rows[:200]) | columns_of(predicted), seen.reference)
    assert same_tallies(seen.profile, expected)
    assert elsewhere.asked == []


@pytest.mark.parametrize("kind", ["mlp", "gradient-boosting"])
@pytest.mark.parametrize("simd", ["relaxed", "simd128"])
def test_native_and_browser_agree(
    stage: Stage, visit: Visit, rows: list[Row], kind: str, simd: str
) -> None:
    wheel = stage.pack(kind).manifest.wheels[simd]
    if simd == "simd128":  # this browser has both: take the other wheel away
        path = stage.sites / kind / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["runtime"]["wheels"]["relaxed"] = None
        path.write_text(json.dumps(manifest))
    visitor = visit()
    visitor.open(stage.url(kind))
    predicted = columns_of(visitor.predict(rows[:300]))
    assert f"GET /{kind}/{wheel} " in stage.host.output()

    native = stage.pipeline(kind).predict(rows[:300])
    assert predicted["label"] == native["label"]
    for output in ("probability:0", "probability:1"):
        assert predicted[output] == pytest.approx(native[output], rel=1e-4)

    report = visitor.next_report()
    assert report is not None
    profile = Profile.from_wire(json.loads(report)["profile"], stage.reference(kind))
    expected = Profile.from_rows(columns_of(rows[:300]) | predicted, profile.reference)
    assert same_tallies(profile, expected)


def test_a_killed_collector_loses_and_doubles_nothing(
    stage: Stage, visit: Visit, rows: list[Row]
) -> None:
    stage.pack(window=Window(rows=5, seconds=600))
    collector = stage.collector()
    with collector:
        visitors = [visit(), visit()]
        for visitor in visitors:
            visitor.open(stage.url())
        for round_ in range(6):
            for visitor in visitors:
                visitor.predict(rows[round_ * 50 : (round_ + 1) * 50], batch=5)
            if round_ in (1, 3):
                collector.kill()
            elif round_ in (2, 4):
                collector.start()
        for visitor in visitors:
            visitor.confirmed()
        seen = stage.collected()
    assert seen.profile.rows == 600
    assert seen.sessions == 2
    expected = Profile.from_rows(columns_of(rows[:300] * 2), seen.reference)
    assert [seen.profile[name] for name in flights.FEATURES] == [
        expected[name] for name in flights.FEATURES
    ]


def test_tabs_of_one_browser_share_an_outbox_and_count_once(
    stage: Stage, visit: Visit, rows: list[Row]
) -> None:
    stage.pack(window=Window(rows=10, seconds=600))
    first = visit()
    first.open(stage.url())
    second = Visitor(first.context)
    second.open(stage.url())
    for i in range(0, 60, 20):
        first.predict(rows[i : i + 20], batch=5)
        second.predict(rows[i : i + 20], batch=5)
    with stage.collector():
        for tab in (first, second):
            tab.confirmed()
        seen = stage.collected()
    assert (seen.profile.rows, seen.sessions) == (120, 2)


def test_a_closed_tabs_window_is_sent_by_the_next_visit(
    stage: Stage, visit: Visit, rows: list[Row]
) -> None:
    stage.pack()
    first = visit()
    first.open(stage.url())
    first.predict(rows[:30])
    first.page.wait_for_timeout(1500)  # longer than the outbox takes to put the open window on disk
    first.page.close()
    again = Visitor(first.context)
    again.open(stage.url())
    with stage.collector():
        again.confirmed()
        assert stage.collected().profile.rows == 30


def test_plans_and_preprocessing_that_need_numpy_get_it(
    stage: Stage, visit: Visit, tmp_path: Path
) -> None:
    prepare = tmp_path / "prepare.py"
    prepare.write_text(
        "import numpy as np\n"
        "def before(columns):\n"
        "    corners = np.array([columns[name] for name in 'abcd'], np.float32).T\n"
        "    return {'X': corners.reshape(-1, 2, 2)}\n"
    )
    reference = tmp_path / "corners.csv"
    reference.write_text("a,b,c,d\n" + "".join(f"{i},1,2,{i % 5}\n" for i in range(50)))
    packed = stage.pack(
        name="corners",
        model=determinant(tmp_path / "determinant.onnx"),
        reference=reference,
        preprocess=prepare,
    )
    assert packed.numpy_reason is not None
    visitor = visit()
    visitor.open(stage.url("corners"))
    predicted = visitor.predict(
        [{"a": 1, "b": 2, "c": 3, "d": 4}, {"a": 2, "b": 0, "c": 0, "d": 2}]
    )
    assert [row["prediction"] for row in predicted] == pytest.approx([-2, 4], rel=1e-5)
    assert f"GET /corners/{packed.manifest.wheels['numpy']} " in stage.host.output()


def determinant(path: Path) -> Path:
    """X [N, 2, 2] -> det X [N]: an operator that only the NumPy reference has."""
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("X", [None, 2, 2]), ("y", [None]))
    ]
    node = onnx.helper.make_node("Det", ["X"], ["y"])
    graph = onnx.helper.make_graph([node], "determinant", ends[:1], ends[1:])
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


@pytest.mark.parametrize("file", ["model/model.onnx", "pyodide/pyodide.asm.wasm"])
def test_a_page_refuses_a_file_that_was_changed(stage: Stage, visit: Visit, file: str) -> None:
    stage.pack()
    path = stage.sites / "mlp" / file
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    with pytest.raises(PageError, match=f"{file} does not have the SHA-256"):
        visit().open(stage.url())


def test_bad_rows_are_refused_and_not_counted(stage: Stage, visit: Visit, rows: list[Row]) -> None:
    stage.pack()
    visitor = visit()
    visitor.open(stage.url())
    visitor.predict(rows[:3])
    with pytest.raises(PlaywrightError, match="InputError: the rows lack columns airline, weekday"):
        visitor.predict([{"distance": 5}])
    report = visitor.next_report()
    assert report is not None
    assert Profile.from_wire(json.loads(report)["profile"], stage.reference()).rows == 3
