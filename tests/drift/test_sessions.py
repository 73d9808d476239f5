"""Rows that come in sessions: the moments add up exactly, and tests that know them keep their level."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from strandline.drift import METHODS, Profile, Reference, SessionMoments, WireError, compare, wire
from strandline.drift.quality import Quality
from strandline.drift.quality.sessions import sums_of
from strandline.drift.sessions import of_session, spans
from strandline.drift.stats.cells import coarse_groups, pearson
from strandline.drift.stats.clustered import METHODS_CORRECTED, corrected
from strandline.drift.triangle import symmetric

FROZEN = Reference.from_columns(
    {
        "x": np.linspace(-2, 2, 60).tolist(),
        "c": ["a", "b", "c", "a"] * 15,
        "v": np.random.default_rng(0).normal(size=(60, 2)).tolist(),
    },
    latency=False,
)
sessions = st.lists(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(-1e300, 1e300)),
            st.sampled_from(["a", "b", "z", None]),
            st.sampled_from([[0.5, 1], [-1, 2], [3, 0.25], [3], None]),
        ),
        min_size=1,
        max_size=6,
    ),
    min_size=1,
    max_size=6,
)


def profiles(rows):
    return [
        Profile.from_rows(dict(zip("xcv", map(list, zip(*one, strict=True)), strict=True)), FROZEN)
        for one in rows
    ]


def counts(profile, name):
    tally = profile[name]
    cells = [sum(tally.counts[a:b]) for a, b in spans(FROZEN[name])]
    return np.array([*cells, tally.missing + tally.invalid], dtype=object)


@given(sessions)
def test_moments_are_sums_of_products(rows):
    held = profiles(rows)
    found = SessionMoments.of(*held)
    for name in ("x", "c", "v"):
        expected = sum(np.outer(counts(one, name), counts(one, name)) for one in held)
        assert found[name].matrix == tuple(map(tuple, expected))
        assert found[name].sessions == len(held)
    assert found["x"].squares == sum(one["x"].total ** 2 for one in held)
    assert found["x"].by_rows == sum(one["x"].total * one["x"].n for one in held)
    features = [np.array(one["v"].sums, dtype=object) for one in held]
    assert found["v"].squares == sum(sum(one * one) for one in features)
    alike = sum(one["v"].n * sums for one, sums in zip(held, features, strict=True))
    assert found["v"].sums == tuple(alike)
    first = [np.concatenate([one[:16], one[64:80]]) for one in features]
    assert symmetric(found["v"].block) == tuple(
        map(tuple, sum(np.outer(one, one) for one in first))
    )


@given(sessions, st.randoms())
def test_sessions_merge_in_any_order_and_grow_report_by_report(rows, random):
    held = profiles(rows)
    whole = SessionMoments.of(*held)
    random.shuffle(held)
    half = len(held) // 2
    assert whole == sum(map(SessionMoments.of, held[:half]), SessionMoments.of(*held[half:]))
    window = SessionMoments(FROZEN, {})
    for one, parts in zip(rows, ([[row] for row in one] for one in rows), strict=True):
        before = None
        for part in profiles(parts):
            after = part if before is None else before + part
            window = window.moved(before, after)
            before = after
        assert before == profiles([one])[0]
    assert window == whole


@given(sessions)
def test_the_wire_gives_back_what_it_got(rows):
    moments = SessionMoments.of(*profiles(rows))
    document = json.loads(json.dumps(moments.to_wire()))
    wire.check(document, wire.SESSIONS)
    assert SessionMoments.from_wire(document, FROZEN) == moments


def broken(change):
    document = SessionMoments.of(
        *profiles([[(0.5, "a", [1, 2]), (0.25, "b", None)], [(None, "z", [0, 1])]])
    ).to_wire()
    change(document)
    return document


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(reference="0" * 64), "another reference"),
        (lambda d: d["features"].update(y=d["features"]["x"]), "no such feature"),
        (lambda d: d["features"]["c"]["products"].pop(), "needs 15, has 14"),
        (lambda d: d["features"]["c"]["products"].__setitem__(1, 9), "no counts have such"),
        (
            lambda d: d["features"]["c"].update(squares="0p0", by_rows="0p0"),
            "of a categorical feature there are sessions, products$",
        ),
        (lambda d: d["features"]["x"].update(by_rows="1p-2000"), "out of range"),
        (lambda d: d["features"]["x"].update(products=[-1]), "must lie between"),
        (lambda d: d["features"]["v"].pop("block"), "products, squares, sums, block"),
        (lambda d: d["features"]["v"]["block"].pop(), "needs 128 sums and 528 in the block"),
        (lambda d: d["features"]["v"]["block"].__setitem__(1, 10**12), "no counts have such"),
        (lambda d: d["features"]["v"]["sums"].__setitem__(0, 10**12), "no vectors have such"),
        (lambda d: d["features"]["v"].update(squares="1p-3"), "out of range|whole"),
    ],
)
def test_the_wire_refuses(change, message):
    with pytest.raises(WireError, match=message):
        SessionMoments.from_wire(broken(change), FROZEN)


def test_moments_of_other_references_do_not_add_up():
    other = Reference.from_columns({"x": [1.5, 2.5]})
    moments = SessionMoments.of(Profile(other))
    with pytest.raises(ValueError, match="different references"):
        moments + SessionMoments.of(*profiles([[(1.0, "a", [1, 2])]]))
    with pytest.raises(ValueError, match="moments belong to another reference"):
        compare(FROZEN, Profile(FROZEN), sessions=moments)


def numbers(rng, alike, shape):
    """(column, session of each row): `alike` of the variance lies between sessions."""
    session = np.repeat(np.arange(shape[0]), rng.geometric(1 / shape[1], shape[0]))
    own = rng.normal(size=shape[0])[session]
    return np.sqrt(alike) * own + np.sqrt(1 - alike) * rng.normal(size=len(session)), session


def categories(rng, alike, shape):
    session = np.repeat(np.arange(shape[0]), rng.geometric(1 / shape[1], shape[0]))
    shares = rng.dirichlet(SHARES * (1 / alike - 1) if alike else SHARES * 1e9, shape[0])
    picked = (rng.random((len(session), 1)) > shares.cumsum(axis=1)[session]).sum(axis=1)
    return np.array([f"c{i}" for i in np.minimum(picked, len(SHARES) - 1)]), session


CELLS = {"chisquare", "g_test", "psi", "kl_div", "jensenshannon", "hellinger", "tvd"}
SHARES = np.array([0.4, 0.3, 0.15, 0.1, 0.05])


def case(rng, kind, alike, shape, rows):
    if kind == "numeric":
        reference, (column, session) = rng.normal(size=rows), numbers(rng, alike, shape)
    else:
        labels = [f"c{i}" for i in range(len(SHARES))]
        reference = rng.choice(labels, rows, p=SHARES)
        column, session = categories(rng, alike, shape)
    feature = Reference.from_columns({"x": reference}, kinds={"x": kind})["x"]
    order = np.argsort(session, kind="stable")
    parts = np.split(column[order], np.flatnonzero(np.diff(session[order])) + 1)
    moments = [of_session(feature, feature.count(part)) for part in parts]
    return feature, feature.count(column), sum(moments[1:], moments[0])


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_corrected_tests_keep_their_level_where_the_others_alarm(kind):
    rng = np.random.default_rng(5)
    names = [name for name, m in METHODS.items() if kind in m.kinds and name in METHODS_CORRECTED]
    cases = 100
    plain, known = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for _ in range(cases):
        feature, current, moments = case(rng, kind, 0.2, (60, 25), 4000)
        for name in names:
            found = METHODS[name](feature, current)
            plain[name] += found.p_value <= 0.05
            known[name] += corrected(found, feature, current, moments).p_value <= 0.05
    assert min(plain.values()) > 0.2 * cases
    most = scipy_stats.binom(cases, 0.05).ppf(0.9999)
    assert {name: count for name, count in known.items() if count > most} == {}


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_sessions_of_one_row_change_next_to_nothing(kind):
    rng = np.random.default_rng(6)
    feature, current, _ = case(rng, kind, 0.0, (1500, 1.0), 2000)
    rows = np.repeat(np.arange(feature.bins), current.counts)
    values = (
        [feature.vocabulary[i] for i in rows]
        if kind == "categorical"
        else [*(feature.cuts[max(i - 1, 0)] for i in rows)]
    )
    moments = [of_session(feature, feature.count([value])) for value in values]
    current = feature.count(values)
    together = sum(moments[1:], moments[0])
    table = [
        tuple(sum(tally.counts[a:b]) for tally in (feature.tally, current))
        for a, b in spans(feature)
    ]
    groups = coarse_groups(feature, current, table)
    _, in_cells = pearson([tuple(sum(table[i][k] for i in g) for k in (0, 1)) for g in groups])
    for name in METHODS_CORRECTED & METHODS.keys():
        if kind in METHODS[name].kinds:
            found = METHODS[name](feature, current)
            p_value = corrected(found, feature, current, together).p_value
            expected = in_cells if name in CELLS else found.p_value
            assert p_value == pytest.approx(expected, abs=0.08 if name in CELLS else 0.25), name


def labelled():
    rows = {"y": [0, 1] * 20, "p": [0.2, 0.9, 0.6, 0.4] * 10, "label": [0, 1, 1, 0] * 10}
    quality = Quality.from_table(rows, "binary", "y", "label", "p")
    reference = Reference.from_columns(rows, counters=["bought"], quality=quality)
    found = []
    for k in range(4):
        profile = Profile.from_rows({"p": [0.1 * k, 0.5], "label": [0, 1]}, reference)
        profile.label({"y": [k % 2, 1], "p": [0.1 * k, 0.5], "label": [0, 1]})
        profile.count("bought", k)
        found.append(profile)
    return found


def test_labels_and_counters_have_moments_too():
    held = labelled()
    reference = held[0].reference
    moments = SessionMoments.of(*held)
    sums = [sums_of(one.quality) for one in held]
    for i in range(len(moments.quality.matrix)):
        for j in range(len(moments.quality.matrix)):
            assert moments.quality.matrix[i][j] == sum(one[i] * one[j] for one in sums)
    bought = moments.counters["bought"]
    assert (bought.sessions, bought.products) == (4, (16, 12, 14))
    document = json.loads(json.dumps(moments.to_wire()))
    wire.check(document, wire.SESSIONS)
    assert SessionMoments.from_wire(document, reference) == moments
    window = SessionMoments(reference, {})
    for one, more in zip(held, reversed(held), strict=True):
        window = window.moved(None, one).moved(one, one + more)
    assert window == SessionMoments.of(*(a + b for a, b in zip(held, reversed(held), strict=True)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["quality"]["products"].pop(), "quality.products: needs 66, has 65"),
        (lambda d: d["quality"]["products"].__setitem__(1, 10**9), "no counts have such"),
        (lambda d: d["counters"].update(sold=d["counters"]["bought"]), "no such counter"),
        (lambda d: d["counters"]["bought"].update(products=[1]), "needs 3, has 1"),
    ],
)
def test_the_wire_refuses_impossible_labels_and_counters(change, message):
    held = labelled()
    document = SessionMoments.of(*held).to_wire()
    change(document)
    with pytest.raises(WireError, match=message):
        SessionMoments.from_wire(document, held[0].reference)


def test_labels_belong_to_references_that_have_some():
    document = SessionMoments.of(*profiles([[(0.5, "a", [1, 2])]])).to_wire()
    document["quality"] = {"sessions": 1, "products": [1]}
    with pytest.raises(WireError, match="frozen without labels"):
        SessionMoments.from_wire(document, FROZEN)


VECTORS = Reference.from_columns({"v": np.random.default_rng(1).normal(size=(2000, 8))})["v"]


def vectors(rng, alike, shape, moved=0.0, directions=8):
    """A reference and a current sample whose sessions differ in so many directions."""
    session = np.repeat(np.arange(shape[0]), rng.geometric(1 / shape[1], shape[0]))
    between = np.where(np.arange(8) < directions, alike, 0.0)
    own, noise = rng.normal(size=(shape[0], 8))[session], rng.normal(size=(len(session), 8))
    column = np.sqrt(between) * own + np.sqrt(1 - between) * noise + moved
    parts = np.split(column, np.flatnonzero(np.diff(session)) + 1)
    feature = replace(VECTORS, tally=VECTORS.count(rng.normal(size=(1000, 8))))
    moments = [of_session(feature, feature.count(part)) for part in parts]
    return feature, feature.count(column), sum(moments[1:], moments[0])


@pytest.mark.parametrize("directions", [1, 8])
@pytest.mark.parametrize("shape", [(20, 40), (80, 25)])
def test_mmd_keeps_its_level_where_sessions_are_known(shape, directions):
    rng = np.random.default_rng(9)
    cases = 100
    plain = known = seen = 0
    for _ in range(cases):
        drawn = vectors(rng, 0.3, shape, directions=directions)
        found = METHODS["mmd"](*drawn[:2])
        plain += found.p_value <= 0.05
        known += corrected(found, *drawn).p_value <= 0.05
        moved = vectors(rng, 0.3, shape, moved=0.5, directions=directions)
        seen += corrected(METHODS["mmd"](*moved[:2]), *moved).p_value <= 0.05
    most = scipy_stats.binom(cases, 0.05).ppf(0.9999)
    assert known <= most < plain
    assert seen > 0.8 * cases


def test_mmd_of_sessions_of_one_row_is_that_of_rows():
    rng = np.random.default_rng(10)
    for _ in range(20):
        drawn = vectors(rng, 0.0, (800, 1.0))
        found = METHODS["mmd"](*drawn[:2])
        assert corrected(found, *drawn).p_value == pytest.approx(found.p_value, abs=0.1)


def in_segments(rng, session, by_session):
    """Numbers, categories and vectors, alike within sessions; segments of sessions, or of rows."""
    count = session.max() + 1 if session is not None else 2000
    rows = np.arange(count) if session is None else session
    alike = 0.0 if session is None else 0.25
    own, noise = rng.normal(size=(count, 8))[rows], rng.normal(size=(len(rows), 8))
    table = np.sqrt(alike) * own + np.sqrt(1 - alike) * noise
    segments = rng.choice(["a", "b", "c"], count, p=[0.5, 0.3, 0.2])[rows]
    if not by_session:
        rng.shuffle(segments)
    names = np.array(["low", "middle", "high"])
    kinds = names[np.digitize(table[:, 6], [-0.5, 0.8])]
    column = np.where(table[:, 7] > 1, np.nan, table[:, 5])
    return {"x": column, "c": kinds.tolist(), "v": table[:, :5], "g": segments.tolist()}


@pytest.mark.parametrize("by_session", [True, False])
def test_segments_keep_their_level_as_the_whole_does(by_session):
    rng = np.random.default_rng(12)
    first = Reference.from_columns(
        in_segments(rng, None, by_session=False),
        features=["x", "c", "v"],
        segments=["g"],
        latency=False,
    )
    cases = 80
    known, plain = Counter(), Counter()
    for _ in range(cases):
        reference = first.holding(Profile.from_rows(in_segments(rng, None, False), first))
        session = np.repeat(np.arange(60), rng.geometric(1 / 20, 60))
        table = in_segments(rng, session, by_session)
        ends = [*np.flatnonzero(np.diff(session)) + 1, len(session)]
        parts = [
            Profile.from_rows({n: column[a:b] for n, column in table.items()}, reference)
            for a, b in pairwise([0, *ends])
        ]
        profile = Profile.merge(parts, reference)
        moments = SessionMoments.of(*parts)
        for counts, sessions in ((known, moments), (plain, None)):
            for one in compare(
                reference, profile, sessions=sessions, methods=("ks", "chisquare", "mmd")
            ):
                if one.segment is not None:
                    tests = [*one.statistics, *([one.missing] if one.missing else [])]
                    counts.update(
                        (one.name, one.segment.value, t.method) for t in tests if t.p_value <= 0.05
                    )
    most = scipy_stats.binom(cases, 0.05).ppf(0.99999)
    assert {name: count for name, count in known.items() if count > most} == {}
    if by_session:
        for name in (
            ("x", "a", "ks"),
            ("c", "a", "chisquare"),
            ("v", "a", "mmd"),
            ("x", "a", "missing"),
        ):
            assert plain[name] > most, name


def test_segments_of_a_single_session_tell_nothing():
    rng = np.random.default_rng(13)
    table = in_segments(rng, None, False)
    reference = Reference.from_columns(table, features=["x", "v"], segments=["g"], latency=False)
    moved = {**table, "x": table["x"] + 1, "v": table["v"] + 1}
    profile = Profile.from_rows(moved, reference)
    for one in compare(reference, profile, sessions=SessionMoments.of(profile)):
        assert one.verdict != "drift"


def test_mmd_needs_two_sessions():
    rng = np.random.default_rng(11)
    feature, current, _ = vectors(rng, 0.0, (50, 5))
    one = of_session(feature, current)
    known = corrected(METHODS["mmd"](feature, current), feature, current, one)
    assert (known.p_value, known.effect_ci_low, known.effect_ci_high) == (1.0, 0.0, np.inf)


def test_the_corrected_t_is_that_of_session_means_of_equal_sessions():
    rng = np.random.default_rng(7)
    means = rng.normal(0.4, 1, 20)
    column = np.repeat(means, 30) + np.tile(np.linspace(-1, 1, 30), 20)
    reference = rng.normal(size=100_000)
    feature = Reference.from_columns({"x": reference})["x"]
    moments = [of_session(feature, feature.count(column[i * 30 : i * 30 + 30])) for i in range(20)]
    current = feature.count(column)
    found = corrected(
        METHODS["t_test"](feature, current), feature, current, sum(moments[1:], moments[0])
    )
    expected = scipy_stats.ttest_1samp(means, reference.mean()).pvalue
    assert found.p_value == pytest.approx(expected, rel=0.02)


def test_compare_takes_sessions():
    rng = np.random.default_rng(8)
    table = {"x": rng.normal(size=5000), "c": rng.choice(["a", "b"], 5000).tolist()}
    reference = Reference.from_columns(table)
    parts = []
    for own in rng.normal(0.1, 0.5, 40):
        gone = rng.random(50) < rng.beta(0.2, 1.8)
        x = np.where(gone, np.nan, rng.normal(own, 0.9, 50))
        parts.append(
            Profile.from_rows({"x": x, "c": rng.choice(["a", "b"], 50).tolist()}, reference)
        )
    profile = Profile.merge(parts, reference)
    moments = SessionMoments.of(*parts)
    plain = compare(reference, profile)[0]
    known = compare(reference, profile, sessions=moments)[0]
    for name in ("ks", "missing"):
        assert known[name].p_value > plain[name].p_value
        assert known[name].effect == plain[name].effect
        assert known[name].effect_ci_low <= plain[name].effect_ci_low
        assert known[name].effect_ci_high > plain[name].effect_ci_high
    one = SessionMoments.of(profile)
    assert compare(reference, profile, sessions=one)[0]["ks"].p_value == 1
