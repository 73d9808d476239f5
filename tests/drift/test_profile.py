from __future__ import annotations

import gzip
import json
import random
from array import array
from fractions import Fraction
from math import isfinite

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.drift import Profile, Reference, WireError, columns, exact

from .strategies import tables

REFERENCE = Reference.from_columns(
    {"x": [0.0] * 20 + [v / 7 for v in range(100)], "c": ["a", "b", 1] * 40},
    kinds={"c": "categorical"},
)


def text(profile):
    return json.dumps(profile.to_wire())


def profile(table):
    return Profile.from_rows(table, REFERENCE)


@given(st.lists(tables(), min_size=1, max_size=5), st.randoms())
def test_merging_is_bit_identical_in_any_order_and_grouping(parts, rng: random.Random):
    whole = {name: [cell for part in parts for cell in part[name]] for name in ("x", "c")}
    expected = text(profile(whole))

    left = Profile(REFERENCE)
    for part in parts:
        left = left + profile(part)
    assert text(left) == expected

    heap = [profile(part) for part in parts]
    rng.shuffle(heap)
    while len(heap) > 1:
        heap.insert(rng.randrange(len(heap) - 1), heap.pop() + heap.pop(0))
    assert text(heap[0]) == expected

    updated = Profile(REFERENCE)
    for part in parts:
        updated.update(part)
    assert text(updated) == expected


@given(tables())
def test_wire_and_back(table):
    found = profile(table)
    wire = json.loads(text(found))
    back = Profile.from_wire(wire, REFERENCE)
    assert back == found
    assert text(back) == text(found)


@given(tables())
def test_says_what_the_rows_were(table):
    found = profile(table)
    x = found["x"]
    read = [columns.number(cell) for cell in table["x"]]
    finite = [v for v in read if v is not None and isfinite(v)]
    assert found.rows == x.rows == len(read)
    assert x.n == len(finite)
    assert x.missing == sum(v is not None and v != v for v in read)
    assert x.invalid == len(read) - len(finite) - x.missing
    assert Fraction(x.total, 2**exact.SUM_SCALE) == sum(map(Fraction, finite))
    c = found["c"]
    named = [columns.text(cell) for cell in table["c"]]
    assert c.missing == named.count(None)
    assert c.counts.tolist() == [named.count("1"), named.count("a"), named.count("b"), c.unseen]


@given(tables())
def test_the_empty_profile_adds_nothing(table):
    found = profile(table)
    assert found + Profile(REFERENCE) == found == Profile(REFERENCE) + found


def test_one_column_in_any_dress_gives_one_profile():
    x = [0.5, 1.5, None, 3.0]
    c = ["a", None, "b", "zz"]
    table = {"x": x, "c": c}
    texts = {"x": ["0.5", "1.5", "", "3.0"], "c": ["a", "", "b", "zz"]}
    arrays = {"x": array("d", [0.5, 1.5, float("nan"), 3.0]), "c": np.array(c, dtype=object)}
    frame = pd.DataFrame(table)
    rows = [{"x": a, "c": b} for a, b in zip(x, c, strict=True)]
    assert len({text(profile(t)) for t in (table, texts, arrays, frame, rows)}) == 1


def test_single_rows_are_counted_like_many():
    rng = random.Random(0)
    x = [rng.choice([None, 0.0, rng.random(), "?", float("inf")]) for _ in range(1500)]
    c = [rng.choice(["a", "b", None, 1, True]) for _ in x]
    single = Profile(REFERENCE)
    for i, cells in enumerate(zip(x, c, strict=True)):
        single.update({"x": [cells[0]], "c": [cells[1]]})
        if i == 700:
            assert single.rows == 701
    whole = profile({"x": x, "c": c})
    assert text(single) == text(whole)


def test_what_waits_to_be_counted_is_the_profiles_own():
    found, cells = Profile(REFERENCE), [1.0]
    found.update({"x": cells})
    cells.append(2.0)
    found.update({"x": cells})
    assert found["x"].n == 3


def test_features_that_are_not_named_see_nothing():
    found = Profile(REFERENCE)
    found.update({"latency_ms": [1.25]})
    assert found.rows == 0
    assert found["latency_ms"].n == 1
    assert found["x"].rows == 0
    assert list(found.to_wire()["features"]) == ["latency_ms"]


def test_a_batch_counts_whole_or_not_at_all():
    found = Profile(REFERENCE)
    with pytest.raises(ValueError, match="no feature 'y'"):
        found.update({"x": [1.0], "y": [2.0]})
    with pytest.raises(TypeError):
        found.update({"x": [1.0], "c": "text"})
    assert found == Profile(REFERENCE)


def test_rows_must_have_the_references_features():
    with pytest.raises(ValueError, match="no column 'c', which the reference has; it has 'x', 'z'"):
        profile({"x": [1.0], "z": [1.0]})
    assert profile({"x": [1.0], "c": ["a"], "z": [1.0]}).rows == 1


def test_profiles_of_different_references_do_not_add():
    other = Reference.from_columns({"x": [1.0, 2.0], "c": ["a", "b"]})
    with pytest.raises(ValueError, match="different references"):
        Profile(REFERENCE) + Profile(other)
    with pytest.raises(TypeError):
        Profile(REFERENCE) + 1  # type: ignore[operator]


GOOD = profile({"x": [0.0, 0.25, 99.0, None, "?"], "c": ["a", "b", "z", None, "a"]}).to_wire()


def broken(path, value):
    wire = json.loads(json.dumps(GOOD))
    place = wire
    *folders, last = path.split(".")
    for folder in folders:
        place = place[folder]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return wire


COUNTS = GOOD["features"]["x"]["counts"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema", "strandline.profile/2", r"\$\.schema"),
        ("reference", "0" * 64, "another reference"),
        ("reference", ..., "exactly schema, reference and features"),
        ("features", [], "must be an object"),
        ("features.y", {"counts": []}, "no such feature"),
        ("features.x", None, "needs"),
        ("features.x.counts", COUNTS[1:], "counts, has"),
        ("features.x.counts", [-1, *COUNTS[1:]], "whole numbers"),
        ("features.x.counts", [0.5, *COUNTS[1:]], "whole numbers"),
        ("features.x.counts", [True, *COUNTS[1:]], "whole numbers"),
        ("features.x.counts", [2**53, *COUNTS[1:]], "whole numbers"),
        ("features.x.counts", [0] * len(COUNTS), "max, min, squares, sum where counts belong"),
        ("features.x.missing", -1, "missing"),
        ("features.x.missing", 1.0, "missing"),
        ("features.x.invalid", None, "invalid"),
        ("features.x.sum", ..., "belong"),
        ("features.x.sum", "1p5000", "out of range"),
        ("features.x.sum", 3, "features.x"),
        ("features.x.sum", "fffp0", "sum does not lie"),
        ("features.x.squares", "1p0", "squares is smaller"),
        ("features.x.min", float("nan"), "finite"),
        ("features.x.min", None, "finite"),
        ("features.x.min", -3.0, "outermost bins"),
        ("features.x.max", 5000.0, "outermost bins"),
        ("features.x.rows", 3, "rows"),
        ("features.c.counts", [1], "needs 4 counts"),
        ("features.c.min", 0.0, "min"),
    ],
)
def test_refuses_profiles_that_can_not_be(path, value, message):
    with pytest.raises(WireError, match=message):
        Profile.from_wire(broken(path, value), REFERENCE)


def test_whole_extremes_may_have_lost_their_point():
    assert Profile.from_wire(broken("features.x.min", 0), REFERENCE).to_wire() == GOOD


def everyday(rng, n):
    """Prices, delays with many zeros, counts, scores, and readings of a sensor with gaps."""
    kinds = {
        "price": lambda i: np.round(rng.lognormal(3 + i / 3, 1, n), 2),
        "delay": lambda i: np.where(
            rng.random(n) < 0.5, 0, rng.exponential(20 * (i + 1), n).round()
        ),
        "count": lambda i: rng.poisson(3 * (i + 1), n).astype(float),
        "score": lambda i: rng.beta(1 + i, 3, n),
        "reading": lambda i: np.where(rng.random(n) < 0.05, np.nan, rng.normal(20, 5, n)),
    }
    return {f"{name} {i}": draw(i) for name, draw in kinds.items() for i in range(6)}


def test_thirty_features_fit_in_six_kilobytes():
    rng = np.random.default_rng(0)
    for draw in (everyday, lambda rng, n: {f"x{i}": rng.normal(size=n) for i in range(30)}):
        reference = Reference.from_columns(draw(rng, 20_000))
        for rows in (500, 5_000):
            wire = json.dumps(Profile.from_rows(draw(rng, rows), reference).to_wire())
            assert len(gzip.compress(wire.encode())) <= 6 * 1024
