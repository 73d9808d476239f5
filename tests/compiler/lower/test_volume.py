"""Windows over three axes against the references, over generated shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.compiler.lower.node import check

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
THREE = st.tuples(*[st.integers(1, 3)] * 3)
SIZES = st.tuples(*[st.integers(3, 8)] * 3)
PADS = st.tuples(*[st.integers(0, 2)] * 6)


def values(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def fits(size: Any, kernel: Any, dilations: Any, pads: Any) -> bool:
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    return all(
        s + pads[i] + pads[i + 3] >= r for i, (s, r) in enumerate(zip(size, reach, strict=True))
    )


@given(SIZES, THREE, THREE, THREE, PADS, st.sampled_from([1, 2]), st.booleans(), st.booleans())
@generated
def test_convolution(
    size: Any,
    kernel: Any,
    strides: Any,
    dilations: Any,
    pads: Any,
    groups: int,
    bias: bool,
    constant: bool,
) -> None:
    assume(fits(size, kernel, dilations, pads))
    operands = [values(2, 4, *size), values(6, 4 // groups, *kernel, seed=1)]
    check(
        "Conv",
        *operands,
        *([values(6, seed=2)] if bias else []),
        constant=[1] if constant else [],
        group=groups,
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        pads=pads,
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_padding_by_name(pad: str) -> None:
    x, w = values(1, 3, 5, 6, 7), values(2, 3, 3, 2, 3)
    check("Conv", x, w, auto_pad=pad, strides=[2, 1, 2], rtol=1e-4, atol=1e-5)


def test_half_precision() -> None:
    x, w = values(1, 2, 4, 5, 5).astype(np.float16), values(3, 2, 3, 3, 3).astype(np.float16)
    check("Conv", x, w, pads=[1] * 6, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@given(SIZES, THREE, THREE, PADS, st.booleans(), st.booleans())
@generated
def test_pooling(
    op: str, size: Any, kernel: Any, strides: Any, pads: Any, ceil: bool, counted: bool
) -> None:
    pads = tuple(min(p, kernel[i % 3] - 1) for i, p in enumerate(pads))
    extra = {"count_include_pad": int(counted)} if op == "AveragePool" else {}
    check(
        op,
        values(2, 3, *size),
        kernel_shape=kernel,
        strides=strides,
        pads=pads,
        ceil_mode=int(ceil),
        **extra,
        atol=1e-5,
        rtol=1e-4,
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e-45])
def test_values_at_the_ends(value: float) -> None:
    x = values(1, 2, 4, 4, 4)
    x[0, 0, 1, 2, 3] = value
    check("MaxPool", x, kernel_shape=[2, 2, 2], pads=[1] * 6)
    check("Conv", x, np.ones((1, 2, 2, 2, 2), np.float32), atol=1e-5)


@given(SIZES, THREE, THREE, THREE, st.sampled_from([1, 2]), st.booleans(), st.data())
@generated
def test_transposed(
    size: Any,
    kernel: Any,
    strides: Any,
    dilations: Any,
    groups: int,
    bias: bool,
    data: st.DataObject,
) -> None:
    reach = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
    pads = [data.draw(st.integers(0, min(r, 1))) for r in (*reach, *reach)]
    extra = [data.draw(st.integers(0, s - 1)) for s in strides]
    check(
        "ConvTranspose",
        values(2, 4, *size),
        values(4, 3, *kernel, seed=1),
        *([values(3 * groups, seed=2)] if bias else []),
        constant=[1],
        group=groups,
        strides=strides,
        dilations=dilations,
        pads=pads,
        output_padding=extra,
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_batch_of_none(rank: int) -> None:
    w = values(4, 3, *(2,) * rank)
    check("ConvTranspose", values(0, 4, *(5,) * rank), w, constant=[1])
    check("Conv", values(0, 3, *(5,) * rank), w)
