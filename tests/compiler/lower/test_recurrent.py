"""RNN, GRU and LSTM against their references, over generated shapes and options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compiler.lower.node import NoKernel, check

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
CELLS = {"RNN": (1, 1), "GRU": (3, 2), "LSTM": (4, 3)}
"""gates, activations"""


def values(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def operands(
    op: str, steps: int, n: int, size: int, hidden: int, directions: int, by_sequence: bool
) -> list[Any]:
    """X, W, R, B, lengths, h (and c, P), all present. R is scaled as networks begin their training:
    larger weights would multiply the rounding errors of every step.
    """
    gates, _ = CELLS[op]
    state = (n, directions, hidden) if by_sequence else (directions, n, hidden)
    x = (n, steps, size) if by_sequence else (steps, n, size)
    result = [
        values(0, *x),
        values(1, directions, gates * hidden, size),
        values(2, directions, gates * hidden, hidden) / np.float32(np.sqrt(hidden)),
        values(3, directions, 2 * gates * hidden),
        np.random.default_rng(4).integers(0, steps + 1, n).astype(np.int32),
        values(5, *state),
    ]
    if op == "LSTM":
        result += [values(6, *state), values(7, directions, 3 * hidden)]
    return result


@pytest.mark.parametrize("op", CELLS)
@given(data=st.data())
@generated
def test_shapes_and_options(op: str, data: st.DataObject) -> None:
    draw = data.draw
    direction = draw(st.sampled_from(["forward", "reverse", "bidirectional"]))
    directions = 2 if direction == "bidirectional" else 1
    by_sequence = draw(st.booleans())
    steps, n = draw(st.integers(1, 4)), draw(st.integers(1, 14))
    hidden = draw(st.integers(1, 9) | st.sampled_from([16, 31, 33, 64]))
    given_ = operands(op, steps, n, draw(st.integers(1, 5)), hidden, directions, by_sequence)
    for i in range(3, len(given_)):
        if draw(st.booleans()):
            given_[i] = None
    attrs: dict[str, Any] = {
        "direction": direction,
        "hidden_size": hidden,
        "layout": int(by_sequence),
    }
    if draw(st.booleans()):
        attrs["clip"] = 0.5
    if op == "GRU":
        attrs["linear_before_reset"] = draw(st.integers(0, 1))
    if op == "LSTM":
        attrs["input_forget"] = draw(st.integers(0, 1))
    known = {i for i in (1, 2) if draw(st.booleans())}
    outputs = 3 if op == "LSTM" else 2
    check(op, *given_, constant=known, opset=22, outputs=outputs, atol=3e-6, rtol=1e-4, **attrs)


@pytest.mark.parametrize("op", CELLS)
def test_other_activations(op: str) -> None:
    _, each = CELLS[op]
    names = ["HardSigmoid", "LeakyRelu", "Relu"][:each]
    given_ = operands(op, 3, 2, 4, 5, 2, False)
    attrs = {
        "direction": "bidirectional",
        "hidden_size": 5,
        "activations": [*names, *["Softplus"] * each],
        "activation_alpha": np.array([0.3, 0.1][:each], np.float32),
        "activation_beta": np.array([0.4], np.float32),
    }
    check(op, *given_, opset=22, outputs=2, rtol=1e-4, atol=3e-6, **attrs)


def test_an_activation_that_the_kernels_lack() -> None:
    with pytest.raises(NoKernel):
        check("RNN", *operands("RNN", 2, 1, 2, 3, 1, False), opset=22, activations=["Softsign"])


def test_halves() -> None:
    given_ = [
        v.astype(np.float16) if v.dtype == np.float32 else v
        for v in operands("LSTM", 3, 2, 4, 5, 1, False)
    ]
    check("LSTM", *given_, opset=22, hidden_size=5, outputs=3, rtol=5e-3, atol=5e-3)


def test_nan_and_infinity_stay_in_their_sequence() -> None:
    x, w, r, *_ = operands("GRU", 2, 3, 4, 17, 1, False)
    x[0, 1, 2], x[1, 2, 0] = np.nan, np.inf
    with np.errstate(invalid="ignore", over="ignore"):
        check("GRU", x, w, r, opset=22, hidden_size=17, outputs=2, rtol=1e-4, atol=3e-6)
