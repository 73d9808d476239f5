from __future__ import annotations

import subprocess
import sys
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from strandline import FeedError, ModelError, Session, UnsupportedOperator, core
from strandline.onnx.types import TensorType, float32
from tests.runtime.models import assert_close, expected, model, tensor

BACKENDS = ["core", "reference"]
node = helper.make_node


def affine() -> bytes:
    return model(
        [
            node("MatMul", ["x", "w"], ["p"]),
            node("Add", ["p", "b"], ["s"]),
            node("Relu", ["s"], ["y"]),
        ],
        [tensor("x", shape=["N", 3])],
        [tensor("y"), tensor("s")],
        {
            "w": np.arange(6, dtype=np.float32).reshape(3, 2) - 2,
            "b": np.array([1, -1], np.float32),
        },
    )


X = np.array([[1, 2, 3], [-4, 5, -6]], np.float32)


@pytest.mark.parametrize("backend", BACKENDS)
class TestRun:
    def test_equals_onnxruntime_again_and_again(self, backend: Any) -> None:
        session = Session(affine(), backend=backend)
        for _ in range(3):
            for rows in (1, 2, 7):
                feeds = {"x": np.resize(X, (rows, 3))}
                assert_close(session.run(feeds), expected(affine(), feeds))

    def test_results_belong_to_the_caller(self, backend: Any) -> None:
        session = Session(affine(), backend=backend)
        first = session.run({"x": X})["y"]
        copy = first.copy()
        session.run({"x": X * 2})
        np.testing.assert_array_equal(first, copy)
        first[:] = 0

    def test_chosen_outputs_in_the_order_asked(self, backend: Any) -> None:
        session = Session(affine(), backend=backend)
        assert list(session.run({"x": X}, ["s", "y"])) == ["s", "y"]
        assert list(session.run({"x": X}, ["s"])) == ["s"]
        with pytest.raises(FeedError, match="no output 'z'; its outputs are 'y', 's'"):
            session.run({"x": X}, ["z"])

    def test_every_way_to_feed(self, backend: Any) -> None:
        session = Session(affine(), backend=backend)
        want = session.run({"x": X})["y"]
        t = core.Tensor("f", (2, 3))
        memoryview(t).cast("B")[:] = X.tobytes()
        ways = [
            X.tolist(),
            tuple(map(tuple, X.tolist())),
            memoryview(array("f", X.ravel())).cast("B").cast("f", (2, 3)),
            np.asfortranarray(X),
            np.repeat(X, 2, axis=0)[::2],
            t,
        ]
        for way in ways:
            np.testing.assert_allclose(session.run({"x": way})["y"], want, rtol=1e-6)

    @pytest.mark.parametrize(
        ("feeds", "message"),
        [
            ({}, "no value was fed for input 'x'"),
            ({"x": X, "z": X}, "no input 'z'; its inputs are 'x'"),
            ({"x": X.astype(np.float64)}, r"'x' expects float32, but got float64.*astype\('float32'\)"),
            ({"x": X[0]}, r"'x' has shape \[N, 3\], but got \[3\].*for one row: \[row\]"),
            ({"x": X[:, :2]}, r"'x' has shape \[N, 3\], but got \[2, 2\]"),
            ({"x": [[1, 2, 3], [4]]}, "nested lists of different lengths"),
            ({"x": [["a", "b", "c"]]}, "'x' expects float32"),
            ({"x": object()}, "'x' .*got .*object"),
            ({"x": np.array([["a", "b", "c"]])}, "'x' expects float32, but got"),
            ({"x": np.array([["2020-01-01"] * 3], "datetime64[D]")}, "but got datetime64"),
            ({"x": X.astype(">f4")}, "'x' expects float32, but got"),
        ],
    )  # fmt: skip
    def test_wrong_feeds_are_named(self, backend: Any, feeds: dict[str, Any], message: str) -> None:
        with pytest.raises(FeedError, match=message):
            Session(affine(), backend=backend).run(feeds)

    def test_shapes_that_do_not_fit_name_the_node(self, backend: Any) -> None:
        data = model(
            [node("Add", ["x", "z"], ["y"], name="sum")],
            [tensor("x", shape=["N"]), tensor("z", shape=["M"])],
            [tensor("y")],
        )
        with pytest.raises(ValueError, match=r"node Add 'sum' on \(float32\[2\], float32\[3\]\)"):
            Session(data, backend=backend).run({"x": X[0, :2], "z": X[0]})

    def test_outputs_that_are_inputs_constants_or_each_other(self, backend: Any) -> None:
        data = model(
            [
                node("Identity", ["x"], ["same"]),
                node("Reshape", ["x", "shape"], ["flat"]),
                node("Neg", ["flat"], ["n"]),
                node("Reshape", ["n", "shape2"], ["m"]),
                node("Identity", ["k"], ["c"]),
            ],
            [tensor("x", shape=["N", 3])],
            [tensor(n) for n in ("same", "flat", "n", "m", "c")],
            {"shape": np.array([-1]), "shape2": np.array([3, -1]), "k": np.float32([1, 2])},
        )
        session = Session(data, backend=backend)
        got = session.run({"x": X})
        assert_close(got, expected(data, {"x": X}))
        if backend == "core":
            for result in got.values():
                result += 1
            assert_close(session.run({"x": X}), expected(data, {"x": X}))

    def test_sizes_of_zero(self, backend: Any) -> None:
        got = Session(affine(), backend=backend).run({"x": X[:0]})
        assert got["y"].shape == (0, 2) and got["y"].dtype == np.float32

    def test_scalars(self, backend: Any) -> None:
        data = model([node("Neg", ["x"], ["y"])], [tensor("x", shape=[])], [tensor("y", shape=[])])
        session = Session(data, backend=backend)
        assert session.run({"x": 2.5})["y"] == np.float32(-2.5)
        assert session.run({"x": np.float32(2.5)})["y"].shape == ()


@pytest.mark.parametrize("backend", BACKENDS)
class TestStrings:
    def labels(self) -> bytes:
        encode = node(
            "LabelEncoder", ["s"], ["y"], domain="ai.onnx.ml",
            keys_strings=["red", "grün", ""], values_int64s=[1, 2, 3], default_int64=-1,
        )  # fmt: skip
        equal = node("Equal", ["s", "other"], ["e"])
        same = node("Identity", ["s"], ["t"])
        return model(
            [encode, equal, same],
            [tensor("s", "string", ["N", 2])],
            [tensor("y", "int64"), tensor("e", "bool"), tensor("t", "string")],
            {"other": np.array(["grün", "neverseen"])},
            19,
        )

    def test_known_and_unknown(self, backend: Any) -> None:
        session = Session(self.labels(), backend=backend)
        feed = np.array([["red", "neverseen"], ["grün", "blue"], ["", "red"]], object)
        for value in (feed, feed.tolist(), feed.astype("U")):
            got = session.run({"s": value})
            assert got["y"].tolist() == [[1, -1], [2, -1], [3, 1]]
            assert got["e"].tolist() == [[False, True], [True, False], [False, False]]
            assert got["t"].tolist() == feed.tolist() and got["t"].dtype == object

    def test_unknown_strings_are_forgotten(self, backend: Any) -> None:
        session = Session(self.labels(), backend=backend)
        for i in range(200):
            session.run({"s": [[f"new{i}", "red"]]})
        if session._engine is not None:
            assert len(session._engine.store.vocabulary.texts) < 20

    def test_what_is_no_string(self, backend: Any) -> None:
        session = Session(self.labels(), backend=backend)
        for value in ([["a", None]], [["a", 1.0]], np.array([["a", np.nan]], object)):
            with pytest.raises(FeedError, match="'s' expects strings, but got"):
                session.run({"s": value})
        with pytest.raises(FeedError, match=r"'s' expects strings, but got 1\.0"):
            session.run({"s": X[:, :2]})


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "labels", [{"classlabels_int64s": [3, 5]}, {"classlabels_strings": ["no", "yes"]}]
)
def test_zip_map_gives_a_dict_per_row(backend: Any, labels: dict[str, Any]) -> None:
    zipped = node("ZipMap", ["s"], ["y"], domain="ai.onnx.ml", **labels)
    output = helper.make_tensor_value_info("y", 1, None)
    data = model([node("Abs", ["x"], ["s"]), zipped], [tensor("x", shape=["N", 2])], [output])
    session = Session(data, backend=backend)
    keys = list(next(iter(labels.values())))
    assert session.run({"x": X[:, :2]})["y"] == [dict(zip(keys, [1.0, 2.0])), dict(zip(keys, [4.0, 5.0]))]  # fmt: skip # noqa: B905
    assert session.run({"x": X[:0, :2]})["y"] == []


class TestDataDependent:
    def nonzero(self) -> bytes:
        """Shapes that only the run shows, twice over."""
        return model(
            [
                node("NonZero", ["x"], ["nz"]),
                node("Transpose", ["nz"], ["t"], perm=[1, 0]),
                node("GatherND", ["x", "t"], ["v"]),
                node("Abs", ["v"], ["a"]),
                node("Shape", ["a"], ["n"]),
                node("Unique", ["a"], ["u"], sorted=1),
                node("ReduceSum", ["u"], ["y"], keepdims=0),
                node("Relu", ["x"], ["early"]),
            ],
            [tensor("x", shape=["N", 3])],
            [tensor("y"), tensor("n", "int64"), tensor("early"), tensor("a")],
        )

    def test_equals_onnxruntime(self) -> None:
        session = Session(self.nonzero())
        for x in (X, X * 0, np.tile(X, (3, 1)), X[:0]):
            assert_close(session.run({"x": x}), expected(self.nonzero(), {"x": x}))

    def test_the_plan_says_so(self) -> None:
        session = Session(self.nonzero())
        assert "planned when the run shows" in session.explain([TensorType(float32, (2, 3))])


class TestControlFlow:
    def branches(self) -> bytes:
        def branch(op: str):
            return helper.make_graph(
                [node(op, ["h"], ["r"]), node("Add", ["r", "k"], [op])], op, [], [tensor(op)]
            )

        return model(
            [
                node("Mul", ["x", "k"], ["h"]),
                node("ReduceSum", ["h"], ["s"], keepdims=0),
                node("Greater", ["s", "zero"], ["c"]),
                node("If", ["c"], ["i"], then_branch=branch("Neg"), else_branch=branch("Exp")),
                node("Relu", ["i"], ["y"]),
            ],
            [tensor("x", shape=["N", 3])],
            [tensor("y")],
            {"k": np.float32([1, 2, 3]), "zero": np.float32(0)},
        )

    def loop(self) -> bytes:
        body = helper.make_graph(
            [
                node("Add", ["acc", "x"], ["acc2"]),
                node("Cast", ["i"], ["f"], to=1),
                node("Mul", ["acc2", "f"], ["scan"]),
                node("ReduceSum", ["acc2"], ["s"], keepdims=0),
                node("Less", ["s", "limit"], ["go"]),
            ],
            "body",
            [tensor("i", "int64", []), tensor("c", "bool", []), tensor("acc")],
            [tensor("go", "bool", []), tensor("acc2"), tensor("scan", shape=[2, 3])],
        )
        return model(
            [
                node("Loop", ["n", "yes", "start"], ["last", "all"], body=body),
                node("Neg", ["all"], ["y"]),
            ],
            [tensor("x", shape=["N", 3]), tensor("n", "int64", [])],
            [tensor("last"), tensor("y")],
            {
                "start": np.zeros((2, 3), np.float32),
                "limit": np.float32(100),
                "yes": np.bool_(True),
            },
        )

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_if(self, backend: Any) -> None:
        session = Session(self.branches(), backend=backend)
        for x in (X, -X):
            assert_close(session.run({"x": x}), expected(self.branches(), {"x": x}))

    @pytest.mark.parametrize("backend", BACKENDS)
    @pytest.mark.parametrize("n", [0, 1, 4, 50])
    def test_loop(self, backend: Any, n: int) -> None:
        feeds = {"x": np.abs(X), "n": np.int64(n)}
        session = Session(self.loop(), backend=backend)
        feeds["n"] = np.array(n)
        assert_close(session.run(feeds), expected(self.loop(), feeds))


class TestPlans:
    def test_are_made_once_per_shape_and_the_oldest_go(self) -> None:
        session = Session(affine())
        assert session._engine is not None
        for rows in [*range(1, 101), *range(90, 101)]:
            session.run({"x": np.ones((rows, 3), np.float32)})
        assert len(session._engine.plans) == 64

    def test_dropped_plans_are_let_go(self) -> None:
        session = Session(affine())
        for rows in range(1, 201):
            session.run({"x": np.ones((rows, 3), np.float32)})
            assert len(session._prepared) <= 2 * 64

    def test_one_row_is_planned_ahead(self) -> None:
        x = tensor("x", shape=["N", 3])
        session = Session(model([node("Relu", ["x"], ["y"])], [x], [tensor("y", shape=["N", 3])]))
        assert session._engine is not None
        assert list(session._engine.plans._plans) == [(TensorType(float32, (1, 3)),)]
        session.run({"x": np.ones((1, 3), np.float32)})
        assert len(session._engine.plans) == 1
        other = tensor("x", shape=["N", "M"])
        lazy = Session(
            model([node("Relu", ["x"], ["y"])], [other], [tensor("y", shape=["N", "M"])])
        )
        assert lazy._engine is not None and len(lazy._engine.plans) == 0

    def test_no_inputs(self) -> None:
        data = model([node("Neg", ["k"], ["y"])], [], [tensor("y")], {"k": X})
        session = Session(data)
        for _ in range(2):
            np.testing.assert_array_equal(session.run({})["y"], -X)

    def test_needs_numpy(self) -> None:
        assert not Session(affine()).needs_numpy()
        assert Session(affine(), backend="reference").needs_numpy()
        assert Session(TestDataDependent().nonzero()).needs_numpy()

    def test_explain(self) -> None:
        text = Session(affine()).explain([TensorType(float32, (5, 3))])
        assert "x float32[5, 3]" in text and "needs no NumPy" in text and "gemm_f32" in text

    def test_a_profile_names_what_runs(self) -> None:
        affine_times = Session(affine()).profile({"x": np.ones((5, 3), np.float32)}, runs=3)
        assert [name for name, _ in affine_times] == ["gemm_f32", "relu"]
        x = np.array([[0, 1, 2], [3, 0, 0]], np.float32)
        times = Session(TestDataDependent().nonzero()).profile({"x": x}, runs=4)
        assert "NonZero (NumPy)" in [name for name, _ in times]
        assert all(seconds >= 0 for _, seconds in times)
        with pytest.raises(ValueError, match="no kernels to time"):
            Session(affine(), backend="reference").profile({"x": x})

    def test_an_input_of_unknown_rank_needs_types(self) -> None:
        data = model([node("Neg", ["x"], ["y"])], [tensor("x")], [tensor("y")])
        with pytest.raises(FeedError, match="declares no shape"):
            Session(data).needs_numpy()
        assert not Session(data).needs_numpy([TensorType(float32, (5,))])


def test_the_model_may_be_a_path(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(affine())
    for given in (path, str(path)):
        assert Session(given).run({"x": X})["y"].shape == (2, 2)
    session = Session(path)
    assert [i.name for i in session.inputs] == ["x"]
    assert [o.name for o in session.outputs] == ["y", "s"]
    assert session.metadata == {}


def test_what_cannot_be_a_session() -> None:
    with pytest.raises(ModelError):
        Session(b"not a model")
    with pytest.raises(ValueError, match="no backend 'gpu'"):
        Session(affine(), backend="gpu")  # type: ignore[arg-type]
    unknown = model([node("Nonsense", ["x"], ["y"])], [tensor("x", shape=[1])], [tensor("y")])
    for backend in BACKENDS:
        with pytest.raises(UnsupportedOperator, match="Nonsense"):
            Session(unknown, backend=backend)  # type: ignore[arg-type]


WITHOUT_NUMPY = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "numpy":
            raise ModuleNotFoundError("no numpy here", name=name)
sys.meta_path.insert(0, Absent())
from strandline import Session
data = open(sys.argv[1], "rb").read()
session = Session(data)
x = [[1, 2, 3], [-4, 5, -6]]
for _ in range(2):
    got = session.run({"x": x})
    print({name: value.tolist() for name, value in got.items()}, got["y"].dtype, got["y"].shape)
assert not session.needs_numpy()
"""


def test_the_core_needs_no_numpy(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(affine())
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMPY, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    want = {name: value.tolist() for name, value in Session(affine()).run({"x": X}).items()}
    assert done.stdout.splitlines() == [f"{want} float32 (2, 2)"] * 2
