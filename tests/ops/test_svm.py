"""Support vector machines of ai.onnx.ml in all their shapes against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strandline import Session
from tests.models.oracle import assert_equal, expected
from tests.ops.models import one_node

BACKENDS = ["reference", "core"]
KERNELS = {
    "LINEAR": (0.0, 0.0, 0.0),
    "POLY": (0.3, 0.5, 3.0),
    "RBF": (0.2, 0.0, 0.0),
    "SIGMOID": (0.1, -0.2, 0.0),
}


def floats(rng: np.random.Generator, *shape: int) -> list[float]:
    values: list[float] = rng.normal(size=shape).astype(np.float32).reshape(-1).tolist()
    return values


def classifier(counts: tuple[int, ...], kernel: str, dtype: type, **extra: Any) -> bytes:
    rng = np.random.default_rng(sum(counts))
    classes, total = len(counts), sum(counts)
    return one_node(
        "SVMClassifier",
        {"X": (dtype, [None, 5])},
        {"label": np.int64, "scores": np.float32},
        domain="ai.onnx.ml",
        classlabels_ints=list(range(7, 7 + classes)),
        coefficients=floats(rng, classes - 1, total),
        kernel_params=list(KERNELS[kernel]),
        kernel_type=kernel,
        rho=floats(rng, classes * (classes - 1) // 2),
        support_vectors=floats(rng, total, 5),
        vectors_per_class=list(counts),
        **extra,
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("probability", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("counts", [(3, 4), (1, 17, 33), (2, 1, 5, 20)])
def test_classifier(
    counts: tuple[int, ...], kernel: str, dtype: type, probability: bool, backend: str
) -> None:
    pairs = len(counts) * (len(counts) - 1) // 2
    extra: dict[str, Any] = {}
    if probability:
        extra = {"prob_a": [-1.5 + 0.1 * p for p in range(pairs)], "prob_b": [0.1] * pairs}
    model = classifier(counts, kernel, dtype, **extra)
    feeds = {"X": (2 * np.random.default_rng(3).normal(size=(37, 5))).astype(dtype)}
    session = Session(model, backend=backend)
    assert_equal(session.run(feeds), expected(model, feeds))
    assert session.needed_numpy == (backend == "reference")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("one_class", [0, 1])
@pytest.mark.parametrize(
    ("kernel", "supports"), [("LINEAR", 0), *((k, n) for k in KERNELS for n in (1, 40))]
)
def test_regressor(kernel: str, supports: int, one_class: int, backend: str) -> None:
    """Without support vectors it is a linear model."""
    rng = np.random.default_rng(supports)
    model = one_node(
        "SVMRegressor",
        {"X": (np.float32, [None, 5])},
        {"Y": np.float32},
        domain="ai.onnx.ml",
        coefficients=floats(rng, supports or 5),
        kernel_params=list(KERNELS[kernel]),
        kernel_type=kernel,
        n_supports=supports,
        one_class=one_class,
        rho=[0.25],
        **({"support_vectors": floats(rng, supports, 5)} if supports else {}),
    )
    feeds = {"X": rng.normal(size=(23, 5)).astype(np.float32)}
    session = Session(model, backend=backend)
    assert_equal(session.run(feeds), expected(model, feeds))
    assert session.needed_numpy == (backend == "reference")


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(rows: int) -> None:
    model = classifier((3, 4, 2), "RBF", np.float32)
    got = Session(model).run({"X": np.zeros((rows, 5), np.float32)})
    assert got["label"].shape == (rows,) and got["scores"].shape == (rows, 3)
