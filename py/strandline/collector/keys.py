"""Two kinds of key.

The ingest key is published with every page and lets it write; the admin key registers models and
reads.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass

from strandline.collector.storage import KeyKind, Storage, open_storage


@dataclass(frozen=True, slots=True)
class Keys:
    """A collector's keys. `created`: they were made just now, so they have to be shown once."""

    ingest: str
    admin: str
    created: bool


class Keyring:
    """Which keys are valid, without asking the database about those that were valid before."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: dict[KeyKind, frozenset[str]] = {}

    def allows(self, kind: KeyKind, presented: str) -> bool:
        """Whether this key is valid for this use. May block on the database."""
        if _is_one_of(presented, self._known.get(kind, frozenset())):
            return True
        self._known[kind] = self._storage.keys(kind)
        return _is_one_of(presented, self._known[kind])


def _is_one_of(presented: str, valid: Collection[str]) -> bool:
    """Compared in constant time, with every key."""
    matches = [hmac.compare_digest(presented.encode(), key.encode()) for key in valid]
    return any(matches)


def ensure_keys(storage: Storage) -> Keys:
    """The keys kept in the database, made at the first start.

    With several ingest keys, the collector's own is given.
    """
    admin = sorted(storage.keys("admin"))
    ingest = sorted(key for key in storage.keys("ingest") if key.startswith("ingest_"))
    created = not (admin and ingest)
    if not admin:
        admin = ["admin_" + secrets.token_urlsafe(32)]
        storage.add_key(admin[0], "admin")
    if not ingest:
        ingest = ["ingest_" + secrets.token_urlsafe(18)]
        storage.add_key(ingest[0], "ingest")
    return Keys(ingest[0], admin[0], created)


def read_keys(db_url: str) -> Keys:
    """The keys of the collector at this database URL; a new database is made with new keys."""
    storage = open_storage(db_url)
    try:
        return ensure_keys(storage)
    finally:
        storage.close()
