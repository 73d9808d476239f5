"""Types that NumPy lacks, against ml_dtypes: every code, and many numbers."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from strandline.onnx.types import BY_NAME
from strandline.ops.narrow import narrow, widen

FLOATS = {
    "bfloat16": ml_dtypes.bfloat16,
    "float8e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8e5m2": ml_dtypes.float8_e5m2,
    "float8e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "float4e2m1": ml_dtypes.float4_e2m1fn,
}


@pytest.mark.parametrize("name", FLOATS)
def test_every_code_has_its_value(name: str) -> None:
    dtype = BY_NAME[name]
    codes = np.arange(16 if name == "float4e2m1" else 256**dtype.itemsize, dtype=np.uint32)
    codes = codes.astype(f"u{dtype.itemsize}")
    want = codes.view(FLOATS[name]).astype(np.float32)
    np.testing.assert_array_equal(widen(codes.view(dtype.numpy)), want)


@pytest.mark.parametrize("name", FLOATS)
def test_numbers_go_to_the_nearest(name: str) -> None:
    """Ties to even, zeros with their signs, denormals and what rounds to nothing."""
    rng = np.random.default_rng(0)
    numbers = np.concatenate(
        [
            rng.normal(size=2000) * 10.0 ** rng.integers(-8, 3, size=2000),
            np.arange(-64, 65) / 16,
            [0.0, -0.0, 5.75, 6.0],
        ]
    ).astype(np.float32)
    numbers = numbers[np.abs(numbers) <= 6]
    want = numbers.astype(FLOATS[name]).astype(np.float32)
    got = widen(narrow(numbers, BY_NAME[name]))
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


@pytest.mark.parametrize("name", list(FLOATS)[1:5])
def test_too_large_numbers(name: str) -> None:
    dtype = BY_NAME[name]
    largest = float(ml_dtypes.finfo(FLOATS[name]).max)
    huge = np.array([1e9, -1e9, np.inf, -np.inf], np.float32)
    np.testing.assert_array_equal(widen(narrow(huge, dtype)), [largest, -largest] * 2)
    loose = widen(narrow(huge, dtype, saturate=False))
    if name == "float8e5m2":
        np.testing.assert_array_equal(loose, [np.inf, -np.inf] * 2)
    else:
        assert np.isnan(loose).all()
    assert np.isnan(widen(narrow(np.array([np.nan], np.float32), dtype))).all()


@pytest.mark.parametrize(
    ("name", "low", "high"), [("int4", -8, 7), ("uint4", 0, 15), ("int2", -2, 1)]
)
def test_small_integers_keep_what_fits(name: str, low: int, high: int) -> None:
    values = np.arange(low, high + 1)
    np.testing.assert_array_equal(widen(narrow(values, BY_NAME[name])), values)
