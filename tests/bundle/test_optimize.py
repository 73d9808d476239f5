"""Optimized models run in onnxruntime, give there what they give here, and stay near what they were."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from strandline import Session
from strandline.bundle.errors import PackError
from strandline.bundle.optimize import optimize
from strandline.bundle.optimize.calibrate import clipped, least_loss
from strandline.bundle.optimize.compare import compare, table
from strandline.bundle.optimize.data import batches_of
from strandline.bundle.optimize.weights import quantized_weights
from strandline.cli import main
from strandline.onnx import read
from tests.models import zoo
from tests.models.oracle import expected

MODES = ["", "fp16", "int8", "int8-static"]


def run(model: bytes, feeds: dict[str, Any]) -> dict[str, Any]:
    """Through onnxruntime, whose graph optimisations off: what the file says, not what it makes of it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


@pytest.fixture(scope="module")
def digits() -> tuple[bytes, Any, Any]:
    """A small convolutional net with BatchNormalization and a residual sum, its last layer fitted on
    scikit-learn's digits; images and labels that it has not seen."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    weights = {
        "w1": rng.normal(0, 0.5, (16, 1, 3, 3)), "w2": rng.normal(0, 0.12, (16, 16, 3, 3)),
        "w3": rng.normal(0, 0.12, (32, 16, 3, 3)), "b1": rng.normal(0, 0.1, 16),
        "s": rng.uniform(0.8, 1.2, 16), "o": rng.normal(0, 0.1, 16), "m": rng.normal(0, 0.1, 16),
        "v": rng.uniform(0.5, 1.5, 16),
    }  # fmt: skip
    pads = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], **pads),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], **pads),
        helper.make_node("BatchNormalization", ["c2", "s", "o", "m", "v"], ["n2"]),
        helper.make_node("Add", ["n2", "r1"], ["a2"]),
        helper.make_node("Relu", ["a2"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3"], ["c3"], strides=[2, 2], **pads),
        helper.make_node("Relu", ["c3"], ["r3"]),
        helper.make_node("Flatten", ["r3"], ["f"]),
    ]

    def model(nodes: list[Any], output: str, width: int) -> bytes:
        held = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
        graph = helper.make_graph(
            nodes, "digits",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", width])], held,
        )  # fmt: skip
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
        return bytes(made.SerializeToString())

    features = Session(model(nodes, "f", 512)).run({"x": x})["f"]
    head = LogisticRegression(max_iter=200).fit(features[:1200], y[:1200])
    weights |= {"w4": head.coef_, "b4": head.intercept_}
    nodes += [
        helper.make_node("Gemm", ["f", "w4", "b4"], ["g"], transB=1),
        helper.make_node("Softmax", ["g"], ["p"]),
    ]
    return model(nodes, "p", 10), x[1200:], y[1200:]


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_static_quantization_keeps_the_labels(digits: Any, method: str) -> None:
    model, x, y = digits
    made = optimize(model, "int8-static", [{"x": x[:100]}, {"x": x[100:200]}], method)
    kinds = [node.op_type for node in onnx.load_from_string(made.data).graph.node]
    assert made.changed == 3  # the first convolution has 144 weights: it does not pay
    assert kinds.count("Conv") == 3 and "BatchNormalization" not in kinds
    assert len(made.data) < 0.55 * len(model)
    before = run(model, {"x": x})["p"]
    theirs, ours = run(made.data, {"x": x})["p"], Session(made.data).run({"x": x})["p"]
    for after in (theirs, ours):
        assert (after.argmax(1) == before.argmax(1)).mean() > 0.97
        assert (after.argmax(1) == y).mean() > (before.argmax(1) == y).mean() - 0.02
    assert np.abs(theirs - ours).mean() < 0.005
    assert not Session(made.data).needs_numpy()


def test_a_channel_of_next_to_no_weights_keeps_its_bias() -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(8, 4, 3, 3)).astype(np.float32)
    w[1], w[5] = 1e-30, 0
    held = {"w": w, "b": np.linspace(-0.7, 0.9, 8).astype(np.float32)}
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["y"])], "dead",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8, 4, 4])],
        [numpy_helper.from_array(v, k) for k, v in held.items()],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    feeds = {"x": rng.normal(size=(3, 4, 6, 6)).astype(np.float32)}
    data = optimize(made.SerializeToString(), "int8-static", [feeds], "minmax").data
    for found in (run(data, feeds)["y"], Session(data).run(feeds)["y"]):
        np.testing.assert_allclose(found[:, 1], held["b"][1], atol=1e-4)
        np.testing.assert_allclose(found[:, 5], held["b"][5], atol=1e-4)


@pytest.mark.parametrize("mode", ["", "fp16", "int8"])
def test_without_data(digits: Any, mode: str) -> None:
    model, x, _ = digits
    made = optimize(model, mode)
    before, theirs = run(model, {"x": x})["p"], run(made.data, {"x": x})["p"]
    ours = Session(made.data).run({"x": x})["p"]
    np.testing.assert_allclose(ours, theirs, atol=2e-3 if mode == "int8" else 1e-5)
    assert np.abs(before - theirs).max() < {"": 1e-5, "fp16": 0.01, "int8": 0.2}[mode]
    assert (before.argmax(1) == theirs.argmax(1)).mean() > (0.98 if mode == "int8" else 0.995)
    assert not Session(made.data).needs_numpy()


@pytest.mark.parametrize("name", ["mlp", "mlp_regressor", "random_forest_strings", "lightgbm",
                                  "logistic_regression_zipmap"])  # fmt: skip
@pytest.mark.parametrize("mode", MODES)
def test_tabular_models(name: str, mode: str) -> None:
    model, feeds = zoo.build(name, rows=200)
    made = optimize(model, mode, [feeds])
    want, got = expected(made.data, feeds), Session(made.data).run(feeds)
    old = expected(model, feeds)
    for output, value in want.items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            np.testing.assert_allclose(got[output], value, rtol=1e-3, atol=5e-2 if mode else 1e-4)
            assert np.abs(value - old[output]).mean() < 0.05 * np.abs(old[output]).max()


def test_minilm_in_a_quarter_of_the_bytes() -> None:
    from strandline.bench.networks import networks
    from tests.models.test_transformers import SENTENCES, tokens

    model, *_ = networks()["MiniLM-L3, 128 tokens"]()
    made = optimize(model, "int8")
    assert len(made.data) < 0.27 * len(model)
    feeds = tokens(model, list(SENTENCES.values()), 16)
    old, want = expected(model, feeds), expected(made.data, feeds)
    got = Session(made.data).run(feeds)
    name = "461"

    def angle(a: Any, b: Any) -> Any:
        return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)

    assert angle(old[name], want[name]).min() > 0.98
    assert angle(want[name], got[name]).min() > 0.9995


def test_norms_and_activations_by_their_names() -> None:
    """What the opset has no operator for stays spelled out."""
    lines = [
        ("ReduceMean", ["x"], "m", {"axes": [-1]}), ("Sub", ["x", "m"], "d", {}),
        ("Mul", ["d", "d"], "s", {}), ("ReduceMean", ["s"], "v", {"axes": [-1]}),
        ("Add", ["v", "eps"], "e", {}), ("Sqrt", ["e"], "r", {}), ("Div", ["d", "r"], "n", {}),
        ("Mul", ["n", "scale"], "y", {}), ("Sigmoid", ["y"], "g", {}), ("Mul", ["y", "g"], "z", {}),
    ]  # fmt: skip
    nodes = [helper.make_node(op, inputs, [out], **attrs) for op, inputs, out, attrs in lines]
    constants = {"eps": np.float32(1e-5), "scale": np.linspace(1, 2, 6).astype(np.float32)}
    for opset, want in ((13, len(lines)), (17, 3)):
        graph = helper.make_graph(
            nodes, "norm",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6])],
            [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 6])],
            [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
        )  # fmt: skip
        ids = [helper.make_opsetid("", opset)]
        model = helper.make_model(graph, opset_imports=ids, ir_version=9).SerializeToString()
        made = optimize(model).data
        assert len(onnx.load_from_string(made).graph.node) == want
        x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
        np.testing.assert_allclose(run(model, {"x": x})["z"], run(made, {"x": x})["z"], atol=1e-5)


def test_optimizing_twice_changes_nothing() -> None:
    model, _ = zoo.build("mlp")
    once = optimize(model).data
    assert optimize(once).data == once


class TestWeights:
    def test_symmetric_and_within_half_a_step(self) -> None:
        values = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
        values[:, 2] = 0
        whole, scales = quantized_weights(values, 1)
        assert whole.min() >= -127 and whole.dtype == np.int8 and scales.shape == (5,)
        assert (np.abs(whole * scales - values) <= scales / 2 * 1.001).all()


class TestRanges:
    COUNTS = np.histogram(np.random.default_rng(0).normal(size=100_000), 2048, (-100, 100))[0]

    def test_percentiles_leave_out_rare_extremes(self) -> None:
        low, high = clipped(self.COUNTS, -100, 100)
        assert -6 < low < -3 and 3 < high < 6

    def test_entropy_clips_near_the_bulk(self) -> None:
        low, high = least_loss(self.COUNTS, -100, 100)
        assert -15 < low <= -3 and 3 <= high < 15

    def test_one_value_is_a_range(self) -> None:
        counts = np.zeros(2048, int)
        counts[0] = 5
        for choose in (clipped, least_loss):
            low, high = choose(counts, 0.0, 0.0)
            assert low == high == 0


class TestCommand:
    def write(self, folder: Path) -> tuple[Path, Path]:
        model, feeds = zoo.build("mlp", rows=150)
        (folder / "m.onnx").write_bytes(model)
        with (folder / "rows.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([f"f{i}" for i in range(zoo.FEATURES)])
            writer.writerows(feeds["X"].tolist())
        return folder / "m.onnx", folder / "rows.csv"

    @pytest.mark.parametrize("options", [[], ["--fp16"], ["--int8"], ["--int8", "--calibrate"]])
    def test_writes_a_file_and_a_table(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
    ) -> None:
        model, rows = self.write(tmp_path)
        given = [str(rows) if o == "rows" else o for o in options]
        given += [str(rows)] if options[-1:] == ["--calibrate"] else []
        assert main(["optimize", str(model), "-o", str(tmp_path / "s.onnx"), *given]) == 0
        printed = capsys.readouterr().out
        assert "size, bytes" in printed and "strandline, ms per call" in printed
        onnx.checker.check_model((tmp_path / "s.onnx").read_bytes())

    def test_says_what_is_wrong(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        model, rows = self.write(tmp_path)
        out = ["-o", str(tmp_path / "s.onnx")]
        wrong = tmp_path / "wrong.csv"
        wrong.write_text("a,b\n1,2\n")
        assert main(["optimize", str(model), *out, "--int8", "--calibrate", str(wrong)]) == 2
        assert "12 columns" in capsys.readouterr().err
        assert main(["optimize", str(rows), *out]) == 2
        assert "no ONNX model" in capsys.readouterr().err
        np.savez(tmp_path / "x.npz", other=np.zeros(3))
        assert main(["optimize", str(model), *out, "--calibrate", str(tmp_path / "x.npz")]) == 2
        assert "no array X" in capsys.readouterr().err


def test_npz_and_made_up_batches(tmp_path: Path) -> None:
    model, feeds = zoo.build("mlp", rows=200)
    graph = read(model)
    np.savez(tmp_path / "x.npz", **feeds)
    batches = batches_of(graph, tmp_path / "x.npz")
    assert [len(b["X"]) for b in batches] == [64, 64, 64]
    np.testing.assert_array_equal(batches[1]["X"], feeds["X"][64:128])
    made_up = batches_of(graph, None)
    assert all(b["X"].shape == (8, zoo.FEATURES) for b in made_up)
    comparison = compare(model, model, made_up)
    assert all(d.largest in (None, 0.0) for d in comparison.differences)
    assert "after / before" in table(comparison)


def test_static_needs_rows() -> None:
    with pytest.raises(PackError, match="--calibrate"):
        optimize(zoo.model("mlp"), "int8-static")
