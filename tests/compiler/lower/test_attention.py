"""Attention over generated numbers of heads, queries, keys and features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compiler.lower.node import check

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
LENGTH = st.integers(1, 40) | st.sampled_from([63, 65, 130])


def values(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@given(heads=st.integers(1, 3), m=LENGTH, s=LENGTH, d=LENGTH, e=LENGTH, mask=st.integers(0, 5))
@generated
def test_heads_read_through_strides(heads: int, m: int, s: int, d: int, e: int, mask: int) -> None:
    q, k, v = values(2, m, heads, d), values(2, s, heads, d, seed=1), values(2, s, heads, e, seed=2)
    masks = [None, (2, 1, 1, s), (m, s), (2, heads, m, s), (2, 1, m, 1), ()]
    shape = masks[mask]
    operands = (q, k, v) if shape is None else (q, k, v, values(*shape, seed=3) * 5)
    perms = {"q_perm": [0, 2, 1, 3], "k_perm": [0, 2, 3, 1], "v_perm": [0, 2, 1, 3]}
    check(
        "Attention",
        *operands,
        domain="strandline",
        scale=0.3,
        y_perm=[0, 2, 1, 3],
        rtol=1e-4,
        atol=1e-5,
        **perms,
    )


@pytest.mark.parametrize("zero_nan", [0, 1])
def test_a_query_that_sees_no_key(zero_nan: int) -> None:
    mask = np.zeros((5, 19), np.float32)
    mask[2] = -np.inf
    mask[3, 4:] = -np.inf
    operands = (values(5, 6), values(6, 19, seed=1), values(19, 3, seed=2), mask)
    check("Attention", *operands, domain="strandline", zero_nan=zero_nan, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, 1e-41])
def test_extreme_scores(bad: float) -> None:
    q = values(7, 5)
    q[3, 2] = bad
    operands = (q, values(5, 21, seed=1), values(21, 4, seed=2))
    check("Attention", *operands, domain="strandline", atol=1e-5)


@given(
    groups=st.integers(1, 3), share=st.integers(1, 3), m=LENGTH, s=LENGTH, d=st.integers(1, 20),
    flat=st.booleans(), causal=st.integers(0, 1), mask=st.sampled_from([None, "float", "bool"]),
)  # fmt: skip
@generated
def test_onnx_attention(
    groups: int, share: int, m: int, s: int, d: int, flat: bool, causal: int, mask: str | None
) -> None:
    heads = groups * share

    def stack(count: int, length: int, seed: int) -> Any:
        if flat:
            return values(2, length, count * d, seed=seed)
        return values(2, count, length, d, seed=seed)

    operands = [stack(heads, m, 0), stack(groups, s, 1), stack(groups, s, 2)]
    if mask == "float":
        operands.append(values(m, s, seed=3))
    elif mask == "bool":
        operands.append(np.random.default_rng(3).random((2, 1, m, s)) < 0.7)
    counts = {"q_num_heads": heads, "kv_num_heads": groups} if flat else {}
    check("Attention", *operands, opset=23, is_causal=causal, rtol=1e-4, atol=1e-5, **counts)
