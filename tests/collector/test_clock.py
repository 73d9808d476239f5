from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.collector.clock import MAX_AGE, MAX_AHEAD, ClockError, iso, parse, place

NOW = 1_750_000_000.0
ZONES = st.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59)).map(
    lambda t: timezone(timedelta(minutes=t // timedelta(minutes=1)))
)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


@given(st.datetimes(timezones=ZONES), st.integers(1, 86_400))
def test_a_report_is_in_the_window_of_its_end_or_refused(ended: datetime, seconds: int) -> None:
    moment = (ended - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    if NOW - MAX_AGE <= moment <= NOW + MAX_AHEAD:
        placed = place(ended, NOW, seconds)
        assert placed.start % seconds == 0
        assert placed.start <= min(moment, NOW) < placed.start + seconds
        assert placed.skewed == (moment > NOW)
    else:
        with pytest.raises(ClockError):
            place(ended, NOW, seconds)


def test_a_clock_that_is_ahead_counts_as_now() -> None:
    assert place(at(3600), NOW, 60).start == place(at(0), NOW, 60).start


def test_windows_before_1970_are_floored_too() -> None:
    assert place(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), 0.0, 3600).start == -3600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2025-07-01", 1751328000),
        ("2025-07-01T09:00:00Z", 1751360400),
        ("2025-07-01T09:00:00", 1751360400),
        ("2025-07-01T11:00:00+02:00", 1751360400),
    ],
)
def test_dates_are_read_as_utc_unless_they_say_otherwise(text: str, seconds: int) -> None:
    assert parse(text) == seconds


def test_a_date_that_cannot_be_read_says_how_to_write_one() -> None:
    with pytest.raises(ClockError, match="'yesterday' is not an ISO 8601 date: write 2025-07-01"):
        parse("yesterday")


@given(st.integers(0, 4_000_000_000))
def test_what_is_written_is_read_back(seconds: int) -> None:
    assert parse(iso(seconds)) == seconds
