"""The same code under onnxruntime and under its mirror."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from strandline import onnxruntime as mirror
from tests.runtime.models import network, table

RUNTIMES = [pytest.param(onnxruntime, id="onnxruntime"), pytest.param(mirror, id="mirror")]
both = pytest.mark.parametrize("ort", RUNTIMES)


def doubled(size: Any = "n") -> bytes:
    """y = x + x for x [n, 2], with everything that a model can say of itself."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [size, 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [size, 2])
    node = helper.make_node("Add", ["x", "x"], ["y"])
    graph = helper.make_graph([node], "twice", [x], [y], doc_string="of a graph")
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name, model.domain, model.model_version = "a test", "org.example", 3
    model.doc_string = "of a model"
    helper.set_model_props(model, {"author": "me"})
    data: bytes = model.SerializeToString()
    return data


def told(session: Any) -> dict[str, Any]:
    """All that a session says of its model."""
    about = session.get_modelmeta()
    return {
        "inputs": [(a.name, a.type, a.shape) for a in session.get_inputs()],
        "outputs": [(a.name, a.type, a.shape) for a in session.get_outputs()],
        "providers": session.get_providers(),
        "about": [
            about.custom_metadata_map,
            about.description,
            about.domain,
            about.graph_description,
            about.graph_name,
            about.producer_name,
            about.version,
        ],
    }


@pytest.mark.parametrize(
    "model", [doubled(), network()[0], table()[0]], ids=["add", "net", "table"]
)
def test_says_the_same_of_a_model(model: bytes) -> None:
    theirs, ours = (
        told(m.InferenceSession(model, providers=["CPUExecutionProvider"]))
        for m in (onnxruntime, mirror)
    )
    # onnxruntime also infers sizes that the model does not declare.
    theirs["outputs"] = [
        (name, kind, shape if declared else declared)
        for (name, kind, shape), (*_, declared) in zip(
            theirs["outputs"], ours["outputs"], strict=True
        )
    ]
    assert ours == theirs
    assert told(mirror.InferenceSession(doubled()))["outputs"] == [("y", "tensor(float)", ["n", 2])]


@pytest.mark.parametrize("case", [network, table])
def test_runs_give_the_same(case: Any) -> None:
    model, feeds = case()
    theirs, ours = (m.InferenceSession(model).run(None, feeds) for m in (onnxruntime, mirror))
    assert len(ours) == len(theirs)
    for got, want in zip(ours, theirs, strict=True):
        if isinstance(want, list):
            assert [list(row) for row in got] == [list(row) for row in want]
            for one, other in zip(got, want, strict=True):
                assert one == pytest.approx(other, rel=1e-4)
        elif want.dtype.kind == "f":
            assert got.dtype == want.dtype
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)
        else:
            assert got.tolist() == want.tolist()


@both
def test_a_file_and_chosen_outputs(ort: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(doubled())
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    x = np.float32([[1, 2]])
    for names in (["y"], None, []):
        (y,) = session.run(names, {"x": x}, ort.RunOptions())
        assert y.tolist() == [[2, 4]]


@both
def test_free_dimensions_can_be_fixed(ort: ModuleType) -> None:
    options = ort.SessionOptions()
    options.add_free_dimension_override_by_name("n", 3)
    session = ort.InferenceSession(doubled(), options)
    assert session.get_inputs()[0].shape == [3, 2]
    with pytest.raises(_error(ort, "InvalidArgument")):
        session.run(None, {"x": np.zeros((4, 2), np.float32)})


def _error(ort: ModuleType, name: str) -> type[Exception]:
    if ort is mirror:
        from strandline.onnxruntime.capi import onnxruntime_pybind11_state as state
    else:
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    error: type[Exception] = getattr(state, name)
    return error


@both
@pytest.mark.parametrize(
    ("error", "feeds", "names"),
    [
        ("InvalidArgument", {"x": np.zeros((1, 2))}, None),
        ("InvalidArgument", {"x": np.zeros((1, 3), np.float32)}, None),
        ("InvalidArgument", {"x": np.zeros((1, 2), np.float32)}, ["z"]),
        ("InvalidArgument", {"x": np.zeros((1, 2), np.float32), "z": np.zeros(1)}, None),
    ],
)
def test_refuses_the_same(ort: ModuleType, error: str, feeds: Any, names: Any) -> None:
    session = ort.InferenceSession(doubled())
    with pytest.raises(_error(ort, error)):
        session.run(names, feeds)


@both
def test_an_input_that_is_not_fed(ort: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"Required inputs \(\['x'\]\) are missing"):
        ort.InferenceSession(doubled()).run(None, {})


@both
def test_bytes_that_are_no_model(ort: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(_error(ort, "InvalidProtobuf")):
        ort.InferenceSession(b"no model")
    with pytest.raises(_error(ort, "NoSuchFile")):
        ort.InferenceSession(str(tmp_path / "absent.onnx"))


@both
def test_binding_keeps_the_callers_memory(ort: ModuleType) -> None:
    session = ort.InferenceSession(doubled())
    binding = session.io_binding()
    x = np.float32([[1, 2], [3, 4]])
    held = ort.OrtValue.ortvalue_from_shape_and_type([2, 2], np.float32)
    binding.bind_cpu_input("x", x)
    binding.bind_ortvalue_output("y", held)
    session.run_with_iobinding(binding)
    assert held.numpy().tolist() == [[2, 4], [6, 8]]
    x[0, 0] = 10
    session.run_with_iobinding(binding)
    assert held.numpy()[0, 0] == 20
    assert binding.copy_outputs_to_cpu()[0].tolist() == held.numpy().tolist()


@both
def test_binding_addresses(ort: ModuleType) -> None:
    session = ort.InferenceSession(doubled())
    binding = session.io_binding()
    x, y = np.float32([[1, 2]]), np.zeros((1, 2), np.float32)
    binding.bind_input("x", "cpu", 0, np.float32, x.shape, x.ctypes.data)
    binding.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)
    session.run_with_iobinding(binding)
    assert y.tolist() == [[2, 4]]
    binding.clear_binding_outputs()
    binding.bind_output("y")
    session.run_with_iobinding(binding)
    (fresh,) = binding.get_outputs()
    assert fresh.numpy().tolist() == [[2, 4]] and fresh.data_ptr() != y.ctypes.data


@both
def test_values(ort: ModuleType) -> None:
    x = np.float32([[1, 2]])
    value = ort.OrtValue.ortvalue_from_numpy(x)
    assert value.is_tensor() and value.has_value() and not value.is_sparse_tensor()
    assert (value.shape(), value.data_type(), value.device_name()) == (
        [1, 2],
        "tensor(float)",
        "cpu",
    )
    assert (value.element_type(), value.tensor_size_in_bytes()) == (onnx.TensorProto.FLOAT, 8)
    value.update_inplace(np.float32([[3, 4]]))
    assert value.numpy().tolist() == [[3, 4]]
    session = ort.InferenceSession(doubled())
    (y,) = session.run_with_ort_values(["y"], {"x": value})
    assert y.numpy().tolist() == [[6, 8]]


@both
def test_seeds(ort: ModuleType) -> None:
    drawn = helper.make_node("RandomNormal", [], ["y"], shape=[4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
    graph = helper.make_graph([drawn], "drawn", [], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def draw() -> list[float]:
        ort.set_seed(7)
        values: list[float] = (
            ort.InferenceSession(model.SerializeToString()).run(None, {})[0].tolist()
        )
        return values

    assert draw() == draw()
