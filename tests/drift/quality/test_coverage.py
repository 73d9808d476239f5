"""Confidence intervals hold the population's value as often as they say.

The population's value is that of a very large sample of the same source. Of 300 samples at 95 %, fewer
than `LEAST` hits have a probability below 1e-5 if the true coverage is 93 %: small samples cost the
best known methods that much.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import binom

from strandline.drift.quality import Quality

CASES = 300
LEAST = binom(CASES, 0.93).ppf(1e-5)
MOST = binom(CASES, 0.95).ppf(1 - 1e-5)
"""for a metric whose interval is nearly exact: more would be too wide"""


def binary(rng, n, rate=0.3):
    margin = rng.normal(-1.0, 1.5, n)
    labels = rng.random(n) < 1 / (1 + np.exp(-margin))
    scores = 1 / (1 + np.exp(-(0.8 * margin + 0.3)))
    return labels.astype(int), None, [scores]


def multiclass(rng, n):
    logits = rng.normal([0.7, 0.0, -0.5], 1.5, (n, 3))
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (truth.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    scores = np.exp(0.7 * logits) / np.exp(0.7 * logits).sum(axis=1, keepdims=True)
    return labels, None, list(scores.T)


def regression(rng, n):
    x = rng.normal(0, 2, n)
    return x + rng.standard_t(12, n), 0.9 * x + 0.1, None


SOURCES = {"binary": binary, "multiclass": multiclass, "regression": regression}


@pytest.mark.parametrize("n", [80, 500])
@pytest.mark.parametrize("kind", SOURCES)
def test_coverage(kind, n):
    rng = np.random.default_rng(20 + n)
    first = SOURCES[kind](rng, 3000)
    classes = None if kind == "regression" else sorted(set(first[0].tolist()))
    task = Quality.from_columns(kind, *first, classes=classes, score_bins=50).task
    truth = Quality.count(task, *SOURCES[kind](rng, 100_000)).metrics()
    hits = Counter()
    for _ in range(CASES):
        for name, metric in Quality.count(task, *SOURCES[kind](rng, n)).metrics().items():
            hits[name] += metric.ci_low <= truth[name].value <= metric.ci_high
    assert {name: h for name, h in hits.items() if h < LEAST} == {}
    assert hits["accuracy" if kind != "regression" else "mean_error"] <= MOST
