"""Picking by index: every axis, negative indices, strings, and what is out of range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.compiler.lower.node import both, check

pytestmark = pytest.mark.usefixtures("isa")


def counted(*shape: int, dtype: str = "float32") -> Any:
    return np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "float16"])
@pytest.mark.parametrize("indices", ["int32", "int64"])
def test_gather(dtype: str, indices: str) -> None:
    for axis, picks in [(0, [4, 0, -1]), (1, [[0, -6], [2, 5]]), (-1, 3), (2, [])]:
        check("Gather", counted(5, 6, 7, dtype=dtype), np.array(picks, indices), axis=axis)


def test_gather_of_strings() -> None:
    texts = np.array([["a", "bb"], ["c", "a"], ["", "é"]], object)
    check("Gather", texts, np.array([2, 0]))
    check("Gather", texts, np.array(1), axis=1)


def test_gather_elements() -> None:
    rng = np.random.default_rng(0)
    for axis, size in ((0, 5), (1, 6), (-1, 7)):
        check("GatherElements", counted(5, 6, 7), rng.integers(-size, size, (4, 3, 2)), axis=axis)
        check(
            "GatherElements",
            counted(5, 6, 7),
            rng.integers(0, size, (5, 6, 7)).astype("i"),
            axis=axis,
        )


def test_gather_nd() -> None:
    check("GatherND", counted(5, 6, 7), np.array([[0, 1], [-1, 2]]))
    check("GatherND", counted(5, 6, 7), np.array([[0, 1, 6], [-1, 2, 0]]))
    check("GatherND", counted(2, 6, 7), np.array([[[1]], [[5]]]), batch_dims=1)
    check("GatherND", counted(5, 6), np.zeros((0, 2), np.int64))


def test_one_hot() -> None:
    values = np.array([-1, 3], np.float32)
    for axis in (-1, 0, 1):
        picks = np.array([[0, 2], [-1, 7], [3, -9]])
        check("OneHot", picks, np.array(4), values, constant=(1,), axis=axis)
    check("OneHot", np.array([1, 0], np.int32), np.array([3]), np.array([0, 1]), constant=(1,))


def test_array_feature_extractor() -> None:
    x = counted(4, 5)
    check("ArrayFeatureExtractor", x, np.array([[1, 4]]), domain="ai.onnx.ml", opset=1)
    check("ArrayFeatureExtractor", x[0], np.array([2]), domain="ai.onnx.ml", opset=1)
    texts = np.array([["a", "b"], ["c", "d"]], object)
    check("ArrayFeatureExtractor", texts, np.array([1]), domain="ai.onnx.ml", opset=1)


@pytest.mark.parametrize(
    ("op", "picks"),
    [("Gather", [5]), ("Gather", [-6]), ("GatherElements", [[5] * 6]), ("GatherND", [[0, 6]])],
)
def test_out_of_range_is_an_error(op: str, picks: Any) -> None:
    with pytest.raises(ValueError, match="out of range"):
        both(op, counted(5, 6), np.array(picks))
