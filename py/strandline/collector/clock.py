"""Which window a report belongs to, when the clock that wrote it can't be trusted.

A report is dated by its `ended`, the device's clock. A device's clock may be a little ahead: up to
a day it is, and the report counts as just received. Beyond a day, or older than 90 days, the date
means nothing, and the report goes to quarantine. The old limit is also what makes forgetting ids
safe: an id may be forgotten once a second copy of its report would be too old to be counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

MAX_AHEAD = 86_400
MAX_AGE = 90 * 86_400
MIN_RETENTION = MAX_AGE + 2 * MAX_AHEAD
HOUR = 3600

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ClockError(ValueError):
    """A date too far from now to be believed."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a report belongs: the window's start (Unix seconds), and whether the device's clock was
    ahead of ours.
    """

    start: int
    skewed: bool


def place(ended: datetime, received: float, seconds: int) -> Placed:
    """The window of `seconds` length that a report which `ended` (by the device) and was `received`
    (by us, Unix seconds) falls in.
    """
    at = (ended - _EPOCH).total_seconds()
    if at > received + MAX_AHEAD:
        raise ClockError(
            f"ended {ended.isoformat()} is more than a day ahead: the device's clock is wrong"
        )
    if at < received - MAX_AGE:
        days = MAX_AGE // 86_400
        raise ClockError(
            f"ended {ended.isoformat()} is over {days} days ago: too old to be counted"
        )
    moment = min(at, received)
    return Placed(int(moment // seconds) * seconds, at > received)


def iso(unix_seconds: float) -> str:
    """ISO 8601 UTC, whole seconds."""
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> int:
    """Unix seconds of an ISO 8601 date or moment; without a zone it is UTC. Raises `ClockError`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ClockError(
            f"{text!r} is not an ISO 8601 date: write 2025-07-01 or 2025-07-01T09:00:00Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int((moment - _EPOCH).total_seconds() // 1)
