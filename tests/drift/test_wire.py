"""The published schemas and the code that reads and writes hold each other."""

from __future__ import annotations

import json
from copy import deepcopy

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry, Resource

from strandline.drift import Profile, Reference, SessionMoments, WireError, result, wire

NAMES = [wire.PROFILE, wire.REPORT, wire.REFERENCE, wire.RESULT, wire.SESSIONS]
TABLE = {"x": [0.5, 1.5, 2.5, None], "c": ["a", "b", "b", ""]}
FROZEN = Reference.from_columns(TABLE)
SEEN = Profile.from_rows({"x": [0.5, "?", 9.0], "c": ["a", None, "z"]}, FROZEN)
REPORT = {
    "schema": "strandline.report/1",
    "id": "6f1f3a52-6c1b-4c6e-9a53-3b7a3b0f9a10",
    "model": "delays",
    "version": "1",
    "reference": FROZEN.sha256,
    "session": "0b3f7f0e-52b1-4c53-8f0c-0f6f4f1c9d11",
    "seq": 0,
    "started": "2015-07-01T00:00:00.000Z",
    "ended": "2015-07-01T00:01:00Z",
    "profile": SEEN.to_wire(),
}
DOCUMENTS = {
    wire.PROFILE: SEEN.to_wire(),
    wire.REPORT: REPORT,
    wire.REFERENCE: json.loads(FROZEN.to_json()),
    wire.SESSIONS: SessionMoments.of(SEEN).to_wire(),
    wire.RESULT: result(FROZEN, SEEN) | {"about": {"title": "a test", "sessions": 3}},
}
REGISTRY = Registry().with_resources(
    (f"{name}.json", Resource.from_contents(wire.schema(name))) for name in NAMES
)


def oracle(name):
    return jsonschema.Draft202012Validator(wire.schema(name), registry=REGISTRY)


def accepts(document, name):
    try:
        wire.check(document, name)
    except WireError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_the_schemas_are_schemas(name):
    jsonschema.Draft202012Validator.check_schema(wire.schema(name))
    assert wire.schema(name)["$id"] == f"{name}.json"


@pytest.mark.parametrize("name", NAMES)
def test_what_the_code_writes_is_what_the_schema_says(name):
    document = json.loads(json.dumps(DOCUMENTS[name]))
    oracle(name).validate(document)
    wire.check(document, name)


def places(document, path=()):
    yield path
    items = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document[:3])
        if isinstance(document, list)
        else ()
    )
    for key, item in items:
        yield from places(item, (*path, key))


WRONG = st.sampled_from(
    [None, True, -1, 0, 1.5, 2**53, "", "x", "1p0", "0" * 64, [], [1], [[]], {}, {"counts": []}]
)


@st.composite
def spoilt(draw):
    """A document with one thing replaced, removed or added."""
    name = draw(st.sampled_from(NAMES))
    document = deepcopy(json.loads(json.dumps(DOCUMENTS[name])))
    path = draw(st.sampled_from([p for p in places(document) if p]))
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    how = draw(st.sampled_from(["replace", "remove", "add"]))
    if how == "replace":
        holder[path[-1]] = draw(WRONG)
    elif how == "remove":
        del holder[path[-1]]
    elif isinstance(holder, dict):
        holder["another"] = draw(WRONG)
    else:
        holder.append(draw(WRONG))
    return name, document


@settings(max_examples=500)
@given(spoilt())
def test_the_validator_judges_as_json_schema_does(case):
    name, document = case
    assert accepts(document, name) == oracle(name).is_valid(document)


@settings(max_examples=300)
@given(spoilt())
def test_the_profile_reader_is_at_least_as_strict_as_the_schema(case):
    name, document = case
    if name != wire.PROFILE:
        return
    try:
        Profile.from_wire(document, FROZEN)
    except WireError:
        return
    oracle(name).validate(document)


@pytest.mark.parametrize(
    ("document", "name", "message"),
    [
        ({}, wire.PROFILE, r"\$: lacks 'schema'"),
        ([], wire.PROFILE, r"\$: must be of type object"),
        (float("nan"), wire.RESULT, "must be of type object"),
        (REPORT | {"seq": -1}, wire.REPORT, r"\$\.seq: must lie between 0"),
        (REPORT | {"id": "7"}, wire.REPORT, r"\$\.id: '7' is not of the form"),
        (REPORT | {"more": 1}, wire.REPORT, "has 'more', which the schema does not know"),
        (REPORT | {"model": ""}, wire.REPORT, r"\$\.model: has 0 characters, not 1 to 200"),
        (REPORT | {"schema": "x"}, wire.REPORT, "must be 'strandline.report/1'"),
    ],
)
def test_errors_name_the_place(document, name, message):
    with pytest.raises(WireError, match=message):
        wire.check(document, name)


def test_every_keyword_of_the_schemas_is_understood():
    known = wire._KEYWORDS.keys() | wire._PARTNERS.keys() | wire._ANNOTATIONS

    def visit(node):
        assert node.keys() <= known
        for key in ("properties", "$defs"):
            for sub in node.get(key, {}).values():
                visit(sub)
        for key in ("items", "propertyNames", "additionalProperties"):
            if isinstance(node.get(key), dict):
                visit(node[key])
        for sub in node.get("oneOf", []):
            visit(sub)

    for name in NAMES:
        visit(wire.schema(name))


def test_canonical_text_has_one_spelling():
    assert wire.canonical({"b": 1.0, "a": ["é", None]}) == '{"a":["\\u00e9",null],"b":1.0}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        wire.canonical([float("nan")])
