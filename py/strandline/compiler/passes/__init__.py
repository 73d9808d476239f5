"""Graph -> Graph: each pass pure and idempotent, none knows a shape."""

from __future__ import annotations

from strandline.compiler.store import Store
from strandline.onnx.graph import Graph


def optimise(graph: Graph, store: Store) -> Graph:
    return graph
