"""Whatever the bytes, `read` gives a graph or a ModelError."""

from __future__ import annotations

from contextlib import suppress
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from strandline.onnx import ModelError, read


@cache
def sample() -> bytes:
    """One small model with a bit of everything."""
    out = helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N"])
    branch = helper.make_graph([helper.make_node("F", ["x"], ["b"], domain="l")], "t", [], [out])
    tensors = [
        numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "w"),
        helper.make_tensor("h", TensorProto.FLOAT16, [2], [1.0, 2.0]),
        helper.make_tensor("s", TensorProto.STRING, [2], [b"a", b"bc"]),
        helper.make_tensor("i", TensorProto.INT64, [3], [1, -2, 300]),
    ]
    nodes = [
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
        helper.make_node(
            "TreeEnsembleRegressor", ["x"], ["z"], domain="ai.onnx.ml", name="forest",
            nodes_values=[0.5] * 9, nodes_treeids=[0, 1, 300] * 3, nodes_modes=["LEAF"] * 3,
        ),
    ]  # fmt: skip
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3]),
        helper.make_tensor_value_info("c", TensorProto.BOOL, []),
    ]
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in "yz"]
    function = helper.make_function(
        "l",
        "F",
        ["a"],
        ["o"],
        [helper.make_node("Neg", ["a"], ["o"])],
        [helper.make_opsetid("", 17)],
    )
    model = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs, tensors),
        functions=[function],
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)],
    )
    helper.set_model_props(model, {"k": "v"})
    return model.SerializeToString()


def test_the_sample_reads() -> None:
    assert len(read(sample()).nodes) == 2


@given(st.integers(0, len(sample())))
def test_truncated(length: int) -> None:
    with suppress(ModelError):
        read(sample()[:length])


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(0, len(sample()) - 1), st.integers(0, 255)), max_size=8))
def test_mutated(changes: list[tuple[int, int]]) -> None:
    data = bytearray(sample())
    for at, byte in changes:
        data[at] = byte
    with suppress(ModelError):
        read(bytes(data))


@given(st.integers(0, len(sample())), st.integers(0, len(sample())), st.binary(max_size=20))
def test_spliced(a: int, b: int, middle: bytes) -> None:
    with suppress(ModelError):
        read(sample()[:a] + middle + sample()[b:])


@given(st.binary(max_size=200))
def test_noise(data: bytes) -> None:
    with suppress(ModelError):
        read(data)


def test_deep_nesting_is_an_error_and_no_recursion() -> None:
    def field(number: int, payload: bytes) -> bytes:
        size = len(payload)
        length = bytearray()
        while size >= 0x80:
            length.append(size & 0x7F | 0x80)
            size >>= 7
        return bytes([number << 3 | 2, *length, size]) + payload

    graph = b""
    for _ in range(2000):  # graph -> node -> attribute -> graph …
        graph = field(1, field(4, b"If") + field(5, field(1, b"body") + field(6, graph)))
    opset = field(8, b"\x10\x11")
    with pytest.raises(ModelError, match="nested"):
        read(opset + field(7, graph))
