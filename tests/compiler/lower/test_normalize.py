"""LayerNorm, RMSNorm, InstanceNorm and GroupNorm against their references, over generated shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import core
from tests.compiler.lower.node import check

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WIDTH = st.integers(1, 40) | st.sampled_from([63, 64, 65, 384, 2049])


def values(*shape: int, seed: int = 0, around: float = 0.0) -> Any:
    return np.random.default_rng(seed).normal(around, 1, shape).astype(np.float32)


@pytest.mark.parametrize("op", ["LayerNormalization", "RMSNormalization"])
@given(rows=st.integers(1, 5), width=WIDTH, split=st.booleans(), bias=st.booleans())
@generated
def test_over_the_last_axes(op: str, rows: int, width: int, split: bool, bias: bool) -> None:
    shape = (rows, 2, width) if split else (rows, width)
    suffix = shape[1:]
    operands = [values(*shape), values(*suffix, seed=1)]
    if bias and op == "LayerNormalization":
        operands.append(values(*suffix, seed=2))
    check(op, *operands, axis=1, opset=23, epsilon=1e-3, rtol=1e-4, atol=1e-5)


def test_means_and_deviations_come_out() -> None:
    check("LayerNormalization", values(3, 7), values(7), outputs=3, atol=1e-5)


def test_a_large_mean_costs_no_digits() -> None:
    """Against doubles: the reference itself subtracts in single precision."""
    x = values(4, 700, around=1000.0)
    wide = x.astype(np.float64)
    want = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-5)
    got = np.zeros_like(x)
    core.call("layer_norm_f32", (x, None, None, None), (got, None, None, None), 4, 700, 1e-5, 1)
    np.testing.assert_allclose(got, want, atol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_bad_element_spoils_its_own_row_only(bad: float) -> None:
    x = values(3, 37)
    x[1, 35] = bad
    check("LayerNormalization", x, values(37, seed=1), atol=1e-5)


def test_denormals_and_zeros() -> None:
    x = np.zeros((2, 19), np.float32)
    x[1] = np.arange(19) * 1e-42
    check("LayerNormalization", x, values(19), values(19, seed=1))
    check("RMSNormalization", x, values(19), opset=23, epsilon=1e-12)


@given(rows=st.integers(1, 4), width=WIDTH, total=st.booleans(), scale=st.booleans())
@generated
def test_norm_of_a_sum(rows: int, width: int, total: bool, scale: bool) -> None:
    a, b = values(2, rows, width), values(2, rows, width, seed=1)
    for addend in (None, b, b[0], b[:, :1]):
        operands = [a, addend]
        if scale:
            operands += [values(width, seed=2), values(width, seed=3)]
        outputs = 2 if total else 1
        for centred in (0, 1):
            check(
                "FusedLayerNorm",
                *operands,
                domain="strandline",
                outputs=outputs,
                centred=centred,
                epsilon=1e-3,
                rtol=1e-4,
                atol=1e-5,
            )


@given(
    channels=st.integers(1, 3),
    groups=st.integers(1, 3),
    area=WIDTH,
    opset=st.sampled_from([18, 21]),
)
@generated
def test_groups(channels: int, groups: int, area: int, opset: int) -> None:
    x = values(2, groups * channels, area)
    size = groups if opset < 21 else groups * channels
    scale, bias = values(size, seed=1), values(size, seed=2)
    check(
        "GroupNormalization",
        x,
        scale,
        bias,
        num_groups=groups,
        opset=opset,
        atol=1e-4,
        epsilon=1e-2,
    )
    scale, bias = (values(groups * channels, seed=s) for s in (1, 2))
    check("InstanceNormalization", x[..., None], scale, bias, atol=1e-4, epsilon=1e-2)


def test_halves() -> None:
    x, scale = (v.astype(np.float16) for v in (values(3, 9), values(9, seed=1)))
    check("LayerNormalization", x, scale, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [1, 2])
@given(shape=st.lists(st.integers(1, 9), min_size=1, max_size=4), axis=st.integers(-4, 3))
@generated
def test_rows_of_length_one(p: int, dtype: type, shape: list[int], axis: int) -> None:
    x = values(*shape).astype(dtype)
    x[0] = 0
    axis = axis % len(shape)
    check("LpNormalization", x, axis=axis, p=p, opset=22)


@given(shape=st.lists(st.integers(1, 9), min_size=4, max_size=4), axes=st.sets(st.integers(0, 3)))
@generated
def test_mean_and_variance(shape: list[int], axes: set[int]) -> None:
    x = values(*shape)
    check("MeanVarianceNormalization", x, axes=sorted(axes) or [0, 2, 3], atol=1e-4)
