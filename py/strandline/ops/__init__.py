"""The operators: importing this package fills the table (no NumPy is imported until one runs)."""

from __future__ import annotations

import importlib
import pkgutil

from strandline.ops.registry import Info, Op, UnsupportedOperator, find, op, supported

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["Info", "Op", "UnsupportedOperator", "find", "op", "supported"]
