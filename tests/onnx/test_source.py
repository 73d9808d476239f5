"""A model that is read in pieces is the model that is read at once; its large weights stay where they are."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from strandline import Session
from strandline.onnx import ModelError, read, source
from strandline.onnx.graph import Constant, Graph
from tests.models import zoo
from tests.onnx.test_fuzz import sample


class Elsewhere:
    """Bytes that count how many of them were fetched."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.fetched = 0

    def __len__(self) -> int:
        return len(self.data)

    def read_into(self, start: int, into: memoryview) -> None:
        assert 0 <= start < start + len(into) <= len(self.data)
        into[:] = self.data[start : start + len(into)]
        self.fetched += len(into)


def looking(large: int, window: int) -> AbstractContextManager[Any]:
    """What counts as large, and how much is looked at together, in bytes."""
    return mock.patch.multiple(source, LARGE=large, _WINDOW=window, _HEADER=window)


def contents(graph: Graph) -> Any:
    """Everything in a graph, comparable."""

    def plain(value: Any) -> Any:
        if isinstance(value, Constant):
            return str(value.type), bytes(value.data), value.strings
        if isinstance(value, Graph):
            return contents(value)
        if isinstance(value, memoryview):
            return value.tolist()
        return [plain(v) for v in value] if isinstance(value, tuple) else value

    nodes = [
        (str(n), n.op, n.domain, n.inputs, n.outputs, {k: plain(v) for k, v in n.attrs.items()})
        for n in graph.nodes
    ]
    constants = {name: plain(value) for name, value in graph.constants.items()}
    return nodes, constants, graph.inputs, graph.outputs, graph.opsets, graph.metadata, graph.about


def weights(*sizes: int, attributes: bool = False) -> bytes:
    """A sum of constants of these sizes, initializers or attributes of nodes."""
    values = [np.random.default_rng(size).random((size,), np.float32) for size in sizes]
    tensors = [numpy_helper.from_array(value, f"w{i}") for i, value in enumerate(values)]
    names = [tensor.name for tensor in tensors]
    nodes = [helper.make_node("ReduceSum", [name], [f"{name}/sum"], keepdims=0) for name in names]
    nodes.append(helper.make_node("Sum", ["x", *(f"{name}/sum" for name in names)], ["y"]))
    if attributes:
        made = zip(names, tensors, strict=True)
        nodes = [*(helper.make_node("Constant", [], [n], value=t) for n, t in made), *nodes]
        tensors = []
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    opset = helper.make_opsetid("", 17)
    return bytes(helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString())


@given(
    sizes=st.lists(st.integers(0, 200), min_size=1, max_size=6),
    attributes=st.booleans(),
    large=st.integers(1, 300),
    window=st.integers(24, 400),
)
@settings(max_examples=60, deadline=None)
def test_pieces_of_any_size_give_the_same_model(
    sizes: list[int], attributes: bool, large: int, window: int
) -> None:
    data = weights(*sizes, attributes=attributes)
    with looking(large, window):
        assert contents(read(Elsewhere(data))) == contents(read(data))


@pytest.mark.parametrize("name", ["decision_tree", "mlp", "ocr_direction"])
def test_real_models_are_the_same(name: str) -> None:
    data = zoo.model(name)
    for large, window in ((1 << 16, 1 << 16), (64, 1 << 10), (1 << 10, 64)):
        with looking(large, window):
            assert contents(read(Elsewhere(data))) == contents(read(data))


@pytest.mark.parametrize("attributes", [False, True])
def test_large_weights_are_fetched_when_they_are_wanted(attributes: bool) -> None:
    large = 1 << 20
    elsewhere = Elsewhere(weights(large, 3, large, attributes=attributes))
    graph = read(elsewhere)
    assert elsewhere.fetched < large
    held = [*graph.constants.values(), *(n.attrs.get("value") for n in graph.nodes)]
    (first, small, _) = [value for value in held if value is not None]
    before = elsewhere.fetched
    assert small.array().shape == (3,)
    assert elsewhere.fetched == before
    expected = np.random.default_rng(large).random((large,), np.float32)
    np.testing.assert_array_equal(first.array(), expected)
    assert elsewhere.fetched == before + 4 * large


def test_a_session_runs_the_same_and_fetches_nothing_to_run() -> None:
    data = zoo.model("mlp")
    (info,) = read(data).inputs
    rows = np.random.default_rng(0).random((5, int(info.shape[1])), np.float32)  # type: ignore[index, arg-type]
    with looking(64, 1 << 10):
        elsewhere = Elsewhere(data)
        ours, plain = Session(elsewhere), Session(data)
        for _ in range(2):
            got, want = ours.run({info.name: rows}), plain.run({info.name: rows})
            for name, value in want.items():
                np.testing.assert_array_equal(got[name], value)
            before = elsewhere.fetched
        ours.run({info.name: rows})
        assert elsewhere.fetched == before


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_damage_is_told_as_where_all_bytes_are_there(draw: st.DataObject) -> None:
    whole = draw.draw(st.sampled_from([sample(), weights(40, 90), weights(40, attributes=True)]))
    data = bytearray(whole[: draw.draw(st.integers(0, len(whole)))])
    for _ in range(draw.draw(st.integers(0, 3))):
        if data:
            data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))

    def tried(model: Any) -> Any:
        try:
            return repr(contents(read(model)))  # in which NaN is NaN
        except ModelError as error:
            return str(error)

    with looking(48, 64):
        assert tried(Elsewhere(bytes(data))) == tried(bytes(data))


def test_only_a_models_own_bytes_are_called_its_own() -> None:
    """A file that names the place of left weights itself gets nothing but its own bytes, if they are there."""
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[4], name="w", data_location=1)
    for key, value in {"location": source.OWN_FILE, "offset": "1000000", "length": "16"}.items():
        tensor.external_data.add(key=key, value=value)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    node = helper.make_node("Add", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", [x], [y], [tensor])
    data = helper.make_model(graph).SerializeToString()
    for model in (data, Elsewhere(data)):
        with pytest.raises(ModelError, match="'w' keeps its values in the file"):
            read(model)
