"""Models as people export them give what native onnxruntime gives."""

from __future__ import annotations

import numpy as np
import pytest

from strandline import Session
from tests.models import zoo
from tests.models.oracle import assert_equal, expected

BACKENDS = ("reference", "core")
SLOW = {"vgg19", "zfnet512", "alexnet"}
"""Hundreds of megabytes of weights each."""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", zoo.names("tabular"))
def test_tabular(name: str, backend: str) -> None:
    """One session serves batches of 1, 7 and 1000 rows."""
    model = zoo.model(name)
    session = Session(model, backend=backend)
    for rows in (1, 7, 1000):
        feeds = zoo.build(name, rows)[1]
        assert_equal(session.run(feeds), expected(model, feeds))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in zoo.names("image")],
)
def test_image(name: str, backend: str) -> None:
    model, feeds = zoo.build(name, rows=2)
    assert_equal(Session(model, backend=backend).run(feeds), expected(model, feeds))


@pytest.mark.parametrize("name", zoo.names("missing"))
def test_rows_of_nothing_but_missing_values(name: str) -> None:
    model, feeds = zoo.build(name, rows=3)
    empty = {k: np.full_like(v, np.nan) for k, v in feeds.items()}
    assert_equal(Session(model).run(empty), expected(model, empty))


@pytest.mark.parametrize("name", ["logistic_regression", "random_forest_100", "lightgbm"])
def test_outputs_are_those_asked_for(name: str) -> None:
    model, feeds = zoo.build(name)
    want = expected(model, feeds)
    last = list(want)[-1]
    assert_equal(Session(model).run(feeds, [last]), {last: want[last]})


def test_networks_depend_on_their_input() -> None:
    """The weights that stand in for trained ones must let a wrong kernel show."""
    model, feeds = zoo.build("squeezenet")
    other = {k: v[..., ::-1].copy() for k, v in feeds.items()}
    first, second = (next(iter(expected(model, f).values())) for f in (feeds, other))
    assert np.abs(first - second).max() > 1e-3 * np.abs(first).max()


@pytest.mark.parametrize("name", zoo.names("tabular"))
def test_plans_without_numpy(name: str) -> None:
    assert not Session(zoo.model(name)).needs_numpy()
