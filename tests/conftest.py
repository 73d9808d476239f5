from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings

from strandline.bench.browser import FLAGS, chromium_path

settings.register_profile("no clock", deadline=None)  # a busy machine is no failure
settings.load_profile("no clock")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: once Playwright has started, an event loop runs in the main thread to the end."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """pytest-playwright's launch options: the machine's own Chromium, quiet."""
    # Chromium asks its maker what the fields of any form mean; the tests count every request.
    quiet = "--disable-features=AutofillServerCommunication"
    return {"executable_path": chromium_path(), "args": [*FLAGS, quiet]}
