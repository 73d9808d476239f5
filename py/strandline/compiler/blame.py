"""Which node it was: what a wrong model, or feeds that do not fit it, make rules and references raise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from strandline.onnx.graph import Node
from strandline.onnx.types import TensorType
from strandline.ops.registry import Info

WRONG = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError)
"""What comes of attributes of the wrong kind or value, and of inputs of the wrong type or shape."""


def named(error: Exception, node: Node, inputs: Iterable[Any]) -> ValueError:
    """The error with the node and what it was given: types, arrays, or infos of them."""
    what = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return ValueError(f"node {node} on ({', '.join(map(_describe, inputs))}): {what}")


def _describe(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, TensorType):
        return str(value)
    if isinstance(value, Info):
        return str(value.type)
    if hasattr(value, "dtype"):
        return f"{value.dtype}{list(value.shape)}"
    return type(value).__name__
