"""GridSample and RoiAlign against their references, over generated places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import Session
from tests.compiler.lower.node import check
from tests.models.oracle import assert_equal, expected
from tests.ops.models import one_node

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def values(*shape: int, seed: int = 0, size: float = 1.0) -> Any:
    return np.random.default_rng(seed).uniform(-size, size, shape).astype(np.float32)


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 4), st.integers(0, 9))
@generated
def test_grid(
    mode: str, padding: str, corners: int, height: int, width: int, out: int, seed: int
) -> None:
    x, grid = values(2, 3, height, width, seed=seed), values(2, out, 3, 2, seed=seed, size=2.5)
    how = {"mode": mode, "padding_mode": padding, "align_corners": corners}
    check("GridSample", x, grid, opset=20, rtol=1e-4, atol=1e-5, **how)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
def test_grid_as_onnxruntime(mode: str) -> None:
    types = {"X": (np.float32, [1, 2, 5, 6]), "G": (np.float32, [1, 4, 4, 2])}
    model = one_node("GridSample", types, {"Y": np.float32}, opsets={"": 16}, mode=mode)
    feeds = {"X": values(1, 2, 5, 6), "G": values(1, 4, 4, 2, seed=1, size=1.2)}
    assert_equal(Session(model).run(feeds), expected(model, feeds))


def test_places_far_away_and_nowhere_are_safe() -> None:
    grid = np.array([np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45, 0, 1], np.float32)
    types = {"X": (np.float32, [1, 1, 3, 3]), "G": (np.float32, [1, 4, 1, 2])}
    for padding in ("zeros", "border", "reflection"):
        model = one_node(
            "GridSample", types, {"Y": np.float32}, opsets={"": 20}, padding_mode=padding
        )
        feeds = {"X": np.ones((1, 1, 3, 3), np.float32), "G": grid.reshape(1, 4, 1, 2)}
        got = Session(model).run(feeds)["Y"]
        assert np.isin(got[0, 0, :2], [0, 1]).all() or padding == "zeros"
        assert got[0, 0, 3] == (0.5 if padding == "zeros" else 1)


@pytest.mark.parametrize("half", ["half_pixel", "output_half_pixel"])
@pytest.mark.parametrize("mode", ["avg", "max"])
@given(
    st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.integers(0, 5), st.integers(0, 9)
)
@generated
def test_regions(
    mode: str, half: str, height: int, width: int, ratio: int, count: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-3, 20, (count, 2, 2)).astype(np.float32)
    regions = np.sort(corners, axis=1).reshape(count, 4)
    check(
        "RoiAlign",
        values(2, 3, 7, 9),
        regions,
        rng.integers(0, 2, count),
        mode=mode,
        output_height=height,
        output_width=width,
        sampling_ratio=ratio,
        spatial_scale=0.5,
        coordinate_transformation_mode=half,
        rtol=1e-4,
        atol=1e-5,
    )


def test_an_image_that_is_not_there_is_refused() -> None:
    types = {"X": (np.float32, [1, 1, 3, 3]), "R": (np.float32, [1, 4]), "I": (np.int64, [1])}
    session = Session(one_node("RoiAlign", types, {"Y": np.float32}))
    feeds = {"X": values(1, 1, 3, 3), "R": values(1, 4), "I": np.array([1])}
    with pytest.raises(ValueError, match="the number of an image is out of range"):
        session.run(feeds)
