"""The official backend suite's float32 cases in float16: the core, which computes in float32, against the
references, which round after every node."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from strandline import Session
from tests.models.halves import halved, to_half
from tests.ops import suite

NEAR = 0.02
"""Of the largest value."""


def in_float16(case: suite.Case) -> bytes | None:
    """The case's model, where the standard has its operators in float16."""
    if suite.exclusion(case.name, "core") is not None:
        return None
    model = to_half(case.model)
    if model == case.model or any(n.domain for n in onnx.load_from_string(model).graph.node):
        return None
    try:
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except onnx.shape_inference.InferenceError:
        return None
    return model


def check(model: bytes, inputs: list[Any]) -> None:
    """Raises AssertionError where the core's outputs are others than the references'."""
    plain = Session(model, backend="reference")
    feeds = halved({i.name: suite.ours(x) for i, x in zip(plain.inputs, inputs, strict=False)})
    got = Session(model).run(feeds)
    for name, want in plain.run(feeds).items():
        if not isinstance(want, np.ndarray):
            continue
        value = np.asarray(got[name])
        assert (value.dtype, value.shape) == (want.dtype, want.shape), name
        there = want.dtype == np.float16 and np.isfinite(want)
        if np.any(there):
            scale = float(np.abs(want[there]).max())
            np.testing.assert_allclose(
                value[there], want[there], rtol=0, atol=NEAR * scale + 1e-6, err_msg=name
            )


@pytest.mark.slow
def test_every_case() -> None:
    found: dict[str, str] = {}
    tried = 0
    for case in suite.cases():
        model = in_float16(case)
        if model is None:
            continue
        tried += 1
        wrong = suite.attempt(lambda m=model, c=case: check(m, c.data[0][0]))
        if wrong is not None:
            found[case.name] = str(wrong)
    assert found == {}
    assert tried > 500
