"""Quality inside references and profiles: what is written is read, and nothing else is."""

from __future__ import annotations

import copy
import gzip
import json
import random

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry, Resource

from strandline.drift import Profile, Reference, WireError
from strandline.drift.quality import Quality, estimate
from strandline.drift.quality.wire import from_wire, to_wire
from strandline.drift.wire import schema
from tests.drift.quality.test_merge import TASKS

ROWS = {
    "binary": {"y": [0, 1] * 20, "label": [0, 1, 1, 1] * 10, "p": [0.1, 0.9, 0.6, 0.7] * 10},
    "multiclass": {
        "y": ["a", "b", "c", "a"] * 10,
        "label": ["a", "b", "b", "a"] * 10,
        "pa": [0.7, 0.1, 0.2, 0.5] * 10,
        "pb": [0.2, 0.8, 0.5, 0.3] * 10,
        "pc": [0.1, 0.1, 0.3, 0.2] * 10,
    },
    "regression": {"y": [1.5, 2.0, -3.0, 0.25] * 10, "label": [1.0, 2.5, -2.0, 0.0] * 10},
}
SCORES = {"binary": "p", "multiclass": {"a": "pa", "b": "pb", "c": "pc"}, "regression": None}


def reference(kind):
    rows = ROWS[kind]
    quality = Quality.from_table(rows, kind, "y", "label", SCORES[kind])
    return Reference.from_columns(rows, quality=quality)


@pytest.fixture(params=ROWS)
def kind(request):
    return request.param


def test_a_reference_is_read_as_it_was_written(kind):
    frozen = reference(kind)
    assert Reference.from_json(frozen.to_json()) == frozen
    assert "y" not in frozen and frozen.quality.n == 40


def test_a_profile_is_read_as_it_was_written(kind):
    frozen = reference(kind)
    profile = Profile(frozen)
    rows = {name: column[:6] for name, column in ROWS[kind].items()}
    target = rows.pop("y")
    profile.update(rows)
    profile.label({"y": target[:3], **{name: column[:3] for name, column in rows.items()}})
    wire = json.loads(json.dumps(profile.to_wire()))
    assert Profile.from_wire(wire, frozen) == profile
    assert profile.quality.n == 3
    assert profile.quality == Profile.from_wire(wire, frozen).quality
    _validate(wire, "profile-1")
    _validate(json.loads(frozen.to_json()), "reference-1")


def _validate(document, name):
    resources = [
        (f"{n}.json", Resource.from_contents(schema(n))) for n in ("profile-1", "reference-1")
    ]
    registry = Registry().with_resources(resources)
    jsonschema.Draft202012Validator(schema(name), registry=registry).validate(document)


def test_labels_and_predictions_in_one_table_are_both_counted(kind):
    frozen = reference(kind)
    assert Profile.from_rows(ROWS[kind], frozen).quality == frozen.quality


def test_rows_one_by_one_are_the_table(kind):
    frozen = reference(kind)
    whole, single, labels = Profile.from_rows(ROWS[kind], frozen), Profile(frozen), Profile(frozen)
    order = list(range(40))
    random.Random(3).shuffle(order)
    for i in order:
        row = {name: [column[i]] for name, column in ROWS[kind].items()}
        target = row.pop("y")
        single.update(row)
        labels.label({"y": target, **row})
    assert single + labels == whole
    assert (single + labels).quality.metrics() == frozen.quality.metrics()


def test_estimates_come_from_the_wire(kind):
    frozen = Reference.from_json(reference(kind).to_json())
    seen = Profile.from_wire(Profile.from_rows(ROWS[kind], frozen).to_wire(), frozen)
    assert bool(estimate(frozen.quality, seen.quality)) is (kind != "regression")


def test_a_batch_that_fails_counts_nothing():
    frozen = reference("binary")
    profile = Profile(frozen)
    with pytest.raises(ValueError, match="columns differ in length"):
        profile.update({"label": [1], "p": [0.5, 0.5]})
    with pytest.raises(ValueError, match="needs 'y' beside it"):
        profile.label({"label": [1], "p": [0.5]})
    assert profile == Profile(frozen)
    plain = Profile(Reference.from_columns({"x": [1.0, 2.0]}))
    assert plain.quality is None
    with pytest.raises(ValueError, match="frozen without labels"):
        plain.label({"y": [1]})


def test_what_it_costs_on_the_wire():
    """A window of 500 scored and labelled rows: within 2 KB."""
    rng = random.Random(1)
    scores = [rng.random() for _ in range(5000)]
    rows = {"y": [int(rng.random() < p) for p in scores], "p": scores}
    frozen = Reference.from_columns(
        rows, quality=Quality.from_table(rows, "binary", "y", scores="p")
    )
    seen = Profile.from_rows({name: column[:500] for name, column in rows.items()}, frozen)
    text = json.dumps(seen.to_wire()["quality"], separators=(",", ":"))
    assert len(gzip.compress(text.encode())) < 2048


@settings(max_examples=150)
@given(data=st.data())
def test_what_no_rows_could_give_is_refused(data):
    """One number of a document changed: it is refused, or what it makes is written just so."""
    kind = data.draw(st.sampled_from(sorted(ROWS)))
    quality = reference(kind).quality
    wire = json.loads(json.dumps(to_wire(quality)))
    place, key = data.draw(st.sampled_from(list(_leaves(wire))))
    place[key] = data.draw(
        st.one_of(
            st.integers(-3, 2**60),
            st.sampled_from([None, True, 0.5, "1p0", "-1p0", "ffffffffp9", "1p9999", "x", [], {}]),
        )
    )
    try:
        read = from_wire(quality.task, wire, "$")
    except WireError as error:
        assert str(error).startswith("$")
    else:
        assert to_wire(read) == wire
        read.metrics()
        estimate(quality, read)


def _leaves(node):
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        yield node, key
        if isinstance(value, (dict, list)):
            yield from _leaves(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w["sums"].update(log_loss="0p0", log_loss_squares="1p0"), "not a sum of"),
        (lambda w: w["scores"][0]["positive"].__setitem__(0, 999), "more labels than"),
        (lambda w: w.pop("confusion"), "no confusion matrix"),
        (lambda w: w.pop("sums"), "sums belong to scores"),
        (lambda w: w.update(extra=1), "extra, which does not belong"),
        (lambda w: w["predictions"].append([0]), "predictions: needs 1 classes"),
    ],
)
def test_refusals_name_the_place(change, message):
    quality = reference("binary").quality
    wire = copy.deepcopy(to_wire(quality))
    change(wire)
    with pytest.raises(WireError, match=message):
        from_wire(quality.task, wire, "$.quality")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cuts": [[1.0, 0.5]]}, "cuts must ascend"),
        ({"classes": ["a", "a"]}, "a class is there twice"),
        ({"classes": ["a", "b", "c"]}, "3 classes are no binary task"),
        ({"scores": []}, "scores"),
        ({"unit": 3}, "unit, which does not belong"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused(change, message):
    document = json.loads(reference("binary").to_json())
    document["quality"]["task"] |= change
    with pytest.raises(WireError, match=message):
        Reference.from_json(json.dumps(document))


def test_another_reference_has_no_quality():
    frozen = Reference.from_columns({"x": [1.0, 2.0]})
    wire = Profile(frozen).to_wire() | {"quality": {}}
    with pytest.raises(WireError, match="frozen without labels"):
        Profile.from_wire(wire, frozen)


@pytest.mark.parametrize("kind", TASKS)
def test_nothing_is_written_of_nothing(kind):
    assert to_wire(Quality.empty(TASKS[kind])) == {}
