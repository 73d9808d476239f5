"""Adding up: any split of the rows, in any order, gives the same bits."""

from __future__ import annotations

import random
from functools import reduce
from math import log
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.drift.quality import Quality
from strandline.drift.quality.fixed import log_loss_units
from tests.drift.quality.strategies import cells, number_rows, probabilities

TASKS = {
    "binary": Quality.from_columns("binary", [0, 1], [0, 1], [0.25, 0.75]).task,
    "multiclass": Quality.from_columns(
        "multiclass", ["a", "b"], scores=[[0.5, 0.6], [0.5, 0.4]]
    ).task,
    "regression": Quality.from_columns("regression", [0.0, 3.0], [1.0, 1.0]).task,
}


@pytest.mark.parametrize("kind", TASKS)
@given(data=st.data())
def test_parts_in_any_order_add_up_to_the_whole(kind, data):
    task = TASKS[kind]
    n = data.draw(st.integers(0, 30))
    column = st.lists(cells, min_size=n, max_size=n)
    labels, predicted = data.draw(column), data.draw(column)
    score = st.lists(st.one_of(probabilities, st.floats()), min_size=n, max_size=n)
    scores = [data.draw(score) for _ in range({"binary": 1, "multiclass": 2}.get(kind, 0))]
    whole = Quality.count(task, labels, predicted, scores)
    rows = list(zip(labels, predicted, *scores, strict=True))
    random.Random(data.draw(st.integers())).shuffle(rows)
    parts = []
    while rows:
        k = data.draw(st.integers(1, len(rows)))
        first, second, *rest = ([row[i] for row in rows[:k]] for i in range(2 + len(scores)))
        parts.append(Quality.count(task, first, second, rest))
        rows = rows[k:]
    assert reduce(add, parts, Quality.empty(task)) == whole


@given(number_rows(), number_rows())
def test_sums_do_not_depend_on_the_order(a, b):
    task = TASKS["regression"]
    first, second = Quality.count(task, *a), Quality.count(task, *b)
    assert first + second == second + first
    assert (first + second).metrics() == (second + first).metrics()


def test_qualities_of_different_tasks_do_not_add():
    with pytest.raises(ValueError, match="different tasks"):
        Quality.empty(TASKS["binary"]) + Quality.empty(TASKS["regression"])


@given(st.floats(2.0**-52, 1.0))
def test_the_logarithm_is_right_to_its_unit(p):
    assert log_loss_units(p) / 2**40 == pytest.approx(-log(p), abs=2.0**-40)


def test_the_logarithm_is_clipped():
    assert log_loss_units(0.0) == log_loss_units(2.0**-52) == round(52 * log(2) * 2**40)
    assert log_loss_units(1.0) == 0
