"""Plan files: read back by their own description, they compute what the session computes."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from onnx import helper

from strandline import core
from strandline.bundle import early
from strandline.bundle.early import early_plan
from strandline.runtime import Session, planfile
from tests.runtime.models import model, table, tensor
from tests.runtime.test_prepared import rows, two_layers, unique


def read(plan: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and what follows it."""
    assert plan[:16] == planfile.MAGIC
    (length,) = struct.unpack_from("<I", plan, 16)
    header = json.loads(plan[64 : 64 + length])
    assert header["schema"] == planfile.SCHEMA and length % 64 == 0
    return header, plan[64 + length :]


def test_a_file_holds_the_whole_program() -> None:
    session = Session(two_layers())
    header, body = read(planfile.dumps(session.prepare()))

    def part(place: list[int]) -> bytes:
        assert place[0] % 64 == 0
        return body[place[0] : sum(place)]

    assert header["kernels"].items() <= core.OPCODES.items()
    assert header["panel"] == core.panel_width()
    constants = [part(place) for place in header["constants"]]
    program = core.Program(
        part(header["tensors"]), part(header["code"]), constants, header["arena"]
    )
    y = core.Tensor("f", [1, 2])
    program.run([rows(1)], [y])
    np.testing.assert_array_equal(np.array(y), np.array(session.run({"x": rows(1)})["y"]))
    assert header["call"]["inputs"] == [{"name": "x", "dtype": "float32", "shape": [1, 3]}]


def test_the_early_plan_is_for_128_bits_wherever_it_is_made() -> None:
    before = core.isa()
    plan = early_plan(two_layers())
    assert core.isa() == before and plan is not None
    assert read(plan)[0]["panel"] == 8
    assert early_plan(two_layers()) == plan


@pytest.mark.parametrize("data", [table()[0], two_layers()], ids=["strings", "numbers"])
def test_what_has_a_plan(data: bytes) -> None:
    assert early_plan(data) is not None


def test_what_has_none() -> None:
    assert early_plan(unique()) is None
    assert early_plan(model([], [tensor("x")], [tensor("x")])) is None  # declares no rank


def test_constants_in_a_layout_of_one_machine_do_not_travel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    weights = {"w": rng.integers(-9, 9, (3, 5), np.int8)}
    nodes = [helper.make_node("MatMulInteger", ["x", "w"], ["y"])]
    data = model(nodes, [tensor("x", "uint8", ["N", 3])], [tensor("y", "int32", ["N", 5])], weights)
    assert "pack_b_i8" in Session(data).packings
    assert early_plan(data) is not None
    monkeypatch.setattr(early, "PORTABLE", early.PORTABLE - {"pack_b_i8"})
    assert early_plan(data) is None
