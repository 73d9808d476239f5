"""Linear models of ai.onnx.ml: one matrix product and the classifiers' common tail."""

from __future__ import annotations

from typing import Any

from strandline.compiler.lower.classes import (
    LOGISTIC_PAIR,
    ONE_MINUS,
    Labels,
    best,
    outputs_of,
    transform,
)
from strandline.compiler.lower.convert import as_type
from strandline.compiler.lower.linear import Bias, Matrix, gemm, pack
from strandline.compiler.lower.registry import Lowering, lower
from strandline.onnx.graph import Node
from strandline.onnx.types import float32
from strandline.ops.ml_linear import rows_of
from strandline.ops.ml_scores import ML


def _scores(low: Lowering, node: Node, target: str, outputs: int) -> None:
    """Emit `target` [rows, outputs] = x @ coefficients.T + intercepts."""
    attrs = low.attrs
    rows, columns = rows_of(low.type(node.inputs[0]).shape)
    x = as_type(low, node.inputs[0], float32)
    weights = low.derived(
        ("coefficients", next(filter(None, node.outputs))),
        lambda: (float32, (outputs, columns), attrs["coefficients"]),
    )
    held = attrs["intercepts"]
    bias = None
    if held is not None and len(held) == outputs:
        bias = Bias(low.constant(float32, (outputs,), held), 0, 1)
    packed = pack(low, Matrix(weights, columns, outputs, 1, columns))
    gemm(low, x, packed, target, (rows, outputs, columns), bias=bias)


def _served(low: Lowering, node: Node, outputs: int) -> bool:
    """Whether sizes agree, and the input is of a type that becomes float32 without loss of rules."""
    held: Any = low.attrs["intercepts"]
    x = low.type(node.inputs[0])
    columns = rows_of(x.shape)[1]
    return (
        x.dtype.name != "string"
        and outputs * columns == len(low.attrs["coefficients"])
        and outputs * columns > 0
        and (held is None or len(held) in (0, outputs))
    )


@lower("LinearRegressor", domain=ML)
def linear_regressor(node: Node, low: Lowering) -> bool:
    outputs = low.attrs["targets"]
    if not _served(low, node, outputs):
        return False
    kind = low.attrs["post_transform"]
    rows = rows_of(low.type(node.inputs[0]).shape)[0]
    raw = node.outputs[0] if kind == "NONE" else low.temp(float32, (rows, outputs))
    _scores(low, node, raw, outputs)
    if kind != "NONE":
        transform(low, raw, node.outputs[0], rows, outputs, kind)
    return True


@lower("LinearClassifier", domain=ML)
def linear_classifier(node: Node, low: Lowering) -> bool:
    """One score for two labels: its sign decides, the other is its complement (see `ops.ml_linear`)."""
    attrs = low.attrs
    rows, columns = rows_of(low.type(node.inputs[0]).shape)
    outputs = len(attrs["coefficients"]) // columns if columns else 0
    labels = Labels(low, attrs["classlabels_strings"], attrs["classlabels_ints"])
    kind = attrs["post_transform"]
    pair = outputs == 1 and labels.count == 2 and kind != "PROBIT"
    if not _served(low, node, outputs) or not (pair or outputs == labels.count > 1):
        return False
    chosen, scores = outputs_of(low, node, rows, labels, 2 if pair else outputs)
    size = labels.dtype.itemsize
    if pair:
        raw = low.temp(float32, (rows, 1))
        _scores(low, node, raw, 1)
        complement = LOGISTIC_PAIR if kind == "LOGISTIC" else ONE_MINUS
        low.emit(
            "two_classes_f32",
            (raw, labels.constant()),
            (chosen, scores),
            *(rows, 1, 0, size, complement, 0.0, 0.0),
        )
        return True
    raw = scores if kind == "NONE" else low.temp(float32, (rows, outputs))
    _scores(low, node, raw, outputs)
    best(low, raw, "", labels.constant(), chosen, (rows, outputs, size))
    if kind != "NONE":
        transform(low, raw, scores, rows, outputs, kind)
    return True
