"""Native against WASM against peers: the same cases, interleaved, one JSON schema."""

from __future__ import annotations

from strandline.bench.errors import BenchError
from strandline.bench.run import add_arguments, main, run

__all__ = ["BenchError", "add_arguments", "main", "run"]
