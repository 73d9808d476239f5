"""The official backend suite in Pyodide, in a real Chromium."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from playwright.sync_api import Browser

from tests.ops import chromium, suite

pytestmark = pytest.mark.browser


def wrong(cases: Sequence[suite.Case], browser: Browser, build: str) -> dict[str, str]:
    """What the page got wrong, by case; what is excluded natively is expected to fail here too."""
    found = {}
    for case, answer in zip(cases, chromium.ours(browser, cases, build), strict=True):
        excluded = suite.exclusion(case.name, "chromium")
        values = excluded is None
        error = suite.attempt(lambda c=case, a=answer, v=values: chromium.check(c, a, values=v))
        if excluded is not None and excluded.check == "nothing":
            if error is None:
                found[case.name] = "passes now: take it out of tests/ops/excluded.toml"
        elif error is not None:
            found[case.name] = str(error)
    return found


def test_representative_part(browser: Browser) -> None:
    """Every thirtieth case of a single node, and every tenth of the others."""
    nodes = [case for case in suite.cases() if case.kind == "node"]
    others = [case for case in suite.cases() if case.kind != "node"]
    assert wrong([*nodes[::30], *others[::10]], browser, "relaxed") == {}


@pytest.mark.slow
@pytest.mark.parametrize("build", ["relaxed", "simd128"])
def test_every_case(browser: Browser, build: str) -> None:
    assert wrong(suite.cases(), browser, build) == {}
