"""Weights as 8-bit integers around zero, and which nodes have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from strandline.onnx.graph import Constant, Graph, Node
from strandline.onnx.types import float32

SMALLEST = 256
"""Elements of a weight for which quantizing pays."""


def quantized_weights(values: Any, axis: int, least: Any = 0) -> tuple[Any, Any]:
    """(int8 in -127 … 127, float32 scales along `axis`): symmetric, so that there are no zero points.

    No scale is smaller than `least`, which may be one for each."""
    others = tuple(i for i in range(values.ndim) if i != axis % values.ndim)
    scales = (np.abs(values).max(axis=others) / np.float32(127)).astype(np.float32)
    scales = np.maximum(scales, least).astype(np.float32)
    scales[scales == 0] = 1
    shape = [-1 if i == axis % values.ndim else 1 for i in range(values.ndim)]
    whole = np.clip(np.rint(values / scales.reshape(shape)), -127, 127).astype(np.int8)
    return whole, scales


def weight_of(node: Node, graph: Graph) -> Constant | None:
    """The constant float32 weights of a Conv, MatMul or Gemm that can be quantized, else None."""
    if node.domain or node.op not in ("Conv", "MatMul", "Gemm") or len(node.inputs) < 2:
        return None
    weight = graph.constants.get(node.inputs[1])
    if weight is None or weight.dtype is not float32 or weight.type.size < SMALLEST:
        return None
    if not np.isfinite(weight.array()).all():
        return None
    if node.op == "Conv":
        return weight if len(weight.shape) >= 3 else None
    if len(weight.shape) != 2:
        return None
    attrs = node.attrs
    plain = attrs.get("alpha", 1.0) == 1.0 and attrs.get("beta", 1.0) == 1.0
    return weight if plain and not attrs.get("transA", 0) else None


def channel_axis(node: Node) -> int:
    """The axis of the weights that becomes the output's channels."""
    if node.op == "Conv":
        return 0
    return 0 if node.attrs.get("transB", 0) else 1
