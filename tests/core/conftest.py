"""Every kernel test runs once per instruction set that this machine has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from strandline import core


@pytest.fixture(params=core.isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Force one instruction set for the test."""
    best = core.isa()
    core.set_isa(request.param)
    yield request.param
    core.set_isa(best)
