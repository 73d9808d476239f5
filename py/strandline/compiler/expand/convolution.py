"""Convolutions and pools with what onnxruntime fuses into them, and with channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strandline.compiler.expand.elements import activated
from strandline.compiler.expand.registry import expands
from strandline.compiler.expand.writer import Writer
from strandline.ops.rules import ints


def given(**attrs: Any) -> dict[str, Any]:
    """The attributes that are there."""
    return {name: value for name, value in attrs.items() if value is not None}


@expands("FusedConv")
def _fused_conv(
    w: Writer,
    x: str,
    weights: str,
    bias: str = "",
    residual: str = "",
    *,
    activation: str = "",
    activation_params: Sequence[float] = (),
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> str:
    attrs = given(
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    y = w("Conv", x, weights, bias, **attrs)
    return activated(w, w("Add", y, residual) if residual else y, activation, activation_params)


@expands("NhwcMaxPool")
def _nhwc_max_pool(
    w: Writer,
    x: str,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    kernel_shape: Any,
    pads: Any = None,
    strides: Any = None,
) -> str:
    attrs = given(
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
        dilations=dilations,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    return w.last(w("MaxPool", w.first(x), **attrs))


@expands("QLinearConv")
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
    auto_pad: str = "NOTSET",
    channels_last: int = 0,
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    attrs = given(
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    x = w.first(x) if channels_last else x
    others = (x_scale, x_zero, weights, w_scale, w_zero, y_scale, y_zero, bias)
    y = w("QLinearConv", x, *others, **attrs)
    return w.last(y) if channels_last else y


@expands("ConvTransposeWithDynamicPads")
def _conv_transpose(
    w: Writer,
    x: str,
    weights: str,
    pads: str = "",
    bias: str = "",
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    output_padding: Any = None,
    strides: Any = None,
) -> Any:
    """Pads that only a run knows are not served."""
    attrs = given(
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        kernel_shape=kernel_shape,
        output_padding=output_padding,
        pads=ints(w.weights(pads, "pads")) if pads else None,
        strides=strides,
    )
    return w("ConvTranspose", x, weights, bias, **attrs)
