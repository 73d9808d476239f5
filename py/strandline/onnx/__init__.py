"""ONNX files: bytes in, an immutable `Graph` out."""

from __future__ import annotations

from strandline.onnx.graph import Constant, Graph, Node, ValueInfo
from strandline.onnx.reader import read
from strandline.onnx.source import Source
from strandline.onnx.types import DType, TensorType
from strandline.onnx.wire import ModelError

__all__ = [
    "Constant",
    "DType",
    "Graph",
    "ModelError",
    "Node",
    "Source",
    "TensorType",
    "ValueInfo",
    "read",
]
