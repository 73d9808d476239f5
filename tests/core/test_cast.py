"""Conversions between float32 and the two-byte floats, against NumPy and ml_dtypes."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from strandline import core

FORMATS = {"e": np.dtype(np.float16), "w": np.dtype(ml_dtypes.bfloat16)}


def cast(x: Any, source: str, target: str) -> Any:
    """The bytes of `x` converted, as unsigned integers."""
    size = 4 if target == "f" else 2
    result = core.Tensor("B", (x.size * size,))
    core.call("cast", (x.view(np.uint8),), (result,), ord(source), ord(target), x.size)
    return np.frombuffer(result, f"<u{size}")


@pytest.mark.parametrize("format_", FORMATS)
def test_every_code_has_its_float(isa: str, format_: str) -> None:
    codes = np.arange(65536, dtype=np.uint32).astype(np.uint16)
    want = codes.view(FORMATS[format_]).astype(np.float32)
    got = cast(codes, format_, "f").view(np.float32)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


@pytest.mark.parametrize("format_", FORMATS)
def test_floats_go_to_the_nearest(isa: str, format_: str) -> None:
    """Numbers of all magnitudes, those half way between two codes, and their neighbours."""
    codes = np.arange(65535, dtype=np.uint32).astype(np.uint16)
    dtype = FORMATS[format_]
    with np.errstate(all="ignore"):
        here, there = (c.view(dtype).astype(np.float64) for c in (codes, codes + np.uint16(1)))
        ties = ((here + there) / 2).astype(np.float32)
        bits = np.random.default_rng(0).integers(0, 1 << 32, 200_000, np.uint32)
        x = np.concatenate(
            [ties, np.nextafter(ties, np.inf), np.nextafter(ties, -np.inf), bits.view(np.float32)]
        ).astype(np.float32)
        want = x.astype(dtype).view(np.uint16)
    got, number = cast(x, "f", format_), ~np.isnan(x)
    np.testing.assert_array_equal(got[number], want[number])
    assert np.isnan(got[~number].view(dtype).astype(np.float32)).all()
