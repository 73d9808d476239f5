"""Programs bound to buffers: run by one pointer, without Python."""

from __future__ import annotations

import ctypes
import gc
import struct

import numpy as np
import pytest

from strandline import core
from tests.core.specimens import specimen
from tests.core.test_program import INPUT, OUTPUT, TWO, relu, words


def test_runs_what_lies_in_its_buffers() -> None:
    x, y = core.Tensor("f", [4]), core.Tensor("f", [4])
    bound = core.Bound(core.Program(TWO, relu(), [], 0), [x], [y])
    for row in ([-1, 2, -3, 4], [5, -6, 7, -8]):
        memoryview(x).cast("B")[:] = struct.pack("4f", *row)
        bound.run()
        assert y.tolist() == [max(v, 0) for v in row]


def test_the_entry_runs_it_by_address() -> None:
    x, y = core.Tensor("f", [4]), core.Tensor("f", [4])
    bound = core.Bound(core.Program(TWO, relu(), [], 0), [x], [y])
    fed, made = ((ctypes.c_float * 4).from_address(at) for at in bound.buffers)
    del x, y  # the bound program holds them
    gc.collect()
    fed[:] = [-1, 2, -3, 4]
    assert ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(bound.entry)(bound.address) == 1
    assert list(made) == [0, 2, 0, 4]


def test_a_refusal_leaves_its_sentence_at_the_address() -> None:
    s = specimen("gather")
    table, index = s.inputs[0], np.array([7, 7], np.int64)
    params = s.params
    n = [memoryview(v).nbytes for v in (table, index, s.outputs[0])]
    tensors = words(INPUT, 0, 0, n[0], INPUT, 1, 0, n[1], OUTPUT, 0, 0, n[2])
    code = words(core.OPCODES["gather"], 2, 1, len(params), 0, 1, 2, *map(int, params))
    bound = core.Bound(core.Program(tensors, code, [], 0), [table, index], s.outputs)
    with pytest.raises(ValueError, match="out of range"):
        bound.run()
    assert ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(bound.entry)(bound.address) == 0
    assert b"out of range" in ctypes.string_at(bound.address)
    index[:] = 0
    bound.run()


def test_buffers_are_checked() -> None:
    program = core.Program(TWO, relu(), [], 0)
    y = core.Tensor("f", [4])
    with pytest.raises(ValueError, match="aligned"):
        core.Bound(program, [np.zeros(20, np.uint8)[1:17]], [y])
    with pytest.raises(BufferError):
        core.Bound(program, [y], [bytes(16)])
    with pytest.raises(TypeError):
        core.Bound(y, [y], [y])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="8 bytes, the program needs 16"):
        core.Bound(program, [core.Tensor("f", [2])], [y]).run()
