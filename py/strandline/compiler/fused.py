"""Operators of the domain "strandline": what the fusing passes make out of several ONNX nodes.

Lowering rules serve them under the same names; the references here are the compositions that they
stand for, so that a fused node runs everywhere.

`activation` names one of `core.ACTIVATIONS`; `a` and `b` are its numbers: the slope of leaky_relu,
the bounds of clip, slope and offset of hard_sigmoid, the factor inside swish.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strandline._lazy import np
from strandline.onnx.graph import Node
from strandline.onnx.types import TensorType
from strandline.ops.conv import conv_types
from strandline.ops.registry import Attrs, Info, find, op
from strandline.ops.rules import broadcast_shapes, same

DOMAIN = "strandline"

_OPSETS = {"": 24}
"""The versions of the ONNX operators that the references are made of."""


def activate(x: Any, activation: str, a: float, b: float) -> Any:
    """The activation function by its name."""
    if activation == "none":
        return x
    if activation == "clip":
        return np.clip(x, x.dtype.type(a), x.dtype.type(b))
    if activation == "gelu_tanh":
        node = Node("Gelu", ("x",), ("y",), {"approximate": "tanh"})
        return find(node, _OPSETS).run(node, [x])[0]
    if activation == "swish":
        return (x / (1 + np.exp(-a * x))).astype(x.dtype)
    name, attributes = _ONNX[activation]
    node = Node(name, ("x",), ("y",), dict(zip(attributes, (a, b), strict=False)))
    return find(node, _OPSETS).run(node, [x])[0]


_ONNX: dict[str, tuple[str, tuple[str, ...]]] = {
    "relu": ("Relu", ()),
    "leaky_relu": ("LeakyRelu", ("alpha",)),
    "sigmoid": ("Sigmoid", ()),
    "tanh": ("Tanh", ()),
    "hard_sigmoid": ("HardSigmoid", ("alpha", "beta")),
    "hard_swish": ("HardSwish", ()),
    "gelu": ("Gelu", ()),
    "softplus": ("Softplus", ()),
}


@op("Activation", domain=DOMAIN, shape=same)
def activation_(x: Any, *, activation: str, a: float = 0.0, b: float = 0.0) -> Any:
    return activate(x, activation, a, b)


def _scale_types(inputs: Sequence[Info | None], attrs: Attrs, n_outputs: int) -> list[TensorType]:
    x, scale, shift = inputs
    if x is None or scale is None or shift is None or len(x.type.shape) < 2:
        raise ValueError("ScaleShift takes X of rank 2 or more, scale and shift")
    if not (scale.type.shape == shift.type.shape == x.type.shape[1:2]):
        raise ValueError("scale and shift have one number for each channel of X, its axis 1")
    return [x.type]


@op("ScaleShift", domain=DOMAIN, shape=_scale_types)
def scale_shift(
    X: Any, scale: Any, shift: Any, *, activation: str = "none", a: float = 0.0, b: float = 0.0
) -> Any:
    """activation(X * scale + shift), scale and shift [channels] along axis 1."""
    shape = (-1,) + (1,) * (X.ndim - 2)
    return activate(X * scale.reshape(shape) + shift.reshape(shape), activation, a, b)


_CONV = {
    "auto_pad": "NOTSET",
    "dilations": None,
    "group": 1,
    "kernel_shape": None,
    "pads": None,
    "strides": None,
}


def _conv_node(attrs: Attrs) -> Node:
    given = {name: attrs[name] for name in _CONV if attrs.get(name) is not None}
    return Node("Conv", ("X", "W", "B"), ("Y",), given)


def _conv_types(
    inputs: Sequence[Info | None], attrs: Attrs, n_outputs: int
) -> Sequence[TensorType] | None:
    types = conv_types(inputs, attrs, n_outputs)
    residual = inputs[3] if len(inputs) > 3 else None
    if residual is None:
        return types
    shape = broadcast_shapes(types[0].shape, residual.type.shape)
    return [TensorType(types[0].dtype, shape)]


@op("FusedConv", domain=DOMAIN, shape=_conv_types)
def fused_conv(
    X: Any,
    W: Any,
    B: Any = None,
    residual: Any = None,
    *,
    activation: str = "none",
    a: float = 0.0,
    b: float = 0.0,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    """activation(Conv(X, W, B) + residual), the residual broadcast as Add does."""
    node = _conv_node(
        {
            "auto_pad": auto_pad,
            "dilations": dilations,
            "group": group,
            "kernel_shape": kernel_shape,
            "pads": pads,
            "strides": strides,
        }
    )
    y = find(node, _OPSETS).run(node, [X, W, B])[0]
    return activate(y if residual is None else y + residual, activation, a, b)


def _gemm_types(
    inputs: Sequence[Info | None], attrs: Attrs, n_outputs: int
) -> Sequence[TensorType]:
    a, b = inputs[0], inputs[1]
    if a is None or b is None or len(b.type.shape) != 2 or not a.type.shape:
        raise ValueError("FusedGemm takes A of rank 1 or more and B of rank 2")
    inner, columns = b.type.shape[::-1] if attrs["transB"] else b.type.shape
    if a.type.shape[-1] != inner:
        raise ValueError(f"the last axis of A, {a.type.shape[-1]}, is not B's {inner}")
    shape: tuple[int, ...] = (*a.type.shape[:-1], columns)
    bias = inputs[2] if len(inputs) > 2 else None
    if bias is not None:
        shape = broadcast_shapes(shape, bias.type.shape)
    return [TensorType(a.type.dtype, shape)]


@op("FusedGemm", domain=DOMAIN, shape=_gemm_types)
def fused_gemm(
    A: Any,
    B: Any,
    C: Any = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transB: int = 0,
    activation: str = "none",
    a: float = 0.0,
    b: float = 0.0,
) -> Any:
    """activation(alpha · A·B + beta · C): A [..., K], B [K, N] ([N, K] with transB), C broadcast."""
    product = np.matmul(A, B.T if transB else B)
    if alpha != 1.0:
        product = product * A.dtype.type(alpha)
    if C is not None:
        product = product + (C if beta == 1.0 else C * A.dtype.type(beta))
    return activate(product, activation, a, b)
