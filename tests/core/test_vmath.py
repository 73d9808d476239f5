"""The vector functions against double precision, over floats of every size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from strandline import core


def floats() -> Any:
    """Every exponent and sign, and where the functions change their formula or leave their range."""
    rng = np.random.default_rng(7)
    anywhere = rng.integers(0, 1 << 32, 1 << 18, dtype=np.uint64).astype(np.uint32).view(np.float32)
    usual = rng.uniform(-110, 110, 1 << 17).astype(np.float32)
    near = rng.normal(0, 1.5, 1 << 17).astype(np.float32)
    seams = [
        0.0,
        0.34,
        0.41421354,
        0.625,
        0.7071067,
        1.0,
        1.4142135,
        4.0,
        88.72283,
        89.0,
        103.97,
        104.0,
        1e-40,
        3.4e38,
    ]
    edges = np.array(
        [v for s in seams for v in (s, np.nextafter(np.float32(s), np.float32(9e9)))], np.float32
    )
    special_values = np.array([np.inf, np.nan, 1e-45, 1.1754944e-38], np.float32)
    return np.concatenate([anywhere, usual, near, edges, -edges, special_values, -special_values])


def ulps(got: Any, wanted: Any) -> Any:
    """Distance in units of the last place of the nearest float32; infinite where only one is not finite."""
    nearest = wanted.astype(np.float32)
    same = (got == nearest) | (np.isnan(got) & np.isnan(nearest))
    spacing = np.spacing(np.abs(nearest).clip(max=3.4e38)).astype(np.float64)
    distance = np.abs(got.astype(np.float64) - wanted) / spacing
    return np.where(same, 0, np.where(np.isfinite(nearest) & np.isfinite(got), distance, np.inf))


def run(op: str, x: Any, a: float = 0.0, b: float = 0.0) -> Any:
    y = np.full_like(x, -7)
    core.call(op, [x], [y], ord("f"), x.size, a, b)
    return y


CASES: dict[str, tuple[Callable[[Any], Any], float]] = {
    "exp": (np.exp, 1.5),
    "log": (np.log, 1.5),
    "tanh": (np.tanh, 2.5),
    "erf": (special.erf, 2.5),
    "sigmoid": (special.expit, 2.5),
    "softplus": (lambda x: np.logaddexp(0, x), 3.0),
}


@pytest.mark.parametrize("op", CASES)
def test_is_within_a_few_units_of_the_last_place(op: str, isa: str) -> None:
    function, bound = CASES[op]
    x = floats()
    with np.errstate(all="ignore"):
        wanted = function(x.astype(np.float64))
        wanted = np.where(np.isnan(x), np.nan, wanted)
        # A float32 that rounds to infinity is one; below the normal numbers one unit is 1e-45.
        error = ulps(run(op, x), wanted)
    worst = int(np.argmax(error))
    assert error[worst] <= bound, (
        f"{op}({x[worst]!r}) = {run(op, x)[worst]!r}, not {wanted[worst]!r}"
    )


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 15, 16, 17, 31, 33])
def test_the_tail_is_computed_as_the_rest(n: int, isa: str) -> None:
    """Nothing is written behind the last element, and its value does not depend on where it lies."""
    x = np.linspace(-3, 3, 64, dtype=np.float32)
    whole = run("tanh", x)
    part = np.full(n + 1, 9, np.float32)
    core.call("tanh", [x[:n].copy()], [part], ord("f"), n, 0.0, 0.0)
    np.testing.assert_array_equal(part[:n], whole[:n])
    assert part[n] == 9


def test_all_instruction_sets_agree_closely() -> None:
    """They differ only in whether a product is rounded before it is added."""
    best, x = core.isa(), floats()
    try:
        for op in CASES:
            results = []
            for name in core.isas():
                core.set_isa(name)
                results.append(run(op, x))
            for other in results[1:]:
                with np.errstate(all="ignore"):
                    assert ulps(other, results[0].astype(np.float64)).max() <= 2
    finally:
        core.set_isa(best)
