"""Vectors: exact sums of integer features, and the MMD that they give."""

from __future__ import annotations

import json
import math
import random
from array import array
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from strandline import core
from strandline.drift import (
    METHODS,
    Profile,
    Reference,
    Segment,
    WireError,
    compare,
    result,
    vectors,
    wire,
)
from strandline.drift.stats import mmd_permutation
from strandline.drift.stats.mmd import squared

D = 3
RNG = np.random.default_rng(0)
REFERENCE = Reference.from_columns(
    {"e": RNG.normal(size=(300, D)), "g": RNG.choice(["a", "b"], 300).tolist()}, segments=["g"]
)

coordinates = st.one_of(st.floats(-5, 5), st.floats(), st.sampled_from([0.0, 1e300, math.nan]))
cells = st.one_of(
    st.none(),
    st.lists(coordinates, min_size=D, max_size=D),
    st.lists(coordinates, min_size=D, max_size=D).map(json.dumps),
    st.sampled_from([[], [1.0], "x", "[1, 2]", 5, "", math.nan, {"a": 1}]),
)
columns = st.lists(cells, max_size=12)


def counted(column):
    profile = Profile(REFERENCE)
    profile.update({"e": column, "g": ["a", "b", None][: len(column)] + ["a"] * (len(column) - 3)})
    return profile


@given(st.lists(columns, min_size=1, max_size=5), st.randoms())
def test_merging_is_bit_identical_in_any_order_and_grouping(parts, rng):
    profiles = [counted(part) for part in parts]
    expected = json.dumps(Profile.merge(profiles, REFERENCE).to_wire())
    rng.shuffle(profiles)
    while len(profiles) > 1:
        other = profiles.pop(rng.randrange(len(profiles)))
        profiles[rng.randrange(len(profiles))] += other
    assert json.dumps(profiles[0].to_wire()) == expected
    whole = REFERENCE["e"].count([cell for part in parts for cell in part])
    assert profiles[0]["e"] == whole
    assert whole.rows == sum(map(len, parts))


@given(columns)
def test_wire_and_back(column):
    found = counted(column)
    document = json.loads(json.dumps(found.to_wire()))
    wire.check(document, wire.PROFILE)
    assert Profile.from_wire(document, REFERENCE) == found
    parts = [found.segment(segment)["e"] for segment in REFERENCE.segmentations[0].segments]
    assert parts[0] + parts[1] + parts[2] == found["e"]


def phases(feature, rows):
    """The features as their definition has them, in NumPy."""
    omega = np.array(
        vectors.frequencies(
            feature.dimensions, feature.frequencies, feature.seed, feature.bandwidth
        )
    ).reshape(feature.dimensions, feature.frequencies)
    steps = np.zeros((len(rows), feature.frequencies))
    for j in range(feature.dimensions):  # added up one by one, as the core does
        steps += rows[:, j : j + 1] * omega[j]
    return np.floor(steps).astype(int) % 4096


def test_the_sums_are_those_of_the_definition():
    feature = REFERENCE["e"]
    rows = RNG.normal(size=(50, D)) * 3
    steps = phases(feature, rows)
    cosine = np.rint(1024 * np.cos(2 * np.pi * steps / 4096)).astype(int)
    sine = np.rint(1024 * np.cos(2 * np.pi * (steps + 3072) / 4096)).astype(int)
    features = np.hstack([cosine, sine])
    products = array("q", bytes(8 * features.shape[1] ** 2))
    tally = feature.count(rows, products)
    assert tally.sums.tolist() == features.sum(axis=0).tolist()
    assert tally.squares == (features**2).sum()
    assert np.array_equal(np.array(products).reshape(128, 128), features.T @ features)


def test_the_wave_does_not_depend_on_the_processor():
    turn = vectors.wave()
    exact = [1024 * math.cos(2 * math.pi * i / 4096) for i in range(4096)]
    assert min(abs(abs(x) % 1 - 0.5) for x in exact) > 1e-4
    assert max(abs(a - b) for a, b in zip(turn, exact, strict=True)) <= 0.5
    least, most = vectors.norm_limits()
    assert 1024**2 - 1500 < least < 1024**2 < most < 1024**2 + 1500


def test_frequencies_are_normal_and_seeded():
    found = np.array(vectors.frequencies(50, 64, 0, 2.0)) * 2 * np.pi * 2.0 / 4096
    assert found.mean() == pytest.approx(0, abs=0.05)
    assert found.std() == pytest.approx(1, abs=0.03)
    assert vectors.frequencies(5, 8, 1, 2.0) == vectors.frequencies(5, 8, 1, 2.0)
    assert vectors.frequencies(5, 8, 1, 2.0) != vectors.frequencies(5, 8, 2, 2.0)
    # Where they are the same, the profiles of all machines are: pinned.
    assert [round(x, 9) for x in vectors.frequencies(1, 3, 0, 1.0)] == PINNED


PINNED = [-720.554110481, 942.485731438, 5.202377202]


def test_features_approximate_the_gaussian_kernel():
    feature = REFERENCE["e"]
    rows = RNG.normal(size=(40, D))
    tallies = [feature.count([row]) for row in rows]
    unit = 1024**2 * feature.frequencies
    errors = []
    for a, x in zip(tallies, rows, strict=True):
        for b, y in zip(tallies, rows, strict=True):
            ours = sum(p * q for p, q in zip(a.sums, b.sums, strict=True)) / unit
            errors.append(ours - math.exp(-((x - y) ** 2).sum() / 2 / feature.bandwidth**2))
    assert np.sqrt(np.mean(np.square(errors))) < 1.5 / math.sqrt(feature.frequencies)


def test_mmd_is_the_unbiased_estimate_over_all_pairs():
    feature = REFERENCE["e"]
    x, y = RNG.normal(size=(30, D)), RNG.normal(0.5, 1, (20, D))
    a, b = ([feature.count([row]) for row in rows] for rows in (x, y))

    def kernel(p, q):
        return sum(s * t for s, t in zip(p.sums, q.sums, strict=True)) / (1024**2 * 64)

    within = sum(kernel(p, q) for i, p in enumerate(a) for j, q in enumerate(a) if i != j) / 870
    other = sum(kernel(p, q) for i, p in enumerate(b) for j, q in enumerate(b) if i != j) / 380
    across = sum(kernel(p, q) for p in a for q in b) / 600
    found = squared(feature.count(x), feature.count(y))
    assert float(found) == pytest.approx(within + other - 2 * across)


CASES = 200


def draw(rng, shape, n):
    if shape == "normal":
        return rng.normal(size=(n, 8))
    if shape == "clusters":
        return rng.normal(size=(n, 4)) * 0.2 + rng.integers(0, 3, (n, 1))
    return rng.standard_t(2, size=(n, 5))


def alarms(shape, sizes, cases):
    rng = np.random.default_rng(21)
    count = 0
    for _ in range(cases):
        feature = Reference.from_columns({"e": draw(rng, shape, sizes[0])}, latency=False)["e"]
        current = feature.count(draw(rng, shape, sizes[1]))
        count += METHODS["mmd"](feature, current).p_value <= 0.05
    return count


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(60, 60), (1000, 200), (300, 3000)], ids=str)
@pytest.mark.parametrize("shape", ["normal", "clusters", "heavy tails"])
def test_mmd_holds_its_level(shape, sizes):
    assert alarms(shape, sizes, CASES) <= binom(CASES, 0.05).ppf(0.9999)


@pytest.mark.parametrize("shape", ["clusters", "heavy tails"])
def test_mmd_holds_its_level_in_a_few_cases(shape):
    assert alarms(shape, (60, 60), 40) <= binom(40, 0.05).ppf(0.9999)


@pytest.mark.parametrize("sizes", [(60, 40), (40, 400)], ids=str)
def test_the_effects_interval_covers_that_of_the_populations(sizes):
    rng = np.random.default_rng(25)
    n, m = sizes
    cases, missed = 60, dict.fromkeys((0.0, 0.4, 1.5), 0)
    unit = vectors.AMPLITUDE**2 * vectors.FREQUENCIES
    for _ in range(cases):
        feature = Reference.from_columns({"e": rng.normal(size=(n, D))}, latency=False)["e"]
        # Of so many rows that they are as good as the populations, spread as n and m rows are.
        base = feature.count(rng.normal(size=(5_000, D)))
        for shift in missed:
            found = METHODS["mmd"](feature, feature.count(rng.normal(size=(m, D)) * 0.7 + shift))
            whole = (base, feature.count(rng.normal(size=(5_000, D)) * 0.7 + shift))
            own = [
                (one.squares - sum(x * x for x in one.sums) / one.n) / (one.n - 1) for one in whole
            ]
            spread = ((n - 1) * own[0] + (m - 1) * own[1]) / (n + m - 2) / unit
            truth = math.sqrt(max(0.0, float(squared(*whole))) / spread)
            missed[shift] += not found.effect_ci_low <= truth <= found.effect_ci_high
            assert found.effect_ci_low <= found.effect <= found.effect_ci_high
    assert max(missed.values()) <= binom(cases, 0.05).ppf(0.9999)


def test_the_effects_interval_narrows_with_the_rows():
    rng = np.random.default_rng(26)
    widths = []
    for n in (100, 10_000):
        feature = Reference.from_columns({"e": rng.normal(size=(n, D))}, latency=False)["e"]
        found = METHODS["mmd"](feature, feature.count(rng.normal(size=(n, D)) + 1))
        assert found.effect_ci_low > 0
        widths.append(found.effect_ci_high - found.effect_ci_low)
    assert widths[1] < widths[0] / 5


def test_mmd_sees_what_no_coordinate_shows():
    rng = np.random.default_rng(22)
    reference = Reference.from_columns({"e": rng.normal(size=(2000, 2))})
    x = rng.normal(size=2000)
    together = np.column_stack([x, 0.8 * x + 0.6 * rng.normal(size=2000)])
    found = {
        one.name: one for one in compare(reference, Profile.from_rows({"e": together}, reference))
    }
    assert found["e"].verdict == "drift"
    same = Profile.from_rows({"e": rng.normal(size=(2000, 2))}, reference)
    assert compare(reference, same)[0].verdict == "no drift"
    document = result(reference, same)
    wire.check(json.loads(json.dumps(document)), wire.RESULT)
    assert document["features"][0]["bins"] == []


def sessions(rng, count, shift=0.0):
    """Sessions of 5 rows that lie around a point of their own."""
    tallies = []
    for _ in range(count):
        rows = rng.normal(size=(1, D)) + 0.3 * rng.normal(size=(5, D)) + shift
        tallies.append(REFERENCE["e"].count(rows))
    return tallies


def test_permuting_sessions_holds_the_level_where_rows_are_alike():
    rng = np.random.default_rng(23)
    exact = naive = 0
    for _ in range(60):
        a, b = sessions(rng, 15), sessions(rng, 20)
        exact += mmd_permutation(a, b, draws=99, seed=int(rng.integers(2**31))) <= 0.05
        independent = replace(REFERENCE["e"], tally=sum(a[1:], a[0]))
        naive += METHODS["mmd"](independent, sum(b[1:], b[0])).p_value <= 0.05
    assert exact <= binom(60, 0.05).ppf(0.9999)
    assert naive > 30  # what ignoring the sessions costs
    a, b = sessions(rng, 15), sessions(rng, 20, shift=1.5)
    assert mmd_permutation(a, b, draws=199) <= 0.01
    with pytest.raises(ValueError, match="both sides"):
        mmd_permutation([REFERENCE["e"].empty()], b)


def test_constant_vectors_and_single_rows_are_no_trouble():
    constant = Reference.from_columns({"e": [[1.0, 2.0]] * 50})
    same = METHODS["mmd"](constant["e"], constant["e"].count([[1.0, 2.0]] * 30))
    other = METHODS["mmd"](constant["e"], constant["e"].count([[1.0, 3.0]] * 30))
    assert (same.value, same.p_value, same.effect) == (0.0, 1.0, 0.0)
    assert other.value > 0.1
    assert other.p_value < 1e-6
    assert METHODS["mmd"](constant["e"], constant["e"].count([[1.0, 3.0]])).p_value == 1.0
    one = Reference.from_columns({"e": [[0.5]]})
    assert METHODS["mmd"](one["e"], one["e"].count([[0.5], [1.0]])).p_value == 1.0


def test_one_column_in_any_dress_gives_one_tally():
    rows = RNG.normal(size=(6, D)).astype(np.float32)
    feature = REFERENCE["e"]
    dresses = [
        rows,
        rows.astype(float),
        np.asfortranarray(rows.astype(float)),
        rows.tolist(),
        list(rows),
        [tuple(row) for row in rows.tolist()],
        [array("f", row) for row in rows.tolist()],
        [json.dumps(row) for row in rows.tolist()],
    ]
    assert all(feature.count(column) == feature.count(rows) for column in dresses)
    norm = REFERENCE["e: norm"]
    assert all(norm.count(column) == norm.count(rows) for column in dresses)
    assert norm.count(rows).mean == pytest.approx(np.linalg.norm(rows.astype(float), axis=1).mean())


def test_what_is_no_vector_is_invalid_for_both_features():
    column = [None, [1, 2, 3], [1, 2], "?", [1, math.nan, 3], [1, math.inf, 3], "", ["a", 2, 3]]
    for name in ("e", "e: norm"):
        tally = REFERENCE[name].count(column)
        assert (tally.n, tally.missing, tally.invalid) == (1, 2, 5)
    assert REFERENCE["e"].count(np.zeros((4, 2))).invalid == 4


@pytest.mark.parametrize("column", [[[]], [[1.0] * 8193], ["x"], np.zeros((3, 0))], ids=str)
def test_refuses_columns_without_vectors(column):
    with pytest.raises(ValueError, match="vectors of 1 to 8192 numbers"):
        Reference.from_columns({"e": column}, kinds={"e": "vector"})


GOOD = counted([[0.0, 1.0, 2.0], [1.0, 1.0, 1.0], None, "?"]).to_wire()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["sums"], [0] * 127, "needs 128 sums"),
        (["sums"], None, "needs 128 sums"),
        (["sums"], [0.0] * 128, "whole numbers"),
        (["sums"], [True] * 128, "whole numbers"),
        (["sums"], [2**53] * 128, "whole numbers"),
        (["sums"], [2100] * 128, "smaller than the sums'"),
        (["n"], -1, "n must be"),
        (["n"], 1, "squares is not what 1 vectors"),
        (["n"], 0, "n, squares, sums where n, sums belong"),
        (["squares"], "1p0", "squares is not what 2 vectors"),
        (["squares"], "zz", "not an exact sum"),
        (["squares"], "1p-3", "out of range"),
        (["squares"], 7, "expected"),
        (["counts"], [1], "belong"),
        (["missing"], -1, "missing"),
    ],
    ids=str,
)
def test_refuses_tallies_that_can_not_be(path, value, message):
    document = deepcopy(GOOD)
    del document["segments"]
    document["features"]["e"][path[0]] = value
    with pytest.raises(WireError, match=message):
        Profile.from_wire(document, REFERENCE)


def test_a_tally_without_vectors_has_no_sums():
    document = deepcopy(GOOD)
    document["features"]["e"] = {"n": 0, "sums": [1] * 128, "missing": 4}
    with pytest.raises(WireError, match="must be 0"):
        Profile.from_wire(document, REFERENCE)


def test_the_reference_survives_its_json():
    back = Reference.from_json(REFERENCE.to_json())
    assert back == REFERENCE
    rows = RNG.normal(size=(10, D))
    assert back["e"].count(rows) == REFERENCE["e"].count(rows)
    assert back["e"].dimensions == D


def test_drift_of_one_segments_vectors_is_found():
    rng = np.random.default_rng(24)
    table = {"e": rng.normal(size=(3000, D)), "g": rng.choice(["a", "b"], 3000).tolist()}
    reference = Reference.from_columns(table, segments=["g"])
    moved = table["e"].copy()
    moved[np.array(table["g"]) == "b"] += 0.5
    found = compare(reference, Profile.from_rows({"e": moved, "g": table["g"]}, reference))
    drifted = [one.segment for one in found if one.name == "e" and one.verdict == "drift"]
    assert Segment("g", "b") in drifted
    assert Segment("g", "a") not in drifted


@pytest.mark.parametrize(
    "sizes",
    [(5, 6, 4096, 4, 16), (6, 5, 4096, 4, 16), (6, 6, 4095, 4, 16), (6, 6, 4096, 3, 9),
     (6, 6, 4096, 4, 15), (6, 6, 4096, 0, 0), (6, 0, 4096, 4, 16)],
    ids=str,
)  # fmt: skip
def test_the_core_refuses_sizes_that_do_not_fit(sizes):
    v, f, w, s, p = sizes
    buffers = [array("d", [0.0] * v), array("d", [0.0] * f), array("h", [0] * w)]
    with pytest.raises(ValueError, match="do not fit"):
        core.fourier(*buffers, array("q", [0] * s), array("q", [0] * p))


def test_the_core_refuses_other_formats():
    good = [array("d", [0.0] * 6), array("d", [0.0] * 6), vectors.wave(), array("q", [0] * 4)]
    assert core.fourier(*good) == (0, 2 * 2 * 1024**2)
    for i, wrong in enumerate(
        [array("f", [0.0] * 6)] * 2 + [array("i", [0] * 4096), array("d", [0.0] * 4)]
    ):
        with pytest.raises(ValueError, match="must hold items of format"):
            core.fourier(*[wrong if i == j else one for j, one in enumerate(good)])


def test_random_rows_in_random_pieces_give_one_tally():
    draw = random.Random(5)
    rows = RNG.normal(size=(100, D))
    feature = REFERENCE["e"]
    total = feature.empty()
    start = 0
    while start < 100:
        stop = start + draw.randint(1, 30)
        total += feature.count(rows[start:stop])
        start = stop
    assert total == feature.count(rows)
