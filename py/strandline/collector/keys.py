"""Two kinds of key.

The ingest key is published with every page and lets it write; the admin key registers models and
reads.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from strandline.collector.storage import Storage, open_storage


@dataclass(frozen=True, slots=True)
class Keys:
    """A collector's keys. `created`: they were made just now, so they have to be shown once."""

    ingest: str
    admin: str
    created: bool


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
