"""Every rule's kernels are tried on every instruction set that this machine has."""

from __future__ import annotations

from tests.core.conftest import isa

__all__ = ["isa"]
