"""Filters of one channel, maxima, sums, products and tables of 8-bit integers give what the reference gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compiler.lower.node import NoKernel, both, check
from tests.compiler.lower.test_quantize import TYPE, close, generated, real, whole
from tests.compiler.lower.test_window import windows

pytestmark = pytest.mark.usefixtures("isa")


@given(window=windows(padding=2), channels=st.integers(1, 4), types=st.tuples(TYPE, TYPE, TYPE))
@generated
def test_depthwise(window: Any, channels: int, types: Any) -> None:
    size, attrs = window
    filters = 2 * channels
    kernel = attrs["kernel_shape"]
    f = np.float32
    for each, bias, activation in ((True, True, "relu"), (False, False, "none")):
        operands = [
            whole(types[0], 2, channels, *size), f(0.03), whole(types[0], seed=2).reshape(()),
            whole(types[1], filters, 1, *kernel, seed=1),
            np.linspace(0.01, 0.02, filters).astype(f) if each else f(0.02),
            whole(types[1], *((filters,) if each else ()), seed=3),
            np.arange(filters, dtype=np.int32) * 300 if bias else None, f(0.9),
            whole(types[2], seed=4).reshape(()),
        ]  # fmt: skip
        arrays = [None if v is None else np.asarray(v) for v in operands]
        known = [i for i in range(1, 9) if arrays[i] is not None]
        common = {"domain": "strandline", "activation": activation, "group": channels}
        close("QuantizedConv", *arrays, constant=known, **common, **attrs)


def test_depthwise_sums_beyond_float32_are_whole_numbers() -> None:
    """A bias too large for floats, and one that is not constant, go the other way."""
    f, bias = np.float32, np.array([2**24 + 1, 5, -(2**26) + 3], np.int32)
    operands = [
        whole("uint8", 1, 3, 5, 5), f(1), np.uint8(3), whole("int8", 3, 1, 3, 3, seed=1), f(1),
        np.int8(0), bias, f(2**20), np.uint8(100),
    ]  # fmt: skip
    arrays = [np.asarray(v) for v in operands]
    for known in (range(1, 9), (1, 2, 3, 4, 5, 7, 8)):
        close("QuantizedConv", *arrays, constant=known, domain="strandline", group=3)


@pytest.mark.parametrize("limits", [(0.0, 6.0), (-1.3, 2.7), (-900.0, 900.0)])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_clipped_on_the_way_out(limits: tuple[float, float], dtype: str) -> None:
    f = np.float32
    for group, w in ((1, (6, 4, 3, 3)), (4, (4, 1, 3, 3))):
        operands = [
            whole("uint8", 2, 4, 9, 7), f(0.03), np.uint8(120), whole("int8", *w, seed=1), f(0.02),
            np.int8(0), np.arange(w[0], dtype=np.int32) * 90, f(0.07), whole(dtype).reshape(()),
        ]  # fmt: skip
        common: dict[str, Any] = {"activation": "clip", "a": limits[0], "b": limits[1]}
        arrays = [np.asarray(v) for v in operands]
        common |= {"domain": "strandline", "group": group, "constant": range(1, 9)}
        close("QuantizedConv", *arrays, **common)


@given(window=windows(padding=1), dtype=TYPE)
@generated
def test_max_pool(window: Any, dtype: str) -> None:
    size, attrs = window
    check("MaxPool", whole(dtype, 2, 3, *size), **attrs)
    check("MaxPool", whole(dtype, 1, 2, 40, 70), kernel_shape=[3, 2], strides=[2, 3])


def test_max_pool_of_wide_windows_is_left_to_the_reference() -> None:
    with pytest.raises(NoKernel):
        both("MaxPool", whole("uint8", 1, 1, 1, 90), kernel_shape=[1, 65])


@given(
    shapes=st.sampled_from(
        [((3, 5, 37), (3, 5, 37)), ((2, 3, 5, 7), (2, 3, 1, 1)), ((1, 3, 1), (2, 3, 67)),
         ((4, 1), (1,)), ((), (9,)), ((0, 3), (3,)), ((2, 33), (33,))]
    ),
    types=st.tuples(TYPE, TYPE, TYPE),
    real_side=st.integers(0, 2),
    activation=st.sampled_from(["none", "relu"]),
)  # fmt: skip
@generated
def test_elements(shapes: Any, types: Any, real_side: int, activation: str) -> None:
    """Bit for bit: all is done in float32 as the reference does it."""
    f, operands = np.float32, []
    for i in range(2):
        if real_side == i + 1:
            operands += [real(*shapes[i], seed=i), None, None]
        else:
            zero = whole(types[i], seed=i + 2).reshape(())
            operands += [whole(types[i], *shapes[i], seed=i), f(0.05 + i / 30), zero]
    operands += [f(0.11), whole(types[2], seed=7).reshape(())]
    arrays = [None if v is None else np.asarray(v) for v in operands]
    for op in ("QuantizedAdd", "QuantizedMul"):
        check(op, *arrays, domain="strandline", activation=activation, constant=(6, 7))


def test_elements_that_are_no_numbers() -> None:
    x = np.array([np.inf, -np.inf, 3e38, 1e-40], np.float32)
    by = [np.asarray(v) for v in (np.float32(0.1), np.uint8(9))]
    check("QuantizedAdd", x, None, None, np.arange(4, dtype=np.uint8), *by, *by,
          domain="strandline", constant=(6, 7))  # fmt: skip


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_table(dtype: str) -> None:
    check("MapBytes", whole(dtype, 3, 77), whole("int8", 256, seed=1), domain="strandline")
