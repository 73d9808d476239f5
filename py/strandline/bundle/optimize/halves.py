"""Weights in float16, which take half the bytes; everything is still computed in float32."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from strandline.compiler.evaluate import constant_of_array
from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.types import float32

SMALLEST = 64
"""Elements of a weight for which it pays."""
LARGEST = 65504.0
"""The largest finite float16."""


def store_halves(graph: Graph) -> tuple[Graph, int]:
    """Float32 constants as float16 behind a Cast; those with larger numbers stay as they are. The
    graph and how many were changed."""
    constants: dict[str, Constant] = {}
    casts: list[Node] = []
    for name, constant in graph.constants.items():
        half = _halved(constant)
        if half is None:
            constants[name] = constant
            continue
        constants[f"{name}/half"] = half
        casts.append(Node("Cast", (f"{name}/half",), (name,), {"to": float32.code}))
    return replace(graph, nodes=(*casts, *graph.nodes), constants=constants), len(casts)


def _halved(constant: Constant) -> Constant | None:
    if constant.dtype is not float32 or constant.type.size < SMALLEST:
        return None
    values: Any = constant.array()
    if not np.all(np.abs(values) <= LARGEST):  # also not where one is NaN
        return None
    return constant_of_array(values.astype(np.float16))
