"""Strandline: ONNX models in the browser, watched for drift.

The public names are imported when they are first used, so that `import strandline` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strandline.bundle.errors import InputError, PackError
    from strandline.bundle.pack import pack
    from strandline.bundle.pipeline import Pipeline
    from strandline.compiler.tuning import Tuning
    from strandline.drift.compare import compare
    from strandline.drift.monitor import Monitor
    from strandline.drift.profile import Profile
    from strandline.drift.reference import Reference
    from strandline.onnx.wire import ModelError
    from strandline.ops.registry import UnsupportedOperator
    from strandline.runtime.feeds import FeedError
    from strandline.runtime.session import Session

__version__ = "0.1.0"

_HOMES = {
    "FeedError": "runtime.feeds",
    "InputError": "bundle.errors",
    "ModelError": "onnx.wire",
    "Monitor": "drift.monitor",
    "PackError": "bundle.errors",
    "Pipeline": "bundle.pipeline",
    "Profile": "drift.profile",
    "Reference": "drift.reference",
    "Session": "runtime.session",
    "Tuning": "compiler.tuning",
    "UnsupportedOperator": "ops.registry",
    "compare": "drift.compare",
    "pack": "bundle.pack",
}

__all__ = [
    "FeedError",
    "InputError",
    "ModelError",
    "Monitor",
    "PackError",
    "Pipeline",
    "Profile",
    "Reference",
    "Session",
    "Tuning",
    "UnsupportedOperator",
    "__version__",
    "compare",
    "pack",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'strandline' has no attribute '{name}'")
    value = getattr(import_module(f"strandline.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
