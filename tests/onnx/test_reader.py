from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from strandline.onnx import ModelError, read
from strandline.onnx.graph import Graph
from strandline.onnx.types import BY_CODE

FLOAT = TensorProto.FLOAT


def value(name: str, elem: int = FLOAT, shape: list[int | str | None] | None = None):
    return helper.make_tensor_value_info(name, elem, shape)


def model(nodes, inputs=(), outputs=(), initializers=(), **kwargs) -> bytes:
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    return helper.make_model(graph, **kwargs).SerializeToString()


def constant(tensor: TensorProto):
    data = model([helper.make_node("Neg", ["t"], ["y"])], [], [value("y")], [tensor])
    return read(data).constants[tensor.name]


def test_nodes_inputs_outputs_and_opsets() -> None:
    graph = read(
        model(
            [helper.make_node("Clip", ["x", "", "hi"], ["y"], name="clip")],
            [value("x", shape=["N", 3, None])],
            [value("y")],
            [numpy_helper.from_array(np.float32(6), "hi")],
            opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)],
        )
    )
    (node,) = graph.nodes
    assert (node.op, node.inputs, node.outputs, node.name) == (
        "Clip", ("x", "", "hi"), ("y",), "clip",
    )  # fmt: skip
    assert graph.opsets == {"": 17, "ai.onnx.ml": 3}
    assert graph.inputs[0].shape == ("N", 3, None)
    assert graph.inputs[0].dtype is not None and graph.inputs[0].dtype.name == "float32"
    assert graph.outputs[0].shape is None


def test_attributes_of_every_kind() -> None:
    tensor = numpy_helper.from_array(np.arange(3), "t")
    node = helper.make_node(
        "Any", ["x"], ["y"], domain="ai.onnx.ml", f=1.5, i=-7, s="text", raw=b"\xff\xfe", t=tensor,
        floats=[1.0, 2.5], ints=[-1, 0, 2**40], strings=["a", "ä"], tensors=[tensor, tensor],
        zero=0, blank="",
    )  # fmt: skip
    attrs = read(model([node], [value("x")], [value("y")])).nodes[0].attrs
    assert attrs["f"] == 1.5 and attrs["i"] == -7 and attrs["zero"] == 0
    assert attrs["s"] == "text" and attrs["raw"] == b"\xff\xfe" and attrs["blank"] == ""
    assert attrs["t"].flat() == [0, 1, 2]
    assert attrs["floats"].format == "f" and attrs["floats"].tolist() == [1.0, 2.5]
    assert attrs["ints"].format == "q" and attrs["ints"].tolist() == [-1, 0, 2**40]
    assert attrs["strings"] == ("a", "ä")
    assert len(attrs["tensors"]) == 2


def test_empty_lists_keep_their_kind() -> None:
    node = helper.make_node("Any", ["x"], ["y"])
    for name, kind in (("floats", 6), ("ints", 7), ("strings", 8)):
        node.attribute.append(onnx.AttributeProto(name=name, type=kind))
    attrs = read(model([node], [value("x")], [value("y")])).nodes[0].attrs
    assert attrs["floats"].format == "f" and len(attrs["floats"]) == 0
    assert attrs["ints"].format == "q" and len(attrs["ints"]) == 0
    assert attrs["strings"] == ()


@pytest.mark.parametrize("code", sorted(set(BY_CODE) - {8}))
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0, 4)])
def test_tensors_of_every_type(code: int, raw: bool, shape: tuple[int, ...]) -> None:
    dtype = helper.tensor_dtype_to_np_dtype(code)
    rng = np.random.default_rng(0)
    want = rng.integers(0, 2 if code == TensorProto.BOOL else 100, shape).astype(dtype)
    if dtype.kind == "i":
        want = (-want).astype(dtype)
    flat = want.ravel().tolist()
    tensor = helper.make_tensor("t", code, shape, flat)
    if raw:
        tensor = numpy_helper.from_array(want, "t")
    got = constant(tensor)
    assert got.dtype is BY_CODE[code] and got.shape == shape
    if BY_CODE[code].per_byte > 1 and BY_CODE[code].format == "b":
        want = want.astype(np.int8)  # signs extended
    assert bytes(got.data) == want.tobytes()


def test_raw_weights_are_views_of_the_file() -> None:
    tensor = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    data = model([helper.make_node("Neg", ["w"], ["y"])], [], [value("y")], [tensor])
    assert read(data).constants["w"].data.obj is data


def test_string_tensors() -> None:
    got = constant(helper.make_tensor("t", TensorProto.STRING, [2, 1], [b"a", "ß".encode()]))
    assert got.strings == ("a", "ß") and got.shape == (2, 1)


def test_initializers_are_not_inputs() -> None:
    graph = read(
        model(
            [helper.make_node("Add", ["x", "w"], ["y"])],
            [value("x"), value("w")],
            [value("y")],
            [numpy_helper.from_array(np.zeros(1, np.float32), "w")],
        )
    )
    assert [info.name for info in graph.inputs] == ["x"]


def test_subgraphs_see_outer_names() -> None:
    branch = helper.make_graph([helper.make_node("Neg", ["x"], ["b"])], "then", [], [value("b")])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    graph = read(model([node], [value("x"), value("c", TensorProto.BOOL, [])], [value("y")]))
    then = graph.nodes[0].attrs["then_branch"]
    assert isinstance(then, Graph) and then.nodes[0].op == "Neg"


def test_value_kinds() -> None:
    tensor = helper.make_tensor_type_proto(FLOAT, ["N"])
    infos = [
        helper.make_value_info("seq", helper.make_sequence_type_proto(tensor)),
        helper.make_value_info("opt", helper.make_optional_type_proto(tensor)),
        helper.make_value_info("map", helper.make_map_type_proto(TensorProto.INT64, tensor)),
    ]
    graph = read(model([helper.make_node("Identity", ["seq"], ["y"])], infos, [value("y")]))
    assert [(info.kind, info.dtype and info.dtype.name) for info in graph.inputs] == [
        ("sequence", "float32"), ("optional", "float32"), ("map", "float32"),
    ]  # fmt: skip


def test_metadata() -> None:
    proto = onnx.load_from_string(
        model([helper.make_node("Neg", ["x"], ["y"])], [value("x")], [value("y")])
    )
    helper.set_model_props(proto, {"author": "me"})
    assert read(proto.SerializeToString()).metadata == {"author": "me"}


class TestFunctions:
    def build(self, nodes, attributes=(), defaults=(), inputs=("a", "b"), outputs=("c",)):
        return helper.make_function(
            "local", "F", list(inputs), list(outputs), nodes, [helper.make_opsetid("", 17)],
            list(attributes), list(defaults),
        )  # fmt: skip

    def model(self, function, calls, n_out: int = 1) -> bytes:
        outputs = [value(f"y{i}" if n_out > 1 else "y") for i in range(n_out)]
        graph = helper.make_graph(calls, "g", [value("x")], outputs)
        return helper.make_model(
            graph,
            functions=[function],
            opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("local", 1)],
        ).SerializeToString()

    def test_a_call_becomes_the_body_with_names_of_its_own(self) -> None:
        body = [helper.make_node("Add", ["a", "b"], ["t"]), helper.make_node("Neg", ["t"], ["c"])]
        call = [
            helper.make_node("F", ["x", "x"], ["h"], domain="local"),
            helper.make_node("F", ["h", "x"], ["y"], domain="local"),
        ]
        graph = read(self.model(self.build(body), call))
        assert [node.op for node in graph.nodes] == ["Add", "Neg", "Add", "Neg"]
        assert graph.nodes[0].inputs == ("x", "x") and graph.nodes[3].outputs == ("y",)
        assert graph.nodes[0].outputs != graph.nodes[2].outputs

    def test_attributes_are_handed_in_or_take_their_default(self) -> None:
        leaky = helper.make_node("LeakyRelu", ["a"], ["c"])
        leaky.attribute.append(onnx.AttributeProto(name="alpha", type=1, ref_attr_name="slope"))
        default = helper.make_attribute("slope", 0.25)
        calls = [
            helper.make_node("F", ["x"], ["h"], domain="local", slope=0.5),
            helper.make_node("F", ["h"], ["y"], domain="local"),
        ]
        graph = read(self.model(self.build([leaky], (), [default], ("a",)), calls))
        assert [node.attrs["alpha"] for node in graph.nodes] == [0.5, 0.25]

    def test_an_absent_input_stays_absent(self) -> None:
        body = [helper.make_node("Clip", ["a", "b"], ["c"])]
        call = [helper.make_node("F", ["x"], ["y"], domain="local")]
        assert read(self.model(self.build(body), call)).nodes[0].inputs == ("x", "")

    def test_an_input_handed_straight_through(self) -> None:
        body = [helper.make_node("Neg", ["a"], ["c"])]
        call = [helper.make_node("F", ["x"], ["y0", "y1"], domain="local")]
        function = self.build(body, inputs=("a",), outputs=("c", "a"))
        graph = read(self.model(function, call, 2))
        assert [(n.op, n.outputs) for n in graph.nodes] == [("Neg", ("y0",)), ("Identity", ("y1",))]

    def test_a_function_that_calls_itself_is_refused(self) -> None:
        body = [helper.make_node("F", ["a", "b"], ["c"], domain="local")]
        call = [helper.make_node("F", ["x", "x"], ["y"], domain="local")]
        with pytest.raises(ModelError, match="deep"):
            read(self.model(self.build(body), call))

    def test_subgraphs_of_the_body_are_renamed_too(self) -> None:
        branch = helper.make_graph(
            [helper.make_node("Neg", ["a"], ["r"])], "then", [], [value("r")]
        )
        body = [helper.make_node("If", ["b"], ["c"], then_branch=branch, else_branch=branch)]
        call = [helper.make_node("F", ["x", "x"], ["y"], domain="local")]
        (node,) = read(self.model(self.build(body), call)).nodes
        assert node.attrs["then_branch"].nodes[0].inputs == ("x",)
        assert (
            node.attrs["then_branch"].outputs[0].name
            == node.attrs["then_branch"].nodes[0].outputs[0]
        )


class TestExternalData:
    def save(self, folder: Path) -> Path:
        weights = numpy_helper.from_array(np.arange(300, dtype=np.float32), "w")
        proto = onnx.load_from_string(
            model(
                [helper.make_node("Add", ["x", "w"], ["y"])], [value("x")], [value("y")], [weights]
            )
        )
        path = folder / "m.onnx"
        onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=0)
        return path

    def test_values_come_from_the_file(self, tmp_path: Path) -> None:
        path = self.save(tmp_path)
        graph = read(path.read_bytes(), base_dir=tmp_path)
        assert graph.constants["w"].flat() == list(range(300))

    def test_without_a_folder_the_error_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"w\.bin.*base_dir"):
            read(self.save(tmp_path).read_bytes())

    def test_missing_and_short_files(self, tmp_path: Path) -> None:
        data = self.save(tmp_path).read_bytes()
        (tmp_path / "w.bin").write_bytes(b"short")
        with pytest.raises(ModelError, match=r"wants bytes 0 to 1200 of 'w\.bin', which has 5"):
            read(data, base_dir=tmp_path)
        (tmp_path / "w.bin").unlink()
        with pytest.raises(ModelError, match="cannot read"):
            read(data, base_dir=tmp_path)

    @pytest.mark.parametrize(
        "location", ["../w.bin", "/etc/passwd", "a/../../b", "C:\\w.bin", "a\\..\\..\\b"]
    )
    def test_a_file_outside_the_folder_is_refused(self, tmp_path: Path, location: str) -> None:
        tensor = onnx.TensorProto(name="w", data_type=FLOAT, dims=[1], data_location=1)
        tensor.external_data.add(key="location", value=location)
        data = model([helper.make_node("Neg", ["w"], ["y"])], [], [value("y")], [tensor])
        with pytest.raises(ModelError, match="outside the model's folder"):
            read(data, base_dir=tmp_path)


@pytest.mark.parametrize(
    ("tensor", "problem"),
    [
        (onnx.TensorProto(name="t", data_type=FLOAT, dims=[3], raw_data=b"1234"), "12 bytes, but holds 4"),
        (onnx.TensorProto(name="t", data_type=FLOAT, dims=[-1]), "negative size"),
        (onnx.TensorProto(name="t", data_type=14, dims=[1], raw_data=b"1"), "complex64 is not supported"),
        (onnx.TensorProto(name="t", data_type=99, dims=[1]), "no element type 99"),
        (onnx.TensorProto(name="t", data_type=8, dims=[2], string_data=[b"a"]), "holds 1 strings"),
        (onnx.TensorProto(name="t", data_type=FLOAT, dims=[2**40, 2**40]), "but holds 0 bytes"),
    ],
)  # fmt: skip
def test_wrong_tensors_are_named(tensor: TensorProto, problem: str) -> None:
    with pytest.raises(ModelError, match=f"tensor 't'.*{problem}"):
        constant(tensor)


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04 a zip", b"<html></html>", b"\x08\x07", bytes(100)]
)
def test_what_is_no_model(data: bytes) -> None:
    with pytest.raises(ModelError, match=r"byte \d+"):
        read(data)


def test_names_must_be_made_before_they_are_used_and_once() -> None:
    neg = helper.make_node("Neg", ["x"], ["y"])
    with pytest.raises(ModelError, match="uses 'x', which nothing before it makes"):
        read(model([neg], [], [value("y")]))
    with pytest.raises(ModelError, match="makes 'y', which exists already"):
        read(model([neg, neg], [value("x")], [value("y")]))
    with pytest.raises(ModelError, match="output list of graph 'g' uses 'z'"):
        read(model([neg], [value("x")], [value("z")]))


def test_sparse_tensors_are_refused_clearly() -> None:
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("v", FLOAT, [1], [1.0]), helper.make_tensor("i", 7, [1], [2]), [5]
    )
    node = helper.make_node("Constant", [], ["y"], sparse_value=sparse)
    with pytest.raises(ModelError, match="sparse"):
        read(model([node], [], [value("y")]))
