"""Matrix products over generated sizes, transposed, batched, biased, activated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline import core
from tests.compiler.lower.node import NoKernel, both, check

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

SIZE = st.integers(0, 40) | st.sampled_from([1, 63, 64, 65, 129])


def values(*shape: int, dtype: str = "float32", seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


@given(m=SIZE, n=SIZE, k=SIZE, flags=st.tuples(*[st.booleans()] * 4), data=st.data())
@generated
def test_gemm(m: int, n: int, k: int, flags: tuple[bool, ...], data: st.DataObject) -> None:
    left, right, constant, wide = flags
    dtype = "float64" if wide else "float32"
    a = values(*((k, m) if left else (m, k)), dtype=dtype)
    b = values(*((n, k) if right else (k, n)), dtype=dtype, seed=1)
    shape = data.draw(st.sampled_from([(), (n,), (1, n), (m, 1), (m, n), None]))
    scale = data.draw(st.sampled_from([1.0, 0.5, -2.0]))
    c = None if shape is None else values(*shape, dtype=dtype, seed=2)
    operands = (a, b) if c is None else (a, b, c)
    attrs = {"transA": int(left), "transB": int(right), "alpha": scale, "beta": 1.5}
    check("Gemm", *operands, constant=(1,) if constant else (), rtol=1e-4, atol=1e-4, **attrs)


@pytest.mark.parametrize(
    ("m", "n", "k"), [(1, 200, 700), (7, 130, 300), (60, 300, 520), (200, 96, 193)]
)
def test_products_in_several_blocks(m: int, n: int, k: int) -> None:
    """Larger than one block of k, of rows and of panels, with A packed and not."""
    a, b = values(m, k), values(k, n, seed=1)
    for constant in ((), (1,)):
        check("MatMul", a, b, constant=constant, rtol=1e-4, atol=1e-4)
    check("Gemm", a, b, values(n, seed=2), constant=(1,), rtol=1e-4, atol=1e-4)


def test_a_rows_result_does_not_depend_on_its_company() -> None:
    """One row alone gives bit for bit what it gives among others."""
    a, b = values(61, 700), values(700, 90, seed=1)
    whole = both("MatMul", a, b, constant=(1,))[0][0]
    for some in (1, 2, 5, 13):
        part = both("MatMul", a[:some].copy(), b, constant=(1,))[0][0]
        np.testing.assert_array_equal(part, whole[:some])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((5, 7), (7, 3)),
        ((7,), (7, 3)),
        ((5, 7), (7,)),
        ((7,), (7,)),
        ((2, 3, 5, 7), (7, 4)),
        ((2, 3, 5, 7), (2, 3, 7, 4)),
        ((2, 1, 5, 7), (3, 7, 4)),
        ((3, 5, 7), (2, 3, 7, 4)),
        ((7,), (3, 7, 4)),
        ((2, 0, 7), (2, 7, 4)),
        ((2, 5, 0), (2, 0, 4)),
        ((0, 5, 7), (0, 7, 4)),
    ],
)
def test_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    check("MatMul", values(*a), values(*b, seed=1), atol=1e-5)
    if len(b) <= 2:
        check("MatMul", values(*a, dtype="float64"), values(*b, dtype="float64", seed=1))
    if 0 not in a:
        check(
            "MatMul",
            values(*a, dtype="float16"),
            values(*b, dtype="float16", seed=1),
            rtol=1e-2,
            atol=1e-2,
        )


def test_a_vector_times_a_stack_is_a_stack_of_rows() -> None:
    with pytest.raises(NoKernel):
        both("MatMul", values(3, 5, dtype="float64"), values(2, 5, 4, dtype="float64"))
    with pytest.raises(NoKernel):
        both("MatMul", np.ones((2, 2), np.int64), np.ones((2, 2), np.int64))


ACTIVATIONS = {
    "none": (0.0, 0.0),
    "relu": (0.0, 0.0),
    "leaky_relu": (0.1, 0.0),
    "clip": (-0.5, 0.25),
    "sigmoid": (0.0, 0.0),
    "tanh": (0.0, 0.0),
    "hard_sigmoid": (0.2, 0.5),
    "hard_swish": (0.0, 0.0),
    "swish": (1.5, 0.0),
    "gelu": (0.0, 0.0),
    "gelu_tanh": (0.0, 0.0),
    "softplus": (0.0, 0.0),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_on_the_way_out(name: str) -> None:
    a, b = ACTIVATIONS[name]
    attrs: dict[str, Any] = {"activation": name, "a": a, "b": b, "transB": 1}
    for m, n, k in [(1, 70, 9), (13, 37, 300)]:
        for dtype in ("float32", "float64"):
            x, w, c = (
                values(m, k, dtype=dtype),
                values(n, k, dtype=dtype, seed=1),
                values(n, dtype=dtype),
            )
            check("FusedGemm", x, w, c, domain="strandline", opset=1, rtol=1e-4, atol=1e-5, **attrs)


def test_every_activation_is_tried() -> None:
    assert list(ACTIVATIONS) == list(core.ACTIVATIONS)


def test_a_product_of_many_axes_is_one_of_rows() -> None:
    x, w = values(2, 3, 5), values(5, 4, seed=1)
    check("FusedGemm", x, w, values(4), domain="strandline", opset=1, atol=1e-5)
    check("FusedGemm", x, w, values(2, 3, 4), domain="strandline", opset=1, atol=1e-5)
    with pytest.raises(NoKernel):
        both("FusedGemm", x, w, values(3, 4), domain="strandline", opset=1)


def test_nan_and_infinity_pass_through() -> None:
    a = values(3, 5)
    a[1, 2], a[2, 3] = np.nan, np.inf
    attrs: dict[str, Any] = {"domain": "strandline", "opset": 1, "atol": 1e-5}
    check("FusedGemm", a, values(5, 9, seed=1), activation="relu", **attrs)
    check("FusedGemm", a, values(5, 9, seed=1), activation="clip", a=0.0, b=6.0, **attrs)
