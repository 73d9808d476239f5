"""What onnxruntime answers, and how near to it an answer must be."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

RELATIVE = 1e-4
"""Of a float32 result; and 1e-5 of the output's largest value where sums cancel."""


@lru_cache(maxsize=4)
def _session(model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # on several its forests add up in no fixed order
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def expected(model: bytes, feeds: Mapping[str, Any]) -> dict[str, Any]:
    """onnxruntime's outputs by name, on one thread."""
    session = _session(model)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(feeds)), strict=True))


def assert_equal(got: Mapping[str, Any], want: Mapping[str, Any]) -> None:
    """The same outputs in the same order; floats near, everything else exact."""
    assert list(got) == list(want)
    for name, value in want.items():
        assert_same(got[name], value, name)


def assert_same(got: Any, want: Any, name: str = "") -> None:
    if isinstance(want, list):
        assert_maps(got, want, name)
        return
    got = np.asarray(got)
    assert got.shape == want.shape, f"{name}: shape {got.shape}, not {want.shape}"
    assert got.dtype == want.dtype, f"{name}: {got.dtype}, not {want.dtype}"
    if want.dtype.kind == "f":
        finite = want[np.isfinite(want)]
        scale = float(np.abs(finite).max(initial=0))
        np.testing.assert_allclose(got, want, rtol=RELATIVE, atol=1e-5 * scale, err_msg=name)
    else:
        np.testing.assert_array_equal(got, want, err_msg=name)


def assert_maps(got: Any, want: Sequence[Mapping[Any, float]], name: str) -> None:
    """ZipMap's lists: the same keys in the same order, values near."""
    assert [list(row) for row in got] == [list(row) for row in want], name
    values = [np.array([list(row.values()) for row in rows], np.float32) for rows in (got, want)]
    assert_same(values[0], values[1], name)
