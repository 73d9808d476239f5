"""Distances between all pairs of rows against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from strandline import core
from strandline.compiler.lower.svm import METRICS


def distances(x: Any, others: Any, metric: str) -> Any:
    (m, k), n, panel = x.shape, len(others), core.panel_width()
    packed = np.zeros(-(-n // panel) * panel * k, np.float32)
    core.call("pack_b_f32", [others], [packed], k, n, 1, 1, k, 0, 1.0)
    result = np.full((m, n), -7, np.float32)
    core.call("cdist_f32", [x, packed], [result], m, n, k, METRICS.index(metric))
    return result


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("m", [0, 1, 3, 4, 9])
@pytest.mark.parametrize("n", [1, 5, 16, 37])
@pytest.mark.parametrize("k", [1, 2, 13])
def test_sizes(m: int, n: int, k: int, metric: str, isa: str) -> None:
    rng = np.random.default_rng(m + n + k)
    x, others = (rng.normal(size=(rows, k)).astype(np.float32) for rows in (m, n))
    got = distances(x, others, metric)
    np.testing.assert_allclose(got, cdist(x, others, metric), rtol=1e-5)


def test_near_rows_keep_their_distance(isa: str) -> None:
    x = np.full((3, 2), 1000, np.float32)
    x[1:, 0] += np.float32([0.25, 0.5])
    np.testing.assert_array_equal(distances(x, x, "euclidean")[0], [0, 0.25, 0.5])


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38, 1e-45])
def test_values_at_the_ends(value: float, isa: str) -> None:
    x = np.array([[value, 0], [0, 0]], np.float32)
    with np.errstate(all="ignore"):
        want = np.square(x[:, None] - x[None]).sum(-1, dtype=np.float32)
    np.testing.assert_array_equal(distances(x, x, "sqeuclidean"), want)
