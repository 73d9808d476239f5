from __future__ import annotations

from array import array
from math import isnan, nan

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from strandline.core import Tensor
from strandline.drift import columns, kinds


def values(column):
    read = columns.numbers(column)
    return [None if isnan(v) else v for v in memoryview(read.values).tolist()], read.unreadable


def test_cells_become_numbers_missing_or_unreadable():
    column = [1, 2.5, None, nan, "", "  ", "NA", "n/a", "3.5", " 4 ", "fast", True, [1], 10**400]
    found, unreadable = values(column)
    assert found == [1, 2.5, None, None, None, None, None, None, 3.5, 4, None, 1, None, None]
    assert unreadable == 3


def test_infinities_stay_for_the_core_to_count():
    assert values([1, "inf", -float("inf")]) == ([1, float("inf"), -float("inf")], 0)


def test_buffers_of_numbers_are_taken_as_they_are():
    column = np.arange(6, dtype=np.float32)[::2]
    assert columns.numbers(column).values is column
    tensor = Tensor("f", [3])
    assert columns.numbers(tensor).values is tensor


def test_arrays_of_other_things_are_read_cell_by_cell():
    assert values(np.array(["1", "", "x"])) == ([1, None, None], 1)
    assert values(np.array([1.5, None], dtype=object)) == ([1.5, None], 0)
    assert values(np.array([1.5], dtype=np.float16)) == ([1.5], 0)


def test_categories_have_one_spelling():
    counted = columns.categories([3, 3.0, "3", True, "True", None, "", nan, 2.5, [1]])
    assert counted.counts == {"3": 3, "True": 2, "2.5": 1}
    assert (counted.missing, counted.invalid) == (3, 1)


@pytest.mark.parametrize("order", [[1, True, 1.0, "1"], ["1", 1.0, True, 1]])
def test_equal_cells_of_different_types_stay_apart(order):
    assert columns.categories(order).counts == {"1": 3, "True": 1}


def test_cells_that_can_not_be_hashed_are_invalid():
    assert columns.categories([[1], [2]]).invalid == 2
    assert columns.categories([([1],), ([2],)]).invalid == 2
    assert columns.categories([]).counts == {}


def test_texts_are_the_categories_row_by_row():
    assert columns.texts(["a", " ", None]) == ["a", None, None]
    assert columns.texts([1, "a", nan, 2.0, {}]) == ["1", "a", None, "2", None]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ([0.5, 1.5], "numeric"),
        (["0.5", "1.5", ""], "numeric"),
        (["a", "b"], "categorical"),
        ([True, False], "categorical"),
        (np.array([True, False]), "categorical"),
        ([1, 2, 3], "numeric"),
        ([1, 2, 3] * 10, "categorical"),
        (["1", "2", "3"] * 10, "categorical"),
        (list(range(11)) * 20, "numeric"),
        ([1.0, 2.0, None] * 10, "categorical"),
        (["1.5"] * 99 + ["broken"], "numeric"),
        (["1.5"] * 98 + ["broken"] * 2, "categorical"),
        ([None, None], "categorical"),
        (np.array([nan]), "numeric"),
        ([None, [0.5, 1.5]], "vector"),
        (np.zeros((3, 2)), "vector"),
        (["", "[0.5, 1.5]", "[2, 3e-4]"], "vector"),
        (["[0.5, 1.5]", "[draft]"], "categorical"),
        (["[]", "[]"], "categorical"),
    ],
)
def test_kinds(column, kind):
    assert kinds.infer_kind(column) == kind


def as_lists(table):
    return {
        name: [None if v is None or v != v else v for v in columns.cells_of(column)]
        for name, column in columns.as_columns(table).items()
    }


EXPECTED = {
    "x": [1.5, None, 3.0],
    "n": [1, 2, None],
    "c": ["a", None, "b"],
    "b": [True, False, None],
}


def test_tables_of_all_makes_have_the_same_columns():
    rows = [dict(zip(EXPECTED, row, strict=True)) for row in zip(*EXPECTED.values(), strict=True)]
    frame = pd.DataFrame(EXPECTED)
    typed = frame.astype({"n": "Int64", "c": "category", "b": "boolean"})
    for table in (EXPECTED, rows, frame, typed, pa.table(EXPECTED)):
        assert as_lists(table) == EXPECTED


def test_rows_may_lack_cells():
    assert columns.as_columns([{"a": 1}, {"b": 2}]) == {"a": [1, None], "b": [None, 2]}


def test_pandas_numbers_are_not_copied():
    frame = pd.DataFrame({"x": np.arange(3.0)})
    assert np.shares_memory(columns.as_columns(frame)["x"], frame["x"].to_numpy())


def test_refuses_what_is_no_table():
    with pytest.raises(TypeError, match="a str is not a table"):
        columns.as_columns("x,y")
    with pytest.raises(ValueError, match="'a' has 1 rows, 'b' has 2"):
        columns.as_columns({"b": [1, 2], "a": [1]})
    with pytest.raises(TypeError, match="not one text"):
        columns.numbers("12")


def test_length_of_any_column():
    assert columns.length([1, 2]) == columns.length(array("d", [1, 2])) == 2
