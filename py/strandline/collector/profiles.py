"""Profiles against the registered references: the collector's door to `strandline.drift`.

A window holds one text per feature, the tally's wire form, one per feature and segment, and one of
all counters; adding them up is exact in any order, so it doesn't matter in which order reports come
or how commits group them.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from strandline.collector.envelope import Report
from strandline.collector.storage import Merged, Model, Part, Storage
from strandline.drift import Profile, Reference, Segment, SessionMoments, WireError

MAX_ROWS = 10_000_000
"""rows of one report: keeps the sum of a billion reports below 2^53"""

Key = tuple[str, str]

SEPARATOR = "\x1f"
"""between column, part and feature in the key of a segment's tally; no name has it"""
COUNTERS = SEPARATOR + "counters"
QUALITY = SEPARATOR + "quality"
WHOLE = {COUNTERS: "counters", QUALITY: "quality"}
"""keys of what a profile holds beside its features, and the members that they are"""
SESSIONS = SEPARATOR + "sessions"
"""key of the moments between a window's sessions"""
SEGMENTS = SEPARATOR + "segments"
"""key of how many of a window's sessions had rows in each segment"""


class ProfileError(ValueError):
    """A profile that can't be counted. `unregistered`: its model or reference isn't known (yet)."""

    def __init__(self, message: str, *, unregistered: bool = False) -> None:
        super().__init__(message)
        self.unregistered = unregistered


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered model with its reference, read once."""

    model: Model
    reference: Reference


@dataclass(frozen=True, slots=True)
class Checked:
    """A profile that can be merged into its model's windows."""

    model_id: int
    profile: Profile
    rows: int


def reference_of(text: str) -> Reference:
    """A reference from its JSON text. Raises `ProfileError`."""
    try:
        return Reference.from_json(text)
    except WireError as error:
        raise ProfileError(str(error)) from None


def profile_of(reference: Reference, texts: Iterable[tuple[str, str]]) -> Profile:
    """The profile that a window's (key, text) pairs hold."""
    wire: dict[str, Any] = {
        "schema": "strandline.profile/1",
        "reference": reference.sha256,
        "features": {},
    }
    for key, text in texts:
        if key in (SESSIONS, SEGMENTS):
            continue
        value = msgspec.json.decode(text)
        if key in WHOLE:
            wire[WHOLE[key]] = value
        elif SEPARATOR in key:
            column, part, name = key.split(SEPARATOR)
            parts = wire.setdefault("segments", {}).setdefault(
                column, [{} for _ in reference.segmentation(column).segments]
            )
            parts[int(part)][name] = value
        else:
            wire["features"][key] = value
    return Profile.from_wire(wire, reference)


def moments_of(reference: Reference, texts: Mapping[str, str]) -> SessionMoments | None:
    """The moments between the sessions of a window; `None` when it was begun without them."""
    text = texts.get(SESSIONS)
    return None if text is None else SessionMoments.from_wire(json.loads(text), reference)


def sessions_of(reference: Reference, texts: Mapping[str, str]) -> Counter[Segment] | None:
    """How many sessions of a window had rows in each segment; `None` when they were not counted from
    its first report on.
    """
    text = texts.get(SEGMENTS)
    if text is None:
        return None
    counts = Counter[Segment]()
    for one, numbers in zip(reference.segmentations, msgspec.json.decode(text), strict=True):
        counts.update(dict(zip(one.segments, numbers, strict=True)))
    return counts


def too_few(reference: Reference, texts: Mapping[str, str], least: int) -> frozenset[Segment]:
    """The segments of a window that must not be shown, since fewer than `least` sessions had rows in
    them, or nobody knows how many. Where one is not, the shown one of the fewest sessions goes with it:
    the whole less the segments that are shown would else be what may not be.
    """
    counts = sessions_of(reference, texts)
    seen = profile_of(reference, texts.items()).segments if counts is None else frozenset(+counts)
    hidden: set[Segment] = set()
    for segmentation in reference.segmentations:
        parts = [one for one in segmentation.segments if one in seen]
        if counts is not None:
            parts.sort(key=counts.__getitem__)
            few = sum(counts[one] < least for one in parts)
            parts = parts[: few + 1] if few else []
        hidden.update(parts)
    return frozenset(hidden)


def texts_of(profile: Profile) -> dict[str, str]:
    """The texts that a window holds for a profile: by feature, by segment and feature, counters."""
    wire = profile.to_wire()
    values: dict[str, Any] = dict(wire["features"])
    for column, parts in wire.get("segments", {}).items():
        for i, part in enumerate(parts):
            values |= {SEPARATOR.join((column, str(i), name)): one for name, one in part.items()}
    values |= {key: wire[member] for key, member in WHOLE.items() if member in wire}
    return {key: msgspec.json.encode(value).decode() for key, value in values.items()}


def _feature_of(key: str) -> str:
    """The feature whose tally a key names, or the own key of counters and quality."""
    return key if key in WHOLE else key.rpartition(SEPARATOR)[2]


class Catalogue:
    """The registered models and their references, read from the storage when first asked for."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._by_key: dict[Key, Entry] = {}
        self._by_id: dict[int, Entry] = {}

    def entry(self, model: Model) -> Entry:
        """The entry of a model that the storage gave."""
        with self._lock:
            known = self._by_id.get(model.id)
            if known is not None and known.model == model:
                return known
        entry = Entry(model, reference_of(model.reference))
        with self._lock:
            self._by_key[model.name, model.version] = entry
            self._by_id[model.id] = entry
        return entry

    def find(self, name: str, version: str) -> Entry | None:
        """The entry of a registered version, or `None`."""
        with self._lock:
            known = self._by_key.get((name, version))
        if known is not None:
            return known
        model = self._storage.model(name, version)
        return None if model is None else self.entry(model)

    def forget(self, name: str, version: str) -> None:
        """Read a version again when it is next asked for."""
        with self._lock:
            self._by_key.pop((name, version), None)

    def key(self, model_id: int) -> Key:
        """(name, version) of a model that was found before."""
        model = self._by_id[model_id].model
        return model.name, model.version

    def check(self, report: Report) -> Checked:
        """The report's profile, checked against its registered reference. Raises `ProfileError`."""
        entry = self.find(report.model, report.version)
        if entry is not None and entry.reference.sha256 != report.reference:
            self.forget(report.model, report.version)
            entry = self.find(report.model, report.version)
        if entry is None:
            raise ProfileError(
                f"model {report.model} {report.version} is not registered: "
                "start the collector with its site, or POST it to /v1/models",
                unregistered=True,
            )
        if entry.reference.sha256 != report.reference:
            raise ProfileError(
                f"reference {report.reference[:12]}… is not the one registered for {report.model} "
                f"{report.version}, {entry.reference.sha256[:12]}…: new data need a new version",
                unregistered=True,
            )
        try:
            profile = Profile.from_wire(report.profile, entry.reference)
        except WireError as error:
            raise ProfileError(f"profile: {error}") from None
        if max((profile[name].rows for name in profile), default=0) > MAX_ROWS:
            raise ProfileError(f"profile: more than {MAX_ROWS} rows in one report")
        if max(profile.counters.values(), default=0) > MAX_ROWS:
            raise ProfileError(f"profile: a counter goes up by more than {MAX_ROWS} in one report")
        if profile.quality is not None and profile.quality.most_rows > MAX_ROWS:
            raise ProfileError(f"profile: more than {MAX_ROWS} labels in one report")
        return Checked(entry.model.id, profile, profile.rows)

    def merge(self, model_id: int, held: Mapping[str, str], parts: Mapping[UUID, Part]) -> Merged:
        """What a window holds once these profiles are in it; only what changed.

        The moments between sessions are kept from a window's first report on: those of its later
        ones alone would be wrong.
        """
        reference = self._by_id[model_id].reference
        fresh = Profile.merge(
            (profile for part in parts.values() for profile in part.profiles), reference
        )
        touched = {_feature_of(key) for key in texts_of(fresh)}
        # A feature's segments are read with it: they add up to the whole, or the window is spoilt.
        changed = [(key, text) for key, text in held.items() if _feature_of(key) in touched]
        merged = texts_of(profile_of(reference, changed) + fresh)
        features = {key: text for key, text in merged.items() if held.get(key) != text}
        moments = moments_of(reference, held) if held else SessionMoments(reference, {})
        if moments is None:
            return Merged(features, {})
        counts = sessions_of(reference, held) if held else Counter[Segment]()
        sessions: dict[UUID, bytes] = {}
        for session, part in parts.items():
            before = _kept(reference, part.held)
            after = Profile.merge(
                part.profiles if before is None else (before, *part.profiles), reference
            )
            moments = moments.moved(before, after)
            if counts is not None and not part.settled:
                counts.update(after.segments - (before.segments if before else frozenset()))
            sessions[session] = zlib.compress(msgspec.json.encode(after.to_wire()), 1)
        features[SESSIONS] = json.dumps(moments.to_wire(), separators=(",", ":"))  # beyond 64 bits
        if counts is not None and reference.segmentations:
            numbers = [[counts[part] for part in one.segments] for one in reference.segmentations]
            features[SEGMENTS] = msgspec.json.encode(numbers).decode()
        return Merged(features, sessions)


def _kept(reference: Reference, held: bytes | None) -> Profile | None:
    """What `merge` kept of a session."""
    if held is None:
        return None
    return Profile.from_wire(msgspec.json.decode(zlib.decompress(held)), reference)
