"""Operators that move elements, over generated shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compiler.lower.node import NoKernel, check

pytestmark = pytest.mark.usefixtures("isa")
generated = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

DTYPES = st.sampled_from(["float32", "float64", "int64", "int8", "float16", "bool"])
SHAPES = st.lists(st.integers(0, 6), max_size=5).map(tuple)
FULL = st.lists(st.integers(1, 6), min_size=1, max_size=5).map(tuple)


def counted(shape: tuple[int, ...], dtype: str = "float32") -> Any:
    """Every element another one (as far as the type goes)."""
    return np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)


@given(SHAPES, DTYPES, st.randoms())
@generated
def test_transpose(shape: tuple[int, ...], dtype: str, random: Any) -> None:
    perm = list(range(len(shape)))
    random.shuffle(perm)
    check("Transpose", counted(shape, dtype), perm=perm)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_transpose_in_tiles(dtype: str) -> None:
    check("Transpose", counted((33, 70), dtype))
    check("Transpose", counted((2, 17, 65, 3), dtype), perm=[0, 2, 1, 3])
    check("Transpose", counted((5, 40, 40), dtype), perm=[2, 0, 1])


def test_transpose_of_strings() -> None:
    check("Transpose", np.array([["a", "b", "c"], ["d", "e", ""]], object))


@given(FULL, st.data())
@generated
def test_slice(shape: tuple[int, ...], data: st.DataObject) -> None:
    """Any start, end and step, also out of range and backwards."""
    axes = data.draw(st.permutations(range(len(shape))))[: data.draw(st.integers(0, len(shape)))]
    bound = st.integers(-9, 9) | st.sampled_from([-(1 << 62), 1 << 62])
    starts = [data.draw(bound) for _ in axes]
    ends = [data.draw(bound) for _ in axes]
    steps = [data.draw(st.integers(-3, 3).filter(bool)) for _ in axes]
    lists = [np.array(v, np.int64) for v in (starts, ends, axes, steps)]
    check("Slice", counted(shape), *lists, constant=(1, 2, 3, 4))


def test_slice_by_attributes() -> None:
    check("Slice", counted((5, 6, 7)), opset=9, starts=[1, -3], ends=[4, 100], axes=[0, 2])
    check("Slice", counted((5, 6)), opset=9, starts=[1], ends=[-1])


@given(st.integers(1, 4), FULL, st.data())
@generated
def test_concat_and_split_undo_each_other(
    parts: int, shape: tuple[int, ...], data: st.DataObject
) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = [data.draw(st.integers(0, 4)) for _ in range(parts)]
    pieces = []
    for i, size in enumerate(sizes):
        grown = list(shape)
        grown[axis] = size
        pieces.append(counted(tuple(grown)) + 100 * i)
    check("Concat", *pieces, axis=axis)
    whole = np.concatenate(pieces, axis)
    check("Split", whole, np.array(sizes), constant=(1,), axis=axis, outputs=parts)


def test_concat_of_strings() -> None:
    a, b = np.array([["a", "b"]], object), np.array([["c", "a"]], object)
    check("Concat", a, b, axis=0)


def test_split_into_equal_parts() -> None:
    check("Split", counted((6, 4)), outputs=3, num_outputs=3)
    check("Split", counted((7, 4)), outputs=3, num_outputs=3)
    check("Split", counted((7, 4)), opset=11, outputs=2, split=[3, 4])


@given(FULL, st.data())
@generated
def test_expand(shape: tuple[int, ...], data: st.DataObject) -> None:
    lead = data.draw(st.lists(st.integers(1, 3), max_size=2))
    source = tuple(1 if data.draw(st.booleans()) else size for size in shape)
    target = np.array([*lead, *shape], np.int64)
    check("Expand", counted(source), target, constant=(1,))


@given(FULL.filter(lambda s: len(s) < 5), st.data())
@generated
def test_tile(shape: tuple[int, ...], data: st.DataObject) -> None:
    repeats = np.array([data.draw(st.integers(0, 3)) for _ in shape], np.int64)
    try:
        check("Tile", counted(shape), repeats, constant=(1,))
    except NoKernel:
        assert 2 * len(shape) > 8


@given(FULL, DTYPES, st.data())
@generated
def test_pad(shape: tuple[int, ...], dtype: str, data: st.DataObject) -> None:
    """Negative pads crop."""
    begins = [data.draw(st.integers(-min(s - 1, 2), 3)) for s in shape]
    ends = [
        data.draw(st.integers(-(s - 1 + min(b, 0)), 3)) for s, b in zip(shape, begins, strict=True)
    ]
    pads = np.array([*begins, *ends], np.int64)
    check("Pad", counted(shape, dtype), pads, np.array(1, dtype), constant=(1, 2))


def test_pad_of_some_axes() -> None:
    check("Pad", counted((2, 3, 4)), np.array([1, 2]), None, np.array([-1]), constant=(1, 3))
    check("Pad", counted((2, 3)), opset=10, pads=[0, 1, 2, 0], value=2.5)


@pytest.mark.parametrize("mode", ["reflect", "edge", "wrap"])
@pytest.mark.parametrize("pads", [[0, 1, 0, 2], [1, 2, 1, 0], [0, 2, 0, 2]])
def test_pad_by_the_inputs_own_elements(mode: str, pads: list[int]) -> None:
    for dtype in ("float32", "int64", "bool", "float16"):
        check("Pad", counted((2, 3), dtype), np.array(pads), constant=(1,), opset=19, mode=mode)
    axes = np.array([-2])
    check(
        "Pad", counted((4, 3)), np.array([2, 3]), None, axes, constant=(1, 3), opset=19, mode=mode
    )


@pytest.mark.parametrize("op", ["Identity", "Flatten"])
def test_what_moves_nothing(op: str) -> None:
    check(op, counted((2, 3, 4)))


def test_reshapes() -> None:
    check("Reshape", counted((2, 6)), np.array([3, -1]), constant=(1,))
    check("Squeeze", counted((2, 1, 3)), np.array([1]), constant=(1,))
    check("Unsqueeze", counted((2, 3)), np.array([0, -1]), constant=(1,))
    check("Dropout", counted((2, 3)), outputs=2)
    check("Dropout", counted((2, 3)), np.float32(0.5), np.array(False), constant=(1, 2))
    check("Transpose", counted((2, 1, 3)), perm=[1, 0, 2])


def test_constant_of_shape() -> None:
    from tests.compiler.lower.node import constant_of_array

    check("ConstantOfShape", np.array([2, 3]), constant=(0,))
    for value in (np.array([2.5], np.float32), np.array([-7]), np.array([True])):
        check("ConstantOfShape", np.array([2, 3]), constant=(0,), value=constant_of_array(value))


def test_feature_vectorizer() -> None:
    """Inputs of several types; wider ones are cut, narrower ones filled up."""
    parts = (counted((4, 3)), counted((4, 2), "int64"), counted((4, 1), "float64"))
    check("FeatureVectorizer", *parts, domain="ai.onnx.ml", opset=1, inputdimensions=[2, 3, 1])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int32", "int64"])
def test_range(dtype: str) -> None:
    for start, limit, delta in [(0, 7, 1), (10, -3, -2), (5, 5, 1), (1, 2, 3)]:
        bounds = [np.array(v, dtype) for v in (start, limit, delta)]
        check("Range", *bounds, constant=(0, 1, 2))
    if dtype.startswith("float"):
        check("Range", *(np.array(v, dtype) for v in (0.5, 3, 0.1)), constant=(0, 1, 2))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
@given(
    st.integers(0, 2),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 4),
    DTYPES,
)
@generated
def test_blocks(mode: str, batch: int, b: int, channels: int, h: int, w: int, dtype: str) -> None:
    deep = counted((batch, channels * b * b, h, w), dtype)
    check("DepthToSpace", deep, blocksize=b, mode=mode)
    check("SpaceToDepth", counted((batch, channels, h * b, w * b), dtype), blocksize=b)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(-7, 7), st.sampled_from([1, 7, 9, 10, 11]))
@generated
def test_diagonal(rows: int, columns: int, k: int, dtype: int) -> None:
    check("EyeLike", counted((rows, columns)), k=k, dtype=dtype)
