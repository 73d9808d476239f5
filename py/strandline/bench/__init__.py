"""Native against WASM against peers: the same cases, interleaved, one JSON schema."""

from __future__ import annotations

from strandline.bench.run import BenchError, add_arguments, main, run

__all__ = ["BenchError", "add_arguments", "main", "run"]
