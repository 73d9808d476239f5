"""From raw class scores to labels and probabilities: the tail that ONNX-ML's classifiers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strandline.compiler.lower.registry import Lowering
from strandline.onnx.graph import Node
from strandline.onnx.types import float32, int32, int64
from strandline.ops.rules import strings

TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT")
ONE_MINUS, NEGATIVE, LOGISTIC_PAIR = range(3)


class Labels:
    """A classifier's labels as a constant: int64, or strings by their codes."""

    def __init__(self, low: Lowering, names: Any, numbers: Any) -> None:
        self.text = names is not None and len(names) > 0
        held: Sequence[int]
        held = low.codes(strings(names)) if self.text else [int(v) for v in numbers or ()]
        self.dtype = int32 if self.text else int64
        self.count = len(held)
        self._low = low
        self._held = held

    def constant(self, values: Sequence[int] | None = None) -> str:
        """The labels, or `values` in their place, as a constant."""
        held = self._held if values is None else values
        return self._low.constant(self.dtype, (len(held),), held)


def outputs_of(low: Lowering, node: Node, rows: int, labels: Labels, width: int) -> tuple[str, str]:
    """Where the chosen labels [rows] and the scores [rows, width] go; a scratch for an absent one."""
    wanted = (*node.outputs, "", "")
    return (
        wanted[0] or low.temp(labels.dtype, (rows,)),
        wanted[1] or low.temp(float32, (rows, width)),
    )


def transform(low: Lowering, scores: str, target: str, rows: int, classes: int, kind: str) -> None:
    """Emit a post_transform from `scores` to `target`."""
    place = TRANSFORMS.index(kind)
    low.emit("class_transform_f32", (scores,), (target,), rows, classes, place)


def best(
    low: Lowering, scores: str, marks: str, labels: str, target: str, size: tuple[int, int, int]
) -> None:
    """Emit the choice of the highest score; `size` is (rows, classes, bytes of a label)."""
    low.emit("best_class_f32", (scores, marks, labels), (target,), *size)
