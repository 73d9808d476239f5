"""Convolution and pooling over generated shapes, pads, strides, dilations and groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import core
from strandline.compiler.lower.choice import ConvShape
from tests.compiler.lower.node import NoKernel, both, check
from tests.compiler.lower.test_products import ACTIVATIONS

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SMALL = st.integers(1, 3)
TWO = st.tuples(SMALL, SMALL)


def values(*shape: int, dtype: str = "float32", seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


@st.composite
def windows(draw: Any, padding: int) -> tuple[tuple[int, int], dict[str, Any]]:
    """The size of an image, and a kernel, strides, dilations and pads that fit on it."""
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    dilations = draw(TWO)
    pads = [
        draw(st.integers(0, min(padding, kernel[i % 2] - 1) if padding < 9 else 3))
        for i in range(4)
    ]
    size = tuple(
        (k - 1) * d + 1 + draw(st.integers(0, 40)) for k, d in zip(kernel, dilations, strict=True)
    )
    return size, {
        "kernel_shape": kernel,
        "strides": draw(TWO),
        "dilations": dilations,
        "pads": pads,
    }


@given(
    window=windows(9),
    groups=st.integers(1, 4),
    ins=st.integers(1, 9),
    outs=st.integers(1, 17),
    batch=st.integers(0, 2),
    biased=st.booleans(),
    constant=st.booleans(),
)
@generated
def test_conv(
    window: Any, groups: int, ins: int, outs: int, batch: int, biased: bool, constant: bool
) -> None:
    size, attrs = window
    x = values(batch, groups * ins, *size)
    w = values(groups * outs, ins, *attrs["kernel_shape"], seed=1)
    operands = (x, w, values(groups * outs, seed=2)) if biased else (x, w)
    known = (1,) if constant else ()
    check("Conv", *operands, constant=known, group=groups, rtol=1e-4, atol=1e-4, **attrs)


@given(window=windows(9), channels=st.integers(2, 9), multiplier=st.integers(1, 2))
@generated
def test_depthwise_conv(window: Any, channels: int, multiplier: int) -> None:
    size, attrs = window
    w = values(channels * multiplier, 1, *attrs["kernel_shape"], seed=1)
    x = values(2, channels, *size)
    check("Conv", x, w, constant=(1,), group=channels, rtol=1e-4, atol=1e-4, **attrs)


@pytest.mark.parametrize("channels", [3, 64, 300])
def test_one_by_one_conv(channels: int) -> None:
    x, w = values(2, channels, 9, 13), values(70, channels, 1, 1, seed=1)
    check("Conv", x, w, values(70, seed=2), constant=(1,), rtol=1e-4, atol=1e-4)
    check("Conv", x, w, constant=(1,), strides=[2, 3], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("end", [(0, 2), (2, 0), (2, 2)])
def test_one_by_one_conv_with_room_at_the_end(end: tuple[int, int]) -> None:
    check("Conv", values(2, 3, 4, 5), values(6, 3, 1, 1), pads=[0, 0, *end], constant=(1,))


def test_conv_over_one_axis_and_by_auto_pad() -> None:
    check("Conv", values(2, 3, 20), values(4, 3, 5, seed=1), pads=[2, 1], atol=1e-4)
    check("Conv", values(2, 4, 20), values(4, 1, 5, seed=1), group=4, dilations=[2], atol=1e-4)
    for mode in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        x, w = values(1, 3, 11, 12), values(4, 3, 4, 3, seed=1)
        check("Conv", x, w, auto_pad=mode, strides=[2, 2], atol=1e-4)


def test_windows_along_one_column() -> None:
    """They are laid along the width, pads and all."""
    x, attrs = (
        values(2, 6, 40, 1),
        {"kernel_shape": [5, 1], "pads": [2, 0, 1, 0], "strides": [2, 3]},
    )
    check("Conv", x, values(4, 6, 5, 1, seed=1), atol=1e-4, **attrs)
    check("Conv", x, values(6, 1, 5, 1, seed=1), group=6, atol=1e-4, **attrs)
    check("MaxPool", x, **attrs)
    for counted in (0, 1):
        check("AveragePool", x, count_include_pad=counted, **attrs)
        one = {"kernel_shape": [3, 1], "pads": [1, 0, 1, 0], "count_include_pad": counted}
        check("AveragePool", values(1, 2, 1, 1), **one)


def test_windows_too_wide_to_slide() -> None:
    x = values(1, 3, 2, 300)
    check("Conv", x, values(3, 1, 1, 70, seed=1), group=3, constant=(1,), rtol=1e-4, atol=1e-4)
    with pytest.raises(NoKernel):
        both("MaxPool", x, kernel_shape=[1, 257])


def test_conv_in_half_precision() -> None:
    x, w = values(1, 3, 9, 9, dtype="float16"), values(4, 3, 3, 3, dtype="float16")
    check("Conv", x, w, rtol=2e-2, atol=2e-2)


def test_conv_that_no_kernel_serves() -> None:
    with pytest.raises(NoKernel):
        both("Conv", values(1, 2, 3, 3, 3, 3), values(3, 2, 2, 2, 2, 2))
    with pytest.raises(NoKernel):
        both("Conv", values(1, 2, 5, 5, dtype="float64"), values(3, 2, 2, 2, dtype="float64"))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("groups", [1, 6])
def test_activations_on_the_way_out(name: str, groups: int) -> None:
    a, b = ACTIVATIONS[name]
    x, w, c = values(2, 6, 9, 11), values(12, 6 // groups, 3, 3, seed=1), values(12, seed=2)
    attrs: dict[str, Any] = {"activation": name, "a": a, "b": b, "group": groups, "pads": [1] * 4}
    check("FusedConv", x, w, c, domain="strandline", opset=1, rtol=1e-4, atol=1e-5, **attrs)


RESIDUALS = {"of the images": None, "per channel": (48, 1, 1), "larger": (3, 1, 48, 1, 1)}


@pytest.mark.parametrize("shape", RESIDUALS)
@pytest.mark.parametrize("activation", ["none", "relu", "gelu"])
@pytest.mark.parametrize(
    ("kernel", "groups", "op"),
    [
        (1, 1, "conv2d_f32"),
        (5, 3, "conv2d_f32"),
        (3, 1, "winograd_f32"),
        (3, 24, "depthwise2d_f32"),
    ],
)
def test_residual(kernel: int, groups: int, op: str, activation: str, shape: str) -> None:
    """Added before the activation by every kernel; NaN and infinity come through."""
    x, w = values(1, 24, 33, 31), values(48, 24 // groups, kernel, kernel, seed=1)
    pads = [kernel // 2] * 4
    residual = values(*(RESIDUALS[shape] or (1, 48, 33, 31)), seed=3)
    residual.flat[:4] = np.nan, np.inf, -np.inf, -0.0
    attrs: dict[str, Any] = {"activation": activation, "group": groups, "pads": pads}
    for bias in (values(48, seed=2), None):
        check(
            "FusedConv", x, w, bias, residual, domain="strandline", opset=1, constant=(1,),
            rtol=1e-4, atol=1e-4, **attrs,
        )  # fmt: skip
    plane = (33, 31, kernel, kernel, 1, 1, 1, 1, *pads[:2], 33, 31)
    assert ConvShape(plane, 24, 48, groups, core.panel_width()).kernels(constant=True)[0] == op


@pytest.mark.parametrize("shape", [(1, 4, 3, 6, 5), (4, 1, 1, 1), (2, 1, 4, 3, 6, 5)])
@pytest.mark.parametrize("depth", [5, 3])
def test_residual_of_volumes(depth: int, shape: tuple[int, ...]) -> None:
    x, w = values(1, 2, depth, 6, 5), values(4, 2, 3, 3, 3, seed=1)
    shape = tuple(depth - 2 if size == 3 else size for size in shape)
    attrs: dict[str, Any] = {"pads": [0, 1, 1, 0, 1, 1], "activation": "relu"}
    operands = (x, w, values(4, seed=2), values(*shape, seed=3))
    check("FusedConv", *operands, domain="strandline", opset=1, rtol=1e-4, atol=1e-5, **attrs)


@given(window=windows(4), ceil_mode=st.integers(0, 1), shape=st.tuples(st.integers(0, 2), SMALL))
@generated
def test_max_pool(window: Any, ceil_mode: int, shape: tuple[int, int]) -> None:
    size, attrs = window
    x = (
        values(*shape, *(s + 2 for s in size)) - 2
    )  # below zero, so that a padding of zeros would show
    check("MaxPool", x, ceil_mode=ceil_mode, **attrs)


@given(window=windows(4), ceil_mode=st.integers(0, 1), counted=st.integers(0, 1))
@generated
def test_average_pool(window: Any, ceil_mode: int, counted: int) -> None:
    size, attrs = window
    x = values(2, 3, *(s + 2 for s in size))
    # Dilations came with opset 19.
    check("AveragePool", x, opset=19, ceil_mode=ceil_mode, count_include_pad=counted, **attrs)


def test_pools_over_one_axis_and_in_half_precision() -> None:
    check("MaxPool", values(1, 2, 30), kernel_shape=[3], strides=[2])
    check("AveragePool", values(1, 2, 30), kernel_shape=[4], pads=[1, 2], count_include_pad=1)
    check("MaxPool", values(1, 2, 9, 9, dtype="float16"), kernel_shape=[3, 3])


def test_max_pool_keeps_nan_and_leaves_places_to_the_reference() -> None:
    x = values(1, 1, 6, 6)
    x[0, 0, 2, 3] = np.nan
    check("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    with pytest.raises(NoKernel):
        both("MaxPool", x, kernel_shape=[2, 2], outputs=2)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_lrn(size: int) -> None:
    check("LRN", values(2, 7, 5, 6), size=size, alpha=0.1, beta=0.6, bias=2.0, rtol=1e-4)


def test_batch_normalization() -> None:
    for shape in [(2, 7, 5, 6), (3, 7), (2, 7, 4)]:
        for dtype in ("float32", "float64"):
            x, scale, bias, mean = (
                values(*s, dtype=dtype, seed=i) for i, s in enumerate((shape, (7,), (7,), (7,)))
            )
            check(
                "BatchNormalization",
                x,
                scale,
                bias,
                mean,
                abs(mean) + 1,
                constant=(1, 2, 3, 4),
                atol=1e-5,
            )
            check("BatchNormalization", x, scale, bias, mean, abs(mean) + 1, opset=9, atol=1e-5)
    with pytest.raises(NoKernel):
        both("BatchNormalization", values(2, 3), *[values(3)] * 4, outputs=3, training_mode=1)
