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
    "uint8": TensorProto.UINT8,
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


def network() -> tuple[bytes, dict[str, Any]]:
    """Convolution, normalisation, activation, concatenation, shape arithmetic, a product."""
    rng = np.random.default_rng(3)

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("Sigmoid", ["n"], ["g"]),
        helper.make_node("Concat", ["r", "g"], ["both"], axis=1),
        helper.make_node("MaxPool", ["both"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Shape", ["p"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["rows"]),
        helper.make_node("Concat", ["rows", "rest"], ["flat"], axis=0),
        helper.make_node("Reshape", ["p", "flat"], ["f"]),
        helper.make_node("MatMul", ["f", "w2"], ["l"]),
        helper.make_node("Softmax", ["l"], ["y"]),
    ]
    constants = {
        "w1": normal(4, 3, 3, 3), "s": normal(4), "b": normal(4), "m": normal(4),
        "v": normal(4) ** 2 + 0.5, "zero": np.array([0]), "rest": np.array([-1]),
        "w2": normal(8 * 16, 5) / 10,
    }  # fmt: skip
    outputs = [tensor("y"), tensor("shape", "int64")]
    data = model(nodes, [tensor("x", shape=["N", 3, 8, 8])], outputs, constants)
    return data, {"x": normal(2, 3, 8, 8)}


def table() -> tuple[bytes, dict[str, Any]]:
    """Strings and numbers, a linear classifier, a dict per row."""
    ml = {"domain": "ai.onnx.ml"}
    nodes = [
        helper.make_node("OneHotEncoder", ["city"], ["hot"], cats_strings=["Bern", "Köln", ""], zeros=1, **ml),
        helper.make_node("Reshape", ["hot", "shape"], ["h"]),
        helper.make_node("Concat", ["h", "size"], ["f"], axis=1),
        helper.make_node(
            "LinearClassifier", ["f"], ["label", "raw"], **ml,
            coefficients=[0.5, -1.0, 0.25, 1.0, -0.5, 1.0, -0.25, -1.0], intercepts=[0.1, -0.1],
            classlabels_strings=["no", "yes"], post_transform="SOFTMAX",
        ),
        helper.make_node("ZipMap", ["raw"], ["scores"], classlabels_strings=["no", "yes"], **ml),
    ]  # fmt: skip
    score = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    row = helper.make_map_type_proto(TensorProto.STRING, score)
    scores = helper.make_value_info("scores", helper.make_sequence_type_proto(row))
    inputs = [tensor("city", "string", ["N", 1]), tensor("size", shape=["N", 1])]
    outputs = [tensor("label", "string"), scores]
    data = model(nodes, inputs, outputs, {"shape": np.array([-1, 3])})
    cities = np.array([["Bern"], ["Paris"], [""]], object)
    return data, {"city": cities, "size": np.array([[0.5], [2], [-1]], np.float32)}
