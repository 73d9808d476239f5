"""Placing by index, and triangles, over generated shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import Session
from tests.compiler.lower.node import check
from tests.ops.models import one_node

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=4)
REDUCTIONS = ["none", "add", "mul", "max", "min"]
DTYPES = ["float32", "float64", "int32", "int64"]


def numbers(shape: Any, dtype: str, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(-9, 9, shape).astype(dtype)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(SIZES, st.sampled_from(DTYPES), st.sampled_from(["int32", "int64"]), st.data())
@generated
def test_elements(
    reduction: str, shape: list[int], dtype: str, index: str, data: st.DataObject
) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    picked = [data.draw(st.integers(0, size)) for size in shape]
    if reduction == "none":  # which of several updates of one element wins is not defined
        picked[axis] = min(picked[axis], 1)
    size = shape[axis]
    indices = np.random.default_rng(1).integers(-size, size, picked).astype(index)
    updates = numbers(picked, dtype, 2)
    check(
        "ScatterElements", numbers(shape, dtype), indices, updates, axis=axis, reduction=reduction
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(SIZES, st.sampled_from(DTYPES), st.integers(0, 4), st.data())
@generated
def test_slices(
    reduction: str, shape: list[int], dtype: str, tuples: int, data: st.DataObject
) -> None:
    length = data.draw(st.integers(1, len(shape)))
    tuples = min(tuples, 1) if reduction == "none" else tuples
    rng = np.random.default_rng(3)
    indices = np.stack([rng.integers(-s, s, tuples) for s in shape[:length]], -1).astype(np.int64)
    updates = numbers((tuples, *shape[length:]), dtype, 4)
    check("ScatterND", numbers(shape, dtype), indices, updates, reduction=reduction)


@pytest.mark.parametrize("dtype", ["bool", "int8", "float16", "uint64"])
def test_any_type_is_placed(dtype: str) -> None:
    x, updates = numbers((4, 3), dtype), numbers((2, 3), dtype, 1)
    check("ScatterND", x, np.array([[3], [-4]]), updates)
    check("ScatterElements", x, np.array([[1, 0, -1]]), updates[:1])


@pytest.mark.parametrize("reduction", ["max", "min", "add"])
def test_not_a_number_stays(reduction: str) -> None:
    x = np.array([np.nan, 1, 2, np.inf, -0.0, 1e-45], np.float32)
    updates = np.array([1, np.nan, np.inf, -np.inf, 0.0, 1e-45], np.float32)
    check("ScatterElements", x, np.arange(6), updates, reduction=reduction)


def test_an_index_out_of_range_is_refused() -> None:
    types = {"X": (np.float32, [3]), "I": (np.int64, [1, 1]), "U": (np.float32, [1])}
    session = Session(one_node("ScatterND", types, {"Y": np.float32}))
    feeds = {"X": np.zeros(3, np.float32), "I": np.array([[3]]), "U": np.ones(1, np.float32)}
    with pytest.raises(ValueError, match="an index is out of range"):
        session.run(feeds)


@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=4),
    st.integers(-8, 8),
    st.sampled_from([0, 1]),
    st.sampled_from(["float32", "int64", "bool", "float16"]),
)
@generated
def test_triangles(shape: list[int], k: int, upper: int, dtype: str) -> None:
    x = numbers(shape, dtype)
    check("Trilu", x, np.array(k), upper=upper, constant=[1])
    check("Trilu", x, upper=upper)
