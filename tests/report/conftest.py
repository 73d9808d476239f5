from __future__ import annotations

from typing import Any

import pytest

from strandline.bench.browser import FLAGS, chromium_path


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """pytest-playwright's launch options: the machine's own Chromium, quiet."""
    return {"executable_path": chromium_path(), "args": list(FLAGS)}
