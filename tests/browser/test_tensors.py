"""`model.run` in a real browser: tensors in and out, equal to Python's, without leaks, and not watched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onnx import helper
from playwright.sync_api import Error
from visitor import Row, Visitor

from strandline.bundle.pipeline import Pipeline
from tests.browser.conftest import Stage
from tests.runtime.models import model, tensor

pytestmark = pytest.mark.browser

RUN = """async ({ feeds, times }) => {
  const typed = Object.fromEntries(Object.entries(feeds).map(([name, { dtype, data, dims }]) =>
    [name, { data: dtype === "string" ? data : Float32Array.from(data), dims }]));
  let results;
  for (let i = 0; i < times; i++) results = await strandline.run(typed);
  return Object.fromEntries(Object.entries(results).map(([name, value]) =>
    [name, Array.isArray(value) ? value : Array.from(value.data, (v) => typeof v === "bigint" ? Number(v) : v)]));
}"""

PREPARE = """def before(columns):
    rows = zip(columns["a"], columns["b"], strict=True)
    return {
        "n": [[int(n)] for n in columns["n"]],
        "x": [[a, b] for a, b in rows],
    }

def after(outputs, columns):
    return {"sum": [sum(row) for row in outputs["twice"]]}
"""


def feeds_of(pipeline: Pipeline, rows: list[Row]) -> dict[str, Any]:
    """The pipeline's feeds for rows, as JSON."""
    feeds = {}
    for name, value in pipeline.feeds(pipeline.parse(rows), len(rows)).items():
        if isinstance(value, memoryview):
            flat = value.cast("B").cast(value.format).tolist()  # type: ignore[call-overload]
            feeds[name] = {"dtype": "float32", "data": flat, "dims": list(value.shape or ())}
        else:
            flat = [cell for row in value for cell in row]
            feeds[name] = {"dtype": "string", "data": flat, "dims": [len(value), len(value[0])]}
    return feeds


def flat(value: Any) -> list[Any]:
    plain = value.tolist() if hasattr(value, "tolist") else value
    while plain and isinstance(plain[0], list):
        plain = [cell for row in plain for cell in row]
    return list(plain)


def test_tensors_are_predicted_as_python_predicts_them(
    stage: Stage, visit: Callable[[], Visitor], rows: list[Row]
) -> None:
    stage.pack(send=False)
    pipeline, visitor = stage.pipeline(), visit()
    visitor.open(stage.url())
    page = visitor.page
    for n in (1, 7, 300):
        feeds = feeds_of(pipeline, [{**row} for row in rows[:n]])
        got = page.evaluate(RUN, {"feeds": feeds, "times": 2})
        want = pipeline.session.run(pipeline.feeds(pipeline.parse(rows[:n]), n))
        assert list(got) == list(want)
        for name, value in want.items():
            assert got[name] == pytest.approx(flat(value), rel=1e-5, abs=1e-7)
    assert page.evaluate("strandline.drift().then((d) => d.rows)") == 0

    with pytest.raises(Error, match=r"FeedError.*no input 'nothing'"):
        page.evaluate("strandline.run({ nothing: new Float32Array(1) })")
    with pytest.raises(Error, match="no value was fed"):
        page.evaluate("strandline.run({})")


def test_a_plan_that_takes_python_is_run_from_tensors_too(
    stage: Stage, visit: Callable[[], Visitor], tmp_path: Path
) -> None:
    """An output whose size only a run shows, and one that is an input as it came."""
    nodes = [
        helper.make_node("Unique", ["n"], ["values"]),
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("Add", ["x", "x"], ["twice"]),
    ]
    ends = [tensor("n", "int64", ["N", 1]), tensor("x", shape=["N", 2])]
    made = [tensor("values", "int64", ["M"])]
    made += [tensor(name, shape=["N", 2]) for name in ("same", "twice")]
    (tmp_path / "unique.onnx").write_bytes(model(nodes, ends, made))
    (tmp_path / "reference.csv").write_text("n,a,b\n" + "1,2,3\n2,0,1\n" * 10)
    (tmp_path / "prepare.py").write_text(PREPARE)
    stage.pack(
        model=tmp_path / "unique.onnx",
        reference=tmp_path / "reference.csv",
        preprocess=tmp_path / "prepare.py",
        name="unique",
        send=False,
    )
    visitor = visit()
    visitor.open(stage.url("unique"))
    got = visitor.page.evaluate("""async () => {
      const whole = new Float32Array(6).map((_, i) => i / 2);
      const { values, same, twice } = await strandline.run({
        n: { data: BigInt64Array.from([3n, -1n, 3n]), dims: [3, 1] },
        x: { data: whole.subarray(2), dims: [2, 2] },
      });
      return [values, same, twice].map(({ data, dims }) =>
        ({ kind: data.constructor.name, data: Array.from(data, Number), dims: [...dims] }));
    }""")
    assert got == [
        {"kind": "BigInt64Array", "data": [-1, 3], "dims": [2]},
        {"kind": "Float32Array", "data": [1, 1.5, 2, 2.5], "dims": [2, 2]},
        {"kind": "Float32Array", "data": [2, 3, 4, 5], "dims": [2, 2]},
    ]
