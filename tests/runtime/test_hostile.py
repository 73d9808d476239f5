"""Damaged and malicious models: a clear error or an answer, never a crash or an exception of another kind."""

from __future__ import annotations

import random
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from strandline import Session
from tests.runtime.models import model, network, table, tensor

SAMPLES = (network(), table())


@settings(max_examples=300)
@given(st.sampled_from([0, 1]), st.randoms(use_true_random=False))
def test_changed_bytes(which: int, rng: random.Random) -> None:
    data, feeds = SAMPLES[which]
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        changed[rng.randrange(len(changed))] = rng.choice((0, 1, 0x7F, 0x80, rng.randrange(256)))
    with suppress(ValueError, MemoryError):
        session = Session(bytes(changed))
        spare = next(iter(feeds.values()))
        session.run({info.name: feeds.get(info.name, spare) for info in session.inputs})


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (helper.make_node("Reshape", ["x", "k"], ["y"]), {"k": np.array([2**62, 2**62])}),
        (helper.make_node("Gather", ["x", "k"], ["y"]), {"k": np.array([2**40])}),
        (helper.make_node("Conv", ["x", "k"], ["y"], strides=[0, 0]), {"k": np.ones((1, 1, 1, 1), np.float32)}),
        (helper.make_node("Conv", ["x", "k"], ["y"], group=0), {"k": np.ones((1, 1, 1, 1), np.float32)}),
        (helper.make_node("Transpose", ["x"], ["y"], perm=[0, 0, 0, 0]), {}),
        (helper.make_node("Concat", ["x", "x"], ["y"], axis=7), {}),
        (helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2**40, 2**40]), {}),
        (helper.make_node("Expand", ["x", "k"], ["y"]), {"k": np.array([2**31, 2**31, 2**31, 1])}),
        (helper.make_node("Pad", ["x", "k"], ["y"]), {"k": np.array([2**60] * 8)}),
        (helper.make_node("Tile", ["x", "k"], ["y"]), {"k": np.array([2**40] * 4)}),
    ],
    ids=lambda value: value.op_type if hasattr(value, "op_type") else "",
)  # fmt: skip
def test_impossible_numbers(node: object, constants: dict[str, object]) -> None:
    data = model([node], [tensor("x", shape=[1, 1, 4, 4])], [tensor("y")], constants)
    with pytest.raises((ValueError, MemoryError)):
        Session(data).run({"x": np.ones((1, 1, 4, 4), np.float32)})
