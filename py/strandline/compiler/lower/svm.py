"""Support vector machines of ai.onnx.ml, and distances between all pairs of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strandline.compiler.fused import DOMAIN
from strandline.compiler.lower.binary import pair
from strandline.compiler.lower.classes import Labels, best, outputs_of, transform
from strandline.compiler.lower.convert import as_type
from strandline.compiler.lower.linear import Bias, Matrix, gemm, pack
from strandline.compiler.lower.registry import Lowering, lower
from strandline.compiler.lower.unary import apply
from strandline.onnx.graph import Node
from strandline.onnx.types import bool_, float32, float64
from strandline.ops.ml_linear import rows_of
from strandline.ops.ml_scores import ML
from strandline.ops.rules import ints

METRICS = ("sqeuclidean", "euclidean", "cityblock")

_DEGREES = (2, 3, 4, 5)


def cdist(low: Lowering, x: str, others: str, target: str, metric: str) -> None:
    """Emit `target` [M, N] = distances between the rows of `x` [M, K] and of `others` [N, K]."""
    (rows, columns), count = low.type(x).shape, low.type(others).shape[0]
    packed = pack(low, Matrix(others, columns, count, 1, columns))
    low.emit("cdist_f32", (x, packed), (target,), rows, count, columns, METRICS.index(metric))


@lower("PairwiseDistances", domain=DOMAIN)
def pairwise_distances(node: Node, low: Lowering) -> bool:
    x, others = (low.type(name) for name in node.inputs)
    if x.dtype is not float32 or others.dtype is not float32 or x.shape[1] != others.shape[1]:
        return False
    cdist(low, node.inputs[0], node.inputs[1], node.outputs[0], low.attrs["metric"])
    return True


@dataclass(frozen=True, slots=True)
class _Machine:
    """What the classifier and the regressor have in common: a kernel over vectors [count, columns]."""

    node: Node
    low: Lowering
    vectors: Any
    count: int

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the input."""
        return rows_of(self.low.type(self.node.inputs[0]).shape)

    @property
    def parameters(self) -> tuple[float, float, float]:
        """gamma, coef0, degree."""
        held = self.low.attrs["kernel_params"]
        gamma, coef0, degree = map(float, held) if held is not None and len(held) else (0, 0, 0)
        return gamma, coef0, degree

    @property
    def served(self) -> bool:
        attrs = self.low.attrs
        columns = self.size[1]
        return (
            self.low.type(self.node.inputs[0]).dtype.name != "string"
            and attrs["kernel_type"] in ("LINEAR", "POLY", "RBF", "SIGMOID")
            and self.count > 0
            and columns > 0
            and len(self.vectors) == self.count * columns
        )

    def values(self) -> str:
        """Emit the kernel's values [rows, count]."""
        low, (rows, columns) = self.low, self.size
        kind, (gamma, coef0, degree) = low.attrs["kernel_type"], self.parameters
        x = low.temp(float32, (rows, columns))
        low.alias(x, as_type(low, self.node.inputs[0], float32))
        key = ("support vectors", next(filter(None, self.node.outputs)))
        shape = (self.count, columns)
        vectors = low.derived(key, lambda: (float32, shape, self.vectors))
        result = low.temp(float32, (rows, self.count))
        if kind == "RBF":
            cdist(low, x, vectors, result, "sqeuclidean")
            pair(low, "mul", result, self._scalar(-gamma), result)
            apply(low, "exp", result, result)
            return result
        linear = kind == "LINEAR"
        packed = pack(
            low, Matrix(vectors, columns, self.count, 1, columns), 1.0 if linear else gamma
        )
        bias = None if linear else Bias(self._scalar(coef0), 0, 0)
        gemm(low, x, packed, result, (rows, self.count, columns), bias=bias)
        if kind == "POLY" and degree in _DEGREES:
            return self._power(result, int(degree))
        if kind == "POLY":
            pair(low, "pow", result, self._scalar(degree), result)
        elif kind == "SIGMOID":
            apply(low, "tanh", result, result)
        return result

    def _power(self, base: str, degree: int) -> str:
        """Emit products in place of pow, which takes thirty times as long."""
        power = self.low.temp(float32, self.low.type(base).shape)
        pair(self.low, "mul", base, base, power)
        for _ in range(degree - 2):
            pair(self.low, "mul", power, base, power)
        return power

    def _scalar(self, value: float) -> str:
        return self.low.constant(float32, (), [value])

    def floats(self, values: Sequence[float]) -> str:
        return self.low.constant(float32, (len(values),), values)


@lower("SVMRegressor", domain=ML)
def svm_regressor(node: Node, low: Lowering) -> bool:
    """Without support vectors the coefficients are one vector of a weight of 1."""
    attrs = low.attrs
    weights, count = attrs["coefficients"], attrs["n_supports"]
    vectors = attrs["support_vectors"] if count else weights
    machine = _Machine(node, low, vectors if vectors is not None else (), count or 1)
    if not machine.served or (count and len(weights) != count):
        return False
    rows = machine.size[0]
    target = low.temp(float32, (rows, 1)) if attrs["one_class"] else node.outputs[0]
    shift = machine.floats([float(attrs["rho"][0])])
    values = machine.values()
    if count:
        packed = pack(low, Matrix(machine.floats(weights), count, 1, 1, 1))
        gemm(low, values, packed, target, (rows, 1, count), bias=Bias(shift, 0, 0))
    else:
        pair(low, "add", values, shift, target)
    if attrs["one_class"]:
        inside = low.temp(bool_, (rows, 1))
        pair(low, "less", machine.floats([0.0]), target, inside)
        choices = machine.floats([1.0]), machine.floats([-1.0])
        low.emit("where", (inside, *choices), node.outputs, 4, 1, rows, 1, 0, 0)
    return True


@lower("SVMClassifier", domain=ML)
def svm_classifier(node: Node, low: Lowering) -> bool:
    """One against one; the classes' own scores where there are no support vectors."""
    attrs = low.attrs
    counts = ints(attrs["vectors_per_class"])
    labels = Labels(low, attrs["classlabels_strings"], attrs["classlabels_ints"])
    vectors = attrs["support_vectors"] if counts else attrs["coefficients"]
    machine = _Machine(node, low, vectors or (), sum(counts) if counts else labels.count)
    if not machine.served or (counts and len(counts) != labels.count):
        return False
    rows, classes = machine.size[0], labels.count
    if not counts:
        raw = low.temp(float32, (rows, classes))
        pair(low, "add", machine.values(), machine.floats([float(attrs["rho"][0])]), raw)
        return _finish(machine, labels, raw, raw, classes)
    pairs = classes * (classes - 1) // 2
    slopes, shifts = attrs["prob_a"] or (), attrs["prob_b"] or ()
    if len(attrs["rho"]) < pairs or (slopes and min(len(slopes), len(shifts)) < pairs):
        return False
    if len(attrs["coefficients"]) != (classes - 1) * machine.count:
        return False
    margins, votes = low.temp(float32, (rows, pairs)), low.temp(float32, (rows, classes))
    operands = (
        machine.values(),
        machine.floats(attrs["coefficients"]),
        machine.floats(attrs["rho"]),
    )
    low.emit("svm_margins_f32", operands, (margins, votes), rows, classes, *counts)
    if slopes:
        scores = low.temp(float32, (rows, classes))
        scratch = low.temp(float64, (classes * (classes + 2),))
        operands = (margins, machine.floats(slopes), machine.floats(shifts))
        low.emit("svm_couple_f32", operands, (scores, scratch), rows, classes)
        return _finish(machine, labels, votes, scores, classes)
    if classes == 2:
        scores = low.temp(float32, (rows, 2))
        pair(low, "mul", margins, machine.floats([-1.0, 1.0]), scores)
        return _finish(machine, labels, votes, scores, 2)
    return _finish(machine, labels, votes, margins, pairs)


def _finish(machine: _Machine, labels: Labels, deciding: str, scores: str, width: int) -> bool:
    """Emit the choice of the class with the highest of `deciding`, and the transformed scores."""
    low, node, rows = machine.low, machine.node, machine.size[0]
    chosen, target = outputs_of(low, node, rows, labels, width)
    best(low, deciding, "", labels.constant(), chosen, (rows, labels.count, labels.dtype.itemsize))
    transform(low, scores, target, rows, width, low.attrs["post_transform"])
    return True
