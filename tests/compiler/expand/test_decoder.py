"""A decoder's layer with an embedding, as generators for web runtimes write it, against onnxruntime: weights
of 4 bits, keys and values kept, everything else in float32 or float16 (`q4` and `q4f16` files)."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from strandline import Session
from strandline.onnx.types import BY_NAME, TensorType

MANY, FEW, D, BLOCK, WORDS = 4, 2, 16, 32, 50
H, INNER = MANY * D, 96


def layer(dtype: Any) -> bytes:
    rng = np.random.default_rng(0)
    held: dict[str, Any] = {}
    nodes = []

    def put(op: str, inputs: list[str], outputs: list[str], domain: str = "", **attrs: Any) -> str:
        nodes.append(helper.make_node(op, inputs, outputs, domain=domain, **attrs))
        return outputs[0]

    def microsoft(op: str, inputs: list[str], outputs: list[str], **attrs: Any) -> str:
        return put(op, inputs, outputs, "com.microsoft", **attrs)

    def product(x: str, y: str, k: int, n: int) -> str:
        held[f"{y}_w"] = rng.integers(0, 256, (n, k // BLOCK, BLOCK // 2)).astype(np.uint8)
        held[f"{y}_s"] = rng.uniform(0.005, 0.02, (n, k // BLOCK)).astype(dtype)
        attrs = {"K": k, "N": n, "bits": 4, "block_size": BLOCK}
        return microsoft("MatMulNBits", [x, f"{y}_w", f"{y}_s"], [y], **attrs)

    held["table"] = rng.integers(0, 256, (WORDS, H // 2)).astype(np.uint8)
    held["table_s"] = rng.uniform(0.05, 0.2, (WORDS, H // BLOCK)).astype(dtype)
    held["g1"], held["g2"] = rng.uniform(0.5, 1.5, (2, H)).astype(dtype)
    angles = rng.normal(size=(32, D // 2))
    held["cos"], held["sin"] = np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)
    attrs: dict[str, Any] = {
        "bits": 4,
        "block_size": BLOCK,
        "gather_axis": 0,
        "quantize_axis": 1,
    }
    x = microsoft("GatherBlockQuantized", ["table", "ids", "table_s"], ["x"], **attrs)
    normed = put("SimplifiedLayerNormalization", [x, "g1"], ["normed"], axis=-1, epsilon=1e-5)
    q, k, v = (product(normed, n, H, h * D) for n, h in (("q", MANY), ("k", FEW), ("v", FEW)))
    taken = [q, k, v, "past_k", "past_v", "lengths", "total", "cos", "sin"]
    attrs = {"num_heads": MANY, "kv_num_heads": FEW, "do_rotary": 1}
    seen = microsoft("GroupQueryAttention", taken, ["seen", "present_k", "present_v"], **attrs)
    o = product(seen, "o", H, H)
    microsoft(
        "SkipSimplifiedLayerNormalization", [x, o, "g2"], ["again", "", "", "sum"], epsilon=1e-5
    )
    gate, up = product("again", "gate", H, INNER), product("again", "up", H, INNER)
    put("Sigmoid", [gate], ["open"])
    put("Mul", [gate, "open"], ["silu"])
    put("Mul", ["silu", up], ["inner"])
    put("Add", ["sum", product("inner", "down", INNER, H)], ["y"])
    code = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    kept = [1, FEW, "past", D]
    inputs = [
        helper.make_tensor_value_info("ids", 7, [1, "S"]),
        *(helper.make_tensor_value_info(name, code, kept) for name in ("past_k", "past_v")),
        helper.make_tensor_value_info("lengths", 6, [1]),
        helper.make_tensor_value_info("total", 6, []),
    ]
    outputs = [
        helper.make_tensor_value_info(n, code, None) for n in ("y", "present_k", "present_v")
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in held.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_words_one_after_the_other(dtype: Any) -> None:
    """A prompt and three words; NumPy is never needed."""
    model = layer(dtype)
    session = Session(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    peer = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    kept: dict[str, Any] = {n: np.zeros((1, FEW, 0, D), dtype) for n in ("past_k", "past_v")}
    rng, total = np.random.default_rng(1), 0
    for queries in (5, 1, 1, 1):
        total += queries
        feeds = {
            "ids": rng.integers(0, WORDS, (1, queries)),
            **kept,
            "lengths": np.array([total - 1], np.int32),
            "total": np.array(total, np.int32),
        }
        types = [
            TensorType(BY_NAME[str(feeds[info.name].dtype)], feeds[info.name].shape)
            for info in session.inputs
        ]
        assert not session.needs_numpy(types)
        want = dict(zip(("y", "present_k", "present_v"), peer.run(None, feeds), strict=True))
        got = session.run(feeds)
        for name, value in want.items():
            assert got[name].dtype == value.dtype and got[name].shape == value.shape
            bound = (1e-2 if dtype is np.float16 else 1e-4) * float(np.abs(value).max())
            np.testing.assert_allclose(got[name], value, rtol=0, atol=bound, err_msg=name)
        kept = {"past_k": want["present_k"], "past_v": want["present_v"]}
