"""Small models made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def save(path: Path, graph: onnx.GraphProto, **opsets: int) -> Path:
    """Write a graph as a model of opset 18 (and others by domain, dots as underscores)."""
    imports = [helper.make_opsetid("", 18)]
    imports += [helper.make_opsetid(domain.replace("_", "."), v) for domain, v in opsets.items()]
    model = helper.make_model(graph, opset_imports=imports, ir_version=9)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def regression(path: Path, *, rows: int | None = None, columns: int = 2) -> Path:
    """y = 2 a - b + 1: one input X [N, columns], of which only two count, one output [N, 1]."""
    factors = np.array([[2.0], [-1.0], *[[0.0]] * (columns - 2)], np.float32)
    weights = numpy_helper.from_array(factors, "W")
    bias = numpy_helper.from_array(np.array([1.0], np.float32), "B")
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["X", "W", "B"], ["y"])],
        "regression",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [rows, columns])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, 1])],
        [weights, bias],
    )
    return save(path, graph)


def classifier(path: Path, *, zipmap: bool) -> Path:
    """A linear classifier of classes "no" and "yes" on X [N, 2]: label and scores, or ZipMap's dicts."""
    nodes = [
        helper.make_node(
            "LinearClassifier", ["X"], ["label", "scores"], domain="ai.onnx.ml", coefficients=[-1.0, 0.5, 1.0, -0.5],
            intercepts=[0.0, 0.0], classlabels_strings=["no", "yes"], post_transform="SOFTMAX", multi_class=1,
        )
    ]  # fmt: skip
    outputs = [helper.make_tensor_value_info("label", TensorProto.STRING, [None])]
    if zipmap:
        nodes.append(
            helper.make_node(
                "ZipMap",
                ["scores"],
                ["maps"],
                domain="ai.onnx.ml",
                classlabels_strings=["no", "yes"],
            )
        )
        value = helper.make_map_type_proto(
            TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, None)
        )
        outputs.append(helper.make_value_info("maps", helper.make_sequence_type_proto(value)))
    else:
        outputs.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 2]))
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])]
    return save(path, helper.make_graph(nodes, "classifier", inputs, outputs), ai_onnx_ml=3)


def mixed(path: Path) -> Path:
    """Inputs of three types, one column each: `city` (strings), `age` (float64) and `visits` (int64)."""
    nodes = [
        helper.make_node("Cast", ["age"], ["age32"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["visits"], ["visits32"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["age32", "visits32"], ["total"]),
        helper.make_node("LabelEncoder", ["city"], ["where"], domain="ai.onnx.ml",
            keys_strings=["Oslo", "Bergen"], values_int64s=[1, 2], default_int64=0,
        ),
    ]  # fmt: skip
    column = [None, 1]
    inputs = [
        helper.make_tensor_value_info("city", TensorProto.STRING, column),
        helper.make_tensor_value_info("age", TensorProto.DOUBLE, column),
        helper.make_tensor_value_info("visits", TensorProto.INT64, column),
    ]
    outputs = [
        helper.make_tensor_value_info("total", TensorProto.FLOAT, column),
        helper.make_tensor_value_info("where", TensorProto.INT64, column),
    ]
    return save(path, helper.make_graph(nodes, "mixed", inputs, outputs), ai_onnx_ml=3)


def delays(path: Path) -> Path:
    """Inputs `distance` (float32) and `airline` (strings); label 0 or 1, and probabilities [N, 2]."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["airline"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=["WN", "DL"],
            values_floats=[1.0, -1.0],
            default_float=0.0,
        ),
        helper.make_node("Concat", ["distance", "code"], ["X"], axis=1),
        helper.make_node(
            "LinearClassifier",
            ["X"],
            ["output_label", "output_probability"],
            domain="ai.onnx.ml",
            coefficients=[0.002, -1.0, -0.002, 1.0],
            intercepts=[-1.0, 1.0],
            classlabels_ints=[0, 1],
            post_transform="SOFTMAX",
            multi_class=1,
        ),
    ]
    inputs = [
        helper.make_tensor_value_info("distance", TensorProto.FLOAT, [None, 1]),
        helper.make_tensor_value_info("airline", TensorProto.STRING, [None, 1]),
    ]
    outputs = [
        helper.make_tensor_value_info("output_label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("output_probability", TensorProto.FLOAT, [None, 2]),
    ]
    return save(path, helper.make_graph(nodes, "delays", inputs, outputs), ai_onnx_ml=3)


def encoder(path: Path, *, size: int = 3, out: int = 5) -> Path:
    """Inputs `embedding` [N, size] and `age` [N, 1]; outputs `code` [N, out], what is positive of sums and
    differences of both, and `size` [N, 1], the sum of all.
    """
    factors = np.random.default_rng(1).integers(-1, 2, (size + 1, out)).astype(np.float32)
    nodes = [
        helper.make_node("Concat", ["embedding", "age"], ["X"], axis=1),
        helper.make_node("Gemm", ["X", "W"], ["projected"]),
        helper.make_node("Relu", ["projected"], ["code"]),
        helper.make_node("ReduceSum", ["X", "axes"], ["size"], keepdims=1),
    ]
    constants = [
        numpy_helper.from_array(factors, "W"),
        numpy_helper.from_array(np.array([1], np.int64), "axes"),
    ]
    inputs = [
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [None, size]),
        helper.make_tensor_value_info("age", TensorProto.FLOAT, [None, 1]),
    ]
    outputs = [
        helper.make_tensor_value_info("code", TensorProto.FLOAT, [None, out]),
        helper.make_tensor_value_info("size", TensorProto.FLOAT, [None, 1]),
    ]
    return save(path, helper.make_graph(nodes, "encoder", inputs, outputs, constants))
