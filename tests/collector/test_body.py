from __future__ import annotations

import gzip
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.collector.body import BadBodyError, TooLargeError, inflate


@given(st.binary(max_size=2000))
def test_gzip_is_inflated(data: bytes) -> None:
    assert inflate(gzip.compress(data), 2000) == data


def test_the_limit_is_exact() -> None:
    assert len(inflate(gzip.compress(b"x" * 1000), 1000)) == 1000
    with pytest.raises(TooLargeError, match="more than 1000 bytes"):
        inflate(gzip.compress(b"x" * 1001), 1000)


def test_a_bomb_is_never_held_in_memory() -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        inflate(bomb, 256 * 1024)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize(
    "data",
    [
        b"\x1f\x8bnot gzip at all",
        gzip.compress(b"hello")[:-3],
        gzip.compress(b"hello") + b"more",
        gzip.compress(b"hello") + gzip.compress(b"hello"),
        b"",
    ],
)
def test_broken_gzip_is_refused(data: bytes) -> None:
    with pytest.raises(BadBodyError, match="gzip"):
        inflate(data, 1000)
