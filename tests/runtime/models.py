"""Small ONNX models, and onnxruntime's opinion of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

CODES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}


def tensor(name: str, dtype: str = "float32", shape: Sequence[Any] | None = None) -> ValueInfoProto:
    """A declared input or output."""
    return helper.make_tensor_value_info(name, CODES[dtype], shape)


def model(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    constants: Mapping[str, Any] | None = None,
    opset: int = 17,
) -> bytes:
    """The bytes of a model."""
    tensors = []
    for name, value in (constants or {}).items():
        array = np.asarray(value)
        if array.dtype.kind in "UO":
            texts = [text.encode() for text in array.ravel().tolist()]
            tensors.append(helper.make_tensor(name, TensorProto.STRING, array.shape, texts))
        else:
            tensors.append(numpy_helper.from_array(array, name))
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()


def expected(data: bytes, feeds: Mapping[str, Any]) -> dict[str, Any]:
    """What native onnxruntime makes of it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(feeds)), strict=True))


def assert_close(got: Mapping[str, Any], want: Mapping[str, Any]) -> None:
    """Same names in the same order; floats within 1e-4, everything else exactly."""
    assert list(got) == list(want)
    for name, value in want.items():
        if isinstance(value, list):
            assert len(got[name]) == len(value)
            for a, b in zip(got[name], value, strict=True):
                if isinstance(b, dict):
                    assert list(a) == list(b)
                    np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=1e-4)
                else:
                    np.testing.assert_array_equal(a, b)
            continue
        assert got[name].dtype == value.dtype and got[name].shape == value.shape
        if value.dtype.kind == "f":
            np.testing.assert_allclose(got[name], value, rtol=1e-4, atol=1e-6)
        else:
            np.testing.assert_array_equal(got[name], value)
