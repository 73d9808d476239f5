"""What a collector tells about its windows, and that remembering changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strandline.collector import story
from strandline.collector.profiles import Entry
from strandline.collector.storage import Model, Window
from strandline.collector.story import Stories, Story
from strandline.drift import Profile
from tests.collector import samples

HOUR = 3600
ENTRY = Entry(
    Model(1, samples.NAME, samples.VERSION, samples.reference().sha256, "{}", "", 0),
    samples.reference(),
)


def windows(count: int, change: int = 10**9) -> tuple[list[Window], dict[int, Profile]]:
    """Hourly windows of 90 rows from 30 sessions; speeds are in another unit from `change` on."""
    found, profiles = [], {}
    for i in range(count):
        rows = samples.rows(90, seed=i)
        if i >= change:
            rows["speed"] = [1000 * speed for speed in rows["speed"]]
        profiles[i * HOUR] = samples.profile(rows)
        found.append(
            Window(start=i * HOUR, seconds=HOUR, rows=90, reports=30, sessions=30, features={})
        )
    return found, profiles


def tell(
    stories: Stories, shown: list[Window], profiles: dict[int, Profile]
) -> tuple[Story, list[int]]:
    read: list[int] = []

    def profile(window: Window) -> Profile:
        read.append(window.start // HOUR)
        return profiles[window.start]

    return stories.tell(ENTRY, shown, profile), read


def test_tells_what_happened_and_since_when() -> None:
    told, _ = tell(Stories(0.05), *windows(20, change=12))
    assert (told.model.kind, told.model.onset) == ("pipeline fault", "1970-01-01T12:00:00Z")
    speed = told.of("speed")
    assert speed["diagnosis"]["fault"] == "unit"
    assert speed["watch"]["since"] == "1970-01-01T12:00:00Z"
    assert told.of("make")["watch"]["since"] is None
    assert told.of("latency_ms") == {"diagnosis": None, "watch": None}


def test_a_new_window_costs_one_window_and_gives_the_same() -> None:
    shown, profiles = windows(16, change=12)
    stories = Stories(0.05)
    for count in range(1, 17):
        told, read = tell(stories, shown[:count], profiles)
        assert read == [count - 1] if count == 1 else read in ([count - 2, count - 1], [count - 1])
    assert told == tell(Stories(0.05), shown, profiles)[0]


def test_a_window_that_grew_is_told_anew() -> None:
    shown, profiles = windows(12)
    stories = Stories(0.05)
    tell(stories, shown, profiles)
    shown[3] = replace(shown[3], reports=31)
    profiles[3 * HOUR] = samples.profile(samples.rows(90, seed=99))
    told, read = tell(stories, shown, profiles)
    assert read == list(range(12))
    assert told == tell(Stories(0.05), shown, profiles)[0]


def test_a_long_history_is_told_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "MOST_PARTS", 5)
    shown, profiles = windows(12, change=6)
    told, _ = tell(Stories(0.05), shown, profiles)
    assert [int(part[11:13]) for part in told.parts] == [0, 3, 6, 9]
    assert told.of("speed")["watch"]["since"] == "1970-01-01T06:00:00Z"


def test_without_windows_there_is_nothing_to_tell() -> None:
    told, _ = tell(Stories(0.05), [], {})
    assert told.model.sentence == "cars 1: no drift in 0 windows."
    assert told.of("speed")["diagnosis"]["windows"] == 0
