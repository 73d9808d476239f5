from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.compiler.store import LocalStrings, Store, Vocabulary, constant_of
from strandline.onnx.types import float32, int64


@given(st.lists(st.text()), st.lists(st.text()))
def test_strings_come_back_known_or_not(known: list[str], fed: list[str]) -> None:
    vocabulary = Vocabulary()
    codes = vocabulary.add(known)
    local = LocalStrings(vocabulary)
    got = local.encode([*fed, *known])
    assert local.decode(got) == [*fed, *known]
    assert got.tolist()[len(fed) :] == codes
    assert len(set(got)) == len({*fed, *known})


def test_zeroed_memory_holds_empty_strings() -> None:
    vocabulary = Vocabulary()
    assert vocabulary.add(["", "a", ""]) == [0, 1, 0]
    assert LocalStrings(vocabulary).decode([0, 0]) == ["", ""]


def test_a_run_leaves_the_vocabulary_alone() -> None:
    vocabulary = Vocabulary()
    vocabulary.add(["a"])
    assert LocalStrings(vocabulary).encode(["b", "a", "b"]).tolist() == [-1, 1, -1]
    assert vocabulary.texts == ["", "a"]


def test_constants_from_numbers_and_buffers() -> None:
    assert constant_of(int64, (2, 1), [1, -2]).flat() == [1, -2]
    assert constant_of(float32, (), [0.5]).flat() == [0.5]
    assert constant_of(float32, (1,), memoryview(b"\x00\x00\x80?")).flat() == [1.0]
    with pytest.raises(ValueError, match="needs 8 bytes, not 16"):
        constant_of(int64, (1,), [1, 2])


def test_constants_between_boundaries_are_copied_once_per_session() -> None:
    odd = memoryview(bytearray(12))[1:9]
    store, constant = Store(), constant_of(float32, (2,), odd)
    assert store.buffer(constant, anywhere=True) is constant.data
    buffer = store.buffer(constant)
    assert buffer is not constant.data
    assert bytes(buffer) == bytes(odd)
    assert store.buffer(constant) is store.buffer(constant, anywhere=True) is buffer
    assert store.bytes_of(constant) is constant.data
