from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings

from strandline.bench.browser import FLAGS, chromium_path

# No deadline: a busy machine is no failure. "fixed" gives a commit the same verdict every time;
# "explore" (`make test-all`) looks for examples that nobody has seen.
settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: once Playwright has started, an event loop runs in the main thread to the end."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """pytest-playwright's launch options: the machine's own Chromium, quiet."""
    # Chromium asks its maker what the fields of any form mean; the tests count every request.
    quiet = "--disable-features=AutofillServerCommunication"
    return {"executable_path": chromium_path(), "args": [*FLAGS, quiet]}
