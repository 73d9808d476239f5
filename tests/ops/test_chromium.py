"""The official backend suite in Pyodide, in a real Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.ops import chromium, suite

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("build", ["relaxed", pytest.param("simd128", marks=pytest.mark.slow)])
def test_every_case(browser: Browser, build: str) -> None:
    found = {}
    answers = chromium.ours(browser, suite.cases(), build)
    for case, answer in zip(suite.cases(), answers, strict=True):
        excluded = suite.exclusion(case.name, "chromium")
        must_fail = excluded is not None and excluded.check == "nothing"
        values = excluded is None or must_fail
        error = suite.attempt(lambda c=case, a=answer, v=values: chromium.check(c, a, values=v))
        if must_fail and error is None:
            found[case.name] = "passes now: take it out of tests/ops/excluded.toml"
        elif error is not None and not must_fail:
            found[case.name] = str(error)
    assert found == {}
