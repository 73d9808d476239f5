from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.collector.envelope import (
    BodyError,
    Report,
    content_hash,
    decode_post,
    decode_report,
    identify,
)
from strandline.drift import wire
from tests.collector.samples import report

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def encode(document: Any) -> bytes:
    return json.dumps(document).encode()


def resolved(node: Any, name: str = wire.REPORT) -> Any:
    """A published schema node without its references and remarks."""
    if "$ref" in node:
        file, _, pointer = node["$ref"].partition("#")
        name = file.removesuffix(".json") or name
        target: Any = wire.schema(name)
        for key in filter(None, pointer.split("/")):
            target = target[key]
        return resolved(target, name)
    return {key: value for key, value in node.items() if key not in {"description", "title"}}


def test_the_struct_is_the_published_schema() -> None:
    published = wire.schema(wire.REPORT)
    ours = msgspec.json.schema(Report)["$defs"]["Report"]
    assert set(ours["required"]) == set(published["required"]) == set(ours["properties"])
    assert ours["additionalProperties"] is published["additionalProperties"] is False
    for field, node in ours["properties"].items():
        theirs = resolved(published["properties"][field])
        if field == "schema":
            assert node == {"enum": [theirs["const"]]}
        elif field == "profile":
            assert node == {"type": "object"} == {"type": theirs["type"]}
        else:
            assert node == theirs


def test_what_a_page_sends_is_decoded() -> None:
    sent = report()
    decoded = decode_report(encode(sent))
    assert {name: getattr(decoded, name) for name in sent} == sent
    assert decoded.ended_at().isoformat(timespec="milliseconds") == sent["ended"].replace(
        "Z", "+00:00"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "strandline.report/2"}, "schema"),
        ({"id": "1234"}, "id"),
        ({"id": 7}, r"Expected `str`, got `int` - at `\$.id`"),
        ({"model": ""}, "model"),
        ({"model": "m" * 201}, "model"),
        ({"reference": "A" * 64}, "reference"),
        ({"session": None}, "session"),
        ({"seq": -1}, "seq"),
        ({"seq": 1.5}, "seq"),
        ({"ended": "2025-07-01T09:00:00"}, "ended"),
        ({"ended": "2025-07-01T09:00:00+02:00"}, "ended"),
        ({"profile": []}, "profile"),
        ({"remark": "x"}, "remark"),
    ],
)
def test_a_report_of_another_form_is_refused_with_the_place(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BodyError, match=message):
        decode_report(encode(report(**changes)))


@pytest.mark.parametrize("ended", ["2025-13-01T09:00:00Z", "2025-07-01T25:00:00Z"])
def test_a_date_that_does_not_exist_is_refused(ended: str) -> None:
    with pytest.raises(BodyError, match="ended"):
        decode_report(encode(report(ended=ended))).ended_at()


@pytest.mark.parametrize("fraction", ["", ".1", ".123", ".123456", ".123456789"])
def test_fractions_of_a_second_are_read(fraction: str) -> None:
    decoded = decode_report(encode(report(ended=f"2025-07-01T09:00:00{fraction}Z")))
    assert decoded.ended_at().second == 0


def nested(depth: int) -> bytes:
    return b'{"key": "k", "reports": ' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b'{"key": "k"}',
        b'{"key": 1, "reports": []}',
        b'{"key": "k", "reports": {}}',
        b'{"key": "\xff", "reports": []}',
        b'{"key": "k", "reports": [NaN]}',
        b'{"key": "k", "reports": []} more',
        nested(100_000),
    ],
)
def test_a_body_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(BodyError):
        decode_post(body)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(body: bytes) -> None:
    for decode in (decode_post, decode_report):
        with suppress(BodyError):
            decode(body)
    identify(body)
    content_hash(body)


@given(JSON)
def test_no_json_does_more_than_be_refused(document: Any) -> None:
    with pytest.raises(BodyError):
        decode_report(encode(document))
    identify(encode(document))


def test_a_deep_report_is_refused() -> None:
    deep = encode(report()).replace(b'"seq": 0', b'"seq": ' + b"[" * 9000 + b"]" * 9000)
    with pytest.raises(BodyError):
        decode_report(deep)
    assert len(content_hash(deep)) == 32


def test_a_bad_report_is_named_as_far_as_it_can_be_read() -> None:
    sent = report(seq="x")
    assert identify(encode(sent)) == (UUID(sent["id"]), "cars", "1")
    assert identify(encode(sent | {"id": "x", "model": 3})) == (None, None, "1")
    assert identify(encode(sent | {"model": "m" * 500}))[1] == "m" * 200
    assert identify(b"{") == (None, None, None)


@given(st.dictionaries(st.text(), JSON, max_size=6), st.randoms())
def test_the_content_hash_ignores_order_and_spaces(document: dict[str, Any], random: Any) -> None:
    keys = list(document)
    random.shuffle(keys)
    shuffled = json.dumps({key: document[key] for key in keys}, indent=3).encode()
    assert content_hash(encode(document)) == content_hash(shuffled)


def test_the_content_hash_sees_every_value() -> None:
    one = report()
    assert content_hash(encode(one)) != content_hash(encode(one | {"seq": 1}))
