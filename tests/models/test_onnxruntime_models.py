"""Models as onnxruntime's quantizer and optimisers write them give what onnxruntime gives."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from strandline import Session
from tests.models import zoo
from tests.models.oracle import expected


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The quantizer's advice goes to the root logger."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def saved(model: bytes, folder: Path) -> bytes:
    """What a session writes after its extended optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "saved.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return (folder / "saved.onnx").read_bytes()


def quantized(model: bytes, feeds: zoo.Feeds, folder: Path, *, dynamic: bool) -> bytes:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        quantize_dynamic,
        quantize_static,
    )

    class Once(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows = iter([feeds])

        def get_next(self) -> Any:
            return next(self.rows, None)

    before, after = folder / "before.onnx", folder / "after.onnx"
    before.write_bytes(model)
    if dynamic:
        quantize_dynamic(before, after)
    else:
        quantize_static(before, after, Once(), quant_format=QuantFormat.QOperator)
    return after.read_bytes()


def check(model: bytes, feeds: zoo.Feeds, atol: float) -> None:
    domains = {node.domain for node in onnx.load_from_string(model).graph.node}
    assert "com.microsoft" in domains, "nothing to expand"
    got = Session(model).run(feeds)
    for name, value in expected(model, feeds).items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(got[name], value, rtol=1e-4, atol=atol)
        else:
            np.testing.assert_array_equal(got[name], value)


@pytest.mark.parametrize("name", ["mlp", "mlp_tanh_binary", "mlp_regressor", "squeezenet"])
def test_saved_by_a_session(name: str, tmp_path: Path) -> None:
    model, feeds = zoo.build(name)
    check(saved(model, tmp_path), feeds, 1e-5)


@pytest.mark.parametrize("name", ["mlp", "mlp_tanh_binary", "k_means", "squeezenet"])
def test_quantized_statically(name: str, tmp_path: Path) -> None:
    """As operators on quantized tensors."""
    model, feeds = zoo.build(name)
    check(quantized(model, feeds, tmp_path, dynamic=False), feeds, 1e-5)


@pytest.mark.parametrize("name", ["mlp", "mlp_regressor", "sgd_classifier", "shufflenet"])
def test_quantized_dynamically_and_saved(name: str, tmp_path: Path) -> None:
    """A float's last bit may decide how an activation is rounded to 8 bits."""
    model, feeds = zoo.build(name)
    check(saved(quantized(model, feeds, tmp_path, dynamic=True), tmp_path), feeds, 5e-3)
