"""What ai.onnx.ml does to columns before a model sees them: scaling, imputing, normalising."""

from __future__ import annotations

from typing import Any

from strandline.compiler.lower.convert import as_type
from strandline.compiler.lower.layout import code
from strandline.compiler.lower.registry import Lowering, lower
from strandline.onnx.graph import Node
from strandline.onnx.types import float32, float64, int64
from strandline.ops.ml_scores import ML

_NORMS = ("MAX", "L1", "L2")


def _table(low: Lowering, name: str) -> tuple[int, int]:
    """(rows, columns) of a tensor, its last axis being the columns."""
    type_ = low.type(name)
    columns = type_.shape[-1] if type_.shape else 1
    return (type_.size // columns if columns else 0), columns


def _per_column(held: Any, columns: int) -> list[Any] | None:
    """One value per column from one for each or one for all; None when there is another number."""
    values = list(held) if held is not None else []
    if len(values) == 1:
        return values * columns
    return values if len(values) == columns else None


@lower("Scaler", domain=ML)
def scaler(node: Node, low: Lowering) -> bool:
    rows, columns = _table(low, node.inputs[0])
    offset = _per_column(low.attrs["offset"], columns)
    factor = _per_column(low.attrs["scale"], columns)
    if offset is None or factor is None or low.type(node.inputs[0]).dtype.name == "string":
        return False
    x = as_type(low, node.inputs[0], float32)
    constants = (low.constant(float32, (columns,), v) for v in (offset, factor))
    low.emit("scale_f32", (x, *constants), node.outputs, rows, columns)
    return True


@lower("Imputer", domain=ML)
def imputer(node: Node, low: Lowering) -> bool:
    dtype = low.type(node.inputs[0]).dtype
    if dtype not in (float32, float64, int64):
        return False
    suffix = "int64" if dtype is int64 else "float"
    rows, columns = _table(low, node.inputs[0])
    values = _per_column(low.attrs[f"imputed_value_{suffix}s"], columns)
    if values is None:
        return False
    replaced = low.constant(dtype, (1,), [low.attrs[f"replaced_value_{suffix}"]])
    new = low.constant(dtype, (columns,), values)
    operands = (node.inputs[0], replaced, new)
    low.emit("impute", operands, node.outputs, code(dtype), rows, columns)
    return True


@lower("Normalizer", domain=ML)
def normalizer(node: Node, low: Lowering) -> bool:
    if low.type(node.inputs[0]).dtype.name == "string":
        return False
    rows, columns = _table(low, node.inputs[0])
    x = as_type(low, node.inputs[0], float32)
    norm = _NORMS.index(low.attrs["norm"])
    low.emit("normalize_rows_f32", (x,), node.outputs, rows, columns, norm)
    return True


@lower("Binarizer", domain=ML)
def binarizer(node: Node, low: Lowering) -> bool:
    type_ = low.type(node.inputs[0])
    if type_.dtype is not float32:
        return False
    low.emit("binarize_f32", node.inputs, node.outputs, type_.size, float(low.attrs["threshold"]))
    return True
