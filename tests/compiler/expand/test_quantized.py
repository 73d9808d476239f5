"""Operators on quantized tensors give what onnxruntime gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.compiler.expand.node import check
from tests.models.halves import halved

TYPES = ("uint8", "int8")
rng = np.random.default_rng


def steps(shape: tuple[int, ...], dtype: str = "uint8", seed: int = 0) -> Any:
    """Integers over the whole range of a type."""
    limits = np.iinfo(dtype)
    return rng(seed).integers(limits.min, limits.max + 1, shape).astype(dtype)


def scale(value: float) -> Any:
    return np.array(value, np.float32)


def zero(value: int, dtype: str = "uint8") -> Any:
    return np.array(value - (128 if dtype == "int8" else 0), dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("shapes", [((2, 3, 5), (2, 3, 5)), ((4, 6), (6,)), ((3, 1), (1, 4))])
@pytest.mark.parametrize("known", [False, True])
def test_sums_and_products(op: str, dtype: str, shapes: Any, known: bool) -> None:
    inputs = {
        "a": steps(shapes[0], dtype),
        "a_scale": scale(0.1),
        "a_zero": zero(120, dtype),
        "b": steps(shapes[1], dtype, 1),
        "b_scale": scale(0.03),
        "b_zero": zero(100, dtype),
        "c_scale": scale(0.12),
        "c_zero": zero(110, dtype),
    }
    check(op, inputs, constant=[n for n in inputs if "_" in n] if known else ())


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("QLinearSigmoid", {}),
        ("QLinearLeakyRelu", {"alpha": 0.2}),
        ("QLinearSoftmax", {"opset": 13, "axis": -1}),
        ("QLinearSoftmax", {"opset": 13, "axis": 1}),
        ("QLinearSoftmax", {"opset": 12, "axis": 1}),
    ],
)
def test_functions(op: str, attrs: dict[str, Any], dtype: str) -> None:
    inputs = {
        "x": steps((3, 4, 7), dtype),
        "x_scale": scale(0.05),
        "x_zero": zero(128, dtype),
        "y_scale": scale(1 / 256),
        "y_zero": zero(0 if op != "QLinearLeakyRelu" else 100, dtype),
    }
    known = [name for name in inputs if "_" in name]
    check(op, inputs, constant=known, **attrs)


@pytest.mark.parametrize("dtype", TYPES)
def test_concat(dtype: str) -> None:
    inputs: dict[str, Any] = {"y_scale": scale(0.1), "y_zero": zero(128, dtype)}
    for i, width in enumerate((2, 5, 1)):
        inputs[f"x{i}"] = steps((3, width, 4), dtype, i)
        inputs[f"x{i}_scale"] = scale(0.05 * (i + 1))
        inputs[f"x{i}_zero"] = zero(100 + i, dtype)
    check("QLinearConcat", inputs, constant=[n for n in inputs if "_" in n], axis=1)


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("included", [0, 1])
def test_average_pools(dtype: str, last: int, included: int) -> None:
    inputs = {
        "x": steps((2, 9, 7, 3) if last else (2, 3, 9, 7), dtype),
        "x_scale": scale(0.05),
        "x_zero": zero(120, dtype),
        "y_scale": scale(0.04),
        "y_zero": zero(110, dtype),
    }
    known = [name for name in inputs if "_" in name]
    check("QLinearGlobalAveragePool", inputs, constant=known, channels_last=last)
    check(
        "QLinearAveragePool",
        inputs,
        constant=known,
        channels_last=last,
        kernel_shape=[3, 2],
        strides=[2, 1],
        pads=[1, 0, 1, 1],
        count_include_pad=included,
    )


def test_where() -> None:
    inputs = {
        "condition": rng(0).random((3, 4)) < 0.5,
        "x": steps((3, 4)),
        "x_scale": scale(0.05),
        "x_zero": zero(120),
        "y": steps((1, 4), seed=1),
        "y_scale": scale(0.03),
        "y_zero": zero(100),
        "z_scale": scale(0.06),
        "z_zero": zero(110),
    }
    check("QLinearWhere", inputs, ("z",))


@pytest.mark.parametrize("last", [0, 1])
def test_convolution(last: int) -> None:
    inputs = {
        "x": steps((2, 9, 7, 4) if last else (2, 4, 9, 7)),
        "x_scale": scale(0.05),
        "x_zero": zero(120),
        "w": steps((6, 4, 3, 3), "int8"),
        "w_scale": rng(1).uniform(0.01, 0.02, 6).astype(np.float32),
        "w_zero": np.zeros(6, np.int8),
        "y_scale": scale(0.5),
        "y_zero": zero(100),
        "b": rng(2).integers(-3000, 3000, 6).astype(np.int32),
    }
    known = [name for name in inputs if name != "x"]
    check("QLinearConv", inputs, constant=known, channels_last=last, pads=[1, 1, 0, 0])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_to_integers_and_back(dtype: str) -> None:
    x = rng(0).normal(size=(4, 3, 5)).astype(np.float32)
    zero = np.array([3, 1, 2], dtype)
    scales = np.array([0.1, 0.2, 0.01], np.float32)
    inputs = {"x": x, "scale": scales, "zero": zero}
    check("QuantizeLinear", inputs, axis=1)
    check("DequantizeLinear", {**inputs, "x": steps((4, 3, 5), dtype)}, axis=1)


# --- products -------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(5, 12), (2, 3, 12), (0, 12)])
def test_product_of_floats(shape: Any, bias: bool, columns: bool) -> None:
    """Dynamically quantized: a scale for all of B, or one for each column."""
    n = 7 if columns else 1
    inputs = {
        "a": rng(0).normal(size=shape).astype(np.float32),
        "b": steps((12, 7), "int8", 1),
        "b_scale": rng(2).uniform(0.01, 0.02, n).astype(np.float32),
        "b_zero": np.zeros(n, np.int8),
        "bias": rng(3).normal(size=7).astype(np.float32) if bias else None,
    }
    if not bias:
        del inputs["bias"]
    known = [name for name in inputs if name != "a"]
    check("DynamicQuantizeMatMul", inputs, constant=known, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("dtypes", [("uint8", "int8"), ("uint8", "uint8"), ("int8", "int8")])
@pytest.mark.parametrize("half", [False, True])
def test_product_of_integers(dtypes: Any, known: bool, half: bool) -> None:
    inputs = {
        "a": steps((2, 5, 12), dtypes[0]),
        "b": steps((12, 7), dtypes[1], 1),
        "a_scale": scale(0.05),
        "b_scale": rng(2).uniform(0.01, 0.02, 7).astype(np.float32),
        "a_zero": zero(100, dtypes[0]),
        "b_zero": steps((7,), dtypes[1], 2),
        "bias": rng(3).normal(size=7).astype(np.float32),
    }
    constant = ["b", "b_scale", "b_zero", "bias"] if known else ()
    if half:
        inputs = halved(inputs)
    check("MatMulIntegerToFloat", inputs, constant=constant, atol=2e-2 if half else 1e-3)


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("turned", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_gemm(turned: tuple[int, int], columns: bool, real: bool, alpha: float) -> None:
    a, b = steps((5, 12)), steps((12, 7), "int8", 1)
    n = 7 if columns else 1
    inputs = {
        "a": a.T.copy() if turned[0] else a,
        "a_scale": scale(0.05),
        "a_zero": zero(100),
        "b": b.T.copy() if turned[1] else b,
        "b_scale": rng(2).uniform(0.01, 0.02, n).astype(np.float32).reshape(-1 if columns else ()),
        "b_zero": np.zeros(n, np.int8).reshape(-1 if columns else ()),
        "c": rng(4).integers(-3000, 3000, 7).astype(np.int32),
        "y_scale": scale(0.3),
        "y_zero": zero(110),
    }
    if real:
        del inputs["y_scale"], inputs["y_zero"]
    known = [name for name in inputs if name != "a"]
    attrs = {"transA": turned[0], "transB": turned[1], "alpha": alpha}
    check("QGemm", inputs, constant=known, atol=1e-3, **attrs)


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("columns", [False, True])
def test_lstm(direction: str, columns: bool) -> None:
    """Near to it: onnxruntime rounds inputs and states to 8 bits besides."""
    hidden, width, ways = 8, 6, 1 + (direction == "bidirectional")
    n = (ways, 4 * hidden) if columns else (ways,)
    inputs = {
        "x": rng(0).normal(size=(5, 2, width)).astype(np.float32),
        "w": steps((ways, width, 4 * hidden), "int8", 1),
        "r": steps((ways, hidden, 4 * hidden), "int8", 2),
        "b": (rng(3).normal(size=(ways, 8 * hidden)) / 5).astype(np.float32),
        "lengths": None,
        "h": None,
        "c": None,
        "p": None,
        "w_scale": np.full(n, 0.002, np.float32),
        "w_zero": np.zeros(n, np.int8),
        "r_scale": np.full(n, 0.003, np.float32),
        "r_zero": np.zeros(n, np.int8),
    }
    known = [name for name, value in inputs.items() if name != "x" and value is not None]
    attrs = {"hidden_size": hidden, "direction": direction}
    check("DynamicQuantizeLSTM", inputs, ("y", "h_", "c_"), constant=known, atol=0.02, **attrs)
