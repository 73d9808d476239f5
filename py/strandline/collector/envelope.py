"""What a page posts: the envelope, decoded and checked in one pass.

The structs follow the JSON Schema that `drift` publishes; a test holds the two equal. Each report
stays raw until it is decoded on its own, so one bad report spoils no other.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

MAX_REPORTS = 100

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Version = Annotated[str, Meta(min_length=1, max_length=100)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Uuid = Annotated[
    str, Meta(pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
]
Moment = Annotated[
    str,
    Meta(
        pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?Z$",
    ),
]


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One session's profile of one window of its predictions, with where it belongs."""

    schema: Literal["strandline.report/1"]
    id: Uuid
    model: Name
    version: Version
    reference: Sha256
    session: Uuid
    seq: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    started: Moment
    ended: Moment
    profile: dict[str, Any]

    def ended_at(self) -> datetime:
        """The device's date of the report. Raises `BodyError`."""
        try:
            return datetime.fromisoformat(self.ended)
        except ValueError as error:
            raise BodyError(f"ended: {error}") from None


class Post(msgspec.Struct, frozen=True):
    """The body of `POST /v1/profiles`."""

    key: Annotated[str, Meta(max_length=200)]
    reports: list[msgspec.Raw]


class _Identity(msgspec.Struct, frozen=True):
    """As much of a bad report as can be read, to say which one it was."""

    id: Any = None
    model: Any = None
    version: Any = None


class BodyError(ValueError):
    """A body that can't be read at all."""


_post = msgspec.json.Decoder(Post)
_report = msgspec.json.Decoder(Report)
_identity = msgspec.json.Decoder(_Identity)


def decode_post(body: bytes) -> Post:
    """The envelope; its reports are still raw. Raises `BodyError`."""
    try:
        return _post.decode(body)
    except RecursionError:
        raise BodyError("the JSON is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyError(f"the body is not a post of profiles: {error}") from None


def decode_report(raw: bytes) -> Report:
    """One report. Raises `BodyError`."""
    try:
        return _report.decode(raw)
    except RecursionError:
        raise BodyError("the report is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyError(str(error)) from None


def identify(raw: bytes) -> tuple[UUID | None, str | None, str | None]:
    """(id, model, version) of a report that failed to decode, as far as they can be read."""
    try:
        found = _identity.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, None, None
    try:
        id_ = UUID(found.id) if isinstance(found.id, str) else None
    except ValueError:
        id_ = None
    return id_, _short(found.model), _short(found.version)


def _short(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) else None


def content_hash(raw: bytes) -> bytes:
    """SHA-256 of a report's content: equal for the same JSON value, however its keys are ordered
    and spaced.
    """
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # What is not JSON that can be rewritten is known by its bytes.
        raw = msgspec.json.encode(msgspec.json.decode(raw), order="sorted")
    return hashlib.sha256(raw).digest()
