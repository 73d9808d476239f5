"""The official backend suite, case by case, on both backends."""

from __future__ import annotations

import pytest

from tests.ops import suite


@pytest.mark.parametrize("backend", suite.BACKENDS)
@pytest.mark.parametrize("case", suite.cases(), ids=lambda case: case.name)
def test_case(case: suite.Case, backend: str) -> None:
    excluded = suite.exclusion(case.name, backend)
    if excluded is None:
        suite.run(case, backend)
    elif excluded.check == "types":
        suite.run(case, backend, values=False)
    elif suite.attempt(lambda: suite.run(case, backend)) is None:
        pytest.fail("this case passes now: take it out of tests/ops/excluded.toml")
    else:
        pytest.xfail(excluded.reason)


def test_every_exclusion_covers_a_case() -> None:
    names = [case.name for case in suite.cases()]
    idle = [e.cases.pattern for e in suite.exclusions() if not any(map(e.cases.fullmatch, names))]
    assert not idle


def test_every_exclusion_gives_a_reason() -> None:
    assert all(len(e.reason) > 20 and e.reason.endswith(".") for e in suite.exclusions())
