"""Reductions over any axes, and what runs along one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import core
from tests.compiler.lower.node import both, check

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

REDUCTIONS = [
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSum",
    "ReduceLogSumExp",
]
SHAPES = st.lists(st.integers(1, 9) | st.sampled_from([33, 130]), min_size=1, max_size=4)


def positive(shape: Any, dtype: str = "float32", seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(0.5, 1.5, tuple(shape)).astype(dtype)


@pytest.mark.parametrize("op", REDUCTIONS)
@given(shape=SHAPES.filter(lambda s: np.prod(s) < 20000), data=st.data())
@generated
def test_reductions(op: str, shape: list[int], data: st.DataObject) -> None:
    axes = data.draw(
        st.lists(st.integers(-len(shape), len(shape) - 1), unique_by=lambda a: a % len(shape))
    )
    keepdims = data.draw(st.integers(0, 1))
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    x = positive(shape, dtype) if op != "ReduceProd" else positive(shape, dtype) ** 0.01
    x = x.astype(dtype)
    check(op, x, np.array(axes, np.int64), constant=(1,), keepdims=keepdims, rtol=1e-4)


@pytest.mark.parametrize(
    "op", ["ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceSumSquare"]
)
@pytest.mark.parametrize("dtype", ["int32", "int64", "int8", "uint8"])
def test_reductions_of_integers(op: str, dtype: str) -> None:
    x = np.random.default_rng(0).integers(0 if dtype == "uint8" else -3, 4, (5, 6, 7)).astype(dtype)
    for axes in ([0], [1], [0, 2], [0, 1, 2]):
        ours, theirs = both(op, x, np.array(axes), constant=(1,))
        np.testing.assert_array_equal(ours[0], theirs[0].astype(dtype))


def test_axes_as_an_attribute() -> None:
    check("ReduceSum", positive((3, 4)), opset=11, axes=[1], keepdims=0)
    check("ReduceMean", positive((3, 4, 5)), opset=13, axes=[-1, 0])
    check("ReduceMax", positive((3, 4)), opset=13)


def test_no_axes_are_all_or_none() -> None:
    nothing = np.array([], np.int64)
    check("ReduceSum", positive((3, 4)), nothing, constant=(1,))
    check("ReduceSum", positive((3, 4)), nothing, constant=(1,), noop_with_empty_axes=1)
    check("ReduceSum", positive((3, 4)))


@pytest.mark.parametrize(
    ("op", "neutral"),
    [("sum", 0), ("prod", 1), ("max", -np.inf), ("min", np.inf), ("log_sum_exp", -np.inf)],
)
def test_reductions_of_nothing(op: str, neutral: float) -> None:
    """ONNX gives them their neutral element, where NumPy partly refuses."""
    y = np.full(2, 7, np.float32)
    core.call(f"reduce_{op}", [b""], [y], ord("f"), 1, 1, 2, 0, 0, 1)
    assert y.tolist() == [neutral, neutral]


def test_long_sums_are_exact_enough() -> None:
    """A million equal numbers: a plain float32 sum would be off in the third digit."""
    x = np.full((1, 1_000_000), 0.1, np.float32)
    ours, _ = both("ReduceSum", x, np.array([1]), constant=(1,))
    assert ours[0][0, 0] == pytest.approx(float(x[0, 0]) * 1e6, rel=1e-6)


def test_nan_and_infinity() -> None:
    x = positive((3, 40))
    x[0, 30], x[1, 7], x[2, 9] = np.nan, np.inf, -np.inf
    for op in ("ReduceMax", "ReduceMin", "ReduceSum"):
        check(op, x, np.array([1]), constant=(1,))
        check(op, x.T.copy(), np.array([0]), constant=(1,))
    check(
        "ReduceLogSumExp",
        np.array([[1000.0, 1000], [-1000, -1000], [-np.inf, 3]], np.float32),
        np.array([1]),
        constant=(1,),
    )


def test_global_pools() -> None:
    for op in ("GlobalAveragePool", "GlobalMaxPool"):
        check(op, positive((2, 3, 7, 9)) - 1)
        check(op, positive((2, 3, 49), "float64") - 1)
        check(op, positive((2, 3, 7, 9), "float16") - np.float16(1), rtol=1e-2)


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "int8"])
def test_arg(op: str, dtype: str) -> None:
    """Many equal elements: the first one, or the last one, wins."""
    x = np.random.default_rng(0).integers(0, 4, (3, 9, 5)).astype(dtype)
    for axis in (0, 1, -1):
        for last in (0, 1):
            check(op, x, axis=axis, select_last_index=last, keepdims=last)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32"])
@pytest.mark.parametrize("largest", [0, 1])
def test_top_k(dtype: str, largest: int) -> None:
    x = np.random.default_rng(0).integers(-5, 9, (3, 20, 2)).astype(dtype)
    for axis, k in ((1, 5), (1, 20), (1, 0), (1, 1), (0, 2), (-1, 2)):
        check("TopK", x, np.array([k]), constant=(1,), outputs=2, axis=axis, largest=largest)


def test_top_k_of_old() -> None:
    x = np.random.default_rng(0).permutation(60).reshape(3, 20).astype(np.float32)
    check("TopK", x, np.array([5]), constant=(1,), outputs=2, opset=10)
    check("TopK", x, outputs=2, opset=1, k=4)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("opset", [12, 13])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_softmax(op: str, opset: int, dtype: str) -> None:
    rtol = {"float16": 5e-2, "float32": 1e-4, "float64": 1e-9}[dtype]
    for shape in [(3, 9, 70), (1, 1, 1), (2, 5, 16), (2, 100, 65), (0, 3, 4)]:
        x = (10 * positive(shape, seed=1) - 10).astype(dtype)
        for axis in (0, 1, -1):
            check(
                op, x, axis=axis, opset=opset, rtol=rtol, atol=1e-6 if dtype != "float16" else 1e-2
            )


def test_softmax_of_large_scores() -> None:
    x = np.array([[1000, 999, -1000], [-1e30, 0, 1], [88, 89, 90]], np.float32)
    check("Softmax", x)
    check("LogSoftmax", x, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint64"])
def test_cumsum(dtype: str) -> None:
    x = np.random.default_rng(0).integers(0, 9, (3, 4, 5)).astype(dtype)
    for axis in (0, 1, -1):
        for flags in ((0, 0), (1, 0), (0, 1), (1, 1)):
            check("CumSum", x, np.array(axis), constant=(1,), exclusive=flags[0], reverse=flags[1])


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_hardmax(axis: int, opset: int) -> None:
    x = np.random.default_rng(0).integers(0, 4, (3, 5, 2)).astype(np.float32)
    check("Hardmax", x, axis=axis, opset=opset)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 4, 5), (1, 2, 3, 2, 3)])
def test_global_lp_pool(shape: tuple[int, ...], p: int) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    check("GlobalLpPool", x, p=p, rtol=1e-5)
