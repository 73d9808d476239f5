"""Activations, and operators that the standard took over later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strandline.compiler.expand.registry import expands
from strandline.compiler.expand.writer import Writer
from strandline.onnx.types import int64
from strandline.ops.rules import ints

_PARAMETERS = {"HardSigmoid": ("alpha", "beta"), "LeakyRelu": ("alpha",), "Elu": ("alpha",)}
_PLAIN = ("Relu", "Sigmoid", "Softplus", "Softsign", "Tanh")


def gelu(w: Writer, x: str) -> str:
    made: str = w.fused("Activation", x, activation="gelu")
    return made


def activated(w: Writer, x: str, name: str, numbers: Sequence[float]) -> str:
    """An activation by ONNX's name and its parameters in the order of the operator's attributes."""
    made: str
    if not name:
        return x
    if name in _PLAIN:
        made = w(name, x)
    elif name == "Clip":
        made = w("Clip", x, *(w.scalar(number, x) for number in numbers[:2]))
    elif name == "Gelu":
        made = gelu(w, x)
    elif name == "HardSwish":
        made = w.fused("Activation", x, activation="hard_swish")
    elif name in _PARAMETERS:
        attrs: dict[str, Any] = dict(zip(_PARAMETERS[name], map(float, numbers), strict=False))
        made = w(name, x, **attrs)
    else:
        raise w.refuse(f"activation {name} is not supported")
    return made


@expands("Gelu")
def _gelu(w: Writer, x: str) -> str:
    return gelu(w, x)


@expands("BiasGelu")
def _bias_gelu(w: Writer, x: str, bias: str) -> str:
    return gelu(w, w("Add", x, bias))


@expands("FastGelu")
def _fast_gelu(w: Writer, x: str, bias: str = "") -> Any:
    """Gelu by tanh."""
    return w.fused("Activation", w("Add", x, bias) if bias else x, activation="gelu_tanh")


@expands("QuickGelu")
def _quick_gelu(w: Writer, x: str, *, alpha: float = 1.702) -> Any:
    """x · σ(alpha · x)."""
    return w.fused("Activation", x, activation="swish", a=float(alpha))


@expands("Trilu")
def _trilu(w: Writer, x: str, k: str = "", *, upper: int = 1) -> Any:
    return w("Trilu", x, k, upper=upper)


@expands("ExpandDims")
def _expand_dims(w: Writer, x: str, axis: str) -> str:
    return w.unsqueeze(x, *ints(w.weights(axis, "axis")))


@expands("Pad")
def _pad(w: Writer, x: str, pads: str, value: str = "", *, mode: str = "constant") -> Any:
    if w.opset >= 11:
        flat = w.reshape(pads, -1)
        return w("Pad", x, flat, w("Reshape", value, w.integers()) if value else "", mode=mode)
    attrs: dict[str, Any] = {"pads": ints(w.weights(pads, "pads")), "mode": mode}
    if value:
        attrs["value"] = float(w.weights(value, "value").flat()[0])
    return w("Pad", x, **attrs)


@expands("Range")
def _range(w: Writer, start: str, limit: str, delta: str = "") -> Any:
    ends = (w("Reshape", end, w.integers()) for end in (start, limit, delta) if end)
    return w("Range", *ends, *(() if delta else (w.scalar(1, start),)))


@expands("Unique")
def _unique(w: Writer, x: str) -> tuple[str, ...]:
    """In the order in which they come, with the place of each element among them."""
    y, _, inverse, counts = w("Unique", x, outputs=4, sorted=0)
    return y, inverse, counts


@expands("CDist")
def _cdist(w: Writer, a: str, b: str, *, metric: str = "sqeuclidean") -> Any:
    return w.fused("PairwiseDistances", a, b, metric=metric)


@expands("GatherND")
def _gather_nd(w: Writer, data: str, indices: str) -> Any:
    return w("GatherND", data, w.cast(indices, int64))


@expands("GridSample", hands_on=("align_corners", "padding_mode"))
def _grid_sample(w: Writer, x: str, grid: str, *, mode: str = "bilinear", **how: Any) -> Any:
    if w.opset >= 20:
        mode = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    return w("GridSample", x, grid, mode=mode, **how)
