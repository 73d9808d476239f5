"""From nodes to kernel calls: one module per family, each function registered by `@lower`.

Which kernel serves which shape is decided here and nowhere else. Importing the package fills the table: every
module of this folder is imported, so that a new family needs no entry anywhere.
"""

from __future__ import annotations

import importlib
import pkgutil

from strandline.compiler.lower.registry import Instr, Lowering, lower, rule_for

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["Instr", "Lowering", "lower", "rule_for"]
