from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.bundle import delimited
from strandline.bundle.errors import InputError


def rows(text: str) -> list[list[str]]:
    return list(delimited.read(io.StringIO(text, newline=""), "rows.csv"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found_in_the_header(delimiter: str) -> None:
    text = "a,b,c\r\n1,,x\r\n\r\n2,3,y\r\n".replace(",", delimiter)
    assert rows("\ufeff" + text) == [["a", "b", "c"], ["1", "", "x"], ["2", "3", "y"]]


def test_quoted_cells_hold_delimiters_and_line_ends() -> None:
    assert rows('name,note\n"Oslo, N","two\nlines"\n') == [
        ["name", "note"],
        ["Oslo, N", "two\nlines"],
    ]


def test_a_single_column_needs_no_delimiter() -> None:
    assert rows("a\n1\n2") == [["a"], ["1"], ["2"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rows.csv is empty"),
        ("\n1\n", "rows.csv is empty"),
        ("a,b,a\n", "names 'a' more than once"),
        ("a,b\n1,2\n1\n", "rows.csv, line 3: 1 cells where the header has 2"),
        ("a,b\n1,2,3\n", "line 2: 3 cells"),
        ("a\n" + "x" * 200_000, "line 2: field larger"),
    ],
)
def test_errors_name_the_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rows(text)


@given(st.text(max_size=200))
def test_any_text_is_rows_or_an_input_error(text: str) -> None:
    try:
        header, *others = rows(text)
    except InputError:
        return
    assert all(len(row) == len(header) for row in others)
