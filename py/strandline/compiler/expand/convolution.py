"""Convolutions and pools with what onnxruntime fuses into them, and with channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from strandline.compiler.expand.elements import activated
from strandline.compiler.expand.registry import expands
from strandline.compiler.expand.writer import Writer
from strandline.ops.rules import ints

WINDOW: Final = ("auto_pad", "dilations", "kernel_shape", "pads", "strides")
CONV: Final = (*WINDOW, "group")


@expands("FusedConv", hands_on=CONV)
def _fused_conv(
    w: Writer,
    x: str,
    weights: str,
    bias: str = "",
    residual: str = "",
    *,
    activation: str = "",
    activation_params: Sequence[float] = (),
    **conv: Any,
) -> str:
    y = w("Conv", x, weights, bias, **conv)
    return activated(w, w("Add", y, residual) if residual else y, activation, activation_params)


@expands("NhwcMaxPool", hands_on=(*WINDOW, "ceil_mode"))
def _nhwc_max_pool(w: Writer, x: str, **pool: Any) -> str:
    return w.last(w("MaxPool", w.first(x), **pool))


@expands("QLinearConv", hands_on=CONV)
def _qlinear_conv(
    w: Writer,
    x: str,
    x_scale: str,
    x_zero: str,
    weights: str,
    w_scale: str,
    w_zero: str,
    y_scale: str,
    y_zero: str,
    bias: str = "",
    *,
    channels_last: int = 0,
    **conv: Any,
) -> Any:
    x = w.first(x) if channels_last else x
    others = (x_scale, x_zero, weights, w_scale, w_zero, y_scale, y_zero, bias)
    y = w("QLinearConv", x, *others, **conv)
    return w.last(y) if channels_last else y


@expands(
    "ConvTransposeWithDynamicPads",
    hands_on=("auto_pad", "dilations", "group", "kernel_shape", "output_padding", "strides"),
)
def _conv_transpose(
    w: Writer, x: str, weights: str, pads: str = "", bias: str = "", **conv: Any
) -> Any:
    """Pads that only a run knows are not served."""
    if pads:
        conv["pads"] = ints(w.weights(pads, "pads"))
    return w("ConvTranspose", x, weights, bias, **conv)
