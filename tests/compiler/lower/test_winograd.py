"""winograd_f32 beside the plain sum, in float64, over generated shapes; and the policy that picks kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import core
from strandline.compiler.lower.choice import ConvShape, padded_rows

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def values(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def plain_sum(x: Any, w: Any, pads: tuple[int, int], out: tuple[int, int]) -> Any:
    """The convolution as its definition says, in float64; `pads` above and to the left."""
    batch, channels, height, width = x.shape
    padded = np.zeros((batch, channels, out[0] + 2, out[1] + 2))
    rows, columns = min(height, out[0] + 2 - pads[0]), min(width, out[1] + 2 - pads[1])
    inside = x[:, :, :rows, :columns]
    padded[:, :, pads[0] : pads[0] + rows, pads[1] : pads[1] + columns] = inside
    return sum(
        np.einsum("nchw,mc->nmhw", padded[:, :, i : i + out[0], j : j + out[1]], w[:, :, i, j])
        for i in range(3)
        for j in range(3)
    )


def winograd(
    x: Any, w: Any, pads: tuple[int, int], out: tuple[int, int],
    *, bias: Any = None, residual: Any = None, activation: str = "none", rows: int | None = None,
) -> Any:  # fmt: skip
    batch, channels, height, width = x.shape
    filters = w.shape[0]
    plane = (height, width, 3, 3, 1, 1, 1, 1, *pads, *out)
    shape = ConvShape(plane, channels, filters, 1, core.panel_width())
    if rows is not None:
        shape.__dict__["block_rows"] = rows
    packed = np.full(36 * padded_rows(filters) * channels, np.nan, np.float32)
    core.call("pack_winograd_f32", (w,), (packed,), filters, channels)
    y = np.full((batch, filters, *out), np.nan, np.float32)
    # A sum must not depend on what the scratch held before.
    scratch = np.full(shape.winograd_floats, np.nan, np.float32)
    params = (batch, channels, filters, 1, *plane, core.ACTIVATIONS[activation], 0.0, 0.0)
    operands = (x, packed, bias, residual)
    core.call("winograd_f32", operands, (y, scratch), *params, shape.block_rows)
    return y


def assert_close(got: Any, want: Any, channels: int) -> None:
    """To 4e-6 of the largest possible sum: a plain sum in float32 stays within a tenth of that."""
    np.testing.assert_allclose(got, want, rtol=0, atol=4e-6 * max(9 * channels, 36))


@given(
    batch=st.integers(0, 2),
    channels=st.integers(0, 9) | st.just(70),
    filters=st.integers(1, 9) | st.just(60),
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    pads=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    more=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    rows=st.none() | st.integers(1, 4),
)
@generated
def test_shapes(
    batch: int,
    channels: int,
    filters: int,
    size: tuple[int, int],
    pads: tuple[int, int],
    more: tuple[int, int],
    rows: int | None,
) -> None:
    out = tuple(max(n + p + m - 2, 0) for n, p, m in zip(size, pads, more, strict=True))
    x, w = values(batch, channels, *size), values(filters, channels, 3, 3, seed=1)
    got = winograd(x, w, pads, (out[0], out[1]), rows=rows)
    assert_close(got, plain_sum(x, w, pads, (out[0], out[1])), channels)


@pytest.mark.parametrize("activation", core.ACTIVATIONS)
def test_bias_residual_and_activation(activation: str) -> None:
    x, w, bias = values(2, 5, 9, 14), values(7, 5, 3, 3, seed=1), values(7, seed=2)
    residual = values(2, 7, 9, 14, seed=3)
    plain = plain_sum(x, w, (1, 1), (9, 14)) + bias[:, None, None]
    one = np.zeros(core.panel_width(), np.float32)
    one[0] = 1
    for more in (None, residual):
        flat = (plain if more is None else plain + more).astype(np.float32).reshape(-1, 1)
        want = np.empty_like(flat)
        # The activation alone: a product by the unit matrix.
        params = (len(flat), 1, 1, 1, 0, 0, core.ACTIVATIONS[activation], 0.0, 0.0, 0)
        core.call("gemm_f32", (flat, one, None, None), (want, None), *params)
        got = winograd(x, w, (1, 1), (9, 14), bias=bias, residual=more, activation=activation)
        assert_close(got, want.reshape(plain.shape), 5)


def test_nan_and_infinity_show_in_every_output_that_they_reach() -> None:
    """They take their whole tiles along; other tiles know nothing of them."""
    x, w = values(1, 3, 16, 20), values(4, 3, 3, 3, seed=1)
    clean = winograd(x, w, (1, 1), (16, 20))
    for wrong in (np.nan, np.inf, -np.inf):
        bad = x.copy()
        bad[0, 1, 5, 6] = wrong
        got = winograd(bad, w, (1, 1), (16, 20))
        assert not np.isfinite(got[:, :, 4:7, 5:8]).any()
        assert np.isnan(got[:, :, 4:8, 4:8]).all()
        np.testing.assert_array_equal(got[:, :, 8:, :], clean[:, :, 8:, :])
        np.testing.assert_array_equal(got[:, :, :, 8:], clean[:, :, :, 8:])


def test_tiny_numbers_stay_tiny() -> None:
    x, w = values(1, 4, 9, 9) * np.float32(1e-38), values(4, 4, 3, 3, seed=1)
    got = winograd(x, w, (1, 1), (9, 9))
    assert 0 < np.abs(got).max() < 1e-36


def test_one_image_does_not_depend_on_its_company() -> None:
    x, w = values(3, 6, 13, 13), values(8, 6, 3, 3, seed=1)
    whole = winograd(x, w, (1, 1), (13, 13))
    np.testing.assert_array_equal(winograd(x[1:2].copy(), w, (1, 1), (13, 13)), whole[1:2])


def kernel(
    size: int, channels: int, filters: int, *, panel: int = 8,
    window: tuple[int, ...] = (3, 3, 1, 1, 1, 1), groups: int = 1, constant: bool = True,
) -> str:  # fmt: skip
    plane = (size, size, *window, 1, 1, -(-size // window[2]), -(-size // window[3]))
    return ConvShape(plane, channels, filters, groups, panel).kernels(constant=constant)[0]


def test_which_kernel_serves_which_shape() -> None:
    for panel in (8, 16, 32):
        assert kernel(56, 64, 64, panel=panel) == "winograd_f32"
        assert kernel(14, 256, 256, panel=panel) == "winograd_f32"
        # Few tiles: the larger weights cost more than the products that they save, but where a
        # vector is short.
        few = "conv2d_f32" if panel > 8 else "winograd_f32"
        assert kernel(7, 512, 512, panel=panel) == few
        # Few channels or filters: the transforms do.
        assert kernel(224, 3, 64, panel=panel) == "conv2d_f32"
        assert kernel(56, 64, 4, panel=panel) == "conv2d_f32"
        assert kernel(56, 64, 64, panel=panel, constant=False) == "conv2d_f32"
        assert kernel(56, 64, 64, panel=panel, groups=2) == "conv2d_f32"
        assert kernel(56, 64, 64, panel=panel, window=(3, 3, 2, 2, 1, 1)) == "conv2d_f32"
        assert kernel(56, 64, 64, panel=panel, window=(3, 3, 1, 1, 2, 2)) == "conv2d_f32"
        assert kernel(56, 64, 64, panel=panel, window=(1, 1, 1, 1, 1, 1)) == "conv2d_f32"
        assert kernel(56, 64, 64, panel=panel, groups=64) == "depthwise2d_f32"
        wide = (1, 65, 1, 1, 1, 1)
        assert kernel(99, 64, 64, panel=panel, groups=64, window=wide) == "conv2d_f32"


def test_blocks_of_tiles_fit_and_fill_panels() -> None:
    def rows(size: int, channels: int, panel: int) -> int:
        plane = (size, size, 3, 3, 1, 1, 1, 1, 1, 1, size, size)
        return ConvShape(plane, channels, 64, 1, panel).block_rows

    assert rows(14, 256, 8) == 4
    assert rows(56, 64, 8) == 8  # 14 tiles a row, and then 6 rows more: no half panel is in vain
    assert rows(640, 512, 8) == 1
