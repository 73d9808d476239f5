"""What onnxruntime's optimisers write gives what onnxruntime gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.compiler.expand.node import check


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("op", ["Gelu", "FastGelu", "QuickGelu"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (0, 5), (7,)])
def test_activations(op: str, shape: Any) -> None:
    check(op, {"x": 3 * normal(*shape)})


@pytest.mark.parametrize("op", ["BiasGelu", "FastGelu"])
def test_biased_activations(op: str) -> None:
    check(op, {"x": 3 * normal(2, 3, 8), "bias": normal(8, seed=1)}, constant=["bias"])


ACTIVATIONS: list[tuple[str, list[float]]] = [
    ("Relu", []),
    ("Tanh", []),
    ("Sigmoid", []),
    ("LeakyRelu", [0.2]),
    ("Clip", [-0.5, 0.7]),
    ("HardSigmoid", [0.3, 0.4]),
]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("activation", "numbers"), ACTIVATIONS)
def test_convolution(activation: str, numbers: list[float], residual: bool) -> None:
    inputs = {
        "x": normal(2, 4, 9, 7),
        "w": normal(6, 2, 3, 3, seed=1),
        "b": normal(6, seed=2),
        "z": normal(2, 6, 4, 3, seed=3),
    }
    if not residual:
        del inputs["z"]
    attrs: dict[str, Any] = {"group": 2, "strides": [2, 2], "activation": activation}
    if numbers:
        attrs["activation_params"] = numbers
    check("FusedConv", inputs, constant=["w", "b"], **attrs)


@pytest.mark.parametrize("turned", [(0, 0), (1, 1)])
@pytest.mark.parametrize("activation", ["Relu", "Sigmoid", "LeakyRelu"])
def test_gemm(activation: str, turned: tuple[int, int]) -> None:
    a, b = normal(3, 5), normal(5, 4, seed=1)
    inputs = {
        "a": a.T.copy() if turned[0] else a,
        "b": b.T.copy() if turned[1] else b,
        "c": normal(4, seed=2),
    }
    attrs = {"transA": turned[0], "transB": turned[1], "alpha": 0.5, "beta": 2.0}
    check("FusedGemm", inputs, activation=activation, activation_alpha=0.1, **attrs)


@pytest.mark.parametrize("alpha", [1.0, 0.3])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
@pytest.mark.parametrize("turned", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_product(turned: tuple[int, int], batch: Any, alpha: float) -> None:
    a = normal(*batch, *((4, 5) if not turned[0] else (5, 4)))
    b = normal(*batch, *((5, 6) if not turned[1] else (6, 5)), seed=1)
    attrs = {"transA": turned[0], "transB": turned[1], "alpha": alpha}
    check("FusedMatMul", {"a": a, "b": b}, **attrs)
    check("TransposeMatMul", {"a": a, "b": b}, **attrs)


@pytest.mark.parametrize("turned", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_product_with_the_batch_behind(turned: tuple[int, int]) -> None:
    """The first axis of each operand changes places with its batch."""
    a = normal(*((4, 2, 5) if not turned[0] else (5, 2, 4)))
    b = normal(*((5, 2, 6) if not turned[1] else (6, 2, 5)), seed=1)
    attrs = {"transA": turned[0], "transB": turned[1], "transBatchA": 1, "transBatchB": 1}
    check("FusedMatMul", {"a": a, "b": b}, **attrs)


# --- norms and embeddings -------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("skip", [(2, 3, 16), (3, 16), (1, 3, 16)])
def test_norm_of_a_sum(skip: Any, bias: bool) -> None:
    inputs: dict[str, Any] = {
        "x": normal(2, 3, 16),
        "skip": normal(*skip, seed=1),
        "gamma": normal(16, seed=2),
        "beta": normal(16, seed=3),
        "bias": normal(16, seed=4) if bias else None,
    }
    check("SkipLayerNormalization", inputs, ("y", "", "", "sum"), epsilon=1e-5)
    del inputs["beta"]
    check("SkipSimplifiedLayerNormalization", inputs, ("y", "", "", "sum"), epsilon=1e-5)


def test_norm_of_half_floats() -> None:
    inputs = {
        "x": normal(2, 3, 16).astype(np.float16),
        "skip": normal(2, 3, 16, seed=1).astype(np.float16),
        "gamma": normal(16, seed=2).astype(np.float16),
        "beta": normal(16, seed=3).astype(np.float16),
    }
    check("SkipLayerNormalization", inputs, rtol=4e-3, atol=4e-3)


@pytest.mark.parametrize("opset", [11, 13, 17])
def test_norms_in_the_default_domain(opset: int) -> None:
    """onnxruntime writes them there at every opset."""
    inputs = {"x": normal(2, 3, 16), "gamma": normal(16, seed=2)}
    check("SimplifiedLayerNormalization", inputs, domain="", model_opset=opset, axis=-1)
    inputs["beta"] = normal(16, seed=3)
    check("LayerNormalization", inputs, domain="", model_opset=opset, axis=-1)


@pytest.mark.parametrize("places", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("segmented", [False, True])
@pytest.mark.parametrize("opset", [11, 17])
def test_embeddings(segmented: bool, masked: bool, places: bool, opset: int) -> None:
    rng = np.random.default_rng(5)
    ids = rng.integers(0, 20, (2, 6)).astype(np.int32)
    mask = (np.arange(6) < np.array([[4], [6]])).astype(np.int32)
    inputs = {
        "ids": ids,
        "segments": rng.integers(0, 2, (2, 6)).astype(np.int32) if segmented else None,
        "words": normal(20, 8),
        "places": normal(10, 8, seed=1),
        "kinds": normal(2, 8, seed=2) if segmented else None,
        "gamma": normal(8, seed=3),
        "beta": normal(8, seed=4),
        "mask": mask if masked else None,
        "positions": rng.integers(0, 10, (2, 6)).astype(np.int32) if places else None,
    }
    known = [n for n in ("words", "places", "kinds", "gamma", "beta") if inputs[n] is not None]
    outputs = ("y", "count") if masked else ("y", "count", "sum")
    check("EmbedLayerNormalization", inputs, outputs, constant=known, model_opset=opset)


def test_quantized_embeddings() -> None:
    rng = np.random.default_rng(6)
    tables = {"words": (20, 8), "places": (10, 8), "kinds": (2, 8), "gamma": (8,), "beta": (8,)}
    inputs: dict[str, Any] = {
        "ids": rng.integers(0, 20, (2, 6)).astype(np.int32),
        "segments": rng.integers(0, 2, (2, 6)).astype(np.int32),
    }
    for name, shape in tables.items():
        inputs[name] = rng.integers(0, 256, shape).astype(np.uint8)
    inputs["mask"] = np.ones((2, 6), np.int32)
    inputs |= {f"{name}_scale": np.array(0.02, np.float32) for name in tables}
    inputs |= {f"{name}_zero": np.array(120, np.uint8) for name in tables}
    known = [name for name in inputs if name not in ("ids", "segments", "mask")]
    check("QEmbedLayerNormalization", inputs, ("y", "count"), constant=known, atol=1e-4)


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("shape", [(2, 5, 24), (2, 3, 5, 8)])
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("part", [0, 4])
def test_rotary_positions(shape: Any, offset: bool, interleaved: int, part: int) -> None:
    width = part or 8
    angles = normal(16, width // 2, seed=1)
    places = np.random.default_rng(2).integers(0, 16, (2, 5))
    inputs = {
        "x": normal(*shape),
        "places": np.array([3]) if offset else places,
        "cos": np.cos(angles),
        "sin": np.sin(angles),
    }
    attrs = {"interleaved": interleaved}
    if part:
        attrs |= {"num_heads": 3, "rotary_embedding_dim": part}
    check("RotaryEmbedding", inputs, constant=["cos", "sin"], **attrs)


# --- what the standard took over later ------------------------------------------------


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [None, 1, -1])
def test_triangles(upper: int, k: int | None) -> None:
    inputs = {"x": normal(2, 4, 5)} | ({} if k is None else {"k": np.array(k)})
    check("Trilu", inputs, model_opset=11, upper=upper)


@pytest.mark.parametrize("opset", [11, 17])
def test_shapes(opset: int) -> None:
    axis = np.array([1], np.int32).reshape(())
    check("ExpandDims", {"x": normal(3, 4), "axis": axis}, constant=["axis"], model_opset=opset)
    pads = np.array([1, 0, 2, 1])
    value = np.array([0.5], np.float32)
    check("Pad", {"x": normal(3, 4), "pads": pads, "value": value}, model_opset=opset)
    check("Pad", {"x": normal(3, 4), "pads": pads}, mode="reflect", model_opset=opset)
    index = np.array([[0, 1], [2, 3]])
    check("GatherND", {"x": normal(3, 4), "index": index}, model_opset=opset)


def test_numbers() -> None:
    ends = {"start": np.array(1.0, np.float32), "limit": np.array(7.0, np.float32)}
    check("Range", ends)
    check("Range", {**ends, "delta": np.array(1.5, np.float32)})
    x = np.random.default_rng(0).integers(0, 5, 20).astype(np.float32)
    check("Unique", {"x": x}, ("y", "index", "counts"))


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_distances(metric: str) -> None:
    check("CDist", {"a": normal(5, 3), "b": normal(4, 3, seed=1)}, metric=metric)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("opset", [11, 20])
def test_grid(mode: str, padding: str, opset: int) -> None:
    grid = np.random.default_rng(1).uniform(-1.3, 1.3, (2, 4, 5, 2)).astype(np.float32)
    inputs = {"x": normal(2, 3, 6, 7), "grid": grid}
    check("GridSample", inputs, model_opset=opset, mode=mode, padding_mode=padding, align_corners=1)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 4), (2, 0, 3, 3)])
def test_inverse(shape: Any) -> None:
    x = normal(*shape) + 3 * np.eye(shape[-1], dtype=np.float32)
    check("Inverse", {"x": x})
    check("Inverse", {"x": x.astype(np.float16)}, rtol=2e-2, atol=5e-3)


def test_transposed_convolution() -> None:
    inputs = {
        "x": normal(1, 3, 5, 4),
        "w": normal(3, 2, 3, 3, seed=1),
        "pads": np.array([1, 0, 1, 1]),
        "b": normal(2, seed=2),
    }
    attrs = {"strides": [2, 2], "output_padding": [1, 0]}
    check("ConvTransposeWithDynamicPads", inputs, constant=["w", "pads", "b"], **attrs)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_maxima_of_channels_last(dtype: Any) -> None:
    x = np.random.default_rng(0).integers(-100, 100, (2, 9, 7, 3)).astype(dtype)
    check("NhwcMaxPool", {"x": x}, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])
