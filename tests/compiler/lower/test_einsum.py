"""Einsum's products against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compiler.lower.node import NoKernel, check

pytestmark = pytest.mark.usefixtures("isa")

EQUATIONS = [
    "ij,jk->ik",
    "ij,kj->ki",
    "bij,bjk->bik",
    "bhqd,bhkd->bhqk",
    "bqhd,bkhd->bhqk",
    "bhqk,bkhd->bqhd",
    "nctkv,kvw->nctw",
    "ij,ij->ij",
    "i,j->ij",
    "i,i->",
    "ij->ji",
    "ijk->j",
    "ij->",
    "...ij,...jk->...ik",
    "...ij->...ji",
    "ij,jk,kl->il",
    "bi,bj,bk->ijk",
    "ij,jk",
]


def operand(letters: str, sizes: dict[str, int], seed: int) -> Any:
    shape = [sizes[c] for c in letters.replace("...", "xy")]
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("equation", EQUATIONS)
@given(st.data())
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_equation(equation: str, data: st.DataObject) -> None:
    terms = equation.partition("->")[0].split(",")
    letters = sorted(set("".join(terms).replace("...", "xy")))
    sizes = {c: data.draw(st.integers(1, 7)) for c in letters}
    arrays = [operand(term, sizes, i) for i, term in enumerate(terms)]
    check("Einsum", *arrays, equation=equation, rtol=1e-4, atol=1e-4)


def test_sizes_of_zero() -> None:
    x, y = np.zeros((3, 0), np.float32), np.zeros((0, 4), np.float32)
    check("Einsum", x, y, equation="ij,jk->ik")


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [("ii->i", [(3, 3)]), ("ij,jk->k", [(2, 3), (3, 4)]), ("ij,jk->ik", [(2, 3), (1, 4)])],
)
def test_what_is_left_to_the_reference(equation: str, shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(NoKernel):
        check("Einsum", *(np.ones(shape, np.float32) for shape in shapes), equation=equation)
