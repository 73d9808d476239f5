from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("no clock", deadline=None)  # a busy machine is no failure
settings.load_profile("no clock")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: once Playwright has started, an event loop runs in the main thread to the end."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
