"""The first seconds of a visit: rows predicted by the packed plan while Python has not even arrived."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from playwright.sync_api import Page, Route
from visitor import Row, Visitor

from strandline.bundle.optimize import optimize
from tests.browser.conftest import Stage

pytestmark = pytest.mark.browser

LOAD = """async () => {
  const { load } = await import(new URL("strandline.js", location.href).href);
  globalThis.model = await load(new URL(".", location.href).href);
}"""
ONE_BY_ONE = """async (rows) => {
  const answers = [];
  for (const row of rows) answers.push(...await model.predict([row]));
  return answers;
}"""
TARGET = "long_taxi_out"
ROWS_COUNTED = "async () => (await model.drift()).rows"


def hold_python(page: Page) -> Callable[[], None]:
    """Keep Pyodide's WebAssembly from arriving, whenever it is asked for; call the result to let it come."""
    held: list[Route] = []
    comes = False

    def asked(route: Route) -> None:
        if comes:
            route.continue_()
        else:
            held.append(route)

    def let_python_come() -> None:
        nonlocal comes
        comes = True
        while held:
            held.pop().continue_()

    page.context.route("**/pyodide.asm.wasm", asked)
    return let_python_come


@pytest.mark.parametrize("kind", ["mlp", "gradient-boosting"])
def test_early_rows_are_predicted_as_python_predicts_them_and_counted_once(
    kind: str, stage: Stage, visit: Callable[[], Visitor], rows: list[Row]
) -> None:
    assert stage.pack(kind, send=False).manifest.plan is not None
    page = visit().page
    let_python_come = hold_python(page)
    page.goto(stage.url(kind) + "manifest.json")
    page.evaluate(LOAD)
    missing: Row = {**rows[0], next(k for k, v in rows[0].items() if isinstance(v, float)): None}
    given = [*rows[:20], missing]
    early = page.evaluate(ONE_BY_ONE, given)
    let_python_come()
    assert page.evaluate(ROWS_COUNTED) == len(given)
    assert early == page.evaluate(ONE_BY_ONE, given)  # to the last bit
    assert page.evaluate(ROWS_COUNTED) == 2 * len(given)
    # and as the same site predicts natively
    names = list(early[0])
    want = stage.pipeline(kind).predict(given)
    for name in names:
        got = [row[name] for row in early]
        assert got == pytest.approx(want[name], rel=1e-5) if name != names[0] else want[name]


def test_an_early_row_takes_its_label_when_python_is_there(
    stage: Stage, visit: Callable[[], Visitor], rows: list[Row]
) -> None:
    assert stage.pack(send=False, target=TARGET).manifest.plan is not None
    page = visit().page
    let_python_come = hold_python(page)
    page.goto(stage.url() + "manifest.json")
    page.evaluate(LOAD)
    page.evaluate("async (row) => { globalThis.row = (await model.predict([row]))[0]; }", rows[0])
    page.evaluate("() => { globalThis.labelled = model.label(row.id, 1); }")
    let_python_come()
    assert page.evaluate("labelled") is True
    assert page.evaluate("model.label(row.id, 1)") is False
    quality = page.evaluate("model.quality()")
    assert (quality["predictions"], quality["labels"]) == (1, 1)
    assert page.evaluate("row") == page.evaluate(ONE_BY_ONE, rows[:1])[0]


def convolutional(folder: Path, *, quantized: bool) -> tuple[Path, Path]:
    """A model of 24 columns seen as an image, with odd numbers of filters; and rows for it."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(0, 0.5, (5, 1, 3, 3)), "w2": rng.normal(0, 0.3, (23, 5, 3, 3)),
        "w3": rng.normal(0, 0.3, (9, 23, 1, 1)), "w4": rng.normal(0, 0.3, (9, 3)),
    }  # fmt: skip
    pads = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Reshape", ["X", "image"], ["i"]),
        helper.make_node("Conv", ["i", "w1"], ["c1"], **pads),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], **pads),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3"], ["c3"]),
        helper.make_node("GlobalAveragePool", ["c3"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("MatMul", ["f", "w4"], ["Y"]),
    ]
    held = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
    held.append(numpy_helper.from_array(np.array([-1, 1, 4, 6]), "image"))
    graph = helper.make_graph(
        nodes, "columns",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n", 24])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["n", 3])], held,
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    data, x = made.SerializeToString(), rng.normal(size=(300, 24)).astype(np.float32)
    if quantized:
        data = optimize(data, "int8-static", [{"X": x}], "minmax").data
    (folder / "model.onnx").write_bytes(data)
    table = {f"x{i}": x[:, i] for i in range(24)}
    pd.DataFrame(table).to_csv(folder / "reference.csv", index=False)
    return folder / "model.onnx", folder / "reference.csv"


@pytest.mark.parametrize("simd", ["relaxed", "simd128"])
@pytest.mark.parametrize("quantized", [False, True])
def test_early_convolutions(
    simd: str, quantized: bool, stage: Stage, visit: Callable[[], Visitor], tmp_path: Path
) -> None:
    """Weights are packed once for the plan, and lie there as either core reads them."""
    model, reference = convolutional(tmp_path, quantized=quantized)
    packed = stage.pack("conv", model=model, reference=reference, send=False)
    assert packed.manifest.plan is not None
    if simd == "simd128":  # this browser has both: take the other one away
        path = stage.sites / "conv" / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["runtime"]["wheels"]["relaxed"] = None
        del manifest["runtime"]["core"]["relaxed"]
        path.write_text(json.dumps(manifest))
    given: list[Row] = pd.read_csv(reference).iloc[:5].to_dict("records")
    page = visit().page
    let_python_come = hold_python(page)
    page.goto(stage.url("conv") + "manifest.json")
    page.evaluate(LOAD)
    early = page.evaluate(ONE_BY_ONE, given)
    let_python_come()
    want = stage.pipeline("conv").predict(given)
    for name in early[0]:
        assert [row[name] for row in early] == pytest.approx(want[name], rel=1e-4, abs=1e-5)
    assert page.evaluate(ROWS_COUNTED) == len(given)


def test_what_the_plan_does_not_understand_waits_for_python(
    stage: Stage, visit: Callable[[], Visitor], rows: list[Row]
) -> None:
    stage.pack(send=False)
    page = visit().page
    let_python_come = hold_python(page)
    page.goto(stage.url() + "manifest.json")
    page.evaluate(LOAD)
    text = {k: str(v) if isinstance(v, float) else v for k, v in rows[0].items()}
    page.evaluate("(row) => { globalThis.later = model.predict([row]); }", text)
    page.evaluate("(rows) => { globalThis.both = model.predict(rows); }", rows[:2])
    waits = "Promise.race([later, both, new Promise((r) => setTimeout(r, 300, 'waits'))])"
    assert page.evaluate(waits) == "waits"
    let_python_come()
    first, second = page.evaluate("both")
    assert page.evaluate("later") == [first]
    assert page.evaluate(ROWS_COUNTED) == 3
    assert [second] == page.evaluate(ONE_BY_ONE, [rows[1]])


def test_a_damaged_plan_is_not_run(
    stage: Stage, visit: Callable[[], Visitor], rows: list[Row]
) -> None:
    stage.pack(send=False)
    plan = stage.sites / "mlp/model/plan.bin"
    plan.write_bytes(plan.read_bytes()[:-1] + b"\1")
    page = visit().page
    page.goto(stage.url() + "manifest.json")
    page.evaluate(LOAD)
    got = page.evaluate(ONE_BY_ONE, rows[:1])[0]
    want = stage.pipeline().predict(rows[:1])
    assert got["probability:1"] == pytest.approx(want["probability:1"][0], rel=1e-5)
    assert page.evaluate(ROWS_COUNTED) == 1


def test_a_python_that_does_not_come_is_an_error_of_what_needs_it(
    stage: Stage, visit: Callable[[], Visitor], rows: list[Row]
) -> None:
    stage.pack(send=False)
    (stage.sites / "mlp/pyodide/pyodide.asm.wasm").write_bytes(b"damaged")
    page = visit().page
    page.goto(stage.url() + "manifest.json")
    message = """async () => {
      try { await globalThis.model?.drift(); return ""; } catch (error) { return error.message; }
    }"""
    try:
        page.evaluate(LOAD)
    except Exception as error:  # Python failed before the plan was there
        assert "pyodide.asm.wasm does not have the SHA-256" in str(error)
    else:
        assert "pyodide.asm.wasm does not have the SHA-256" in page.evaluate(message)
