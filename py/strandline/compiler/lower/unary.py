"""Functions of one element: activations, roundings, exponentials, tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from strandline.compiler.lower.convert import cast
from strandline.compiler.lower.layout import code
from strandline.compiler.lower.registry import Lowering, lower
from strandline.onnx.graph import Node

Params = Callable[[Mapping[str, Any]], tuple[float, float]]


def _none(attrs: Mapping[str, Any]) -> tuple[float, float]:
    return 0.0, 0.0


def _alpha(attrs: Mapping[str, Any]) -> tuple[float, float]:
    return float(attrs["alpha"]), 0.0


def _alpha_beta(attrs: Mapping[str, Any]) -> tuple[float, float]:
    return float(attrs["alpha"]), float(attrs["beta"])


def _alpha_gamma(attrs: Mapping[str, Any]) -> tuple[float, float]:
    return float(attrs["alpha"]), float(attrs["gamma"])


def _shrink(attrs: Mapping[str, Any]) -> tuple[float, float]:
    return float(attrs["lambd"]), float(attrs["bias"])


_REAL: dict[str, tuple[str, Params]] = {
    "Sqrt": ("sqrt", _none),
    "Reciprocal": ("reciprocal", _none),
    "Floor": ("floor", _none),
    "Ceil": ("ceil", _none),
    "Round": ("round", _none),
    "Exp": ("exp", _none),
    "Log": ("log", _none),
    "Tanh": ("tanh", _none),
    "Sigmoid": ("sigmoid", _none),
    "Erf": ("erf", _none),
    "Softplus": ("softplus", _none),
    "Softsign": ("softsign", _none),
    "LeakyRelu": ("leaky_relu", _alpha),
    "Elu": ("elu", _alpha),
    "Selu": ("selu", _alpha_gamma),
    "Celu": ("celu", _alpha),
    "HardSigmoid": ("hard_sigmoid", _alpha_beta),
    "HardSwish": ("hard_swish", _none),
    "Mish": ("mish", _none),
    "Swish": ("swish", _alpha),
    "ThresholdedRelu": ("thresholded_relu", _alpha),
    "Shrink": ("shrink", _shrink),
    "Sin": ("sin", _none),
    "Cos": ("cos", _none),
    "Tan": ("tan", _none),
    "Asin": ("asin", _none),
    "Acos": ("acos", _none),
    "Atan": ("atan", _none),
    "Sinh": ("sinh", _none),
    "Cosh": ("cosh", _none),
    "Asinh": ("asinh", _none),
    "Acosh": ("acosh", _none),
    "Atanh": ("atanh", _none),
}
_ANY = {"Neg": "neg", "Abs": "abs", "Sign": "sign", "Relu": "relu"}


def apply(low: Lowering, op: str, source: str, target: str, a: float = 0.0, b: float = 0.0) -> None:
    """Emit elementwise `op` over float or integer tensors of one type."""
    type_ = low.type(source)
    zero: int | float = 0.0 if type_.dtype.is_float else 0
    low.emit(op, (source,), (target,), code(type_.dtype), type_.size, a or zero, b or zero)


@lower("Activation", domain="strandline")
def activation(node: Node, low: Lowering) -> bool:
    """An activation by the kernel's own name, as the fusing passes leave it."""
    op = low.attrs["activation"]
    if not low.type(node.inputs[0]).dtype.is_float:
        return False
    if op == "none":
        low.alias(node.outputs[0], node.inputs[0])
        return True
    return _emit(node, low, op, float(low.attrs["a"]), float(low.attrs["b"]))


def _emit(node: Node, low: Lowering, op: str, a: float, b: float) -> bool:
    apply(low, op, node.inputs[0], node.outputs[0], a, b)
    return True


@lower(*_REAL)
def real(node: Node, low: Lowering) -> bool:
    if not low.type(node.inputs[0]).dtype.is_float:
        return False
    op, params = _REAL[node.op]
    return _emit(node, low, op, *params(low.attrs))


@lower(*_ANY)
def number(node: Node, low: Lowering) -> bool:
    dtype = low.type(node.inputs[0]).dtype
    if not (dtype.is_float or dtype.is_integer):
        return False
    return _emit(node, low, _ANY[node.op], 0.0, 0.0)


@lower("Gelu")
def gelu(node: Node, low: Lowering) -> bool:
    if not low.type(node.inputs[0]).dtype.is_float:
        return False
    approximate = low.attrs["approximate"]
    return _emit(node, low, "gelu_tanh" if approximate == "tanh" else "gelu", 0.0, 0.0)


@lower("Not", "BitwiseNot")
def invert(node: Node, low: Lowering) -> bool:
    x = low.type(node.inputs[0])
    op = "not" if node.op == "Not" else "bit_not"
    low.emit(op, node.inputs[:1], node.outputs, code(x.dtype), x.size, 0, 0)
    return True


@lower("IsNaN", "IsInf")
def predicate(node: Node, low: Lowering) -> bool:
    x = low.type(node.inputs[0])
    if not x.dtype.is_float:
        return False
    negative = float(low.attrs.get("detect_negative", 1))
    positive = float(low.attrs.get("detect_positive", 1))
    op = "isnan" if node.op == "IsNaN" else "isinf"
    low.emit(op, node.inputs, node.outputs, code(x.dtype), x.size, negative, positive)
    return True


def _bound(node: Node, low: Lowering, index: int) -> tuple[bool, float | None]:
    """(known at plan time, the value or None for absent) of Clip's input `index`."""
    if index >= len(node.inputs) or not node.inputs[index]:
        return True, None
    constant = low.value(node.inputs[index])
    return (False, None) if constant is None else (True, constant.flat()[0])


@lower("Clip")
def clip(node: Node, low: Lowering) -> bool:
    """Bounds are attributes before opset 11, inputs since; both must be known at plan time."""
    dtype = low.type(node.inputs[0]).dtype
    if not (dtype.is_float or dtype.is_integer):
        return False
    if low.opset < 11:
        bounds = [low.attrs["min"], low.attrs["max"]]
    else:
        known, bounds = zip(*(_bound(node, low, i) for i in (1, 2)), strict=True)  # type: ignore[assignment]
        if not all(known):
            return False
    if any(b is not None and b != b for b in bounds):
        return False
    if dtype.is_float:
        low_, high = (
            -math.inf if bounds[0] is None else float(bounds[0]),
            math.inf if bounds[1] is None else float(bounds[1]),
        )
        return _emit(node, low, "clip", low_, high)
    bits = 8 * dtype.itemsize
    signed = dtype.format in "bhiq"
    least = -(1 << bits - 1) if signed else 0
    most = (1 << bits - 1) - 1 if signed else (1 << bits) - 1
    lowest = least if bounds[0] is None else int(bounds[0])
    highest = most if bounds[1] is None else int(bounds[1])
    size = low.type(node.inputs[0]).size
    wrapped = [v - (1 << 64) if v >= 1 << 63 else v for v in (lowest, highest)]
    low.emit("clip", node.inputs[:1], node.outputs, code(dtype), size, *wrapped)
    return True


@lower("Cast", "CastLike")
def cast_(node: Node, low: Lowering) -> bool:
    """Between numbers; strings need their text and so the reference."""
    source, target = low.type(node.inputs[0]).dtype, low.type(node.outputs[0]).dtype
    if "string" in (source.name, target.name):
        if source is not target:
            return False
        low.alias(node.outputs[0], node.inputs[0])
    elif source is target:
        low.alias(node.outputs[0], node.inputs[0])
    else:
        cast(low, node.inputs[0], node.outputs[0])
    return True
