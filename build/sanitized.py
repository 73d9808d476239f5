"""A pytest plugin: the extension that STRANDLINE_SANITIZED names takes the installed one's place."""

from __future__ import annotations

import importlib.util
import os
import sys

_spec = importlib.util.spec_from_file_location(
    "strandline._core", os.environ["STRANDLINE_SANITIZED"]
)
assert _spec is not None and _spec.loader is not None
sys.modules[_spec.name] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules[_spec.name])
