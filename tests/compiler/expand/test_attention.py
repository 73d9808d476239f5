"""onnxruntime's forms of attention give what onnxruntime gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from strandline import Session
from tests.compiler.expand.node import check, model
from tests.models.halves import halved
from tests.models.oracle import expected

B, S, N, D = 2, 5, 3, 8
H = N * D
LENGTHS = np.array([3, S], np.int32)
MASKS: dict[str, Any] = {
    "none": None,
    "lengths": LENGTHS,
    "keys": (np.arange(S) < LENGTHS[:, None]).astype(np.int32),
    "queries": np.tril(np.ones((B, S, S), np.int32)),
}


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("sizes", [None, [H, H, 2 * H]])
def test_self_attention(sizes: list[int] | None, mask: str, causal: int, opset: int) -> None:
    width = sum(sizes or [3 * H])
    inputs = {
        "x": normal(B, S, 16),
        "w": normal(16, width, seed=1) / 4,
        "b": normal(width, seed=2),
        "mask": MASKS[mask],
    }
    attrs: dict[str, Any] = {"num_heads": N, "unidirectional": causal}
    if sizes:
        attrs["qkv_hidden_sizes"] = sizes
    check("Attention", inputs, constant=["w", "b"], model_opset=opset, **attrs)


@pytest.mark.parametrize("length", [0, 4])
@pytest.mark.parametrize("causal", [0, 1])
def test_self_attention_with_a_past(causal: int, length: int) -> None:
    inputs = {
        "x": normal(B, S, 16),
        "w": normal(16, 3 * H, seed=1) / 4,
        "b": normal(3 * H, seed=2),
        "mask": None,
        "past": normal(2, B, N, length, D, seed=3),
    }
    attrs = {"num_heads": N, "unidirectional": causal, "scale": 0.2}
    check("Attention", inputs, ("y", "present"), constant=["w", "b"], **attrs)


@pytest.mark.parametrize("mask", ["none", "lengths", "keys"])
@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("half", [False, True])
def test_quantized(causal: int, columns: bool, mask: str, half: bool) -> None:
    rng = np.random.default_rng(7)
    n = 3 * H if columns else 1
    inputs = {
        "x": rng.integers(0, 256, (B, S, 16)).astype(np.uint8),
        "w": rng.integers(-128, 128, (16, 3 * H)).astype(np.int8),
        "b": normal(3 * H, seed=2),
        "x_scale": np.array(0.02, np.float32),
        "w_scale": rng.uniform(0.001, 0.003, n).astype(np.float32).reshape(n if columns else ()),
        "mask": MASKS[mask],
        "x_zero": np.array(120, np.uint8),
        "w_zero": np.zeros(n if columns else (), np.int8),
    }
    known = [n for n in inputs if n not in ("x", "mask")]
    attrs: dict[str, Any] = {"num_heads": N, "unidirectional": causal}
    if half:
        inputs, attrs["atol"] = halved(inputs), 2e-2
    check("QAttention", inputs, constant=known, **attrs)


@pytest.mark.parametrize("mask", ["none", "lengths", "keys"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("past", [None, 0, 4])
@pytest.mark.parametrize("causal", [0, 1])
def test_multi_head(causal: int, past: int | None, bias: bool, mask: str) -> None:
    if past is not None and mask != "none":
        mask = "keys"
    given = MASKS[mask]
    if given is not None and past:
        given = np.concatenate([np.ones((B, past), np.int32), given], axis=1)
    inputs = {
        "q": normal(B, S, H),
        "k": normal(B, S, H, seed=1),
        "v": normal(B, S, H, seed=2),
        "b": normal(3 * H, seed=3) if bias else None,
        "mask": given,
        "added": normal(1, N, S, S + (past or 0), seed=4) if bias else None,
        "past_k": None if past is None else normal(B, N, past, D, seed=5),
        "past_v": None if past is None else normal(B, N, past, D, seed=6),
    }
    outputs = ("y",) if past is None else ("y", "present_k", "present_v")
    check("MultiHeadAttention", inputs, outputs, num_heads=N, unidirectional=causal)


@pytest.mark.parametrize("form", ["across", "ready"])
def test_forms_of_heads(form: str) -> None:
    """Keys of another length; keys by head."""
    other = 7
    inputs: dict[str, Any] = {"q": normal(B, S, H)}
    if form == "across":
        inputs |= {"k": normal(B, other, H, seed=1), "v": normal(B, other, 2 * H, seed=2)}
    else:
        inputs |= {"k": normal(B, N, other, D, seed=1), "v": normal(B, N, other, D, seed=2)}
    check("MultiHeadAttention", inputs, num_heads=N, scale=0.3)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("rotary", [None, 0, 1])
@pytest.mark.parametrize("window", [-1, 3])
@pytest.mark.parametrize(("queries", "past"), [(S, 0), (1, 4), (3, 4)])
@pytest.mark.parametrize("heads", [(4, 2), (4, 4), (3, 1)])
def test_shared_heads(
    heads: tuple[int, int],
    queries: int,
    past: int,
    window: int,
    rotary: int | None,
    packed: bool,
) -> None:
    many, few = heads
    total, batch = queries + past, B if past == 0 or queries == 1 else 1
    d = 16
    q, k = normal(batch, queries, many * d), normal(batch, queries, few * d, seed=1)
    v = normal(batch, queries, few * d, seed=2)
    angles = normal(32, d // 2, seed=3)
    inputs = {
        "q": np.concatenate((q, k, v), axis=2) if packed else q,
        "k": None if packed else k,
        "v": None if packed else v,
        "past_k": normal(batch, few, past, d, seed=4),
        "past_v": normal(batch, few, past, d, seed=5),
        "lengths": np.full(batch, total - 1, np.int32),
        "total": np.array(total, np.int32),
        "cos": None if rotary is None else np.cos(angles),
        "sin": None if rotary is None else np.sin(angles),
    }
    attrs = {"num_heads": many, "kv_num_heads": few, "local_window_size": window}
    if rotary is not None:
        attrs |= {"do_rotary": 1, "rotary_interleaved": rotary}
    known = [] if rotary is None else ["cos", "sin"]
    outputs = ("y", "present_k", "present_v")
    check("GroupQueryAttention", inputs, outputs, constant=known, **attrs)


def test_shared_heads_with_a_bias() -> None:
    inputs = {
        "q": normal(1, 3, 4 * 16),
        "k": normal(1, 3, 2 * 16, seed=1),
        "v": normal(1, 3, 2 * 16, seed=2),
        "past_k": normal(1, 2, 4, 16, seed=4),
        "past_v": normal(1, 2, 4, 16, seed=5),
        "lengths": np.array([6], np.int32),
        "total": np.array(7, np.int32),
        "cos": None,
        "sin": None,
        "positions": None,
        "bias": normal(1, 4, 3, 7, seed=6),
    }
    attrs = {"num_heads": 4, "kv_num_heads": 2}
    check("GroupQueryAttention", inputs, ("y", "present_k", "present_v"), **attrs)


def test_a_bias_on_self_attention() -> None:
    inputs = {
        "x": normal(B, S, 16),
        "w": normal(16, 3 * H, seed=1) / 4,
        "b": normal(3 * H, seed=2),
        "mask": None,
        "past": None,
        "bias": normal(B, N, S, S, seed=4),
    }
    check("Attention", inputs, constant=["w", "b"], num_heads=N)


def test_shared_heads_of_rows_of_different_lengths() -> None:
    """A prompt padded on the right, then a word for each row: what padding makes is not looked at."""
    many, few, d, prompt, lengths = 4, 2, 16, 5, np.array([3, 5])
    angles = normal(32, d // 2, seed=3)
    kept = np.zeros((B, few, 0, d), np.float32)
    tables = {"cos": np.cos(angles), "sin": np.sin(angles)}
    attrs = {"num_heads": many, "kv_num_heads": few, "do_rotary": 1}
    names = ("y", "present_k", "present_v")
    past = {"past_k": kept, "past_v": kept}
    peer = dict(past)
    for step in range(4):
        queries = 1 if step else prompt
        feeds = {
            name: normal(B, queries, heads * d, seed=step + 7 * heads + ord(name))
            for name, heads in (("q", many), ("k", few), ("v", few))
        }
        numbers = {
            "lengths": (lengths + step - 1).astype(np.int32),
            "total": np.array(prompt + step, np.int32),
        }
        inputs = {**feeds, **past, **numbers}
        built = model("GroupQueryAttention", {**inputs, **tables}, names, attrs, constant=tables)
        got = Session(built).run(inputs)
        want = expected(built, {**inputs, **peer})
        for row, length in enumerate(lengths):
            mine = slice(None) if step else slice(length)
            np.testing.assert_allclose(got["y"][row, mine], want["y"][row, mine], 1e-4, 1e-5)
            for name in names[1:]:
                used = got[name][row, :, : length + step], want[name][row, :, : length + step]
                np.testing.assert_array_almost_equal(*used, 5)
        past = {"past_k": got["present_k"], "past_v": got["present_v"]}
        peer = {"past_k": want["present_k"], "past_v": want["present_v"]}


def test_attention_to_as_many_words_as_the_embedding_counted() -> None:
    """The mask's rank follows through the node before."""
    names = ["ids", "", "words", "places", "", "gamma", "beta", "mask"]
    embed = helper.make_node(
        "EmbedLayerNormalization", names, ["x", "count"], domain="com.microsoft"
    )
    attend = helper.make_node(
        "Attention", ["x", "w", "b", "count"], ["y"], domain="com.microsoft", num_heads=N
    )
    tables = {
        "words": normal(20, 12),
        "places": normal(S, 12, seed=1),
        "gamma": normal(12, seed=2),
        "beta": normal(12, seed=3),
        "w": normal(12, 3 * H, seed=4),
        "b": normal(3 * H, seed=5),
    }
    ids = np.random.default_rng(0).integers(0, 20, (B, S)).astype(np.int32)
    feeds = {"ids": ids, "mask": MASKS["keys"]}
    graph = helper.make_graph(
        [embed, attend],
        "graph",
        [helper.make_tensor_value_info(n, onnx.TensorProto.INT32, ["b", "s"]) for n in feeds],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in tables.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    built = made.SerializeToString()
    want = expected(built, feeds)
    np.testing.assert_allclose(Session(built).run(feeds)["y"], want["y"], 1e-4, 1e-5)


def test_a_mask_of_half_floats() -> None:
    """What stands for minus infinity is more than they hold."""
    inputs = {
        "x": normal(B, S, 16).astype(np.float16),
        "w": (normal(16, 3 * H, seed=1) / 4).astype(np.float16),
        "b": normal(3 * H, seed=2).astype(np.float16),
        "mask": MASKS["keys"],
    }
    attrs = {"num_heads": N, "mask_filter_value": -3.4e38}
    built = model("Attention", inputs, ("y",), attrs, constant=["w", "b"])
    wide = {n: v.astype(np.float32) if v.dtype == np.float16 else v for n, v in inputs.items()}
    peer = model("Attention", wide, ("y",), attrs, constant=["w", "b"])
    got = Session(built).run({n: inputs[n] for n in ("x", "mask")})["y"]
    want = expected(peer, {n: wide[n] for n in ("x", "mask")})["y"]
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, want, 1e-2, 1e-2)
