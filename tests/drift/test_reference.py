from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given

from strandline.drift import Profile, Reference, WireError

from .strategies import tables


def example():
    rng = np.random.default_rng(0)
    return Reference.from_columns(
        {
            "delay": np.where(rng.random(1000) < 0.3, 0.0, rng.lognormal(size=1000)),
            "airline": rng.choice(["WN", "DL", "AA"], 1000, p=[0.5, 0.3, 0.2]).tolist(),
            "late": rng.random(1000) < 0.2,
        },
        roles={"late": "output"},
    )


@given(tables().filter(lambda table: table["x"]))
def test_json_and_back(table):
    reference = Reference.from_columns(table)
    text = reference.to_json()
    back = Reference.from_json(text)
    assert back == reference
    assert back.to_json() == text
    assert back.sha256 == hashlib.sha256(text.encode()).hexdigest()


@given(tables().filter(lambda table: table["x"]))
def test_holds_the_profile_of_its_own_rows(table):
    reference = Reference.from_columns(table)
    found = Profile.from_rows(table, reference)
    assert found.rows == reference.rows == len(table["x"])
    for feature in reference:
        assert found[feature.name] == feature.tally


def test_kinds_roles_and_order():
    reference = example()
    assert [(f.name, f.kind, f.role) for f in reference] == [
        ("delay", "numeric", "feature"),
        ("airline", "categorical", "feature"),
        ("late", "categorical", "output"),
        ("latency_ms", "numeric", "system"),
    ]
    assert reference["airline"].vocabulary == ("WN", "DL", "AA")
    assert reference["late"].vocabulary == ("False", "True")
    assert "airline" in reference and "x" not in reference
    assert len(reference) == 4


def test_row_order_does_not_change_it():
    table = {"x": [3.0, 1.0, 2.0, 1.0, None], "c": ["b", "a", "b", "c", "a"]}
    turned = {name: column[::-1] for name, column in table.items()}
    assert Reference.from_columns(table).sha256 == Reference.from_columns(turned).sha256


def test_rare_categories_are_others():
    column = [f"category {i}" for i in range(100) for _ in range(i + 1)]
    feature = Reference.from_columns({"c": column}, max_categories=10)["c"]
    assert feature.vocabulary == tuple(f"category {i}" for i in range(99, 89, -1))
    assert feature.tally.unseen == sum(range(1, 91))


def test_kinds_can_be_told():
    reference = Reference.from_columns({"x": [1, 2] * 50}, kinds={"x": "numeric"})
    assert reference["x"].kind == "numeric"
    assert 1.0 in reference["x"].cuts


def test_a_column_of_its_own_for_latency():
    reference = Reference.from_columns({"latency_ms": [1.0, 2.5]}, roles={"latency_ms": "system"})
    assert len(reference) == 1
    assert reference.rows == 0


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ({}, {}, "no rows"),
        ({"x": []}, {}, "no rows"),
        ({"x": [1], "y": [1, 2]}, {}, "differ in length"),
        ({"x": [1]}, {"kinds": {"y": "numeric"}}, "no column 'y'"),
        ({"x": [1]}, {"roles": {"y": "output"}}, "no column 'y'"),
        ({"x": [1]}, {"bins": 1}, "bins must be"),
        ({"": [1]}, {}, "1 to 200 characters"),
    ],
)
def test_refuses(table, options, message):
    with pytest.raises(ValueError, match=message):
        Reference.from_columns(table, **options)


def changed(change):
    document = json.loads(example().to_json())
    change(document["features"])
    return json.dumps(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.append(f[0]), "'delay' is there twice"),
        (lambda f: f[0]["cuts"].reverse(), "cuts must ascend"),
        (lambda f: f[0]["cuts"].pop(), r"features\[0\].tally: needs"),
        (lambda f: f[0].pop("cuts"), "lacks 'cuts'"),
        (lambda f: f[1]["vocabulary"].__setitem__(0, "DL"), "twice in the vocabulary"),
        (lambda f: f[1].update(kind="numeric"), "lacks 'cuts'"),
        (lambda f: f[1].update(role="input"), "role: must be 'feature' or"),
        (lambda f: f[1]["tally"]["counts"].append(1), "needs 4 counts"),
    ],
)
def test_refuses_documents_that_can_not_be(change, message):
    with pytest.raises(WireError, match=message):
        Reference.from_json(changed(change))


def test_refuses_text_that_is_no_json():
    with pytest.raises(WireError, match="not JSON"):
        Reference.from_json("{")
    with pytest.raises(WireError, match="not JSON"):
        Reference.from_json("[" * 100_000)
