"""What stops a benchmark."""

from __future__ import annotations


class BenchError(ValueError):
    """The benchmark can't run as asked; the message says what to do."""
