"""Labels, predictions and scores as unkind as real ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

probabilities = st.one_of(
    st.floats(0, 1), st.sampled_from([0.0, 1.0, 0.5, 0.1, 5e-324, 1 - 2**-53])
)


@st.composite
def binary_rows(draw: st.DrawFn) -> tuple[list[int], list[int], list[float]]:
    """Labels of both classes, predictions, scores with ties."""
    n = draw(st.integers(2, 60))
    pool = draw(st.lists(probabilities, min_size=1, max_size=n))
    labels = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    labels[0], labels[1] = 0, 1
    return (
        labels,
        draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)),
        draw(st.lists(st.sampled_from(pool), min_size=n, max_size=n)),
    )


@st.composite
def class_rows(draw: st.DrawFn, k: int = 4) -> tuple[list[str], list[str]]:
    n = draw(st.integers(1, 60))
    names = st.sampled_from("abcdefgh"[:k])
    return (
        draw(st.lists(names, min_size=n, max_size=n)),
        draw(st.lists(names, min_size=n, max_size=n)),
    )


numbers = st.one_of(
    st.floats(-1e3, 1e3),
    st.sampled_from([0.0, -0.0, 1.0, 1e-9, 1e6, -1e6, 5e-324]),
)


@st.composite
def number_rows(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    n = draw(st.integers(1, 60))
    return (
        draw(st.lists(numbers, min_size=n, max_size=n)),
        draw(st.lists(numbers, min_size=n, max_size=n)),
    )


cells: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.floats(), st.sampled_from(["a", "b", "", "1", "1.0", "NA"]), st.integers(0, 2)
)
