"""Weights of a few bits with a scale for each block give what onnxruntime gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strandline import Session
from tests.compiler.expand.node import check, compare, model
from tests.models.oracle import expected


@pytest.mark.parametrize(("k", "block"), [(64, 32), (80, 32), (32, 16), (129, 64)])
@pytest.mark.parametrize(
    ("bits", "zeros"), [(4, None), (4, "packed"), (4, "float"), (8, None), (8, "packed")]
)
def test_product(bits: int, k: int, block: int, zeros: str | None) -> None:
    rng, n, count = np.random.default_rng(k), 5, -(-k // block)
    inputs: dict[str, Any] = {
        "a": rng.normal(size=(2, 3, k)).astype(np.float32),
        "b": rng.integers(0, 256, (n, count, block * bits // 8)).astype(np.uint8),
        "scales": rng.uniform(0.01, 0.05, (n, count)).astype(np.float32),
    }
    if zeros == "packed":
        inputs["zeros"] = rng.integers(0, 256, (n, -(-count * bits // 8))).astype(np.uint8)
    elif zeros == "float":
        inputs["zeros"] = rng.uniform(4, 12, (n, count)).astype(np.float32)
    known = [name for name in inputs if name != "a"]
    attrs = {"K": k, "N": n, "bits": bits, "block_size": block}
    check("MatMulNBits", inputs, constant=known, atol=1e-3, **attrs)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("shape", [(10, 64), (6, 96)])
def test_table(shape: tuple[int, int], bits: int, zeros: bool) -> None:
    rng, block = np.random.default_rng(1), 32
    rows, width = shape
    count = width // block
    inputs: dict[str, Any] = {
        "data": rng.integers(0, 256, (rows, width * bits // 8)).astype(np.uint8),
        "indices": rng.integers(0, rows, (2, 3)),
        "scales": rng.uniform(0.01, 0.05, (rows, count)).astype(np.float32),
    }
    if zeros:
        inputs["zeros"] = rng.integers(0, 256, (rows, -(-count * bits // 8))).astype(np.uint8)
    known = [name for name in inputs if name != "indices"]
    attrs = {"bits": bits, "block_size": block, "gather_axis": 0, "quantize_axis": 1}
    check("GatherBlockQuantized", inputs, constant=known, **attrs)


def test_rows_are_gathered_before_they_are_dequantized() -> None:
    rng = np.random.default_rng(1)
    inputs: dict[str, Any] = {
        "data": rng.integers(0, 256, (10, 32)).astype(np.uint8),
        "indices": rng.integers(0, 10, (2, 3)),
        "scales": rng.uniform(0.01, 0.05, (10, 2)).astype(np.float16),
    }
    attrs = {"bits": 4, "block_size": 32, "gather_axis": 0, "quantize_axis": 1}
    built = model("GatherBlockQuantized", inputs, ["y"], attrs, constant=["data", "scales"])
    session = Session(built)
    assert not session.needs_numpy()
    ops = [node.op for node in session.graph.nodes if node.op != "Constant"]
    assert ops == ["Gather", "Gather", "Gather", "DequantizeLinear"]
    feeds = {"indices": inputs["indices"]}
    compare(session.run(feeds), expected(built, feeds), 2e-3, 0)


@pytest.mark.parametrize("zeros", [False, True])
def test_products_in_half_precision(zeros: bool) -> None:
    """As `q4f16` models have them; not through NumPy."""
    rng, n, k, block = np.random.default_rng(4), 6, 64, 32
    inputs: dict[str, Any] = {
        "a": rng.normal(size=(2, 3, k)).astype(np.float16),
        "b": rng.integers(0, 256, (n, k // block, block // 2)).astype(np.uint8),
        "scales": rng.uniform(0.01, 0.05, (n, k // block)).astype(np.float16),
    }
    if zeros:
        inputs["zeros"] = rng.integers(0, 256, (n, 1)).astype(np.uint8)
    known = [name for name in inputs if name != "a"]
    attrs = {"K": k, "N": n, "bits": 4, "block_size": block}
    built = model("MatMulNBits", inputs, ["y"], attrs, constant=known)
    session = Session(built)
    assert not session.needs_numpy()
    feeds = {"a": inputs["a"]}
    compare(session.run(feeds), expected(built, feeds), 4e-3, 4e-3)


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize(("n", "k", "block"), [(5, 64, 32), (3, 16, 64), (7, 10, 16)])
@pytest.mark.parametrize("half", [False, True])
def test_codes_of_bitsandbytes(kind: int, n: int, k: int, block: int, half: bool) -> None:
    """Blocks go on from row to row, the last one may be shorter."""
    rng, dtype = np.random.default_rng(n), np.float16 if half else np.float32
    inputs: dict[str, Any] = {
        "a": rng.normal(size=(2, 3, k)).astype(dtype),
        "b": rng.integers(0, 256, n * k // 2).astype(np.uint8),
        "absmax": rng.uniform(0.1, 0.5, -(-n * k // block)).astype(dtype),
    }
    attrs: dict[str, Any] = {"K": k, "N": n, "block_size": block, "quant_type": kind}
    tolerance = {"rtol": 5e-3, "atol": 5e-3} if half else {}
    check("MatMulBnb4", inputs, constant=["b", "absmax"], **tolerance, **attrs)
    built = model("MatMulBnb4", inputs, ["y"], attrs, constant=["b", "absmax"])
    assert not Session(built).needs_numpy()
