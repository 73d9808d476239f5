"""Columns as unkind as real ones, for the property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

finite = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(-1e6, 1e6)
repeating = st.sampled_from([0.0, -0.0, 1.0, 1.5, -2.0, 1e6, 5e-324, -1e300])
doubles = st.one_of(finite, moderate, repeating, st.floats())
number_columns = st.lists(doubles, max_size=60)
cells: st.SearchStrategy[Any] = st.one_of(
    doubles,
    st.integers(-(10**6), 10**6),
    st.none(),
    st.booleans(),
    st.sampled_from(["", " ", "3.5", "1e3", "NA", "fast", "nan"]),
)
categories: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.sampled_from(["a", "b", "c", "", "d"]), st.integers(0, 3), st.booleans()
)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    """Two columns of equal length: numbers with accidents, categories with accidents."""
    rows = draw(st.integers(0, 40))
    return {
        "x": draw(st.lists(cells, min_size=rows, max_size=rows)),
        "c": draw(st.lists(categories, min_size=rows, max_size=rows)),
    }
