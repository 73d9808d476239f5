"""Operands as elements of another type."""

from __future__ import annotations

from dataclasses import replace

from strandline.compiler.dtypes import HALVES
from strandline.compiler.lower.layout import code
from strandline.compiler.lower.registry import Lowering, LoweringRule
from strandline.onnx.graph import Node
from strandline.onnx.types import DType, float32


def cast(low: Lowering, source: str, target: str) -> None:
    """Convert all elements of `source` into `target`, whatever their types."""
    a, b = low.type(source), low.type(target)
    low.emit("cast", (source,), (target,), code(a.dtype), code(b.dtype), a.size)


def as_type(low: Lowering, name: str, dtype: DType) -> str:
    """`name` itself, or a temporary with its elements converted to `dtype`."""
    type_ = low.type(name)
    if type_.dtype is dtype:
        return name
    converted = low.temp(dtype, type_.shape)
    cast(low, name, converted)
    return converted


def in_float32(rule: LoweringRule, node: Node, low: Lowering) -> bool:
    """Lower a node whose half-precision values `passes.widen_halves` did not see: computed in float32, converted at
    its own edges."""

    def is_half(name: str) -> bool:
        return bool(name) and low.type(name).dtype in HALVES

    inputs = tuple(_widened(low, n) if is_half(n) else n for n in node.inputs)
    outputs = tuple(low.temp(float32, low.type(n).shape) if is_half(n) else n for n in node.outputs)
    if not rule(replace(node, inputs=inputs, outputs=outputs), low):
        return False
    for computed, name in zip(outputs, node.outputs, strict=True):
        if computed != name:
            cast(low, computed, name)
    return True


def _widened(low: Lowering, name: str) -> str:
    constant = low.value(name)
    if constant is None:
        return as_type(low, name, float32)
    return low.derived(("float32", name), lambda: (float32, constant.shape, list(constant.flat())))
