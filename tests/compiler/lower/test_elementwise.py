"""Functions of one, two and three elements against their NumPy references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.compiler.lower.node import NoKernel, both, check

pytestmark = pytest.mark.usefixtures("isa")

REALS = ["float32", "float64", "float16"]
WHOLES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
SHAPES = [(), (0,), (1,), (5,), (3, 7), (2, 1, 33)]
TOLERANCE = {"float16": 2e-2, "float32": 1e-5, "float64": 1e-12}

ANYWHERE = [
    "Ceil",
    "Floor",
    "Round",
    "Exp",
    "Tanh",
    "Sigmoid",
    "Erf",
    "Softplus",
    "Softsign",
    "LeakyRelu",
    "Elu",
    "Selu",
    "Celu",
    "HardSigmoid",
    "HardSwish",
    "Mish",
    "ThresholdedRelu",
    "Sin",
    "Cos",
    "Tan",
    "Atan",
    "Sinh",
    "Cosh",
    "Asinh",
    "Neg",
    "Abs",
    "Sign",
    "Relu",
    "Shrink",
]
INSIDE = {"Sqrt": (0, 9), "Log": (0.1, 9), "Reciprocal": (0.5, 2), "Asin": (-1, 1), "Acos": (-1, 1)}
INSIDE |= {"Atanh": (-0.9, 0.9), "Acosh": (1, 9)}


def numbers(
    shape: tuple[int, ...], dtype: str, low: float = -4, high: float = 4, seed: int = 0
) -> Any:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "b":
        return rng.random(shape) < 0.5
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0 if dtype.startswith("u") else -9, 9, shape).astype(dtype)
    return rng.uniform(low, high, shape).astype(dtype)


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("op", [*ANYWHERE, *INSIDE])
def test_functions_of_a_real(op: str, dtype: str) -> None:
    for seed, shape in enumerate(SHAPES):
        x = numbers(shape, dtype, *INSIDE.get(op, (-4, 4)), seed=seed)
        check(op, x, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] / 10, opset=22)


@pytest.mark.parametrize(
    "op", ["Neg", "Abs", "Sign", "Relu", "Floor", "Sqrt", "Tanh", "Exp", "Sigmoid", "Elu"]
)
def test_what_is_not_finite(op: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-42, -1e-42, 3e38] * 5, np.float32)
    check(op, x, atol=0)


@pytest.mark.parametrize("dtype", WHOLES)
@pytest.mark.parametrize("op", ["Abs", "Sign", "Relu", "Neg"])
def test_functions_of_an_integer(op: str, dtype: str) -> None:
    info = np.iinfo(dtype)
    x = np.array([0, 1, 2, 7, info.max, info.min, *range(5, 60)], dtype)
    check(op, x)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    check("Gelu", numbers((71,), "float32"), opset=20, approximate=approximate)


@pytest.mark.parametrize(
    ("x", "low", "high"),
    [
        (numbers((40,), "float32"), -0.5, 0.7),
        (np.array([np.nan, 1, np.inf, -np.inf], np.float32), -0.5, 0.7),
        (numbers((40,), "float32"), None, 0.7),
        (numbers((40,), "float64"), -1.0, None),
        (numbers((40,), "float16"), -1.0, 1.0),
        (np.arange(-9, 9), -2, 3),
        (np.arange(18, dtype=np.uint8), 3, None),
        (np.arange(18, dtype=np.uint64), None, (1 << 63) + 5),
    ],
)
def test_clip(x: Any, low: Any, high: Any) -> None:
    bounds = [None if b is None else np.asarray(b, x.dtype) for b in (low, high)]
    check("Clip", x, *bounds, constant=(1, 2))


def test_clip_before_opset_11() -> None:
    check("Clip", numbers((9,), "float32"), opset=6, min=-1.0, max=1.0)
    check("Clip", numbers((9,), "float32"), opset=6)


def test_clip_with_bounds_that_only_a_run_knows() -> None:
    with pytest.raises(NoKernel):
        both("Clip", numbers((9,), "float32"), np.float32(-1), np.float32(1))


def test_tests_and_inversions() -> None:
    x = np.array([1, np.nan, np.inf, -np.inf, 0], np.float32)
    for dtype in REALS:
        check("IsNaN", x.astype(dtype), opset=20)
        check("IsInf", x.astype(dtype), opset=20)
        check("IsInf", x.astype(dtype), opset=20, detect_negative=0)
    check("Not", numbers((9,), "bool"))
    check("BitwiseNot", numbers((9,), "int16"))
    check("BitwiseNot", numbers((9,), "uint64"))


PAIRS = [
    ((4,), (4,)),
    ((3, 17), (17,)),
    ((3, 17), (3, 1)),
    ((1,), (2, 33)),
    ((2, 1, 5), (4, 1)),
    ((2, 3, 4, 5), (3, 1, 5)),
    ((), (7,)),
    ((0, 3), (3,)),
    ((1, 1), (1, 1, 1)),
]


@pytest.mark.parametrize("dtype", [*REALS, *WHOLES])
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"])
def test_arithmetic(op: str, dtype: str) -> None:
    for seed, (a, b) in enumerate(PAIRS):
        if op == "PRelu" and np.broadcast_shapes(a, b) != a:
            continue
        x, y = numbers(a, dtype, seed=seed), numbers(b, dtype, 0.5, 4, seed=seed + 50)
        if op == "Div" and x.dtype.kind in "iu":
            x, y = abs(x.astype("q")).astype(dtype), abs(y.astype("q")).astype(dtype) + 1
        check(op, x, y, rtol=TOLERANCE.get(dtype, 0), opset=16)


def test_integer_division_stops_nothing() -> None:
    """By zero it gives 0 and the lowest value by -1 wraps, where a processor would trap."""
    for dtype in WHOLES:
        ours, _ = both("Div", np.array([7], dtype), np.array([0], dtype))
        assert ours[0] == 0
        ours, _ = both("Mod", np.array([7], dtype), np.array([0], dtype))
        assert ours[0] == 0
    lowest = np.array([-(1 << 63)])
    assert both("Div", lowest, np.array([-1]))[0][0] == lowest
    assert both("Mod", lowest, np.array([-1]))[0][0] == 0


def test_division_of_signs() -> None:
    x, y = np.array([7, -7, 7, -7]), np.array([2, 2, -2, -2])
    check("Mod", x, y)
    check("Mod", x, y, fmod=1)
    check("Mod", x.astype("f") + 0.5, y.astype("f"), fmod=1)
    ours, _ = both("Div", x, y)
    assert ours[0].tolist() == [3, -3, -3, 3]  # towards zero, as ONNX says


@pytest.mark.parametrize("op", ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"])
@pytest.mark.parametrize("dtype", [*REALS, *WHOLES])
def test_comparisons(op: str, dtype: str) -> None:
    for a, b in PAIRS:
        check(op, numbers(a, dtype), numbers(b, dtype, seed=3), opset=16)


def test_comparisons_with_nan() -> None:
    x = np.array([np.nan, 1, np.nan, 2] * 9, np.float32)
    y = np.array([np.nan, np.nan, 1, 2] * 9, np.float32)
    for op in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Max", "Min"):
        check(op, x, y)


@pytest.mark.parametrize("op", ["And", "Or", "Xor"])
def test_logic(op: str) -> None:
    for a, b in PAIRS:
        check(op, numbers(a, "bool"), numbers(b, "bool", seed=3))


@pytest.mark.parametrize("op", ["BitwiseAnd", "BitwiseOr", "BitwiseXor"])
@pytest.mark.parametrize("dtype", WHOLES)
def test_bits(op: str, dtype: str) -> None:
    check(op, numbers((3, 17), dtype), numbers((17,), dtype, seed=3))


@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_shifts(direction: str, dtype: str) -> None:
    check("BitShift", numbers((17,), dtype), np.arange(17).astype(dtype) % 8, direction=direction)


@pytest.mark.parametrize("exponent", [2, 0.5, -1, 3, 1.7])
@pytest.mark.parametrize("dtype", REALS)
def test_powers(exponent: float, dtype: str) -> None:
    x = numbers((3, 17), dtype, 0.5, 3)
    power = np.asarray(exponent, dtype)
    check("Pow", x, power, constant=(1,), rtol=TOLERANCE[dtype])
    check("Pow", x, power, rtol=TOLERANCE[dtype])
    check("Pow", x, np.full((17,), exponent, dtype), rtol=TOLERANCE[dtype])


def test_powers_of_another_type() -> None:
    check("Pow", numbers((5,), "float32"), np.array(3))
    check("Pow", np.array(2, np.float32), np.arange(5))
    check("Pow", np.array([2], np.float32), np.array([[2.0], [2.0]], np.float32), constant=(1,))


@pytest.mark.parametrize("op", ["Sum", "Mean", "Max", "Min"])
def test_any_number_of_operands(op: str) -> None:
    check(op, numbers((3, 1), "float32"))
    check(op, numbers((3, 1), "float32"), numbers((4,), "float32"), numbers((2, 1, 1), "float32"))
    check(op, *(numbers((5,), "float64", seed=i) for i in range(5)))


def test_where() -> None:
    for dtype in ("float32", "int64", "uint8", "float16", "bool"):
        check(
            "Where", numbers((3, 1), "bool"), numbers((5,), dtype), numbers((3, 5), dtype, seed=4)
        )
    texts = np.array([["a", "b"], ["c", ""]], object)
    check("Where", np.array([True, False]), texts, np.array("x", object))


@pytest.mark.parametrize("source", [*REALS, *WHOLES, "bool"])
@pytest.mark.parametrize("to", [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13])
def test_casts(source: str, to: int) -> None:
    for shape in [(), (0,), (3, 5), (700,)]:
        check(
            "Cast",
            abs(numbers(shape, source, -100, 100)) if source != "bool" else numbers(shape, source),
            to=to,
        )


def test_casts_of_halves_round_to_even() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 1 << 32, 20000, dtype=np.uint64).astype(np.uint32)
    x = np.concatenate([bits.view(np.float32), np.linspace(-7e4, 7e4, 9999, dtype=np.float32)])
    x = x[~np.isnan(x)]
    with np.errstate(all="ignore"):
        check("Cast", x, to=10, rtol=0, atol=0)
        check("Cast", x.astype(np.float64) * (1 + 2**-30), to=10, rtol=0, atol=0)
    halves = np.arange(1 << 16).astype(np.uint16).view(np.float16)
    check("Cast", halves[~np.isnan(halves)], to=1, rtol=0, atol=0)


def test_casts_of_integers_at_the_edge() -> None:
    x = np.array([0, 1, (1 << 53) + 1, (1 << 63) - 1, -(1 << 63), -(1 << 24) - 1])
    for to in (1, 11):
        check("Cast", x, to=to, rtol=0, atol=0)
        check("Cast", x.astype(np.uint64), to=to, rtol=0, atol=0)
    check("Cast", np.array([0.0, 1e19, 1.8e19, 3.5]), to=13)
    for to in (2, 3, 4, 5, 6, 12):
        check("Cast", x, to=to)
