"""Moments, texts, segments and counters: read as documented, merged exactly, refused when hostile."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta, timezone
from math import isnan

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.drift import (
    Profile,
    Reference,
    Segment,
    WireError,
    columns,
    compare,
    kinds,
    result,
    wire,
)
from strandline.drift.histogram import histogram
from strandline.drift.text import checksum

from .strategies import categories, cells

SENTENCES = [
    "The parcel came late and the box was torn",
    "the driver was friendly, thank you!",
    "Late again: 3 days; no excuse",
    "Great service and a great price",
    "",
    "!!!",
    "unheard-of zyzzyva quagga",
]
texts = st.one_of(st.none(), st.sampled_from(SENTENCES), st.text(max_size=12), st.integers(0, 9))
moments = st.one_of(
    st.none(),
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(datetime.isoformat),
    st.dates(date(1990, 1, 1), date(2030, 1, 1)),
    st.floats(-1e9, 1e9),
    st.sampled_from(["NaT", "2015-02-30", "yesterday", "2015-07-01T10:00:00+02:00", True]),
)
regions = st.sampled_from(["north", "south", "north", "island", "", None, "north "])


def frozen():
    draw = random.Random(3)
    n = 400
    return Reference.from_columns(
        {
            "x": [draw.choice([0.0, draw.gauss(0, 1)]) for _ in range(n)],
            "c": [draw.choice("ab") for _ in range(n)],
            "when": [
                datetime(2015, 1, 1) + timedelta(minutes=draw.randrange(300_000)) for _ in range(n)
            ],
            "comment": [draw.choice(SENTENCES) for _ in range(n)],
            "region": [draw.choice(["north", "north", "south", "island", "far"]) for _ in range(n)],
            "score": [draw.random() for _ in range(n)],
        },
        kinds={"comment": "text"},
        roles={"score": "output"},
        counters=["conversion", "refund"],
        segments=["region", "c"],
        max_segments=2,
        features=["x", "c", "when", "comment", "score"],
        system=["load_ms", "memory_mb"],
    )


REFERENCE = frozen()


@st.composite
def batches(draw):
    rows = draw(st.integers(0, 12))
    columns = {"x": cells, "c": categories, "when": moments, "comment": texts, "region": regions}
    table = {n: draw(st.lists(s, min_size=rows, max_size=rows)) for n, s in columns.items()}
    if draw(st.booleans()):
        table["score"] = [0.5] * rows
    counts = draw(st.dictionaries(st.sampled_from(REFERENCE.counters), st.integers(0, 2**40)))
    return table | {"latency_ms": [1.5]}, counts


def counted(batch):
    table, counts = batch
    profile = Profile(REFERENCE)
    profile.update(table)
    for name, by in counts.items():
        profile.count(name, by)
    return profile


def text(profile):
    return json.dumps(profile.to_wire())


@given(st.lists(batches(), min_size=1, max_size=5), st.randoms())
def test_merging_is_bit_identical_in_any_order_and_grouping(parts, rng):
    whole = Profile(REFERENCE)
    for table, counts in parts:
        whole.update(table)
        for name, by in counts.items():
            whole.count(name, by)
    heap = [counted(part) for part in parts]
    rng.shuffle(heap)
    while len(heap) > 1:
        heap.insert(rng.randrange(len(heap) - 1), heap.pop() + heap.pop(0))
    assert text(heap[0]) == text(whole)
    assert heap[0] + Profile(REFERENCE) == whole


@given(batches())
def test_wire_and_back(batch):
    found = counted(batch)
    document = json.loads(text(found))
    wire.check(document, wire.PROFILE)
    back = Profile.from_wire(document, REFERENCE)
    assert back == found
    assert text(back) == text(found)
    assert back.counters == {"conversion": 0, "refund": 0} | batch[1]


@given(batches())
def test_segments_add_up_to_the_whole_and_hold_their_rows(batch):
    found = counted(batch)
    for segmentation in REFERENCE.segmentations:
        parts = [found.segment(segment) for segment in segmentation.segments]
        for name in parts[0]:
            total = REFERENCE[name].empty()
            for part in parts:
                total += part[name]
            assert total == found[name]
    table = batch[0]
    north = [i for i, region in enumerate(table["region"]) if region == "north"]
    alone = Profile(REFERENCE)
    alone.update({n: [c[i] for i in north] for n, c in table.items() if n != "latency_ms"})
    expected = {n: alone[n] for n in found.segment(Segment("region", "north"))}
    assert found.segment(Segment("region", "north")) == expected


def test_a_reference_with_everything_survives_its_json():
    back = Reference.from_json(REFERENCE.to_json())
    assert back == REFERENCE
    assert back.sha256 == REFERENCE.sha256
    assert [one.segments for one in back.segmentations] == [
        (Segment("region", "north"), Segment("region", "south"), Segment("region", None)),
        (Segment("c", "b"), Segment("c", "a"), Segment("c", None)),
    ]
    assert "c" not in back.segmentations[1].tallies[0]
    assert [f.name for f in back] == [
        *("x", "c", "when", "comment: length", "comment: words", "comment: non letters"),
        *("comment: unknown words", "score", "latency_ms", "load_ms", "memory_mb"),
    ]


def test_one_column_of_moments_in_any_dress_gives_one_tally():
    stamps = ["2015-07-01T10:00:00", "2016-02-29T23:59:59.250000", None, "1969-12-31T00:00:00"]
    frame = pd.DataFrame({"when": pd.to_datetime(pd.Series(stamps), format="ISO8601")})
    objects = [None if s is None else datetime.fromisoformat(s) for s in stamps]
    east = timezone(timedelta(hours=5))
    aware = [None if m is None else m.replace(tzinfo=UTC).astimezone(east) for m in objects]
    feature = REFERENCE["when"]
    dresses = [
        stamps,
        objects,
        aware,
        frame["when"].to_numpy(),
        columns.as_columns(frame)["when"],
        columns.as_columns(frame.assign(when=frame["when"].dt.tz_localize("UTC")))["when"],
        columns.as_columns(pa.table({"when": objects}))["when"],
    ]
    tallies = [feature.count(column) for column in dresses]
    assert all(tally == tallies[0] for tally in tallies)
    assert (tallies[0].n, tallies[0].missing, tallies[0].invalid) == (3, 1, 0)
    assert tallies[0].minimum == -86400.0
    assert tallies[0].maximum == datetime(2016, 2, 29, 23, 59, 59, 250000, UTC).timestamp()


def test_a_day_is_its_midnight_and_nonsense_is_invalid():
    tally = REFERENCE["when"].count([date(1970, 1, 2), "1970-01-02", "soon", True, "2015-02-30"])
    assert (tally.n, tally.invalid, tally.minimum, tally.maximum) == (2, 3, 86400.0, 86400.0)


def test_moments_are_inferred_and_drawn_as_dates():
    days = np.datetime64("2015-01-01") + np.arange(365)
    feature = Reference.from_columns({"day": days})["day"]
    assert feature.kind == "datetime"
    bars = histogram(feature, feature.count(days[200:]))
    assert bars.labels[1] == "2015-01-01 – 2015-01-29"
    assert sum(bars.current) == pytest.approx(1)
    hours = histogram(feature, feature.count(["2015-01-01T10:00"]))
    assert max(hours.current) == 1
    single = Reference.from_columns({"t": ["2015-07-01T10:30:00"] * 3})["t"]
    assert histogram(single, single.tally).labels == ("2015-07-01 10:30:00", "other")


def test_moments_are_compared_as_numbers_are():
    draw = np.random.default_rng(0)
    start = np.datetime64("2015-01-01T00:00:00")
    seconds = draw.integers(0, 10**7, 3000)
    reference = Reference.from_columns({"t": start + seconds})
    plain = Reference.from_columns({"t": seconds.astype(float)})
    later = draw.integers(10**6, 10**7, 500)
    ours = compare(reference, Profile.from_rows({"t": start + later}, reference))[0]
    numbers = compare(plain, Profile.from_rows({"t": later.astype(float)}, plain))[0]
    assert ours.verdict == "drift"
    assert ours["ks"] == numbers["ks"]
    document = result(reference, Profile.from_rows({"t": start + later}, reference))
    wire.check(json.loads(json.dumps(document)), wire.RESULT)


def test_free_text_is_told_from_categories():
    prose = [f"order {i} came {i % 7} days late" for i in range(40)]
    assert kinds.infer_kind(prose) == "text"
    assert kinds.infer_kind(["north sea coast", "south sea coast"] * 20) == "categorical"
    assert kinds.infer_kind([f"id{i}" for i in range(40)]) == "categorical"


def test_descriptors_say_what_texts_are_like():
    reference = Reference.from_columns(
        {"t": ["the cat sat", "the dog sat", None, "ñandú 42!"]}, kinds={"t": "text"}, latency=False
    )
    means = {f.name.removeprefix("t: "): f.tally.mean for f in reference}
    assert means["length"] == pytest.approx((11 + 11 + 9) / 3)
    assert means["words"] == pytest.approx(8 / 3)
    assert means["non letters"] == pytest.approx(3 / 8 / 3)
    assert means["unknown words"] == pytest.approx((1 / 3 + 1 / 3 + 2 / 2) / 3)
    words = reference["t: unknown words"].reading.words
    assert words == {checksum("the"), checksum("sat")}
    assert "the" not in reference.to_json()
    assert all((f.tally.missing, f.tally.invalid) == (1, 0) for f in reference)
    assert reference["t: length"].count([3.5, float("nan"), object(), "  "]).rows == 4


def test_texts_drift_by_their_words():
    draw = random.Random(1)
    words = [f"word{chr(97 + i)}" for i in range(26)]
    reference = Reference.from_columns(
        {"t": [" ".join(draw.choices(words, k=8)) for _ in range(500)]}
    )
    strange = [" ".join(["Zug", *draw.choices(words, k=7)]) for _ in range(300)]
    found = compare(reference, Profile.from_rows({"t": strange}, reference))
    verdicts = {one.name: one.verdict for one in found}
    assert verdicts["t: unknown words"] == "drift"
    assert verdicts["t: words"] == "no drift"


def test_rows_without_a_segment_column_are_among_the_others():
    found = Profile(REFERENCE)
    found.update({"x": [1.0, 2.0]})
    found.update({"x": np.array([1.0, 2.0, 3.0]), "region": ["north", "far", None]})
    others, north = Segment("region", None), Segment("region", "north")
    assert found.segment(others)["x"].n == 4
    assert found.segment(north)["x"].n == 1
    assert found["x"].n == 5
    with pytest.raises(KeyError):
        found.segment(Segment("region", "far"))
    with pytest.raises(KeyError):
        found.segment(Segment("x", "1"))


def test_segments_need_rows_of_one_length_and_count_whole_or_not_at_all():
    found = Profile(REFERENCE)
    for column in ([1.0, 2.0], np.array([1.0, 2.0])):
        with pytest.raises(ValueError, match="differ in length"):
            found.update({"x": column, "region": ["north"]})
    assert found == Profile(REFERENCE)
    with pytest.raises(ValueError, match="no column 'region'"):
        Profile.from_rows({"x": [1], "c": ["a"], "when": [0], "comment": [""]}, REFERENCE)


def test_drift_in_one_segment_is_found_there():
    draw = np.random.default_rng(5)
    n = 6000
    region = draw.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]).tolist()
    table = {"x": draw.normal(size=n), "region": region}
    reference = Reference.from_columns(table, segments=["region"], max_segments=2)
    moved = {"x": draw.normal(size=n), "region": region}
    moved["x"][np.array(region) == "c"] += 1
    found = compare(reference, Profile.from_rows(moved, reference))
    drifted = {(one.segment, one.name) for one in found if one.verdict == "drift"}
    assert drifted == {(Segment("region", None), "x")}
    document = result(reference, Profile.from_rows(moved, reference))
    wire.check(json.loads(json.dumps(document)), wire.RESULT)
    assert [(s["value"], s["rows"], s["drifted"]) for s in document["segments"]] == [
        ("a", region.count("a"), 0),
        ("b", region.count("b"), 0),
        (None, region.count("c"), 1),
    ]
    assert [one["name"] for one in document["segments"][0]["features"]] == ["x"]


def test_all_features_and_segments_are_one_family():
    draw = np.random.default_rng(6)
    alarms = 0
    for _ in range(60):

        def table(n=900):
            return {f"x{i}": draw.normal(size=n) for i in range(3)} | {
                "s": draw.choice(list("abcdef"), n).tolist()
            }

        reference = Reference.from_columns(table(), segments=["s"])
        found = compare(
            reference,
            Profile.from_rows(table(), reference),
            methods=["ks", "chisquare"],
            floors={"ks": 0, "chisquare": 0},
        )
        assert len(found) == 5 + 7 * 3
        alarms += any(one.verdict == "drift" for one in found)
    assert alarms <= 9  # binomial(60, 0.05): P(more than 9) < 1e-3


GOOD = counted(
    (
        {"x": [0.0, 1.0, 2.0, None], "c": ["a", "b", "z", None], "when": [0, 1, 2, None]}
        | {"comment": ["a", "b c", None, ""], "region": ["north", "south", None, "north"]},
        {"refund": 3},
    )
).to_wire()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["counters", "refund"], -1, "whole number"),
        (["counters", "refund"], 1.0, "whole number"),
        (["counters", "refund"], True, "whole number"),
        (["counters", "refund"], 2**53, "whole number"),
        (["counters", "other"], 1, "no such counter"),
        (["counters"], [], "must be an object"),
        (["segments"], [], "must be an object"),
        (["segments"], {}, "do not add up to the whole of"),
        (["segments", "x"], [], "no such segments"),
        (["segments", "region"], None, "do not add up"),
        (["segments", "region"], {}, "must be a list of 3 parts"),
        (["segments", "region"], [{}, {}], "must be a list of 3 parts"),
        (["segments", "region", 0], [], "must be an object"),
        (["segments", "region", 0], {}, "do not add up"),
        (["segments", "region", 0, "y"], {"counts": []}, "no such feature"),
        (["segments", "region", 0, "x", "counts"], [1], "counts, has"),
        (["segments", "region", 0, "x", "missing"], 2, "do not add up"),
        (["segments", "region", 0, "x", "sum"], "1p-9", "squares is smaller|does not lie"),
        (["segments", "c", 0, "c"], GOOD["features"]["c"], "do not add up"),
        (["segments", "region", 0, "latency_ms"], {"counts": [0]}, "counts, has"),
    ],
    ids=str,
)  # fmt: skip
def test_refuses_segments_and_counters_that_can_not_be(path, value, message):
    document = deepcopy(GOOD)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(WireError, match=message):
        Profile.from_wire(document, REFERENCE)


def test_counters_count_up_by_their_names():
    found = Profile(REFERENCE)
    found.count("refund")
    found.count("refund", 4)
    assert found.counters == {"conversion": 0, "refund": 5}
    assert found.rows == 0
    assert (found + found).counters["refund"] == 10
    for name, by in (("other", 1), ("refund", -1), ("refund", 1.5), ("refund", True)):
        with pytest.raises(ValueError, match="counter"):
            found.count(name, by)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["segments"][0]["tallies"].pop(), "needs 3 parts"),
        (lambda d: d["segments"][0]["tallies"][0].pop("x"), "do not add up"),
        (lambda d: d["segments"].append(d["segments"][0]), "there twice"),
        (lambda d: d["counters"].append("refund"), "there twice"),
        (lambda d: d["features"][3].pop("column"), "go together"),
        (lambda d: d["features"][3].update(descriptor="taste"), "descriptor"),
        (lambda d: d["counters"].append("a\x1fb"), "unit separator"),
    ],
)
def test_refuses_references_that_can_not_be(change, message):
    document = json.loads(REFERENCE.to_json())
    change(document)
    with pytest.raises(WireError, match=message):
        Reference.from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"segments": ["y"]}, "no column 'y'"),
        ({"features": ["y"]}, "no column 'y'"),
        ({"max_segments": 64, "segments": ["x"]}, "at most 64"),
        ({"segments": ["none"]}, "'none' has no values to split by"),
        ({"system": ["speed"]}, "no system feature speed"),
        ({"counters": [""]}, "1 to 200"),
        ({"counters": ["a\x1fb"]}, "unit separator"),
    ],
)
def test_refuses_options_that_mean_nothing(options, message):
    with pytest.raises(ValueError, match=message):
        Reference.from_columns({"x": [1.0, 2.0], "none": [None, None]}, **options)


def test_moment_text_has_no_end():
    assert columns.moment_text(0.0) == "1970-01-01 00:00:00"
    assert columns.moment_text(86400.0 * 45, days_only=True) == "1970-02-15"
    assert columns.moment_text(1e300) == "1e+300 s"
    assert isnan(columns.moment("NaT"))
