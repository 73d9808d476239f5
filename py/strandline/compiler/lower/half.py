"""float16 and bfloat16 where `passes.widen_halves` did not see them: computed in float32, converted at a
node's own edges."""

from __future__ import annotations

from collections.abc import Sequence

from strandline.compiler.lower.layout import code, is_half
from strandline.compiler.lower.registry import Lowering
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


def widened(low: Lowering, names: Sequence[str]) -> list[str]:
    """Operands with the narrow types as float32 temporaries; absent ones stay absent."""
    return [
        as_type(low, name, float32) if name and is_half(low.type(name).dtype) else name
        for name in names
    ]


def wide_output(low: Lowering, name: str) -> str:
    """Where to compute `name`: itself, or a float32 temporary that `narrow_output` converts."""
    type_ = low.type(name)
    return low.temp(float32, type_.shape) if is_half(type_.dtype) else name


def narrow_output(low: Lowering, computed: str, name: str) -> None:
    if computed != name:
        cast(low, computed, name)
