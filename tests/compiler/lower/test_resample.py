"""Transposed convolutions and interpolation over generated shapes and modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compiler.lower.node import NoKernel, both, check

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SMALL = st.integers(1, 3)
TWO = st.tuples(SMALL, SMALL)


def values(*shape: int, dtype: str = "float32", seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=TWO,
    dilations=TWO,
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    size=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    channels=TWO,
    groups=SMALL,
    batch=st.integers(1, 2),
    biased=st.booleans(),
)
@generated
def test_conv_transpose(
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, ...],
    size: tuple[int, int],
    channels: tuple[int, int],
    groups: int,
    batch: int,
    biased: bool,
) -> None:
    ins, outs = channels
    x = values(batch, groups * ins, *size)
    w = values(groups * ins, outs, *kernel, seed=1)
    full = [
        s * (n - 1) + (k - 1) * d + 1
        for s, n, k, d in zip(strides, size, kernel, dilations, strict=True)
    ]
    if any(f - pads[i] - pads[i + 2] < 1 for i, f in enumerate(full)):
        return
    operands = (x, w, values(groups * outs, seed=2)) if biased else (x, w)
    attrs = {"strides": strides, "dilations": dilations, "pads": pads, "group": groups}
    check("ConvTranspose", *operands, constant=(1,), rtol=1e-4, atol=1e-4, **attrs)


def test_conv_transpose_over_one_axis_and_padded_outputs() -> None:
    x, w = values(2, 3, 7), values(3, 4, 3, seed=1)
    check("ConvTranspose", x, w, constant=(1,), strides=[2], output_padding=[1], atol=1e-4)
    x, w = values(2, 3, 7, 5), values(3, 4, 3, 3, seed=1)
    for mode in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        check("ConvTranspose", x, w, constant=(1,), auto_pad=mode, strides=[2, 2], atol=1e-4)
    check("ConvTranspose", x, w, constant=(1,), output_shape=[16, 12], strides=[2, 2], atol=1e-4)
    with pytest.raises(NoKernel):
        both("ConvTranspose", x, w)


MODES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    scales=st.tuples(st.sampled_from([0.5, 0.7, 1.0, 1.5, 2.0, 3.3]), st.sampled_from([1.0, 2.0])),
    transformation=st.sampled_from(MODES),
    mode=st.sampled_from(["nearest", "linear"]),
    rounding=st.sampled_from(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]),
)
@generated
def test_resize(
    size: tuple[int, int],
    scales: tuple[float, float],
    transformation: str,
    mode: str,
    rounding: str,
) -> None:
    if any(int(n * s) < 1 for n, s in zip(size, scales, strict=True)):
        return
    if transformation == "align_corners" and any(
        int(n * s) > 1 and n * s - 1 < 0.5 for n, s in zip(size, scales, strict=True)
    ):
        return
    x, factors = values(2, 3, *size), np.array([1, 1, *scales], np.float32)
    attrs = {"coordinate_transformation_mode": transformation, "mode": mode}
    check(
        "Resize", x, None, factors, constant=(2,), nearest_mode=rounding, rtol=1e-4, atol=1e-5,
        **attrs,
    )  # fmt: skip


def test_resize_to_sizes_along_chosen_axes_and_of_old() -> None:
    x = values(2, 3, 7, 5)
    sizes = np.array([11, 8])
    check("Resize", x, None, None, sizes, constant=(3,), axes=[2, 3], mode="linear", atol=1e-5)
    scales = np.array([1, 1, 2, 3], np.float32)
    check("Resize", x, scales, constant=(1,), opset=10)
    check("Upsample", x, scales, constant=(1,), opset=9, mode="linear", atol=1e-5)
    half = values(1, 2, 4, 4, dtype="float16")
    check("Resize", half, None, scales, constant=(2,), mode="linear", rtol=1e-3, atol=1e-3)


def test_what_resize_leaves_to_the_reference() -> None:
    x, scales = values(1, 2, 4, 4), np.array([1, 1, 2, 2], np.float32)
    for attrs in ({"mode": "cubic"}, {"mode": "linear", "antialias": 1}):
        with pytest.raises(NoKernel):
            both("Resize", x, None, scales, constant=(2,), **attrs)
    with pytest.raises(NoKernel):
        both("Resize", x, None, np.array([1, 2, 2, 2], np.float32), constant=(2,))
