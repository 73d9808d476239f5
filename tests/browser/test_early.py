"""The first seconds of a visit: rows predicted by the packed plan while Python has not even arrived."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route
from visitor import Row, Visitor

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
