"""Matrix products beside what the machine can do at all: a loop of multiplications and additions in
registers alone, in the same build; and beside NumPy in Pyodide."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from strandline import core
from strandline.bench.browser import InBrowser
from strandline.bench.cases import Case
from strandline.bench.measure import Runner
from strandline.bench.results import Product

SIZES: Sequence[tuple[int, int, int]] = (
    (256, 256, 256),
    (512, 512, 512),
    (1024, 1024, 1024),
    (196, 1024, 256),
    (3136, 64, 256),
    (128, 1536, 384),
)
"""Rows, columns and depth: squares, then ResNet-50's layers by 1x1 and MiniLM's feed-forward layer."""

ROUNDS = 1_000_000
"""Of the loop, per call."""
SUMS = 12
"""Vectors that the loop multiplies and adds to in a round (fma_peak_f32)."""


def case(m: int, n: int, k: int) -> Case:
    """A [m, k] times a constant B [k, n] as a model."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape, np.float32) for shape in ((m, k), (k, n)))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["A", "B"], ["Y"])],
        "product",
        [value("A", TensorProto.FLOAT, [m, k])],
        [value("Y", TensorProto.FLOAT, [m, n])],
        [numpy_helper.from_array(b, "B")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return Case(f"product {m}x{n}x{k}", model.SerializeToString(), {"A": a})


class Loop:
    """The register-only loop in this interpreter."""

    name = "native"

    def __init__(self) -> None:
        self._sums = core.Tensor("f", (16,))

    def time(self, calls: int) -> float:
        started = perf_counter()
        core.call("fma_peak_f32", (), (self._sums,), ROUNDS * calls)
        return perf_counter() - started

    def outputs(self) -> Sequence[Any]:
        return [self._sums]


def fastest(runners: Sequence[Runner], turns: int) -> dict[str, float]:
    """Seconds of each runner's fastest call, one call a turn: what other work disturbed least."""
    seconds = {runner.name: math.inf for runner in runners}
    for _ in range(turns):
        for runner in runners:
            seconds[runner.name] = min(seconds[runner.name], runner.time(1))
    return seconds


def peak(in_browser: Sequence[InBrowser], turns: int) -> dict[str, float]:
    """Operations a second of the loop, for this interpreter and each of our builds in the browser."""
    vectors = {"native": core.panel_width() // 2}
    for runner in in_browser:
        runner.open({"model": "", "feeds": [], "loop": ROUNDS})
        vectors[runner.name] = 4
    seconds = fastest([Loop(), *in_browser], turns)
    for runner in in_browser:
        runner.close()
    return {name: 2 * SUMS * ROUNDS * vectors[name] / s for name, s in seconds.items()}


def numpys(runner: InBrowser, size: tuple[int, int, int]) -> float:
    """Seconds of one product by NumPy in Pyodide: the median of three, or the only one if it is slow."""
    runner.open({"model": "", "feeds": [], "matmul": list(size)})
    seconds = [runner.time(1)]
    while len(seconds) < 3 and seconds[0] < 1:
        seconds.append(runner.time(1))
    runner.close()
    return statistics.median(seconds)


def measure(size: tuple[int, int, int], seconds: Mapping[str, float]) -> Product:
    """Seconds as operations a second."""
    m, n, k = size
    return Product(size, {name: 2 * m * n * k / s for name, s in seconds.items()})
