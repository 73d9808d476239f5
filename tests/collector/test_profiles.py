"""Hostile profiles: whatever is sent is refused with a reason, or can be merged."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strandline.collector.envelope import BodyError, decode_report
from strandline.collector.profiles import (
    SESSIONS,
    Catalogue,
    ProfileError,
    moments_of,
    profile_of,
)
from strandline.collector.register import register
from strandline.collector.sqlite import SQLiteStorage
from strandline.collector.storage import Part
from strandline.drift import Profile, SessionMoments
from tests.collector import samples

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
SUMS = st.from_regex(r"-?[0-9a-f]{1,30}p-?[0-9]{1,5}", fullmatch=True)
WHOLE = st.integers(-2, 2**64)


def merge(
    catalogue: Catalogue, model_id: int, held: Mapping[str, str], *profiles: Profile
) -> dict[str, str]:
    """A window's features once it has these profiles, each of a session of its own."""
    parts = {uuid4(): Part(None, [profile]) for profile in profiles}
    return dict(catalogue.merge(model_id, held, parts).features)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    storage = SQLiteStorage(tmp_path / "test.db")
    register(storage, json.dumps(samples.manifest()), samples.reference().to_json())
    yield Catalogue(storage)
    storage.close()


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_profile_is_refused_or_counted(catalogue: Catalogue, data: st.DataObject) -> None:
    report = copy.deepcopy(samples.report(samples.rows(6, 3)))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(report["profile"]))))
        node = report["profile"]
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = data.draw(JSON | SUMS | WHOLE)
    try:
        checked = catalogue.check(decode_report(json.dumps(report).encode()))
    except (BodyError, ProfileError) as error:
        assert str(error)
        return
    own = samples.profile(samples.rows(4))
    held = merge(catalogue, checked.model_id, {}, own)
    merged = merge(catalogue, checked.model_id, held, checked.profile, checked.profile)
    total = profile_of(samples.reference(), (held | merged).items())
    assert total == own + checked.profile + checked.profile
    assert checked.rows == checked.profile.rows


def test_a_profile_of_another_reference_under_the_right_name_is_refused(
    catalogue: Catalogue,
) -> None:
    report = samples.report()
    report["profile"]["reference"] = "0" * 64
    with pytest.raises(ProfileError, match="another reference"):
        catalogue.check(decode_report(json.dumps(report).encode()))


def test_only_the_features_that_changed_are_written(catalogue: Catalogue) -> None:
    report = samples.report({"make": ["Saab", "Volvo"]})
    checked = catalogue.check(decode_report(json.dumps(report).encode()))
    held = merge(catalogue, checked.model_id, {}, samples.profile(samples.rows(4)))
    assert set(merge(catalogue, checked.model_id, held, checked.profile)) == {"make", SESSIONS}


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_moments_are_of_whole_sessions_however_their_reports_come(
    catalogue: Catalogue, data: st.DataObject
) -> None:
    model = catalogue.check(decode_report(json.dumps(samples.report()).encode())).model_id
    number = st.integers(0, 2)
    reports = [
        (data.draw(number), samples.profile(samples.rows(data.draw(number) + 1, seed)))
        for seed in range(data.draw(st.integers(1, 6)))
    ]
    ids = [uuid4() for _ in range(3)]
    window: dict[str, str] = {}
    kept: dict[UUID, bytes] = {}
    left = list(reports)
    while left:
        size = data.draw(st.integers(1, len(left)))
        some, left = left[:size], left[size:]
        parts = {
            ids[s]: Part(kept.get(ids[s]), [profile for t, profile in some if t == s])
            for s in {s for s, _ in some}
        }
        merged = catalogue.merge(model, window, parts)
        window |= merged.features
        kept |= merged.sessions
    sessions = [
        Profile.merge((profile for t, profile in reports if t == s), samples.reference())
        for s in {s for s, _ in reports}
    ]
    assert moments_of(samples.reference(), window) == SessionMoments.of(*sessions)


def test_a_window_begun_without_moments_gets_none(catalogue: Catalogue) -> None:
    model = catalogue.check(decode_report(json.dumps(samples.report()).encode())).model_id
    profile = samples.profile(samples.rows(4))
    held = merge(catalogue, model, {}, profile)
    del held[SESSIONS]
    assert SESSIONS not in merge(catalogue, model, held, profile)


def test_a_replaced_reference_is_read_again(catalogue: Catalogue, tmp_path: Path) -> None:
    old = samples.report()
    catalogue.check(decode_report(json.dumps(old).encode()))
    document = json.loads(samples.reference().to_json())
    document["features"] = document["features"][:2]
    storage = SQLiteStorage(tmp_path / "test.db")
    model, _ = register(storage, json.dumps(samples.manifest()), json.dumps(document))
    storage.close()
    new = samples.report(reference=model.reference_sha256)
    new["profile"]["reference"] = model.reference_sha256
    del new["profile"]["features"]["price"]
    assert catalogue.check(decode_report(json.dumps(new).encode())).rows == 5
    with pytest.raises(ProfileError, match="is not the one registered"):
        catalogue.check(decode_report(json.dumps(old).encode()))
