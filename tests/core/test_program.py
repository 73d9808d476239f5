"""Programs: what they accept, what they refuse, and that nothing hostile gets past the checks."""

from __future__ import annotations

import struct
from array import array
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandline import core
from tests.core.specimens import Specimen, specimen

ARENA, CONSTANT, INPUT, OUTPUT = range(4)


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def relu(x: str = "f", n: int = 4) -> bytes:
    """Code of one relu over n elements: tensor 0 -> tensor 1."""
    return words(core.OPCODES["relu"], 1, 1, 4, 0, 1, ord(x), n, 0, 0)


TWO = words(INPUT, 0, 0, 16, OUTPUT, 0, 0, 16)
X = np.array([-1, 2, -3, 4], np.float32)


@pytest.mark.parametrize("op", core.OPCODES)
def test_every_kernel_runs_its_specimen(op: str, isa: str) -> None:
    s = specimen(op)
    result = s.outputs[0].view(np.uint8)
    result[...] = 0xA5
    core.call(op, s.inputs, s.outputs, *s.params)
    assert (result != 0xA5).any()


def test_runs_through_arena_constants_inputs_and_outputs() -> None:
    tensors = words(INPUT, 0, 0, 16, CONSTANT, 0, 0, 16, ARENA, 0, 64, 16, OUTPUT, 0, 0, 16)
    add = (core.OPCODES["add"], 2, 1, 5, 0, 1, 2, ord("f"), 1, 4, 1, 1)
    neg = (core.OPCODES["neg"], 1, 1, 4, 2, 3, ord("f"), 4, 0, 0)
    program = core.Program(tensors, words(*add, *neg), [np.full(4, 10, np.float32)], 128)
    for shift in (0, 1):  # a second run sees nothing of the first
        out = np.zeros(4, np.float32)
        program.run([X + shift], [out])
        np.testing.assert_array_equal(out, -(X + shift + 10))


def test_constants_and_inputs_may_be_misaligned() -> None:
    raw = np.zeros(64, np.uint8)
    shifted = raw[3:19].view(np.uint8)
    shifted[:] = X.view(np.uint8)
    out = core.Tensor("f", [4])
    core.Program(TWO, relu(), [], 0).run([shifted], [out])
    assert out.tolist() == [0, 2, 0, 4]
    core.call("relu", [shifted], [out], ord("f"), 4, 0, 0)
    assert out.tolist() == [0, 2, 0, 4]


def test_rows_are_gathered_from_wherever_they_lie() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    shifted = np.zeros(rows.nbytes + 1, np.uint8)[1:]
    shifted[:] = rows.view(np.uint8).ravel()
    picks, out = np.array([2, -1, 0]), np.zeros((3, 3), np.float32)
    core.call("gather", [shifted, picks], [out], ord("q"), 1, 4, 12, 3)
    np.testing.assert_array_equal(out, rows[picks])
    # The same constant, read by a kernel that minds as well.
    both = words(CONSTANT, 0, 0, 48, CONSTANT, 1, 0, 24, OUTPUT, 0, 0, 36, OUTPUT, 1, 0, 48)
    code = words(core.OPCODES["gather"], 2, 1, 5, 0, 1, 2, ord("q"), 1, 4, 12, 3)
    code += words(core.OPCODES["relu"], 1, 1, 4, 0, 3, ord("f"), 12, 0, 0)
    whole = np.zeros((4, 3), np.float32)
    core.Program(both, code, [shifted, picks], 0).run([], [out, whole])
    np.testing.assert_array_equal(out, rows[picks])
    np.testing.assert_array_equal(whole, rows)
    assert core.BYTEWISE == {"gather": 1}


def test_misaligned_outputs_are_refused() -> None:
    out = np.zeros(64, np.uint8)[1:17]
    with pytest.raises(ValueError, match="output 0 is not aligned"):
        core.Program(TWO, relu(), [], 0).run([X], [out])


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([], [X.copy()], "has 1 inputs, 0 were given"),
        ([X], [], "has 1 outputs, 0 were given"),
        ([X[:3]], [X.copy()], "input 0 has 12 bytes, the program needs 16"),
        ([X], [np.zeros(3, np.float32)], "output 0 has 12 bytes, the program needs 16"),
    ],
)
def test_run_checks_the_buffers(inputs: Any, outputs: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        core.Program(TWO, relu(), [], 0).run(inputs, outputs)


def test_buffers_that_no_instruction_touches_are_ignored() -> None:
    out = np.zeros(4, np.float32)
    core.Program(TWO, relu(), [], 0).run([X, b""], [out, bytearray()])
    assert out.tolist() == [0, 2, 0, 4]


def test_read_only_outputs_are_refused() -> None:
    with pytest.raises(BufferError):
        core.Program(TWO, relu(), [], 0).run([X], [bytes(16)])


@pytest.mark.parametrize(
    ("tensors", "code", "message"),
    [
        (TWO, words(9999, 0, 0, 0), "unknown opcode"),
        (TWO, words(-1, 0, 0, 0), "unknown opcode"),
        (TWO, words(0, 1, 1, 1 << 40), "counts do not fit"),
        (TWO, words(0, -1, 1, 1), "counts do not fit"),
        (TWO, words(0, 1), "counts do not fit"),
        (TWO, relu(n=5), "too small"),
        (TWO, relu(n=1 << 62), "too small"),
        (TWO, relu(n=-1), "too small"),
        (TWO, words(core.OPCODES["relu"], 1, 1, 4, 0, 7, ord("f"), 4, 0, 0), "not there"),
        (TWO, words(core.OPCODES["relu"], 1, 1, 4, 0, 0, ord("f"), 4, 0, 0), "writes to"),
        (words(ARENA, 0, 0, 16, OUTPUT, 0, 0, 16), relu(), "outside the arena"),
        (words(ARENA, 0, 8, 0, OUTPUT, 0, 0, 16), relu(), "not aligned"),
        (words(CONSTANT, 0, 0, 16, OUTPUT, 0, 0, 16), relu(), "not there"),
        (words(7, 0, 0, 16, OUTPUT, 0, 0, 16), relu(), "unknown kind"),
        (words(INPUT, -1, 0, 16, OUTPUT, 0, 0, 16), relu(), "negative"),
        (words(INPUT, 1 << 40, 0, 16, OUTPUT, 0, 0, 16), relu(), "impossible"),
        (words(INPUT, 0, (1 << 63) - 8, 16, OUTPUT, 0, 0, 16), relu(), "overflowing"),
        (TWO[:-8], relu(), "impossible size"),
    ],
)
def test_construction_checks_the_code(tensors: bytes, code: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        core.Program(tensors, code, [], 0)


def test_errors_name_the_instruction() -> None:
    with pytest.raises(ValueError, match=r"instruction 1 \(relu\): the input is too small"):
        core.Program(TWO, relu() + relu(n=5), [], 0)


def test_an_index_out_of_range_is_an_error_at_run_time() -> None:
    s = specimen("gather")
    with pytest.raises(ValueError, match=r"\(gather\): an index is out of range"):
        core.call("gather", (s.inputs[0], np.array([0, 3])), s.outputs, *s.params)


SIZES = st.sampled_from(
    [0, 1, 2, 3, 7, 8, 63, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 61, (1 << 63) - 1]
)
HOSTILE = SIZES | SIZES.map(lambda v: -v) | st.integers(-9, 99) | st.just(-(1 << 63))


def bent(draw: Any, s: Specimen) -> tuple[list[Any], list[Any], list[int]]:
    """A specimen with some params, operand sizes and (for indices and forests) contents changed."""
    params = s.words
    for _ in range(draw(st.integers(0, 3))):
        if params:
            params[draw(st.integers(0, len(params) - 1))] = draw(HOSTILE)
    if draw(st.integers(0, 9)) == 0:
        params = params[: draw(st.integers(0, len(params)))] + draw(st.lists(HOSTILE, max_size=3))

    def operand(a: Any) -> Any:
        if a is None:
            return None
        raw = np.ascontiguousarray(a).reshape(-1).copy()
        if draw(st.integers(0, 4)) == 0:
            raw = np.resize(raw, draw(st.integers(0, 2 * raw.size)))
        if raw.size and raw.dtype.kind in "iq" and draw(st.booleans()):
            info = np.iinfo(raw.dtype)
            value = min(max(draw(HOSTILE), info.min), info.max)
            raw[draw(st.integers(0, raw.size - 1))] = value
        return None if draw(st.integers(0, 29)) == 0 else raw

    return [operand(a) for a in s.inputs], [operand(a) for a in s.outputs], params


@pytest.mark.parametrize("op", core.OPCODES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_bent_call_is_refused_or_stays_in_bounds(op: str, data: st.DataObject) -> None:
    """Guard bytes around every operand show a write that strays a little; the sanitised build shows the rest."""
    inputs, outputs, params = bent(data.draw, specimen(op))
    guarded = []
    for out in outputs:
        if out is None:
            guarded.append((None, None))
            continue
        block = np.full(out.nbytes + 256, 0x5A, np.uint8)
        # 64-byte steps keep the view aligned as the array itself is.
        guarded.append((block, block[128 : 128 + out.nbytes]))
    with suppress(ValueError):
        core.call(op, inputs, [view for _, view in guarded], *params)
    for block, view in guarded:
        if block is not None:
            assert (block[:128] == 0x5A).all()
            assert (block[128 + view.nbytes :] == 0x5A).all()


@given(
    st.lists(HOSTILE | st.sampled_from(list(core.OPCODES.values())), max_size=40),
    st.binary(max_size=64),
)
@settings(max_examples=300, deadline=None)
def test_random_words_are_refused_or_run(code: list[int], tensors: bytes) -> None:
    table = array("q", [ARENA, 0, 0, 64, INPUT, 0, 0, 64, OUTPUT, 0, 0, 64]).tobytes()
    for described in (table, tensors):
        try:
            program = core.Program(described, array("q", code).tobytes(), [], 64)
        except ValueError:
            continue
        if described is table:
            program.run([bytes(64)], [bytearray(64)])
