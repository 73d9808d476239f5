"""The benchmark's networks: what comes out depends on what goes in, and runs everywhere."""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
import pytest

from strandline import Session
from strandline.bench import networks
from strandline.bench.cases import Case
from strandline.bench.errors import BenchError
from strandline.onnx import read


def test_a_network_comes_with_inputs_that_fit_it() -> None:
    model, feeds, other = networks.networks()["ShuffleNet"]()
    (image,) = read(model).inputs
    assert {image.name: image.shape} == {name: value.shape for name, value in feeds.items()}
    assert other is None
    assert feeds[image.name].std() > 0.5


@pytest.mark.parametrize("name", ["ShuffleNet", "Inception v1"])
def test_a_network_of_any_batch_takes_two_images(name: str) -> None:
    model, feeds, _ = networks.networks()[name]()
    images = {key: np.concatenate([value, value[..., ::-1]]) for key, value in feeds.items()}
    (together,) = Session(networks.of_any_batch(model)).run(images).values()
    session = Session(model)
    for i, both in enumerate(together):
        (alone,) = session.run({key: value[i : i + 1] for key, value in images.items()}).values()
        np.testing.assert_allclose(both, alone[0], rtol=1e-4, atol=1e-6)
    assert not np.allclose(together[0], together[1], rtol=1e-3, atol=1e-6)


def test_a_sentence_ends_in_padding() -> None:
    feeds = networks.REAL["MiniLM-L6, 128 tokens, int8 weights"][2]()
    assert {value.shape for value in feeds.values()} == {(1, 128)}
    np.testing.assert_array_equal(feeds["input_ids"] == 0, feeds["attention_mask"] == 0)
    assert feeds["input_ids"].max() < networks.VOCABULARY


def test_the_quantized_resnet_convolves_bytes_and_gives_what_onnxruntime_gives() -> None:
    model, feeds, _ = networks.networks()["ResNet-50, int8 QDQ"]()
    graph = read(model)
    made_by = {name: node.op for node in graph.nodes for name in node.outputs}
    convolutions = [node for node in graph.nodes if node.op == "Conv"]
    assert {made_by[n] for node in convolutions for n in node.inputs} == {"DequantizeLinear"}
    assert len(convolutions) == 53 and len(model) < 27_000_000
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    theirs = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (expected,) = theirs.run(None, feeds)
    (found,) = Session(model).run(feeds).values()
    case = Case("", model, feeds)
    np.testing.assert_allclose(found, expected, rtol=0, atol=case.tolerance * expected.max())
    assert case.tolerance > Case("", networks.light_network("shufflenet"), {}).tolerance


def test_without_a_checkout_or_the_package_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real = networks.networks()["magika, 2048 bytes"]
    monkeypatch.setattr(networks, "FIXTURES", networks.FIXTURES.parent / "absent.py")
    with pytest.raises(BenchError, match="of a checkout"):
        real()
    monkeypatch.undo()
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(BenchError, match="failed"):
        real()
