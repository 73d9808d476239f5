"""Tensors: zeroed, aligned memory with a shape, shared by the buffer protocol."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline import core

DTYPES = {
    "?": "bool", "b": "int8", "B": "uint8", "h": "int16", "H": "uint16", "i": "int32", "I": "uint32",
    "q": "int64", "Q": "uint64", "e": "float16", "f": "float32", "d": "float64",
}  # fmt: skip


@pytest.mark.parametrize(("code", "name"), DTYPES.items())
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0, 3), (1, 1, 1, 2)])
def test_is_zeroed_memory_that_numpy_sees(code: str, name: str, shape: tuple[int, ...]) -> None:
    tensor = core.Tensor(code, shape)
    assert (tensor.format, tensor.dtype, tensor.shape) == (code, name, shape)
    array = np.asarray(tensor)
    assert array.dtype == np.dtype(name)
    assert array.shape == shape
    assert tensor.nbytes == array.nbytes
    assert not array.any()
    assert array.flags.c_contiguous and array.flags.writeable
    assert array.ctypes.data % 64 == 0


@given(st.sampled_from(sorted(DTYPES)), st.binary(min_size=96, max_size=96))
def test_tolist_gives_what_numpy_gives(code: str, data: bytes) -> None:
    size = np.dtype(DTYPES[code]).itemsize
    tensor = core.Tensor(code, (2, 96 // size // 2))
    memoryview(tensor).cast("B")[:] = data if code != "?" else bytes(b & 1 for b in data)
    wanted = np.asarray(tensor).tolist()
    # repr tells NaN and -0.0 apart from what they are not.
    assert repr(tensor.tolist()) == repr(wanted)


def test_tolist_of_a_scalar_and_of_nothing() -> None:
    assert core.Tensor("d", ()).tolist() == 0.0
    assert core.Tensor("f", (2, 0)).tolist() == [[], []]


@pytest.mark.parametrize(
    ("code", "shape", "error"),
    [
        ("x", (1,), ValueError),
        ("w", (1,), ValueError),
        ("ff", (1,), ValueError),
        ("f", (-1,), ValueError),
        ("f", (1 << 40, 1 << 40), ValueError),
        ("f", (1,) * 9, ValueError),
        ("f", ("a",), TypeError),
        ("f", 3, TypeError),
    ],
)
def test_refuses_what_is_no_tensor(code: str, shape: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        core.Tensor(code, shape)


def test_outlives_its_name() -> None:
    view = np.asarray(core.Tensor("f", (1000,)))
    view += 1
    assert view.sum() == 1000


def test_says_what_it_is() -> None:
    assert repr(core.Tensor("f", (2, 3))) == "Tensor('f', (2, 3))"


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1)))
def test_read_varints_reads_what_protobuf_writes(values: list[int]) -> None:
    tensor = core.read_varints(b"".join(map(_varint, values)))
    assert (tensor.dtype, tensor.shape) == ("int64", (len(values),))
    assert tensor.tolist() == values


@pytest.mark.parametrize("data", [b"\x80", b"\x01\xff", b"\xff" * 10 + b"\x01"])
def test_read_varints_refuses_what_does_not_end(data: bytes) -> None:
    with pytest.raises(ValueError, match="does not end"):
        core.read_varints(data)


def test_an_instruction_set_that_is_not_here_is_refused() -> None:
    with pytest.raises(ValueError, match="'mmx' is not available"):
        core.set_isa("mmx")
    assert core.isa() in core.isas()
